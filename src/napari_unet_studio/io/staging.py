"""Where results lie until the record tells of them; how they come to their places."""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from napari_unet_studio.io.atomic import sweep
from napari_unet_studio.io.guard import writing
from napari_unet_studio.io.manifest_lock import lock, unlock
from napari_unet_studio.io.record import Written

_NAME = ".batch"


class Staging:
    """The hidden folder for results in the folder of a batch.

    Parameters
    ----------
    folder
        Of the batch.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stage = folder / _NAME

    @property
    def lock(self) -> Path:
        """The file that is locked while the record changes."""
        return self._stage / "lock"

    @property
    def claims(self) -> Path:
        """The folder of locks on images that are under way."""
        return self._stage / "claims"

    @property
    def lock_of_all(self) -> Path:
        """The file that is locked while files of all images are written."""
        return self._stage / "lock-shared"

    def path(self, file: str, source: str) -> Path:
        """Return where a result lies first.

        Parameters
        ----------
        file
            Path of the result, relative to the folder of the batch.
        source
            SHA-256 of its image, so that two processes with images of one name do not
            meet; "" for a file of all images.
        """
        return self._stage / (source[:16] or "shared") / file

    def cleared(self, file: str, source: str) -> Path:
        """Return the same, without what a writer left there when it was killed.

        An unfinished zarr store stays, to be gone on with.
        """
        path = self.path(file, source)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path)
        sweep(mark_of(path))
        return path

    def bring(self, results: Iterable[Written], source: str) -> None:
        """Bring results that are recorded, and still here, to their places."""
        for each in results:
            staged, path = self.path(each.path, source), self._folder / each.path
            if os.path.lexists(staged) and each.fingerprint.fits(staged):
                with writing(path):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    try:
                        _replace(staged, path)
                    except FileNotFoundError:
                        if os.path.lexists(staged):
                            raise
                        # Another process has brought it just now.

    def drop(self, file: str, source: str) -> None:
        """Remove a file that is not wanted; zarr stores stay, to be gone on with."""
        with suppress(OSError):
            self.path(file, source).unlink()

    def tidy(self, sources: Iterable[str]) -> None:
        """Remove the empty folders of some images; what is unfinished stays.

        Those of other images stay too: another process may be about to write there.
        """
        for source in sources:
            _remove_empty(self.path("", source))
        shared = self.path("", "")
        if shared.is_dir():
            file = lock(self.lock_of_all, wait=False)
            if file is not None:
                _remove_empty(shared)
                unlock(file, self.lock_of_all)
        for folder in (self.claims, self._stage):
            with suppress(OSError):
                folder.rmdir()


def _remove_empty(place: Path) -> None:
    for folder, _, _ in os.walk(place, topdown=False):
        with suppress(OSError):
            Path(folder).rmdir()


def _replace(staged: Path, path: Path) -> None:
    mark_of(staged).unlink(missing_ok=True)
    # A folder cannot be replaced by renaming.
    old = staged.with_name(f"{staged.name}.old")
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
    staged.replace(path)
    shutil.rmtree(old, ignore_errors=True)


def mark_of(store: Path) -> Path:
    """Return the file that tells of a finished store that is not recorded yet."""
    return store.with_name(f"{store.name}.done")
