"""Label files, and images and classes beside them, into a table of objects."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_unet_studio.cli.files import (
    Place,
    check_writable,
    parse_channel,
    refuse_existing,
)
from napari_unet_studio.core.axes import spatial_ndim
from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.measure import MeasureConfig
from napari_unet_studio.tasks.progress import Progress, run

if TYPE_CHECKING:
    from napari_unet_studio.io.images import ImageFile


class Intensity(NamedTuple):
    """An image, or a folder of images, that intensities are taken of.

    Parameters
    ----------
    path
        Where.
    name
        Of its columns; "" takes one that tells the images apart.
    channel
        The one that is taken; None takes all, each with columns of its own.
    """

    path: Path
    name: str = ""
    channel: Channel | None = None


def intensities(
    images: Sequence[Path], names: Sequence[str], channels: Sequence[str]
) -> list[Intensity]:
    """Return the images with what belongs to each.

    Raises
    ------
    InputError
        If there are not as many names or channels as images.
    """
    for option, given in (("--name", names), ("--channel", channels)):
        if given and len(given) != len(images):
            raise InputError(
                f"{option} is given {len(given)} times but --image {len(images)} "
                f"times; give {option} once for each --image, or not at all."
            )
    chosen = [None if word == "all" else parse_channel(word) for word in channels]
    whole = chosen or [None] * len(images)
    titles = names or ([""] if len(images) == 1 else _stems(images))
    found = map(Intensity, images, titles, whole)
    return list(found)


def measure_files(
    labels: Sequence[Path],
    out: Path,
    config: MeasureConfig,
    images: Sequence[Intensity] = (),
    classes: Path | None = None,
    place: Place = (None, None, None),
    overwrite: bool = False,
    report: Callable[[Progress], object] | None = None,
) -> dict[str, Any]:
    """Write the table of one file, or of all files in a folder; returns a summary.

    Parameters
    ----------
    labels
        Files, folders and patterns. Of an OME-Zarr image with a label image inside,
        that one counts; it is told in the summary.
    images, classes
        Files; or, of several labels, folders or patterns with files of the same stems.
    out
        The table. Of several files it has a column "file": their names, or their paths
        where several have one name.
    place
        Of the labels; None takes what their files say. A pixel size that these do not
        state is that of the first images.
    overwrite
        Whether a file at `out` may be replaced; never one of those that are read.
    report
        Called with the progress of each file.

    Raises
    ------
    InputError
        If files do not belong together, or their tables have different columns or
        units.
    StorageError
        If a file cannot be read or written.
    """
    from napari_unet_studio.io.folders import find_images
    from napari_unet_studio.io.label_images import labels_in
    from napari_unet_studio.io.pairs import are_several
    from napari_unet_studio.tasks.measure import ObjectTable

    if out.suffix.lower() != ".csv":
        raise InputError(
            f"{out} does not end in .csv, but the result is a table; choose such a "
            "name with --out."
        )
    files = find_images(labels)
    sources = {path: labels_in(path) for path in files}
    others = [*(image.path for image in images), *filter(None, [classes])]
    beside = [_beside(labels, each) for each in others]
    taken = [
        path.resolve()
        for group in (files, *(b.values() for b in beside))
        for path in group
    ]
    refuse_existing(out, overwrite, taken)
    check_writable(out)
    tables: dict[Path, ObjectTable] = {}
    for path in files:
        of_file = [group[path] for group in beside]
        kinds = of_file.pop() if classes is not None else None
        try:
            task = _task(
                sources[path],
                [i._replace(path=p) for i, p in zip(images, of_file, strict=True)],
                kinds,
                config,
                place,
            )
            table = run(task, report)
        except InputError as error:
            raise InputError(f"{path.name}: {error}") from error
        assert table is not None  # nobody stopped it
        tables[path] = table
    first = tables[files[0]]
    for path, table in tables.items():
        if list(table) != list(first) or table.units != first.units:
            raise InputError(
                f"{path.name} and {files[0].name} have other axes, channels or units, "
                "which one table cannot hold; measure them apart, or give --spacing."
            )
    columns: dict[str, Any] = {
        name: np.concatenate([table[name] for table in tables.values()])
        for name in first
    }
    if are_several(labels):
        names_of = [path.name for path in tables]
        if len(set(names_of)) < len(names_of):  # of several folders
            names_of = [path.as_posix() for path in tables]
        column = np.repeat(names_of, [len(table) for table in tables.values()])
        columns = {"file": column, **columns}
    whole = ObjectTable(columns, first.unit)
    whole.to_csv(out)
    summary = {name.replace(" ", "_"): value for name, value in whole.summary().items()}
    inside = [str(source) for path, source in sources.items() if source != path]
    told = {"labels": inside} if inside else {}
    return {"table": str(out), "files": len(files), **told, **summary}


def _beside(labels: Sequence[Path], other: Path) -> dict[Path, Path]:
    from napari_unet_studio.io.pairs import are_several, find_pairs

    if are_several(labels) != are_several([other]):
        named = labels[0] if len(labels) == 1 else f"{len(labels)} files"
        raise InputError(
            f"One of {named} and {other} is a folder and the other a file; give two "
            "files or two folders."
        )
    return dict(find_pairs(labels, other))


def _stems(images: Sequence[Path]) -> list[str]:
    """Return what the columns of several images are called."""
    names = [path.stem for path in images]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"Two images are called {name!r}, so their columns could not be told "
                "apart; rename one, or give each a --name."
            )
    return names


def _task(
    path: Path,
    images: Sequence[Intensity],
    classes: Path | None,
    config: MeasureConfig,
    place: Place,
) -> Any:
    """Return the task that measures a file."""
    from napari_unet_studio.io.image_file import described
    from napari_unet_studio.io.images import read_image, read_label_array
    from napari_unet_studio.io.label_images import labels_in
    from napari_unet_studio.tasks.measure import measure

    found = described(read_image(path), *place)
    if found.channel_axis is not None:
        raise InputError("it has channels; labels are one number per pixel.")
    known, unit = found.spacing, found.unit
    beside: dict[str, Any] = {}
    for image in images:
        read = read_image(image.path)
        if known is None and read.spacing is not None:
            known, unit = read.spacing[-spatial_ndim(found.axes) :], "um"
        beside |= _columns(image, read, tuple(found.array.shape))
    return measure(
        found.array,
        beside,
        config,
        axes=found.axes,
        spacing=known,
        unit="" if unit == "none" else unit,
        classes=None if classes is None else read_label_array(labels_in(classes)),
    )


def _columns(
    image: Intensity, read: "ImageFile", shape: tuple[int, ...]
) -> dict[str, Any]:
    """Return the channels of an image that are measured, by name.

    Parameters
    ----------
    image, read
        The image, and what is in its file.
    shape
        Of the labels: an axis that they lack can only be the channels.
    """
    from napari_unet_studio.core.channels import pick_channel

    axis, sides = read.channel_axis, tuple(read.array.shape)
    if axis is None and image.channel is not None and len(sides) == len(shape) + 1:
        lacking = [n for n in range(len(sides)) if sides[:n] + sides[n + 1 :] == shape]
        axis = lacking[0] if len(lacking) == 1 else None
    if image.channel is not None and axis is not None:
        name = image.name or f"channel {image.channel}"
        return {name: pick_channel(read.array, axis, image.channel)}
    if image.channel not in (None, 0, "grey"):
        raise InputError(
            f"{image.path} has a single channel and no channel {image.channel}; choose "
            "0, or leave --channel out."
        )
    if axis is None:
        return {image.name or "intensity": read.array}
    names = [f"{image.name or 'channel'} {n}" for n in range(read.array.shape[axis])]
    return {n: pick_channel(read.array, axis, i) for i, n in enumerate(names)}
