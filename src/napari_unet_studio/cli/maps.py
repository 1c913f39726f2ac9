"""Weight maps and elastic deformation of files."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.cli.files import (
    Place,
    check_writable,
    read_label_file,
    refuse_existing,
)
from napari_unet_studio.core.axes import Frames, spatial_ndim
from napari_unet_studio.core.deform import (
    DeformConfig,
    check_deformable,
    deform_channels,
)
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.weights import (
    balanced,
    class_counts,
    separation_weights,
)
from napari_unet_studio.io.guard import writing
from napari_unet_studio.io.image_file import described
from napari_unet_studio.io.images import read_image, write_tiff

_OUTSIDE = -1  # id of ignored pixels where pieces get ids of their own


def write_weights(
    labels: Path,
    out: Path,
    settings: Mapping[str, Any],
    overwrite: bool,
    planes: bool = False,
    connected: bool = False,
    place: Place = (None, None, None),
) -> dict[str, Any]:
    """Write the weight map of a label file; time points one by one.

    Parameters
    ----------
    settings
        Of :func:`.separation_weights`, by name.
    planes
        The planes of a stack one by one too.
    connected
        Take connected pieces as the objects instead of ids.
    place
        What is said of the labels instead of their file.

    Raises
    ------
    InputError
        If `out` cannot be the result's place, or the labels have channels or hold no
        object.
    StorageError
        If a file cannot be read or written.
    """
    _check_place(out, overwrite, labels)
    return weigh(labels, out, settings, planes, connected, place)


def weigh(
    labels: Path,
    out: Path,
    settings: Mapping[str, Any],
    planes: bool = False,
    connected: bool = False,
    place: Place = (None, None, None),
) -> dict[str, Any]:
    """Do the work of :func:`write_weights`, whatever is at `out`."""
    image = read_label_file(labels, *place)
    ignore = settings["ignore"]
    if not ((image.array != 0) & (image.array != ignore)).any():
        raise InputError(
            f"{labels} holds no objects, every pixel is 0 or ignored; choose labels "
            "with a number for each object."
        )
    ndim = 2 if planes else spatial_ndim(image.axes)
    spacing = None if image.spacing is None else image.spacing[-ndim:]
    options = {**settings, "spacing": spacing}
    if connected and ignore is not None:
        options["ignore"] = _OUTSIDE
    indices = list(np.ndindex(image.array.shape[: image.array.ndim - ndim]))

    def objects(index: tuple[int, ...]) -> NDArray[Any]:
        frame = np.asarray(image.array[index])
        return _pieces(frame, ignore) if connected else frame

    if settings["balance"] == "global":
        options["balance"] = "image"
        if settings["preset"] != "2019":  # it has a balance of its own
            asked = {name: options[name] for name in ("gap", "ignore", "classes")}
            counts = [class_counts(objects(index), **asked) for index in indices]
            options["balance"] = balanced(np.sum(counts, axis=0))
    found = np.empty(image.array.shape, np.float32)
    for index in indices:
        found[index] = separation_weights(objects(index), **options)
    write_tiff(out, found, image.axes, image.spacing, image.unit)
    return {"weights": str(out), "largest": float(found.max(initial=0))}


def _pieces(frame: NDArray[Any], ignore: int | None) -> NDArray[np.int32]:
    """Number what hangs together, face to face, and has one value."""
    from skimage.measure import label

    ignored = np.zeros(frame.shape, bool) if ignore is None else frame == ignore
    ids: NDArray[np.int32] = label(
        np.where(ignored, frame.dtype.type(0), frame), connectivity=1
    ).astype(np.int32)
    ids[ignored] = _OUTSIDE
    return ids


def write_deformed(
    image: Path,
    labels: Path | None,
    weights: Path | None,
    out: Path,
    config: DeformConfig,
    overwrite: bool,
    planes: bool = False,
    place: Place = (None, None, None),
) -> dict[str, Any]:
    """Deform an image file, its labels and its weight map; all time points alike.

    Labels and weight map go to files beside `out`, their names end in "-labels" and
    "-weights".

    Parameters
    ----------
    planes
        Deform the planes of a stack one by one, all alike.
    place
        What is said of the image instead of its file.

    Raises
    ------
    InputError
        If `out` cannot be the result's place, or labels or weight map are of another
        image.
    StorageError
        If a file cannot be read or written.
    """
    given = {"labels": labels, "weights": weights}
    places = {
        name: out.with_name(f"{out.stem}-{name}.tif")
        for name, path in given.items()
        if path is not None
    }
    for each in (out, *places.values()):
        _check_place(each, overwrite, image, labels, weights)
    along = {name: path for name, path in given.items() if path is not None}
    places = {"image": out, **places}
    # All of them or none: labels without their image would be in the way, or belong to
    # another deformation than the image that is there.
    with (
        writing(out),
        TemporaryDirectory(prefix=f".{out.name[:40]}.", dir=out.parent) as folder,
    ):
        staged = {name: Path(folder, path.name) for name, path in places.items()}
        deform_file(image, along, staged, config, planes, place)
        for name, path in places.items():
            staged[name].replace(path)
    return {name: str(path) for name, path in places.items()}


def deform_file(
    image: Path,
    along: Mapping[str, Path],
    places: Mapping[str, Path],
    config: DeformConfig,
    planes: bool = False,
    place: Place = (None, None, None),
) -> dict[str, Any]:
    """Do the work of :func:`write_deformed`, whatever is at the places.

    Parameters
    ----------
    along
        The "labels" and the "weights", as far as there are any.
    places
        Where these, and the "image", are written.
    """
    labels, weights = along.get("labels"), along.get("weights")
    read = described(read_image(image), *place)
    ndim = 2 if planes else spatial_ndim(read.axes)
    frames = Frames.of(read.array, ndim, read.axes, read.channel_axis)
    shape = (*frames.leading, *frames.shape)
    ids = None if labels is None else _read_along(labels, "labels", shape)
    weight_map = None if weights is None else _read_along(weights, "weights", shape)
    moved = np.empty(frames.array.shape, frames.array.dtype)
    others = {
        name: np.empty_like(array)
        for name, array in (("labels", ids), ("weights", weight_map))
        if array is not None
    }
    spacing = None if read.spacing is None else read.spacing[-ndim:]
    options: dict[str, Any] = {**config.to_dict(), "spacing": spacing}
    for index, frame in frames:
        pixels = np.asarray(frame)
        check_deformable(pixels)
        found = deform_channels(
            pixels,
            None if ids is None else ids[index],
            weight_map=None if weight_map is None else weight_map[index],
            **options,
        )
        moved[index] = found.images
        if found.labels is not None:
            others["labels"][index] = found.labels
        if found.weight_map is not None:
            others["weights"][index] = found.weight_map
    for name, array in others.items():
        write_tiff(places[name], array, read.axes, read.spacing, read.unit)
    leading = len(frames.leading)
    axes = f"{read.axes[:leading]}C{read.axes[leading:]}"
    if read.channel_axis is None:
        moved, axes = moved.reshape(shape), read.axes
    elif read.channel_axis in (-1, len(read.axes)) and frames.channels in (3, 4):
        moved, axes = np.moveaxis(moved, leading, -1), read.axes + "S"
    write_tiff(places["image"], moved, axes, read.spacing, read.unit)
    return {name: str(path) for name, path in places.items()}


def _read_along(path: Path, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Read the labels or the weights of an image of this shape."""
    array: NDArray[Any] = read_label_file(path).array
    if array.shape != shape:
        raise InputError(
            f"The {name} have shape {array.shape} and the image {shape}; choose {name} "
            "of this image."
        )
    return array


def _check_place(out: Path, overwrite: bool, *inputs: Path | None) -> None:
    """See before the work that a TIFF can be written there, and replaces no input."""
    for path in inputs:
        if path is not None and not path.exists():
            raise InputError(f"{path} does not exist; check the path.")
    if out.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(
            f"{out} does not end in .tif, but the result is a TIFF; choose such a name "
            "with --out."
        )
    refuse_existing(out, overwrite, [path.resolve() for path in inputs if path])
    check_writable(out)
