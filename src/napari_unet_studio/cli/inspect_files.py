"""Feature maps and saliency of one image, or of several into a folder."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from napari_unet_studio.api import inspection
from napari_unet_studio.cli import console
from napari_unet_studio.cli.files import (
    Place,
    check_writable,
    refuse_existing,
)
from napari_unet_studio.cli.map_batch import sentence_of
from napari_unet_studio.cli.map_files import destination
from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.io.folders import batch_items, find_images
from napari_unet_studio.io.image_file import described, one_channel
from napari_unet_studio.io.images import read_image, write_tiff
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.tasks.inspect_config import InspectConfig
from napari_unet_studio.tasks.progress import Progress

if TYPE_CHECKING:
    from napari_unet_studio.tasks.inspect import FeatureMaps
    from napari_unet_studio.tasks.saliency import Saliency


class Look(NamedTuple):
    """What is looked at, and of what.

    Parameters
    ----------
    model
        Its name or file.
    config
        How it is looked into.
    nodes
        Parts of the network.
    pixel
        Whose saliency is wanted instead of feature maps.
    region
        Part of the image.
    place
        Of the images; None for what their files say.
    channel
        The one to take of images with several.
    level
        Resolution, of images with several.
    """

    model: str
    config: InspectConfig
    nodes: tuple[str, ...]
    pixel: tuple[int, ...] | None
    region: tuple[slice, ...] | None
    place: Place
    channel: Channel | None
    level: int


def inspect_files(
    images: Sequence[Path], out: Path | None, look: Look, overwrite: bool, as_json: bool
) -> None:
    """Write the maps of one image, or of several into a folder, and show it."""
    target, several = destination(images, out, "maps")
    if not several:
        (path,) = find_images(images)
        refuse_existing(target, overwrite, [path.resolve()])
        check_writable(target)
        with console.progress_bar("Looking") as report:
            found = _inspect(path, target, look, look.model, report)
        console.show(found, as_json)
        return
    items = batch_items(images)
    check_writable(target / "maps.tif")
    paths = [item.image for item in items if isinstance(item.image, Path)]
    taken = {path.resolve() for path in paths}
    model = load_model(look.model)
    rows: list[dict[str, Any]] = []
    with console.progress_bar("Looking") as report:
        for item, path in zip(items, paths, strict=True):
            file = target / f"{item.name}.tif"
            try:
                refuse_existing(file, overwrite, taken)
                told = _inspect(path, file, look, model, report)
                rows.append({"image": str(path), **told})
            except (StudioError, MemoryError) as error:
                sentence = sentence_of(error, path)
                rows.append({"image": str(path), "error": sentence})
    if as_json:
        console.show_table(rows, (), True)
    else:
        done = [{**r, "notes": " ".join(r["notes"])} for r in rows if "file" in r]
        if done:
            console.show_table(done, ("image", "file", "notes"), False)
        for row in rows:
            if "error" in row:
                line = f"unet-studio: {row['image']}: {row['error']}"
                console.err.print(line, style="red")
    if any("error" in row for row in rows):
        raise typer.Exit(2)


def _inspect(
    path: Path,
    out: Path,
    look: Look,
    model: str | Model,
    report: Callable[[Progress], None],
) -> dict[str, Any]:
    """Write the maps of an image; returns what is to be told about them."""
    read = described(read_image(path, look.level), *look.place)
    read = one_channel(read, look.channel, path)
    given: dict[str, Any] = {
        "axes": read.axes,
        "channel_axis": read.channel_axis,
        "spacing": read.spacing,
        "callback": report,
    }
    found: FeatureMaps | Saliency
    if look.pixel is not None:
        found = inspection.saliency(read.array, model, look.pixel, look.config, **given)
        pixels, letters = found.map, read.axes[-found.map.ndim :]
        told: dict[str, Any] = {"logit": found.logit}
    else:
        one = look.nodes[0] if len(look.nodes) == 1 else look.nodes
        found = inspection.feature_maps(
            read.array, model, one, look.config, region=look.region, **given
        )
        pixels, letters = found.maps, f"C{found.axes}"
        told = {"channels": [f"{c.node} {c.number}" for c in found.channels]}
    sizes = None
    if read.spacing is not None:
        steps = found.step[-len(read.spacing) :]
        sizes = tuple(s * n for s, n in zip(read.spacing, steps, strict=True))
        sizes = sizes[-sum(axis in "ZYX" for axis in letters) :]
    write_tiff(out, pixels, letters, sizes, read.unit)
    start, notes = list(found.start), list(found.notes)
    return {"file": str(out), **told, "start": start, "notes": notes}
