"""Things that take long to make, kept in the user's folder of cached things."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import platformdirs

from napari_unet_studio.io.registry import HOME_VARIABLE

# The ones used longest ago go when there are more.
_MOST = 20
_ABANDONED = 24 * 3600.0  # seconds


def cache_folder() -> Path:
    """Return the folder; it need not exist."""
    home = os.environ.get(HOME_VARIABLE)
    return Path(home) if home else platformdirs.user_cache_path("napari-unet-studio")


def kept(key: str) -> Path | None:
    """Return the folder of what was kept under a key, or None."""
    folder = cache_folder() / "kept" / key
    if not folder.is_dir():
        return None
    with suppress(OSError):
        os.utime(folder)
    return folder


def keep(key: str, write: Callable[[Path], None]) -> None:
    """Keep what `write` puts into an empty folder, in place of what was there.

    Others find all of it or nothing. That `write` or the disk fails with an OSError is
    no error: nothing is kept.

    Examples
    --------
    >>> keep("greeting", lambda folder: (folder / "a.txt").write_text("hello") and None)
    >>> (kept("greeting") / "a.txt").read_text()
    'hello'
    >>> kept("farewell") is None
    True
    """
    place = cache_folder() / "kept"
    with suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        for left in place.glob(".*"):  # by a process that was killed
            if time.time() - left.stat().st_mtime > _ABANDONED:
                shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=place, prefix=".") as work:
            made = Path(work, key)
            made.mkdir()
            write(made)
            with suppress(FileNotFoundError):
                (place / key).replace(Path(work, "before"))
            made.replace(place / key)
        folders = [f for f in place.iterdir() if not f.name.startswith(".")]
        for old in sorted(folders, key=lambda f: f.stat().st_mtime)[:-_MOST]:
            shutil.rmtree(old, ignore_errors=True)
