"""The commands of ``unet-studio``."""

import logging
import sys
from typing import Annotated

import typer

from napari_unet_studio.cli import ending
from napari_unet_studio.cli.lazy import Entry, add, lazy_group

START, LOOK, DATA, MODELS, HERE = (
    "Segment and train",
    "Look at results",
    "Training data",
    "Models and networks",
    "This program",
)
# Their sentences are the first ones of the functions, so that help need not load them.
COMMANDS = (
    Entry(
        "demo",
        "demo:demo",
        "Segment a synthetic sample: in napari, or headless into a folder.",
        START,
    ),
    Entry(
        "predict",
        "predict:predict",
        "Segment images into label TIFFs, or one image into an OME-Zarr store.",
        START,
    ),
    Entry("train", "train:train", "Train a network on images with labels.", START),
    Entry(
        "evaluate",
        "evaluate:evaluate",
        "Score segmentations against a reference, summed over all images.",
        LOOK,
    ),
    Entry(
        "measure",
        "measure_objects:measure",
        "Measure size, place, shape, intensity and neighbours of all objects.",
        LOOK,
    ),
    Entry(
        "compare",
        "compare:compare",
        "Score several models, or segmentations, on the same images.",
        LOOK,
    ),
    Entry(
        "inspect",
        "inspect:inspect",
        "Write what parts of a network make of images, or what a pixel rests on.",
        LOOK,
    ),
    Entry(
        "weights",
        "weights:weights",
        "Write the separation weight maps of label images.",
        DATA,
    ),
    Entry(
        "deform",
        "deform:deform",
        "Deform images, their labels and their weight maps alike, elastically.",
        DATA,
    ),
    Entry(
        "models",
        "models:models",
        "List the models at hand and those to download, or describe one.",
        MODELS,
    ),
    Entry(
        "networks",
        "networks:networks",
        "List the networks that can be trained, or tell all about one.",
        MODELS,
    ),
    Entry(
        "export",
        "export:export",
        "Write a model as a bioimage.io package, ONNX, TorchScript or a state dict.",
        MODELS,
    ),
    Entry(
        "info",
        "info:info",
        "Tell versions, devices and folders, to look at or for a report of a bug.",
        HERE,
    ),
    Entry(
        "settings",
        "settings:settings",
        "Tell and change what holds for all commands and docks.",
        HERE,
    ),
    Entry(
        "benchmark",
        "benchmark:benchmark",
        "Measure this package beside what else is installed for the same work.",
        HERE,
    ),
)

app = typer.Typer(
    name="unet-studio",
    cls=lazy_group(COMMANDS),
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Train and run U-Nets on biomedical images. The same engine works in napari "
    "(Layers > Segment) and from Python (import napari_unet_studio).\n\n"
    "Results are printed for people, or with --json for programs; progress and remarks "
    "go to stderr. Nothing is replaced without --overwrite. unet-studio COMMAND --help "
    "has examples of each command.",
)
add(app, COMMANDS)


def _version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import version

    typer.echo(f"napari-unet-studio {version('napari-unet-studio')}")
    raise typer.Exit


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Tell the version.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Set options of all commands; :func:`main` reads --debug, wherever it stands."""


def main() -> None:
    """Run the command line: an error of the user's is one line and exit code 2."""
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    if not debug:
        # What it has to say of broken files is part of our own sentence.
        logging.getLogger("tifffile").addHandler(logging.NullHandler())
    # The name is also that of the variable by which shells ask for completions.
    sys.exit(ending.run(lambda: app(arguments, prog_name="unet-studio"), debug))
