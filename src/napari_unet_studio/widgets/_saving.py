"""Asking where to save a table or a picture."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_unet_studio.widgets._asking import agreed

TABLE: Mapping[str, str] = MappingProxyType({"Table (*.csv)": ".csv"})
"""The suffix of a file by what the dialog calls its kind."""

_SUFFIX = re.compile(r"\.[A-Za-z]\w*")  # not the end of "sigma 1.5"


def ask_where(
    parent: QWidget, title: str, name: str, kinds: Mapping[str, str] = TABLE
) -> Path | None:
    """Ask for a file; the chosen kind gives a missing suffix, and no file is lost.

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
    if _SUFFIX.fullmatch(path.suffix):
        return path
    path = path.with_name(path.name + kinds.get(kind, usual))
    # The dialog has asked about the name without the suffix only.
    question = f"{path.name} already exists. Replace it?"
    return path if not path.exists() or agreed(parent, title, question) else None
