"""Weight maps and deformation of one file, or of all that patterns and folders name."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from napari_unet_studio.cli import console
from napari_unet_studio.cli.files import Place
from napari_unet_studio.cli.map_batch import Job, run_batch, show_batch
from napari_unet_studio.cli.maps import (
    deform_file,
    weigh,
    write_deformed,
    write_weights,
)
from napari_unet_studio.core.deform import DeformConfig
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.folders import BatchItem, batch_items, find_images
from napari_unet_studio.io.images import SUFFIXES
from napari_unet_studio.io.manifest import Run, results_in
from napari_unet_studio.io.pairs import are_several, find_pairs

_TIFF = (".tif", ".tiff")


def weigh_files(
    labels: Sequence[Path],
    out: Path | None,
    settings: Mapping[str, Any],
    overwrite: bool,
    planes: bool,
    connected: bool,
    place: Place,
    as_json: bool,
) -> None:
    """Write the weight map of one file, or of several into a folder, and show it.

    Parameters
    ----------
    labels
        Files, folders and patterns.
    out
        See :func:`destination`.
    settings, planes, connected, place
        As for :func:`.write_weights`.
    """
    target, several = destination(labels, out, "weights")
    if not several:
        (file,) = find_images(labels)
        done = write_weights(
            file, target, settings, overwrite, planes, connected, place
        )
        console.show(done, as_json)
        return

    def work(path: Path, staged: Mapping[str, Path]) -> Mapping[str, Any]:
        found = weigh(path, staged["weights"], settings, planes, connected, place)
        return {"largest": found["largest"]}

    jobs = [
        Job(name, path, {"weights": f"{name}.tif"}, partial(work, path))
        for name, path in _items(labels, target)
    ]
    config = {**settings, "planes": planes, "connected": connected}
    run = Run("weights", config=config, place=_told(place))
    found = run_batch(jobs, target, run, overwrite, "Weighing")
    show_batch(*_columns(found, ("image", "weights", "largest", "status")), as_json)


def deform_files(
    images: Sequence[Path],
    along: Mapping[str, Path | None],
    out: Path | None,
    config: DeformConfig,
    overwrite: bool,
    planes: bool,
    place: Place,
    as_json: bool,
) -> None:
    """Deform one image, or several into a folder, and show what was written.

    Parameters
    ----------
    images
        Files, folders and patterns.
    along
        The "labels" and "weights" of one image, or folders or patterns of several.
    out
        See :func:`destination`.
    config, planes, place
        As for :func:`.write_deformed`.
    """
    target, several = destination(images, out, "deformed")
    if not several:
        (file,) = find_images(images)
        done = write_deformed(
            *(file, along["labels"], along["weights"], target),
            *(config, overwrite, planes, place),
        )
        console.show(done, as_json)
        return
    items = _items(images, target)
    beside = {
        kind: dict(find_pairs([path for _, path in items], given))
        for kind, given in along.items()
        if given is not None
    }

    def work(path: Path, staged: Mapping[str, Path]) -> Mapping[str, Any]:
        own = {kind: files[path] for kind, files in beside.items()}
        places = {"image": staged["deformed"], **{k: staged[k] for k in own}}
        deform_file(path, own, places, config, planes, place)
        return {}

    jobs = [
        Job(
            name,
            path,
            # Not beside the image: the folder is to be one of images only.
            {"deformed": f"{name}.tif", **{k: f"{k}/{name}.tif" for k in beside}},
            partial(work, path),
            tuple(files[path] for files in beside.values()),
        )
        for name, path in items
    ]
    settings = {**config.to_dict(), "planes": planes}
    run = Run("deform", config=settings, place=_told(place))
    found = run_batch(jobs, target, run, overwrite, "Deforming")
    show_batch(*_columns(found, ("image", "deformed", *beside, "status")), as_json)


def destination(
    inputs: Sequence[Path], out: Path | None, usual: str
) -> tuple[Path, bool]:
    """Return the place of the result, and whether it is a folder of several.

    Parameters
    ----------
    inputs
        Files, folders and patterns.
    out
        As it was given: a TIFF is the result of one file, all else a folder.
    usual
        Name of the result without suffix, if nothing was given.

    Raises
    ------
    InputError
        If one file is to hold the results of several.
    """
    one = not are_several(inputs)
    if out is None:
        return (Path(f"{usual}.tif"), False) if one else (Path(usual), True)
    if out.suffix.lower() in _TIFF and not out.is_dir():
        if not one and len(find_images(inputs)) > 1:
            raise InputError(
                f"{out} is a file, but there are several to write; give a folder with "
                "--out."
            )
        return out, False
    if one and out.suffix.lower() in SUFFIXES:
        return out, False  # where it is refused for its suffix
    return out, True


def _items(inputs: Sequence[Path], out: Path) -> list[tuple[str, Path]]:
    """Return names of results and files, without the results of an earlier run."""
    found: list[BatchItem] = batch_items(inputs, leave_out=results_in(out))
    return [(item.name, item.image) for item in found if isinstance(item.image, Path)]


def _told(place: Place) -> dict[str, Any]:
    """Return what was said of the files, for the record."""
    names = ("axes", "spacing", "unit")
    return {k: v for k, v in zip(names, place, strict=True) if v is not None}


def _columns(
    found: tuple[list[dict[str, Any]], Path, bool], columns: tuple[str, ...]
) -> tuple[list[dict[str, Any]], tuple[str, ...], Path, bool]:
    rows, record, stopped = found
    return rows, columns, record, stopped
