"""The commands of ``unet-studio``."""

import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from napari_unet_studio.cli import console
from napari_unet_studio.cli.benchmark import benchmark
from napari_unet_studio.cli.compare import compare
from napari_unet_studio.cli.deform import deform
from napari_unet_studio.cli.evaluate import evaluate
from napari_unet_studio.cli.export import export
from napari_unet_studio.cli.files import AsJson
from napari_unet_studio.cli.inspect import inspect
from napari_unet_studio.cli.measure_objects import measure
from napari_unet_studio.cli.models import models
from napari_unet_studio.cli.networks import networks
from napari_unet_studio.cli.predict import predict
from napari_unet_studio.cli.train import train
from napari_unet_studio.cli.weights import weights
from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.tasks.demo import FOREIGN, KNOWN, UPDATES

app = typer.Typer(
    name="unet-studio",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Train and run U-Nets on biomedical images. The same engine works in napari "
    "(Layers > Segment) and from Python (import napari_unet_studio).",
)


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Set options of all commands; :func:`main` reads --debug, wherever it stands."""


@app.command()
def demo(
    train: Annotated[
        bool, typer.Option("--train", help="First train a small network on the labels.")
    ] = False,
    sample: Annotated[
        str,
        typer.Option(
            help=f"Name of the sample: {', '.join(KNOWN)}; with --train also "
            f"{', '.join(FOREIGN)}."
        ),
    ] = KNOWN[0],
    window: Annotated[
        bool | None,
        typer.Option(help="Open napari; by default if there is a display and napari."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the results without window.")
    ] = Path("unet-studio-demo"),
    updates: Annotated[
        int, typer.Option(help="Weight updates with --train.")
    ] = UPDATES,
    json: AsJson = False,
) -> None:
    """Segment a synthetic sample: in napari, or headless into a folder."""
    from napari_unet_studio.cli.demo import run_demo

    result = run_demo(sample, train, window, out, updates)
    if result is not None:
        console.show(result, json)


app.command()(train)
app.command()(predict)


app.command()(evaluate)
app.command()(measure)
app.command()(compare)
app.command()(export)
app.command()(inspect)


app.command()(weights)
app.command()(deform)


app.command()(networks)
app.add_typer(benchmark, name="benchmark")
app.add_typer(models, name="models")


def main() -> None:
    """Run the command line: an error of the user's is one line and exit code 2."""
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    try:
        app(arguments)
    except StudioError as error:
        if len(arguments) < len(sys.argv) - 1:
            traceback.print_exc()
        line = str(error).replace("\n", " ")
        console.err.print(f"unet-studio: {line}", style="red")
        sys.exit(2)
