"""Folders for files that are needed for a moment."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_unet_studio.core.errors import StorageError


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder that is removed at the end of the block, with all in it.

    Raises
    ------
    StorageError
        If there is no room for temporary files.

    Examples
    --------
    >>> with scratch_folder() as folder:
    ...     _ = (folder / "note.txt").write_text("for a moment")
    >>> folder.exists()
    False
    """
    try:
        with tempfile.TemporaryDirectory(prefix="unet-studio-") as name:
            yield Path(name)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(
            f"Temporary files cannot be written: {error.strerror or error}. Free some "
            f"space in {tempfile.gettempdir()}."
        ) from error
