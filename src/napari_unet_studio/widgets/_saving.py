"""Asking where to save a table or a picture."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from qtpy.QtWidgets import QFileDialog, QWidget

TABLE: Mapping[str, str] = MappingProxyType({"Table (*.csv)": ".csv"})
"""The suffix of a file by what the dialog calls its kind."""


def ask_where(
    parent: QWidget, title: str, name: str, kinds: Mapping[str, str] = TABLE
) -> Path | None:
    """Ask for a file; the chosen kind gives a missing suffix.

    Parameters
    ----------
    parent
        The dock.
    title
        Of the dialog.
    name
        That it begins with, without a suffix.
    kinds
        The kinds of files, see :data:`TABLE`; the first is the usual one.

    Returns
    -------
    Path or None
        None if the user changed their mind.
    """
    usual = next(iter(kinds.values()))
    start = str(Path.home() / f"{name}{usual}")
    file, kind = QFileDialog.getSaveFileName(parent, title, start, ";;".join(kinds))
    if not file:
        return None
    path = Path(file)
    suffix = "" if path.suffix else kinds.get(kind, usual)
    return path.with_name(path.name + suffix)
