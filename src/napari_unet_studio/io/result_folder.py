"""Where a result lies until it is finished, and how it comes to its path.

All of it lies in the folder ``<path>.part``:

- ``result``, what will be at the path,
- ``store.json``, the layout,
- ``old``, the earlier result at the very moment when it is replaced,
- and whatever else is needed on the way.

The folder appears with ``result`` and ``store.json`` in it at once. The result comes to
its path by one renaming. A process that is killed between any two steps leaves a folder
that says which of them were done.
"""

import json
import shutil
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari_unet_studio.core.errors import StorageError
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.guard import writing
from napari_unet_studio.io.plain_json import dumps

PROVENANCE = "napari_unet_studio"  # key of a result's attributes


def part_of(path: Path) -> Path:
    """Return the folder of an unfinished result."""
    return path.with_name(f"{path.name}.part")


def is_unfinished(path: Path) -> bool:
    """Return whether there is an unfinished result that would have this path."""
    part = part_of(path)
    return (part / "store.json").is_file() and (part / "result").is_dir()


def read_document(path: Path) -> dict[str, Any]:
    """Return the content of ``store.json``."""
    text = (part_of(path) / "store.json").read_text(encoding="utf-8")
    values: dict[str, Any] = json.loads(text)
    return values


def begin(
    path: Path,
    document: Mapping[str, Any],
    create: Callable[[Path], object],
    overwrite: bool,
) -> None:
    """Make the folder of an unfinished result.

    Parameters
    ----------
    document
        For ``store.json``.
    create
        Makes ``result`` in a new folder.
    overwrite
        As in `ResultStore.create`.

    Raises
    ------
    StorageError
        If there is something at the path already, or nothing can be written.
    """
    part = part_of(path)
    if path.exists() or path.is_symlink():
        check_replaceable(path, overwrite)
    if is_unfinished(path) and not overwrite:
        raise StorageError(
            f"{part} is an unfinished result; go on with the same settings, or start "
            "anew with --overwrite."
        )
    discard(path)
    new = path.parent / f".{path.name[:40]}.{uuid.uuid4().hex[:8]}"
    try:
        with writing(path):
            new.mkdir(parents=True)
            create(new / "result")
            with atomic_write(new / "store.json") as file:
                file.write(dumps(document, indent=1).encode())
            new.rename(part)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def discard(path: Path) -> None:
    """Delete an unfinished result, or what is left of one; restore the earlier one.

    Raises
    ------
    StorageError
        If it cannot be deleted, or is none.
    """
    part = part_of(path)
    if not part.exists():
        return
    if not (part / "store.json").is_file():
        raise StorageError(
            f"{part} is no unfinished result of this package; move it away, or choose "
            "another name for the result."
        )
    with writing(part):
        if (part / "old").exists() and not path.exists():
            (part / "old").rename(path)
        _delete(part)


def bring(path: Path, overwrite: bool) -> None:
    """Give a finished result its path, and delete the rest of the folder.

    Raises
    ------
    StorageError
        If something else has come to the path. The folder stays.
    """
    part = part_of(path)
    with writing(path):
        if path.exists() or path.is_symlink():
            check_replaceable(path, overwrite)
            path.rename(part / "old")
        (part / "result").rename(path)
    # What cannot be deleted does no harm; the next run tries again.
    with suppress(OSError):
        _delete(part, ignore_errors=True)


def _delete(part: Path, ignore_errors: bool = False) -> None:
    """Delete a folder such that a kill on the way leaves what can be told and deleted.

    At once it is no unfinished result any more, and `store.json` goes last.
    """
    if (part / "result").exists():
        (part / "result").rename(part / f"deleted-{uuid.uuid4().hex}")
    for inner in list(part.iterdir()):
        if inner.is_dir() and not inner.is_symlink():
            shutil.rmtree(inner, ignore_errors)
    if not any(inner.is_dir() for inner in part.iterdir()):
        shutil.rmtree(part, ignore_errors)


def check_replaceable(path: Path, overwrite: bool) -> None:
    """Raise a StorageError if what is at a path must stay."""
    if not overwrite:
        raise StorageError(
            f"{path} exists already; choose another place, or allow --overwrite."
        )
    import zarr

    try:
        ours = PROVENANCE in zarr.open_group(str(path), mode="r").attrs
    except Exception:  # noqa: BLE001  whatever it is, it is no result
        ours = False
    if not ours or path.is_symlink():
        raise StorageError(
            f"{path} is no result of this package and is not replaced; move it away, "
            "or choose another place."
        )
