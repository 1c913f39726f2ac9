"""Tables of columns as CSV files, with the units in the headers."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.atomic import atomic_write

_ROWS = 1 << 14  # that are turned into text at once


def write_csv(
    path: str | Path,
    columns: Mapping[str, ArrayLike],
    units: Mapping[str, str] | None = None,
) -> Path:
    """Write columns as CSV in UTF-8, whole or not at all.

    Numbers have all their digits, so that they read back as they were; yes and no are
    1 and 0, and what is no number is empty.

    Parameters
    ----------
    path
        The file; one that is there is replaced.
    columns
        At least one, of the same length, by name.
    units
        Of some columns, by name; they stand behind it in brackets.

    Raises
    ------
    InputError
        If the name has no suffix of a CSV file.
    StorageError
        If the file cannot be written.

    Examples
    --------
    >>> file = getfixture("tmp_path") / "cells.csv"
    >>> columns = {"label": np.array([1, 2]), "area": np.array([0.5, np.nan])}
    >>> print(write_csv(file, columns, {"area": "um^2"}).read_text())
    label,area (um^2)
    1,0.5
    2,
    """
    path = Path(path)
    if path.suffix.lower() != ".csv":
        raise InputError(
            f"A table cannot be written to {path}; give a name that ends in .csv."
        )
    with atomic_write(path) as file:
        for text in csv_text(columns, units):
            file.write(text.encode())
    return path


def csv_text(
    columns: Mapping[str, ArrayLike], units: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Return the text of a CSV file in pieces; see :func:`write_csv`."""
    units = units or {}
    heads = [f"{name} ({units[name]})" if units.get(name) else name for name in columns]
    yield _lines([heads])
    arrays = [np.asarray(column) for column in columns.values()]
    for start in range(0, len(arrays[0]), _ROWS):
        cells = [_cells(array[start : start + _ROWS]) for array in arrays]
        yield _lines(zip(*cells, strict=True))


def rows_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of a CSV file with a line for each row.

    Columns come in the order in which rows first name them; what a row does not have,
    None and what is no number are empty.

    Examples
    --------
    >>> print(rows_text([{"f1": 0.5}, {"f1": float("nan"), "seg": 1}]))
    f1,seg
    0.5,
    ,1
    <BLANKLINE>
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = ([row.get(name) for name in names] for row in rows)
    shown = (["" if cell != cell else cell for cell in line] for line in cells)
    return _lines([names]) + _lines(shown)


def _lines(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _cells(values: NDArray[Any]) -> list[Any]:
    if values.dtype.kind == "b":
        values = values.astype(np.int8)
    cells: list[Any] = values.tolist()
    if values.dtype.kind == "f" and np.isnan(values).any():
        return ["" if cell != cell else cell for cell in cells]
    return cells
