"""The same training from a script or from a shell."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pprint import pformat
from typing import Any

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.model_file import SUFFIX
from napari_unet_studio.layers import training_source
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.command import repetition, train_command
from napari_unet_studio.tasks.training.pairs import Role
from napari_unet_studio.widgets._code import Files, place_of
from napari_unet_studio.widgets._session import record
from napari_unet_studio.widgets._train.outcome import Outcome
from napari_unet_studio.widgets._train.rows import RowTuple

CodeRow = tuple[str | Path, str | Path, Role]
"""The names of two layers, or their files, and a role."""


def code_rows(rows: Sequence[RowTuple]) -> list[CodeRow]:
    """Return rows of the table as code names them: layers by name, files by path."""
    return [
        (
            image if isinstance(image, Path) else image.name,
            labels if isinstance(labels, Path) else labels.name,
            role,
        )
        for image, labels, role in rows
    ]


@dataclass(frozen=True, eq=False)
class Recipe:
    """What a training was made of, to be recorded when it has ended.

    Parameters
    ----------
    rows
        As in the table when it began.
    config
        Of the training.
    """

    rows: Sequence[RowTuple]
    config: TrainConfig

    def record(self, widget: Any, outcome: Outcome) -> None:
        """Record a training; see :func:`._session.record`.

        Parameters
        ----------
        widget
            The dock.
        outcome
            How it ended.
        """
        model = outcome.model
        if model is None:
            return
        text = script(code_rows(self.rows), self.config, model.name)
        if outcome.how == "kept":
            done = model.card.training["updates"]
            text = (
                f"# It was stopped after {done} updates; this goes to the end.\n{text}"
            )
        parts = [part for row in self.rows if row[2] != "off" for part in row[:2]]
        used = [part for part in parts if not isinstance(part, Path)]
        title = f"Train {model.name}"
        record(widget, title, text, used, trained=model.name)


def script(rows: Sequence[CodeRow], config: TrainConfig, name: str) -> str:
    """Return Python code that repeats a training.

    Parameters
    ----------
    rows
        Images, labels and roles; those that are off are left out.
    config, name
        Of the training.
    """
    used = [row for row in rows if row[2] != "off"]
    paths = any(isinstance(part, Path) for row in used for part in row[:2])
    layers = any(not isinstance(part, Path) for row in used for part in row[:2])
    settings = pformat(config.to_dict(), sort_dicts=False, width=80)
    lines = ["from pathlib import Path\n"] if paths else []
    if layers or not used:
        lines += ["import napari", "import napari_unet_studio as us\n"]
        lines += ["viewer = napari.current_viewer()"]
        call = "us.train_layers(viewer, rows, config, name={!r})"
    else:
        lines += ["import napari_unet_studio as us"]
        lines += ["from napari_unet_studio.layers import pair_of\n"]
        call = "us.train([pair_of(*row) for row in rows], config, name={!r})"
    return "\n".join(
        [
            *lines,
            f"rows = {_listed(used)}",
            f"config = {settings}",
            f"model = {call.format(name)}",
            f"model.save({f'{name}{SUFFIX}'!r})\n",
        ]
    )


def command(rows: Sequence[RowTuple], config: TrainConfig, name: str) -> str:
    """Return shell commands that repeat a training on files.

    Parameters
    ----------
    rows
        As in the table; of layers, the files they are in, or are to be saved to.
    config, name
        As for :func:`script`. Several images need a shell that knows here-documents.

    Raises
    ------
    InputError
        If there is nothing to train on.

    Examples
    --------
    >>> row = (Path("/a/cells 1.tif"), Path("/a/truth.tif"), "train")
    >>> print(command([row], TrainConfig(batch=2), "mine"))
    unet-studio train '/a/cells 1.tif' /a/truth.tif --out mine.unet --batch 2
    """
    if not any(role == "train" for *_, role in rows):
        raise InputError("There is nothing to train on; add a row to train.")
    files = Files()
    text = train_command(_file_rows(rows, files), config, f"{name}{SUFFIX}")
    return files.comments + text


def repetition_of(
    rows: Sequence[RowTuple], config: TrainConfig, name: str
) -> dict[str, Any]:
    """Return what a card says of how to repeat a training; nothing if not on files."""
    files = Files()
    known = _file_rows(rows, files)
    return {} if files.notes else repetition(known, config, f"{name}{SUFFIX}")


def _file_rows(rows: Sequence[RowTuple], files: Files) -> list[dict[str, Any]]:
    """Return rows of a settings file."""
    found = []
    for image, labels, role in rows:
        if role == "off":
            continue
        row: dict[str, Any] = {"image": "", "labels": "", "role": role}
        if isinstance(image, Path):
            row["image"] = str(image)
        else:
            painted = None if isinstance(labels, Path) else labels
            file, source = files.of(image), training_source(image, painted)
            row["image"] = str(file.path)
            place = place_of(file, source)
            if "axes" in place:
                row["axes"] = place["axes"]
            if "spacing" in place:
                row["spacing"] = list(place["spacing"])
        path = labels if isinstance(labels, Path) else files.of(labels).path
        found.append({**row, "labels": str(path)})
    return found


def _listed(rows: Sequence[CodeRow]) -> str:
    lines = [
        ", ".join(
            f"Path({str(part)!r})" if isinstance(part, Path) else repr(part)
            for part in row
        )
        for row in rows
    ]
    return "[\n" + "".join(f"    ({line}),\n" for line in lines) + "]"
