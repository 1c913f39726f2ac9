"""Files that were opened lately: ``recent.json`` in the user's folder."""

import json
import os
from contextlib import suppress
from pathlib import Path

from napari_unet_studio.core.errors import StorageError
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.places import user_folder
from napari_unet_studio.io.plain_json import dumps

MOST = 20


def recent_files() -> list[Path]:
    """Return the files that were opened lately and are still there, the last first."""
    return [path for path in _read() if _is_file(path)][:MOST]


def remember_file(path: str | Path) -> None:
    """Put a file first among the recent ones.

    A folder that cannot be written to is no error: then nothing is remembered.

    Examples
    --------
    >>> file = getfixture("tmp_path") / "cells.unet"
    >>> _ = file.write_bytes(b"")
    >>> remember_file(file)
    >>> recent_files()[0] == file
    True
    >>> forget_file(file)
    >>> file in recent_files()
    False
    """
    path = _whole(path)
    _write([path, *(other for other in recent_files() if other != path)])


def forget_file(path: str | Path) -> None:
    """Take a file out of the recent ones; the file itself stays."""
    path = _whole(path)
    known = _read()
    if path in known:
        _write([other for other in known if other != path])


def recent_list() -> Path:
    """File that holds the list; it need not exist."""
    return user_folder() / "recent.json"


def _whole(path: str | Path) -> Path:
    # Links stay as they are: their names are what the user knows.
    return Path(os.path.abspath(path))  # noqa: PTH100


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a share that is gone, a name that is none
        return False


def _read() -> list[Path]:
    try:
        values = json.loads(recent_list().read_text(encoding="utf-8"))
        files = values["files"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    if not isinstance(files, list):
        return []
    return [Path(each) for each in files if isinstance(each, str) and each]


def _write(paths: list[Path]) -> None:
    with suppress(OSError, StorageError), atomic_write(recent_list()) as file:
        file.write(dumps({"files": list(map(str, paths[:MOST]))}, indent=1).encode())
