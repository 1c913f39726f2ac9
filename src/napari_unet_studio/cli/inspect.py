"""``unet-studio inspect``: feature maps and saliency of an image, as TIFF."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_unet_studio.cli import console
from napari_unet_studio.cli.files import (
    AsJson,
    Axes,
    OneChannel,
    Overwrite,
    Resolution,
    Spacing,
    Unit,
)
from napari_unet_studio.cli.options import with_config
from napari_unet_studio.tasks.inspect_config import InspectConfig

if TYPE_CHECKING:
    from napari_unet_studio.tasks.inspect import FeatureMaps
    from napari_unet_studio.tasks.saliency import Saliency


@with_config(InspectConfig)
def inspect(
    config: InspectConfig,
    image: Annotated[Path, typer.Argument(help="An image.")],
    model: Annotated[
        str, typer.Option(help="Name of a model, or a .unet file.")
    ] = "nuclei",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Where to write the result.")
    ] = Path("maps.tif"),
    node: Annotated[
        list[str] | None,
        typer.Option(
            help="A part of the network such as encoder.2, see unet-studio networks; "
            "several times for several. By default the probabilities of its heads."
        ),
    ] = None,
    pixel: Annotated[
        str | None,
        typer.Option(
            help="Write the saliency of this pixel instead of feature maps: how much "
            "each pixel moves the answer there. Such as 12,40."
        ),
    ] = None,
    axes: Axes = None,
    spacing: Spacing = None,
    unit: Unit = None,
    channel: OneChannel = None,
    resolution: Resolution = 0,
    region: Annotated[
        str | None,
        typer.Option(help="Feature maps of this part only, such as 0:64,32:96."),
    ] = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Write what parts of a network make of an image, or what a pixel rests on.

    Feature maps are channels, the strongest first, at the resolution of their node.
    """
    from napari_unet_studio.api import inspection
    from napari_unet_studio.cli.files import (
        check_writable,
        parse_channel,
        parse_pixel,
        parse_region,
        parse_spacing,
        refuse_existing,
        with_channel,
    )
    from napari_unet_studio.io.image_file import described
    from napari_unet_studio.io.images import read_image, write_tiff

    refuse_existing(out, overwrite, [image.resolve()])
    check_writable(out)
    place, part = parse_pixel(pixel), parse_region(region)
    read = described(read_image(image, resolution), axes, parse_spacing(spacing), unit)
    read = with_channel(read, parse_channel(channel), image)
    given: dict[str, Any] = {
        "axes": read.axes,
        "channel_axis": read.channel_axis,
        "spacing": read.spacing,
    }
    found: FeatureMaps | Saliency
    with console.progress_bar("Looking") as report:
        given["callback"] = report
        if place is not None:
            found = inspection.saliency(read.array, model, place, config, **given)
            pixels, letters = found.map, read.axes[-found.map.ndim :]
            told: dict[str, Any] = {"logit": found.logit}
        else:
            nodes = tuple(node or ("heads",))
            one = nodes[0] if len(nodes) == 1 else nodes
            found = inspection.feature_maps(
                read.array, model, one, config, region=part, **given
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
    console.show({"file": str(out), **told, "start": start, "notes": notes}, json)
