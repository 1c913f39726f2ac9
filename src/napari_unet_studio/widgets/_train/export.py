"""The curves of a training as a file: a table or a picture."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from qtpy.QtCore import QBuffer, QIODevice
from qtpy.QtGui import QImage

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.atomic import atomic_write

TABLE, PICTURE = ".csv", ".png"
KINDS = {f"Table (*{TABLE})": TABLE, f"Picture (*{PICTURE})": PICTURE}


def save_curves(
    path: Path, records: Iterable[Mapping[str, Any]], picture: QImage
) -> None:
    """Write the values as CSV, or the picture as PNG, by the suffix.

    Raises
    ------
    InputError
        For another suffix.
    StorageError
        If the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix == TABLE:
        content = table(records).encode()
    elif suffix == PICTURE:
        content = _png(picture)
    else:
        raise InputError(
            f"Curves cannot be saved as {path.name!r}; end the name in {TABLE} for a "
            f"table or in {PICTURE} for a picture."
        )
    with atomic_write(path) as file:
        file.write(content)


def table(records: Iterable[Mapping[str, Any]]) -> str:
    """Return records as CSV, one line for each step, in the order of steps.

    Examples
    --------
    >>> print(
    ...     table(
    ...         [
    ...             {"step": 1, "loss": 0.5},
    ...             {"step": 2, "loss": 0.4},
    ...             {"step": 2, "iou": 0.7},
    ...         ]
    ...     ),
    ...     end="",
    ... )
    step,loss,iou
    1,0.5,
    2,0.4,0.7
    """
    lines: dict[Any, dict[str, Any]] = {}
    columns = ["step"]
    for record in records:
        lines.setdefault(record["step"], {}).update(record)
        columns += [name for name in record if name not in columns]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines[step] for step in sorted(lines))
    return text.getvalue()


def _png(picture: QImage) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    picture.save(buffer, "PNG")
    return bytes(buffer.data().data())
