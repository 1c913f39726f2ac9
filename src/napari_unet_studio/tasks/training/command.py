"""The shell command that repeats a training on files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_unet_studio.core import shell
from napari_unet_studio.io.plain_json import dumps
from napari_unet_studio.tasks.train_config import TrainConfig

Row = Mapping[str, Any]
"""A pair as in a settings file: "image", "labels", "role", perhaps axes and spacing."""


def train_command(rows: Sequence[Row], config: TrainConfig, out: str | Path) -> str:
    """Return shell commands that train on files.

    Parameters
    ----------
    rows
        The pairs, each of files or of folders. Several need a shell that knows
        here-documents.
    config
        The settings.
    out
        The model file.

    Examples
    --------
    >>> row = {"image": "/a/cells 1.tif", "labels": "/a/truth.tif", "role": "train"}
    >>> print(train_command([row], TrainConfig(batch=2), "mine.unet"))
    unet-studio train '/a/cells 1.tif' /a/truth.tif --out mine.unet --batch 2
    """
    first = rows[0]
    if len(rows) == 1 and not first.keys() - {"image", "labels", "role"}:
        words = ["unet-studio", "train", first["image"], first["labels"]]
        words += ["--out", out, *shell.options(config, TrainConfig())]
        return shell.line(words)
    document = {"config": config.to_dict(), "pairs": list(rows), "out": str(out)}
    file = Path(out).with_suffix(".json")
    text = shell.written(file, dumps(document, indent=1))
    return text + shell.line(["unet-studio", "train", "--config", file])


def repetition(
    rows: Sequence[Row], config: TrainConfig, out: str | Path
) -> dict[str, Any]:
    """Return what the card of a model says of how to make it again.

    Parameters
    ----------
    rows, config, out
        As for :func:`train_command`.
    """
    return {
        "command": train_command(rows, config, out),
        "pairs": [dict(row) for row in rows],
    }
