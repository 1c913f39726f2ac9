"""A lock on a file, which the system gives back when its process ends or is killed."""

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock while the block runs; others wait.

    On a disk that knows no locks nobody waits. The file is removed afterwards.
    """
    file = lock(path)
    assert file is not None
    try:
        yield
    finally:
        unlock(file, path)


def lock(path: Path, wait: bool = True) -> IO[bytes] | None:
    """Lock a file for :func:`unlock`; None if others have it and nobody waits."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("ab")
        except FileNotFoundError:  # another process tidied up just now
            continue
        if not _taken(file, wait):
            file.close()
            return None
        try:
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except OSError:
            pass
        file.close()


def unlock(file: IO[bytes], path: Path) -> None:
    """Give a lock back, and remove its file."""
    if sys.platform == "win32":  # an open file cannot be removed there
        file.close()
        with suppress(OSError):
            path.unlink()
    else:
        # While the lock is held: who waits for it sees that it is gone.
        with suppress(OSError):
            path.unlink()
        file.close()


def _taken(file: IO[bytes], wait: bool) -> bool:
    """Lock an open file; False if others have it and nobody waits."""
    try:
        if sys.platform == "win32":
            import msvcrt

            while True:
                file.seek(0)
                try:
                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                    return True
                except OSError as error:
                    if error.errno not in (errno.EACCES, errno.EDEADLK):
                        raise
                if not wait:
                    return False
                time.sleep(0.05)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a disk that knows no locks
        pass
    return True
