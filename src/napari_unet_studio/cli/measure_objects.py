"""``unet-studio measure``: a table of the objects in label files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from napari_unet_studio.cli import console
from napari_unet_studio.cli.files import check_writable, refuse_existing
from napari_unet_studio.cli.options import with_config
from napari_unet_studio.core.axes import spatial_ndim
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.measure import MeasureConfig
from napari_unet_studio.tasks.progress import Progress, run


@with_config(MeasureConfig)
def measure(
    config: MeasureConfig,
    labels: Annotated[
        Path,
        typer.Argument(
            help="Labels: a file, a zarr store or a folder of files. Of an OME-Zarr "
            "image, the labels inside it."
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="CSV file for the table.")
    ] = Path("objects.csv"),
    image: Annotated[
        list[Path] | None,
        typer.Option(
            help="Image to take intensities of; of a folder of labels, a folder with "
            "images of the same names. May be given several times."
        ),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(help="Image of classes, or a folder of such images."),
    ] = None,
    spacing: Annotated[
        str | None,
        typer.Option(
            help="Size of a pixel in micrometres, such as 2,0.5,0.5 along z, y and x; "
            "by default what the files say."
        ),
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(
            help="Axes of the labels, such as TYX; by default as in the file."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a table there.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON.")
    ] = False,
) -> None:
    """Measure size, place, shape, intensity and neighbours of all objects."""
    with console.progress_bar("Measuring") as report:
        found = measure_files(
            labels,
            out,
            config,
            image or [],
            classes,
            parse_spacing(spacing),
            axes,
            overwrite,
            report,
        )
    console.show(found, json)


def parse_spacing(text: str | None) -> tuple[float, ...] | None:
    """Read sizes of a pixel, such as "2,0.5,0.5".

    Raises
    ------
    InputError
        If it is no list of numbers.

    Examples
    --------
    >>> parse_spacing("2, 0.5,0.5")
    (2.0, 0.5, 0.5)
    """
    if text is None:
        return None
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError:
        raise InputError(
            f"The spacing is {text!r}; give numbers with commas between, such as "
            "0.5,0.5."
        ) from None


def measure_files(
    labels: Path,
    out: Path,
    config: MeasureConfig,
    images: Sequence[Path] = (),
    classes: Path | None = None,
    spacing: Sequence[float] | None = None,
    axes: str | None = None,
    overwrite: bool = False,
    report: Callable[[Progress], object] | None = None,
) -> dict[str, Any]:
    """Write the table of one file, or of all files in a folder; returns a summary.

    Parameters
    ----------
    labels, images, classes
        Files; or folders, with files of the same stems. Of an OME-Zarr image with a
        label image inside, that one counts as labels and classes; it is told in the
        summary.
    out
        The table. Of a folder it has a column "file".
    spacing
        Size of a pixel in micrometres; None takes that of the labels' files, or else of
        the first images'.
    axes
        Of the labels; None takes those of the files.
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
    from napari_unet_studio.io.folders import find_images, is_folder
    from napari_unet_studio.io.label_images import labels_in
    from napari_unet_studio.tasks.measure import ObjectTable

    if out.suffix.lower() != ".csv":
        raise InputError(
            f"{out} does not end in .csv, but the result is a table; choose such a "
            "name with --out."
        )
    files = find_images([labels])
    sources = {path: labels_in(path) for path in files}
    beside = [_beside(labels, each) for each in (*images, *filter(None, [classes]))]
    taken = [
        path.resolve()
        for group in (files, *(b.values() for b in beside))
        for path in group
    ]
    refuse_existing(out, overwrite, taken)
    check_writable(out)
    names = _names(images)
    tables: dict[Path, ObjectTable] = {}
    for path in files:
        of_file = [group[path] for group in beside]
        kinds = of_file.pop() if classes is not None else None
        try:
            task = _task(
                sources[path],
                dict(zip(names, of_file, strict=True)),
                kinds,
                config,
                spacing,
                axes,
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
    if is_folder(labels):
        names_of = [path.name for path in tables]
        column = np.repeat(names_of, [len(table) for table in tables.values()])
        columns = {"file": column, **columns}
    whole = ObjectTable(columns, first.unit)
    whole.to_csv(out)
    summary = {name.replace(" ", "_"): value for name, value in whole.summary().items()}
    inside = [str(source) for path, source in sources.items() if source != path]
    told = {"labels": inside} if inside else {}
    return {"table": str(out), "files": len(files), **told, **summary}


def _beside(labels: Path, other: Path) -> dict[Path, Path]:
    from napari_unet_studio.io.folders import find_pairs, is_folder

    if is_folder(labels) != is_folder(other):
        raise InputError(
            f"One of {labels} and {other} is a folder and the other a file; give two "
            "files or two folders."
        )
    return dict(find_pairs(labels, other))


def _names(images: Sequence[Path]) -> list[str]:
    """Return what the columns of images are called."""
    if len(images) < 2:
        return ["intensity"] * len(images)
    names = [path.stem for path in images]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"Two images are called {name!r}, so their columns could not be told "
                "apart; rename one."
            )
    return names


def _task(
    path: Path,
    images: Mapping[str, Path],
    classes: Path | None,
    config: MeasureConfig,
    spacing: Sequence[float] | None,
    axes: str | None,
) -> Any:
    """Return the task that measures a file."""
    from napari_unet_studio.core.channels import pick_channel
    from napari_unet_studio.io.images import read_image, read_label_array
    from napari_unet_studio.io.label_images import labels_in
    from napari_unet_studio.tasks.measure import measure

    found = read_image(path)
    if found.channel_axis is not None:
        raise InputError("it has channels; labels are one number per pixel.")
    axes = (axes or found.axes).upper()
    known = found.spacing
    intensities: dict[str, Any] = {}
    for name, file in images.items():
        image = read_image(file)
        known = known or image.spacing
        if image.channel_axis is None:
            intensities[name] = image.array
            continue
        axis = image.channel_axis
        for number in range(image.array.shape[axis]):
            title = f"channel {number}" if name == "intensity" else f"{name} {number}"
            intensities[title] = pick_channel(image.array, axis, number)
    unit = "pixel" if known is None and spacing is None else "um"
    if spacing is None and known is not None:
        spacing = known[-spatial_ndim(axes) :]
    return measure(
        found.array,
        intensities,
        config,
        axes=axes,
        spacing=spacing,
        unit=unit,
        classes=None if classes is None else read_label_array(labels_in(classes)),
    )
