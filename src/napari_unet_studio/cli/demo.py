"""``unet-studio demo``: see the whole way once, on a synthetic sample."""

from pathlib import Path
from typing import Annotated

import typer

from napari_unet_studio.cli import console
from napari_unet_studio.cli.completion import samples
from napari_unet_studio.cli.files import AsJson
from napari_unet_studio.cli.panels import COMPUTING, INPUT, OUTPUT
from napari_unet_studio.tasks.demo import FOREIGN, KNOWN, UPDATES


def demo(
    train: Annotated[
        bool,
        typer.Option(
            "--train",
            help="First train a small network on the labels.",
            rich_help_panel=COMPUTING,
        ),
    ] = False,
    sample: Annotated[
        str,
        typer.Option(
            help=f"Name of the sample: {', '.join(KNOWN)}; with --train also "
            f"{', '.join(FOREIGN)}.",
            rich_help_panel=INPUT,
            autocompletion=samples,
        ),
    ] = KNOWN[0],
    window: Annotated[
        bool | None,
        typer.Option(
            help="Open napari; by default if there is a display and napari.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Folder for the results without window.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("unet-studio-demo"),
    updates: Annotated[
        int,
        typer.Option(
            min=1, help="Weight updates with --train.", rich_help_panel=COMPUTING
        ),
    ] = UPDATES,
    json: AsJson = False,
) -> None:
    """Segment a synthetic sample: in napari, or headless into a folder.

    Reads nothing: the sample is drawn. Without a window it writes the image, the labels
    that were found, the truth, the probabilities, a picture of the two side by side
    and a report with scores into the folder of --out.
    """
    from napari_unet_studio.cli.demo_run import run_demo

    result = run_demo(sample, train, window, out, updates)
    if result is not None:
        console.show(result, json)
