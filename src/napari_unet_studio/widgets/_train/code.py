"""The same training from a script or from a shell."""

import shlex
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from pprint import pformat
from typing import Any

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.model_file import SUFFIX
from napari_unet_studio.io.plain_json import dumps
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.pairs import Role
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


def command(rows: Sequence[CodeRow], config: TrainConfig, name: str) -> str:
    """Return shell commands that repeat a training on files.

    Parameters
    ----------
    rows, config, name
        As for :func:`script`. Several images need a shell that knows here-documents.

    Raises
    ------
    InputError
        If there is nothing to train on, or a row is a layer.

    Examples
    --------
    >>> row = (Path("/a/cells 1.tif"), Path("/a/truth.tif"), "train")
    >>> print(command([row], TrainConfig(batch=2), "mine"))
    unet-studio train '/a/cells 1.tif' /a/truth.tif --out mine.unet --batch 2
    """
    used = [row for row in rows if row[2] != "off"]
    if not any(role == "train" for *_, role in used):
        raise InputError("There is nothing to train on; add a row to train.")
    if not all(isinstance(part, Path) for row in used for part in row[:2]):
        raise InputError(
            "A shell cannot see layers: save them and use “Add files…”, or copy as "
            "Python."
        )
    model = f"{name}{SUFFIX}"
    if len(used) == 1:
        words = ["unet-studio", "train", *map(str, used[0][:2]), "--out", model]
        words += _options(config, TrainConfig())
        return " ".join(shlex.quote(word) for word in words)
    document = {
        "config": config.to_dict(),
        "pairs": [
            {"image": str(image), "labels": str(labels), "role": role}
            for image, labels, role in used
        ],
        "out": model,
    }
    file = shlex.quote(f"{name}.json")
    return (
        f"cat > {file} <<'END'\n{dumps(document, indent=1)}\nEND\n"
        f"unet-studio train --config {file}"
    )


def _listed(rows: Sequence[CodeRow]) -> str:
    lines = [
        ", ".join(
            f"Path({str(part)!r})" if isinstance(part, Path) else repr(part)
            for part in row
        )
        for row in rows
    ]
    return "[\n" + "".join(f"    ({line}),\n" for line in lines) + "]"


def _options(config: Any, default: Any, prefix: str = "--") -> list[str]:
    """Return the options for the settings that differ from the default."""
    words: list[str] = []
    for field in fields(config):
        value, usual = getattr(config, field.name), getattr(default, field.name)
        option = prefix + field.name.replace("_", "-")
        if is_dataclass(value):
            words += _options(value, usual, f"{option}-")
        elif value != usual and isinstance(value, bool):
            words.append(option if value else f"--no-{option[2:]}")
        elif value != usual:
            words += [option, str(value)]
    return words
