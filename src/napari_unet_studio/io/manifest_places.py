"""Where results of a batch may come to: never over an image, over others if told."""

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.record_parts import Entry
from napari_unet_studio.io.result_folder import check_replaceable


class Places:
    """The paths in the folder of a batch.

    Parameters
    ----------
    folder
        Of the results.
    inputs
        Files that no result may replace.
    overwrite
        Whether results may replace files that are there.
    """

    def __init__(self, folder: Path, inputs: Collection[Path], overwrite: bool) -> None:
        self._folder, self._overwrite = folder, overwrite
        self._inputs = {path.resolve() for path in inputs}
        self._same = {known for path in inputs if (known := _identity(path))}

    def check_free(self, file: str, reason: str = "exists already") -> None:
        """Raise an error if a result must not come to a path.

        Raises
        ------
        InputError
            If an image is there; or, unless they may be replaced, another file.
        StorageError
            If a folder is there that is no result of this package.
        """
        path = self._folder / file
        # A disk may take "A.tif" and "a.tif" for one name, and links have several.
        if path.resolve() in self._inputs or _identity(path) in self._same:
            raise InputError(
                f"{path} is an input of this batch; choose another folder with --out."
            )
        if path.is_dir() and not path.is_symlink() and self._overwrite:
            check_replaceable(path, overwrite=True)
        if os.path.lexists(path) and not self._overwrite:
            raise InputError(
                f"{path} {reason}; choose another folder with --out, or allow "
                "--overwrite."
            )

    def drop_stale(self, before: Entry, now: Entry) -> None:
        """Remove what lay beside labels that were replaced, such as their table."""
        paths = {each.path for each in now.results.values()}
        old = before.results.values()
        if not self._overwrite or paths.isdisjoint(each.path for each in old):
            return
        for each in old:
            path = self._folder / each.path
            if each.path not in paths and path.is_file():
                with suppress(OSError):
                    if each.fits(self._folder):
                        path.unlink()

    def told(self, image: Path | str) -> str:
        """Return how the record names an image: from its folder, if there is a way."""
        if isinstance(image, str):
            return image
        try:
            relative = os.path.relpath(image.resolve(), self._folder.resolve())
        except ValueError:  # another drive
            return image.resolve().as_posix()
        return Path(relative).as_posix()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what a file is to the system, whatever it is called."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found.st_ino else None
