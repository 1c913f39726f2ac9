"""Images and results of a batch in the viewer."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, ref

import napari.viewer
from napari.layers import Layer

from napari_unet_studio.io.image_file import ImageFile, described
from napari_unet_studio.io.images import is_in_zarr, read_image
from napari_unet_studio.io.zarr_images import read_offsets
from napari_unet_studio.layers import (
    METADATA_KEY,
    LayerTuple,
    Source,
    add_tuples,
)
from napari_unet_studio.layers.stored import file_tuples, levels_of
from napari_unet_studio.widgets._batch.reading import Stated

if TYPE_CHECKING:
    from napari_unet_studio.tasks.batch import Outcome

_COLOURS = (3, 4)  # channels that can be colours


class Opened:
    """Puts images and results into the viewer, each of them once.

    Parameters
    ----------
    viewer
        The viewer.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        self._viewer = viewer
        self._known: dict[Hashable, list[ReferenceType[Layer]]] = {}

    def image(self, path: Path, stated: Stated) -> list[Layer]:
        """Open an image, or return its layers if they are there.

        Raises
        ------
        StorageError, InputError
            If it cannot be read.
        """
        # The same file lies elsewhere once other axes or another pixel size are stated.
        key = (*_stamp(path), stated._replace(channel=None))
        return self._find(key) or self._add(key, image_tuples(path, stated))

    def result(
        self, outcome: "Outcome", provenance: Mapping[str, Any], source: Source | None
    ) -> list[Layer]:
        """Open the labels of an image, or return their layer if it is there.

        Parameters
        ----------
        outcome
            Of the image; there are labels.
        provenance
            What made them.
        source
            The image, if it is a layer: the labels lie on it.

        Raises
        ------
        StorageError, InputError
            If they cannot be read.
        """
        path = outcome.labels
        assert path is not None
        key = _stamp(path)
        return self._find(key) or self._add(
            key, label_tuples(path, outcome, provenance, source)
        )

    def show(self, layers: Sequence[Layer]) -> None:
        """Show layers and select the last one."""
        for layer in layers:
            layer.visible = True
        if layers:
            self._viewer.layers.selection = {layers[-1]}

    def _find(self, key: Hashable) -> list[Layer]:
        """Return the layers of a file, if it is as it was when they were opened."""
        found = [layer() for layer in self._known.get(key, [])]
        return [x for x in found if x is not None and x in self._viewer.layers]

    def _add(self, key: Hashable, tuples: Sequence[LayerTuple]) -> list[Layer]:
        before = list(self._viewer.layers)
        add_tuples(self._viewer, tuples)
        # Not what that returns: a wrapper, and a list of them for channels.
        added = [layer for layer in self._viewer.layers if layer not in before]
        self._known[key] = [ref(layer) for layer in added]
        return added


def image_tuples(path: Path, stated: Stated) -> list[LayerTuple]:
    """Return the layers of an image file, with what the user says of it.

    Raises
    ------
    StorageError, InputError
        If it cannot be read.
    """
    if is_in_zarr(path) and stated == Stated():
        return [layer for layer in file_tuples(path) if layer[2] == "image"]
    found = described(read_image(path), stated.axes, stated.spacing, stated.unit)
    options: dict[str, Any] = {"name": path.stem, "rgb": False, **place_of(found, path)}
    axis, array = found.channel_axis, found.array
    if axis is not None:
        colours = array.dtype == "uint8" and array.shape[axis] in _COLOURS
        if colours and axis == array.ndim - 1:
            options["rgb"] = True
        else:
            options["channel_axis"] = axis
            count = int(array.shape[axis])
            options["name"] = [f"{path.stem} {number}" for number in range(count)]
    return [(array, options, "image")]


def label_tuples(
    path: Path,
    outcome: "Outcome",
    provenance: Mapping[str, Any],
    source: Source | None,
) -> list[LayerTuple]:
    """Return the layer of the labels in a file or a store.

    Parameters
    ----------
    path
        A label image, or one in a store.
    outcome
        Of the image.
    provenance
        What made them.
    source
        The image, if it is a layer.
    """
    name = outcome.name
    title = f"{name} [{provenance['model']}] labels"
    made = {METADATA_KEY: {"source": name, **provenance, "path": str(path)}}
    levels, found = levels_of(path)
    image = Path(outcome.image)
    image = image if image.is_absolute() else path  # of a layer that is gone: a name
    place = place_of(found, image) if source is None else source.of(None)
    looks = {"name": title, "metadata": made, "opacity": 0.5}
    if len(levels) > 1:
        return [(levels, {**place, **looks, "multiscale": True}, "labels")]
    return [(levels[0], {**place, **looks}, "labels")]


def place_of(found: ImageFile, image: Path) -> dict[str, Any]:
    """Return pixel size, place, units and names of the axes but the channels.

    Parameters
    ----------
    found
        An image, or labels on its pixels.
    image
        The file of the image, which may say where its first pixel lies.
    """
    spatial = sum(axis in "ZYX" for axis in found.axes)
    rest = len(found.axes) - spatial
    unit = "um" if found.unit == "um" else "pixel"
    scale = (1.0,) * rest + tuple(found.spacing or (1.0,) * spatial)
    offsets = read_offsets(image) if is_in_zarr(image) else {}
    starts = [offsets.get(axis, 0.0) if axis != "T" else 0.0 for axis in found.axes]
    return {
        "scale": scale,
        "translate": tuple(a * b for a, b in zip(starts, scale, strict=True)),
        "units": ("pixel",) * rest + (unit,) * spatial,
        "axis_labels": tuple(axis.lower() for axis in found.axes),
    }


def _stamp(path: Path) -> tuple[Path, int]:
    try:
        return path, path.stat().st_mtime_ns
    except OSError:
        return path, 0
