"""``unet-studio models score``: what a model is worth on images it has not seen."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from napari_unet_studio.cli import completion, console
from napari_unet_studio.cli.files import AsJson, Axes, ForOneChannel, parse_channel
from napari_unet_studio.cli.options import with_config
from napari_unet_studio.cli.panels import OUTPUT
from napari_unet_studio.cli.truth import (
    Classes,
    Connected,
    Ignore,
    Membranes,
    Specks,
    SplitReference,
    kind_of,
)
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.shell import line
from napari_unet_studio.core.shell import options as shell_options
from napari_unet_studio.io.model_file import read_card
from napari_unet_studio.io.registry import find_model
from napari_unet_studio.tasks.predict_config import PredictConfig


@with_config(PredictConfig, panel="Prediction")
def score(
    config: PredictConfig,
    model: Annotated[
        str,
        typer.Argument(
            help="A model of yours, or the path of a .unet file.",
            autocompletion=completion.own_models,
        ),
    ],
    images: Annotated[Path, typer.Argument(help="An image, a folder or a pattern.")],
    labels: Annotated[
        Path,
        typer.Argument(
            help="The truth: a file; or a folder or a pattern of the same names."
        ),
    ],
    name: Annotated[
        str,
        typer.Option(
            help="What the images are.",
            show_default="the folder's name",
            rich_help_panel=OUTPUT,
        ),
    ] = "",
    membranes: Membranes = False,
    classes: Classes = False,
    connected: Connected = None,
    split_reference: SplitReference = 0.0,
    ignore: Ignore = None,
    specks: Specks = 0,
    axes: Axes = None,
    channel: ForOneChannel = None,
    json: AsJson = False,
) -> None:
    """Measure a model on images that it has not seen, and write that into its card.

    A test of the same name is replaced. Weights stay as they are.
    """
    from napari_unet_studio.api.comparison import compare
    from napari_unet_studio.io.library import add_test
    from napari_unet_studio.tasks.comparison import FACTS

    kind = kind_of(membranes, classes)
    card = read_card(find_model(model))
    if card.target == "classes" and not membranes:
        kind = "classes"
    with console.progress_bar("Measuring") as report:
        found = compare(
            images,
            labels,
            {"model": model},
            kind=kind,
            axes=axes,
            channel=parse_channel(channel),
            connected=connected,
            split=split_reference,
            ignore=ignore,
            specks=specks,
            config=config,
            callback=report,
        )
    row = found["model"]
    if row.failures:
        raise InputError(
            f"Nothing was written: {row.failures[0].image} could not be measured. "
            f"{row.failures[0].error}"
        )
    options: list[object] = ["--name", name] if name else []
    for option, on in (
        ("--membranes", membranes),
        ("--classes", classes),
        ("--connected", connected is True),
        ("--no-connected", connected is False),
    ):
        options += [option] if on else []
    for option, value, usual in (
        ("--split-reference", split_reference, 0.0),
        ("--ignore", ignore, None),
        ("--specks", specks, 0),
        ("--axes", axes, None),
        ("--channel", channel, None),
    ):
        options += [option, value] if value != usual else []
    # Where it ran is nothing that a score depends on.
    options += shell_options(replace(config, device="auto"), PredictConfig())
    words = ["unet-studio", "models", "score", model, images, labels, *options]
    test = {
        "name": name or images.stem,
        "images": len(row.images),
        "scores": {
            column: value
            for column in found.columns
            if column not in FACTS and (value := row.value(column)) is not None
        },
        "command": line(words),
        "date": datetime.now(UTC).date().isoformat(),
    }
    add_test(model, test)
    console.show({**test, "notes": [*found.notes, *row.notes]}, json)
