"""``unet-studio export``: a model for other programs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_unet_studio.cli import completion, console
from napari_unet_studio.cli.files import (
    AsJson,
    Axes,
    OneChannel,
    Overwrite,
    check_writable,
    refuse_existing,
)
from napari_unet_studio.cli.options import with_config
from napari_unet_studio.cli.panels import INPUT, OUTPUT
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.tasks.export_config import SUFFIXES, ExportConfig
from napari_unet_studio.tasks.progress import run


def _by_suffix(document: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Take the format that the name of the file says, if nothing else says one."""
    kinds = {suffix: kind for kind, suffix in SUFFIXES.items()}
    kind = kinds.get(arguments["out"].suffix.lower())
    return document if kind is None else {"format": kind, **document}


@with_config(ExportConfig, _by_suffix, panel="What it becomes")
def export(
    config: ExportConfig,
    model: Annotated[
        str,
        typer.Argument(
            help="Name of a model, or a .unet file.", autocompletion=completion.models
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="The file; the usual suffix is added where there is none. Without "
            "--format a suffix chooses it: .zip, .onnx, .pt (TorchScript), .pth.",
            rich_help_panel=OUTPUT,
        ),
    ],
    image: Annotated[
        Path | None,
        typer.Option(
            help="Image on which the result is compared with the model, and the test "
            "image of a package; by default a synthetic sample.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    axes: Axes = None,
    channel: OneChannel = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Write a model as a bioimage.io package, ONNX, TorchScript or a state dict.

    Reads a model and, for the comparison, an image. Writes one file; a state dict also
    a Python file with the network. What is written is compared with the model on tiles
    of two sizes, and not kept if it differs.
    """
    from napari_unet_studio.cli.files import parse_channel
    from napari_unet_studio.io.image_file import described, one_channel
    from napari_unet_studio.io.images import read_image
    from napari_unet_studio.io.registry import load_model
    from napari_unet_studio.tasks.export import export as export_task
    from napari_unet_studio.tasks.export import target_of

    target = target_of(out, config.format)
    refuse_existing(target, overwrite)
    check_writable(target)
    choice = parse_channel(channel)
    read = None
    if image is not None:
        read = one_channel(described(read_image(image), axes), choice, image)
    elif axes is not None or choice is not None:
        option = "--axes" if choice is None else "--channel"
        raise InputError(
            f"{option} tells about an image, but there is none; give one with --image, "
            f"or leave {option} out."
        )
    task = export_task(
        load_model(model),
        target,
        config,
        None if read is None else read.array,
        axes=None if read is None else read.axes,
        channel_axis=None if read is None else read.channel_axis,
    )
    with console.progress_bar("Exporting") as report:
        done = run(task, report)
    assert done is not None  # nobody stopped it
    found: dict[str, Any] = {
        "file": str(done.path),
        "format": done.format,
        "difference": f"{done.difference:.1e}" if not json else done.difference,
        "files": [str(path) for path in done.files],
    }
    if json or done.notes:
        found["notes"] = list(done.notes)
    console.show(found, json)
