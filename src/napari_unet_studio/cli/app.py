"""The commands of ``unet-studio``."""

import sys
import traceback
from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_unet_studio.cli import console
from napari_unet_studio.cli.benchmark import benchmark
from napari_unet_studio.cli.compare import compare
from napari_unet_studio.cli.evaluate import evaluate
from napari_unet_studio.cli.measure_objects import measure
from napari_unet_studio.cli.networks import networks
from napari_unet_studio.cli.predict import predict
from napari_unet_studio.cli.train import train
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

Out = Annotated[Path, typer.Option("--out", "-o", help="Where to write the result.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Overwrite = Annotated[bool, typer.Option(help="Replace results that exist already.")]


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


@app.command()
def weights(
    labels: Annotated[Path, typer.Argument(help="Label image.")],
    out: Out = Path("weights.tif"),
    preset: Annotated[
        Literal["2015", "2019", "none"],
        typer.Option(help="Formula; none: class balance alone."),
    ] = "2015",
    w0: Annotated[
        float | None, typer.Option(help="Height; default: the paper's.")
    ] = None,
    sigma: Annotated[float | None, typer.Option(help="Width in pixels.")] = None,
    balance: Annotated[
        Literal["image", "global", "none"],
        typer.Option(
            help="Balance objects and background in each time point, in all of them "
            "together, or not."
        ),
    ] = "image",
    ignore: Annotated[
        int | None,
        typer.Option(help="Id of pixels without annotation; they weigh 0."),
    ] = None,
    gap: Annotated[
        int, typer.Option(help="Background between touching objects, pixels.")
    ] = 0,
    inside: Annotated[
        bool, typer.Option(help="Whether the border term also weighs objects.")
    ] = True,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Write the separation weight map of a label image."""
    from napari_unet_studio.cli.maps import write_weights

    settings = {
        "preset": preset,
        "w0": w0,
        "sigma": sigma,
        "balance": balance,
        "ignore": ignore,
        "gap": gap,
        "inside": inside,
    }
    console.show(write_weights(labels, out, settings, overwrite), json)


@app.command()
def deform(
    image: Annotated[Path, typer.Argument(help="An image.")],
    labels: Annotated[Path | None, typer.Option(help="Labels to deform along.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weight map to deform along.")
    ] = None,
    out: Out = Path("deformed.tif"),
    grid: Annotated[int, typer.Option(help="Points of the coarse grid per axis.")] = 3,
    sigma: Annotated[float, typer.Option(help="Displacement in pixels.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Same seed, same deformation.")] = 0,
    interpolation: Annotated[
        Literal["cubic", "linear"],
        typer.Option(help="Of planes; volumes are always sampled linearly."),
    ] = "cubic",
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Deform an image, its labels and its weight map alike, elastically."""
    from napari_unet_studio.cli.maps import write_deformed
    from napari_unet_studio.core.deform import DeformConfig

    config = DeformConfig(grid, sigma, seed, interpolation)
    console.show(write_deformed(image, labels, weights, out, config, overwrite), json)


@app.command()
def models(
    name: Annotated[
        str | None, typer.Argument(help="A model or .unet file to describe.")
    ] = None,
    json: AsJson = False,
) -> None:
    """List the models at hand, or describe one."""
    from napari_unet_studio.io.model_file import read_card
    from napari_unet_studio.io.registry import available_models, load_model

    if name is not None:
        info = load_model(name).info()
        info["training"] = {k: v for k, v in info["training"].items() if k != "history"}
        console.show(info, json)
        return
    rows = []
    for key, path in available_models().items():
        try:
            card = read_card(path)
        except StudioError as error:
            rows.append({"model": key, "file": str(path), "error": str(error)})
            continue
        score = ", ".join(f"{k} {v:.3f}" for k, v in card.scores.items())
        row = {"model": key, "for": card.purpose, "axes": card.axes, "scores": score}
        rows.append({**row, "file": str(path)})
    console.show_table(rows, ("model", "for", "axes", "scores", "file", "error"), json)


app.command()(networks)
app.add_typer(benchmark, name="benchmark")


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
