"""Write a file completely or not at all."""

import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from napari_unet_studio.core.errors import StorageError, StudioError


@contextmanager
def atomic_write(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path` that replaces it when the block succeeds.

    The old file stays as it was until the new one is whole and on disk, so neither a
    crash nor a full disk loses data.

    Raises
    ------
    StorageError
        If the folder cannot be made or written, or the disk is full.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> with atomic_write(folder / "note.txt") as file:
    ...     _ = file.write(b"whole")
    >>> [p.name for p in folder.iterdir()]
    ['note.txt']
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        prefix = _prefix(path)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=prefix, delete=False
        ) as file:
            temporary = Path(file.name)
            yield file
            file.flush()
            os.fsync(file.fileno())
        # Temporary files are private; give the result the permissions of a new file.
        umask = os.umask(0)
        os.umask(umask)
        with suppress(OSError):  # a disk without permissions, such as exFAT, may refuse
            temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except StudioError:  # of what the block reads
        raise
    except OSError as error:
        raise StorageError(
            f"{path} could not be written: {error.strerror or error}. Nothing was "
            "changed; choose a folder that is writable and has space left."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def check_writable(path: str | Path, remedy: str = "Choose another place") -> None:
    """Make the folder of a result, and see that a file can be written there.

    Raises
    ------
    StorageError
        If not: better now than after hours of work.
    """
    folder = Path(path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(
            f"Nothing can be written to {folder}: {error.strerror or error}. {remedy}."
        ) from error


def sweep(path: str | Path) -> None:
    """Remove what writers of this file left when they were killed.

    Nobody else may be writing it.
    """
    path = Path(path)
    with suppress(OSError):
        for left in path.parent.glob(f"{glob.escape(_prefix(path))}????????"):
            left.unlink(missing_ok=True)


def _prefix(path: Path) -> str:
    return f".{path.name[:40]}."  # a name may be as long as the disk allows
