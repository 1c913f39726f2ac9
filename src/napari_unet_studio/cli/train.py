"""``unet-studio train``: from files to a model file."""

from pathlib import Path
from typing import Annotated, Any

import typer

from napari_unet_studio.cli import completion, console
from napari_unet_studio.cli.files import AsJson, Overwrite
from napari_unet_studio.cli.options import with_config
from napari_unet_studio.cli.panels import COMPUTING, INPUT, OUTPUT
from napari_unet_studio.core.errors import ConfigError, InputError
from napari_unet_studio.tasks import recipes
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.findings import changed
from napari_unet_studio.tasks.training.pair_files import read_pairs
from napari_unet_studio.tasks.training.pairs import Pair

MODEL = Path("model.unet")
_ENTRIES = ("config", "pairs", "out")
# Headings of the settings in the help.
_PANELS = {
    "Network": ("network", "start", "width", "fit_pooling"),
    "Labels": ("target", "zero", "background", "ignore", "split_masks"),
    "Length and validation": (
        *("updates", "epochs", "minutes", "hold_out", "validations", "patience"),
    ),
    "Weight map": ("weights",),
    "Augmentation": ("augment",),
    COMPUTING: ("device", "precision", "compile", "seed"),
}


def _settings(document: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a training: a recipe's, and what the file changes."""
    if document.keys() & set(_ENTRIES):
        unknown = sorted(document.keys() - set(_ENTRIES))
        if unknown:
            raise ConfigError(
                f"The settings file has an entry {unknown[0]!r} beside its pairs; "
                f"known are {', '.join(_ENTRIES)}."
            )
        document = document.get("config", {})
        if not isinstance(document, dict):
            raise ConfigError(
                f"The config of the settings file is {document!r:.80}; a JSON object "
                "is expected."
            )
    if arguments["recipe"] is None:
        return document
    start = recipes.recipe(arguments["recipe"])
    return changed(start, document).to_dict()


@with_config(
    TrainConfig,
    _settings,
    panel="Learning",
    panels={name: title for title, names in _PANELS.items() for name in names},
)
def train(
    config: TrainConfig,
    document: dict[str, Any],
    images: Annotated[
        Path | None, typer.Argument(help="An image, or a folder of images.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Argument(help="Its labels, or a folder with files of the same names."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help=f"Settings to start from: {', '.join(recipes.RECIPES)}.",
            rich_help_panel=INPUT,
            autocompletion=completion.recipes,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The model file.",
            show_default=str(MODEL),
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    validate_images: Annotated[
        Path | None,
        typer.Option(
            help="Images to judge by instead of a held-out part.", rich_help_panel=INPUT
        ),
    ] = None,
    validate_labels: Annotated[
        Path | None, typer.Option(help="Their labels.", rich_help_panel=INPUT)
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Only say what is doubtful, and what it takes.",
            rich_help_panel=COMPUTING,
        ),
    ] = False,
    keep_last: Annotated[
        bool,
        typer.Option(
            "--keep-last",
            help="Keep the last network too, as OUT-last.unet.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on from OUT.ckpt of an earlier run.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            help="Also write curves for TensorBoard here.", rich_help_panel=OUTPUT
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Train a network on images with labels.

    Reads images and labels of the same names: labels hold ids of objects, or classes; 0
    is background. Writes one model file, OUT. The file of --config may also list the
    "pairs" to train on, with their roles. The state is kept in OUT.ckpt on the way.
    Ctrl-C stops and keeps the best network, which is no error: the exit code is 0.
    Under torchrun, several processes train
    one network together.
    """
    from napari_unet_studio.cli.train_files import check_files, places, train_files
    from napari_unet_studio.cli.train_texts import check_lines, trained_lines

    rows = _rows(document, images, labels, validate_images, validate_labels)
    pairs = [pair for row in rows for pair in _read(row)]
    if check:
        found, passed = check_files(pairs, config)
        if json:
            console.show(found, True)
        for line in () if json else check_lines(found):
            console.out.print(line, soft_wrap=True)
        if not passed:
            raise typer.Exit(2)
        return
    wanted = out or _place(document)
    model, checkpoint = places(wanted, resume, overwrite)
    result = train_files(
        pairs, config, model, checkpoint, resume, tensorboard, keep_last, rows
    )
    if result is not None:
        console.show(result if json else trained_lines(result), json)


def _place(document: dict[str, Any]) -> Path:
    """Return where a settings file wants the model."""
    place = document.get("out", str(MODEL))
    if not isinstance(place, str):
        raise ConfigError(
            f"The place for the model in the settings file is {place!r:.80}; give a "
            "path."
        )
    return Path(place)


def _rows(
    document: dict[str, Any],
    images: Path | None,
    labels: Path | None,
    validate_images: Path | None,
    validate_labels: Path | None,
) -> list[dict[str, Any]]:
    """Return the pairs of the command line, or else those of the settings file."""
    if (images is None) != (labels is None):
        raise InputError("Give both images and labels, or neither.")
    if (validate_images is None) != (validate_labels is None):
        raise InputError(
            "Give both --validate-images and --validate-labels, or neither."
        )
    if images is None:
        rows = _listed(document)
    else:
        rows = [{"image": str(images), "labels": str(labels), "role": "train"}]
    if validate_images is not None:
        place = {"image": str(validate_images), "labels": str(validate_labels)}
        rows.append({**place, "role": "validate"})
    if not rows:
        raise InputError(
            "There is nothing to train on: give images and labels, or list pairs in "
            "the file of --config."
        )
    return rows


def _read(row: dict[str, Any]) -> list[Pair]:
    """Return the pairs of files in a row."""
    files = Path(row["image"]), Path(row["labels"])
    return read_pairs(*files, row["role"], row.get("axes"), row.get("spacing"))


def _listed(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the pairs that a settings file lists, each with its role."""
    rows = document.get("pairs", [])
    for row in rows if isinstance(rows, list) else [rows]:
        if not _is_pair(row):
            raise ConfigError(
                f"The settings file lists {row!r:.80} as a pair; give the paths of its "
                '"image" and "labels", and perhaps a "role", the "axes" and the '
                '"spacing".'
            )
    return [{"role": "train", **row} for row in rows]


def _is_pair(row: Any) -> bool:
    if not isinstance(row, dict) or not {"image", "labels"} <= row.keys():
        return False
    spacing = row.get("spacing", [])
    texts = {key: value for key, value in row.items() if key != "spacing"}
    return (
        texts.keys() <= {"image", "labels", "role", "axes"}
        and all(isinstance(value, str) for value in texts.values())
        and isinstance(spacing, list)
        and all(isinstance(size, int | float) for size in spacing)
    )
