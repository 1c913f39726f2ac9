"""Parts of an image that the user points at: what is on screen, or inside shapes."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers.place import Region, box_of, pixels_of

if TYPE_CHECKING:
    import napari
    from napari.layers import Shapes

    from napari_unet_studio.layers.source import Source

_FLAT = 1e-3  # pixels: shapes that differ less along an axis lie in one plane of it


def shapes_region(source: "Source", shapes: "Shapes") -> Region:
    """Return the box around all shapes of a layer, in pixels of an image.

    Along time and z, shapes drawn in one plane stand for all planes, and shapes drawn
    in several for those between the first and the last.

    Parameters
    ----------
    source
        The image.
    shapes
        The layer; it may lie anywhere, turned against the image, and have other axes.

    Raises
    ------
    InputError
        If there are no shapes, or all are outside the image.
    """
    if not len(shapes.data):
        raise InputError(
            f"The layer {shapes.name!r} has no shapes; draw one around the part of "
            f"{source.name!r} to use."
        )
    corners = np.concatenate([np.asarray(shape, float) for shape in shapes.data])
    world = np.array([shapes.data_to_world(tuple(corner)) for corner in corners])
    points = _image_pixels(source, world)
    reach = np.ptp(points, axis=0)
    shape = source.shape
    for axis in range(len(shape)):
        absent = -source.world_axes[axis] > world.shape[1]
        if absent or (axis < len(shape) - 2 and reach[axis] < _FLAT):
            points[:, axis] = 0
            points[0, axis] = shape[axis] - 1
    region = box_of(points, shape)
    if region is None:
        raise InputError(
            f"The shapes of {shapes.name!r} are all outside the image "
            f"{source.name!r}; move them onto it."
        )
    return region


def visible_region(
    viewer: "napari.Viewer", source: "Source", ndim: int
) -> Region | None:
    """Return the part of an image that is on screen; None if nothing of it is.

    Of the axes that have a slider it is the position of the slider; a 3D network gets
    all sections.

    Parameters
    ----------
    viewer
        A viewer that shows a plane.
    source
        The image.
    ndim
        Spatial axes of the network.

    Raises
    ------
    InputError
        If the viewer shows a volume or a grid, where every layer is seen otherwise.
    """
    canvas = getattr(viewer, "canvas", viewer)
    if viewer.dims.ndisplay != 2 or canvas.grid.enabled:
        what = "in 3D" if viewer.dims.ndisplay != 2 else "as a grid"
        raise InputError(
            f"The viewer shows the layers {what}, where the field of view is no part "
            "of the image; go back to one plane, or choose another region."
        )
    points = _image_pixels(source, _canvas_corners(viewer))
    if ndim == 3 and "Z" in source.axes:
        axis = source.axes.index("Z")
        points[:, axis] = 0
        points[0, axis] = source.shape[axis] - 1
    return box_of(points, source.shape)


def _canvas_corners(viewer: Any) -> NDArray[np.float64]:
    """Return the corners of the canvas in the world, (4, axes of the viewer)."""
    camera = getattr(viewer, "scene", viewer).camera
    sides = viewer.canvas.size if hasattr(viewer, "canvas") else viewer._canvas_size
    reach = np.asarray(sides, float) / camera.zoom / 2
    corners = np.tile(np.asarray(viewer.dims.point, float), (4, 1))
    signs = np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
    rows_and_columns = list(viewer.dims.displayed)
    corners[:, rows_and_columns] = np.asarray(camera.center[-2:]) + signs * reach
    return corners


def _image_pixels(source: "Source", world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points of the world in pixels of the image, without its channels."""
    points = np.zeros((len(world), len(source.world_axes)))
    for number, axis in enumerate(source.world_axes):
        if -axis <= world.shape[1]:
            points[:, number] = world[:, axis]
    return pixels_of(source.spatial, points)
