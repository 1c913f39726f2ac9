"""What a file is known again by: SHA-256 of its content, size and time of change."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from napari_unet_studio.core.axes import as_array
from napari_unet_studio.io.guard import reading

_PIECE, _LARGEST = 1 << 24, 1 << 29  # bytes of a lazy array that are read at once


class Fingerprint(NamedTuple):
    """What a file, a zarr store or an array is known again by.

    Parameters
    ----------
    sha256
        Of a file its content. Of a store, which may be huge, the names, sizes and times
        of change of its files. Of an array its shape, type and pixels.
    bytes
        Size.
    modified
        Time of the last change, in nanoseconds; 0 of an array.
    """

    sha256: str
    bytes: int
    modified: int

    def hashed(self) -> "Fingerprint":
        """Return it with the SHA-256 of its text, for more than one thing in it."""
        text = hashlib.sha256(self.sha256.encode()).hexdigest()
        return self._replace(sha256=text)

    def fits(self, path: Path) -> bool:
        """Return whether a path holds what this is the fingerprint of.

        A file of the same size and time of change counts as unchanged; else its content
        decides.
        """
        try:
            if path.is_file():
                found = path.stat()
                if found.st_size != self.bytes:
                    return False
                if found.st_mtime_ns == self.modified:
                    return True
            elif not path.is_dir():
                return False
            return fingerprint(path).sha256 == self.sha256
        except OSError:
            return False


def fingerprint(path: Path) -> Fingerprint:
    """Return the fingerprint of a file or a folder.

    Raises
    ------
    StorageError
        If it cannot be read.
    """
    with reading(path):
        if path.is_dir():
            return _of_folder(path)
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Fingerprint(digest, before.st_size, before.st_mtime_ns)


def digest_of_array(array: Any) -> str:
    """Return the SHA-256 of the shape, type and pixels of an array; lazy or not."""
    array = as_array(array)
    found = hashlib.sha256(f"{array.shape} {array.dtype.str}".encode())
    row = max(1, array.nbytes // max(1, len(array))) if array.ndim else 1
    step = max(1, _PIECE // row)
    if hasattr(array, "chunks"):  # whole ones: each part of one would decode all of it
        whole = max(1, array.chunks[0][0])
        step = max(1, step // whole) * whole if whole * row <= _LARGEST else step
    for start in range(0, len(array) if array.ndim else 0, step):
        piece = np.ascontiguousarray(array[start : start + step])
        found.update(piece.data if piece.size else b"")
    return found.hexdigest()


def _of_folder(folder: Path) -> Fingerprint:
    found, size, latest = hashlib.sha256(), 0, 0
    for path, status in _files(folder):
        name = path.relative_to(folder).as_posix()
        found.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        size += status.st_size
        latest = max(latest, status.st_mtime_ns)
    return Fingerprint(found.hexdigest(), size, latest)


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    with os.scandir(folder) as entries:
        inside = sorted(entries, key=lambda entry: entry.name)
    for entry in inside:
        if entry.is_dir():
            yield from _files(Path(entry.path))
        else:
            yield Path(entry.path), entry.stat()
