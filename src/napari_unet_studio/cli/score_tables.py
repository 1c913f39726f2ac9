"""Tables of scores as files: a row for each image, or for each object."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_unet_studio.cli.files import check_writable, refuse_existing
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.plain_json import dumps, finite
from napari_unet_studio.io.tables import rows_text

SUFFIXES = (".csv", ".json")


def check_table(path: Path | None, overwrite: bool, option: str) -> None:
    """See that a table can be written, before the work.

    Raises
    ------
    InputError
        If it is neither CSV nor JSON by its name, or there is such a file already.
    StorageError
        If nothing can be written there.
    """
    if path is None:
        return
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"{path} is no table that {option} writes; give a name that ends in .csv "
            "or .json."
        )
    refuse_existing(path, overwrite, option=option)
    check_writable(path, option)


def check_different(*tables: tuple[str, Path | None]) -> None:
    """See that tables do not replace one another: options, and the files they name."""
    options: dict[Path, str] = {}
    for option, path in tables:
        if path is None:
            continue
        other = options.setdefault(path.resolve(), option)
        if other != option:
            raise InputError(
                f"{other} and {option} name the same file, {path}; give each its own."
            )


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same keys as CSV or JSON, as the name of the file says.

    What is undefined is empty in CSV and null in JSON.
    """
    if path.suffix.lower() == ".json":
        text = dumps(finite(list(rows)), indent=1) + "\n"
    else:
        text = rows_text(rows)
    with atomic_write(path) as file:
        file.write(text.encode())


def as_rows(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of columns of equal length.

    Examples
    --------
    >>> import numpy as np
    >>> as_rows({"id": np.array([3, 5]), "iou": np.array([0.5, 1.0])})
    [{'id': 3, 'iou': 0.5}, {'id': 5, 'iou': 1.0}]
    """
    values = (column.tolist() for column in columns.values())
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
