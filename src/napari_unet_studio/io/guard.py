"""Errors of files and codecs as one sentence that names the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_unet_studio.core.errors import StorageError, StudioError


@contextmanager
def reading(path: str | Path, what: str = "an image") -> Iterator[None]:
    """Turn whatever a reader or a codec raises into a StorageError.

    Lazy arrays raise when their pixels are computed, not when the file is opened.
    Those of this package go through here by themselves.

    Examples
    --------
    >>> with reading("cells.zarr"):
    ...     raise RuntimeError("error during blosc decompression: -1")
    Traceback (most recent call last):
        ...
    napari_unet_studio.core.errors.StorageError: cells.zarr cannot be read as an ...
    """
    try:
        yield
    except StudioError:
        raise
    except MemoryError as error:
        reason = str(error) or "there is not enough memory"
        raise StorageError(
            f"{path} cannot be read as {what}: {reason.rstrip('.')}. Close other "
            "programs, or use a part or a coarser level of it; if it should be small, "
            "it is damaged."
        ) from error
    except Exception as error:  # broken files make the readers raise almost anything
        reason = str(error) or type(error).__name__
        raise StorageError(
            f"{path} cannot be read as {what}: {reason.rstrip('.')}. It may be "
            "incomplete; copy or save it again."
        ) from error


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn the errors of a disk that is full, read-only or gone into a StorageError."""
    try:
        yield
    except StudioError:
        raise
    except OSError as error:
        raise StorageError(
            f"{path} could not be written: {error.strerror or error}. Choose a folder "
            "that is writable and has space left."
        ) from error
