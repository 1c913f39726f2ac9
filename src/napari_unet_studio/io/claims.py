"""Images that a run is at work on: no other run begins with them meanwhile."""

import hashlib
from pathlib import Path
from typing import IO

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.guard import writing
from napari_unet_studio.io.manifest_lock import lock, unlock


class Claims:
    """Locks on the names of results, which the system gives back after a kill.

    Parameters
    ----------
    folder
        For the files that are locked.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, IO[bytes]] = {}

    def take(self, name: str) -> None:
        """Claim a name until it is given back.

        Raises
        ------
        InputError
            If another run has it.
        """
        if name in self._held:
            return
        with writing(self._folder):
            file = lock(self._path(name), wait=False)
        if file is None:
            raise InputError(
                f"Another run is making the result {name} just now; wait for its end, "
                "or give each run images of its own."
            )
        self._held[name] = file

    def give_back(self, name: str) -> None:
        """Let others have a name."""
        file = self._held.pop(name, None)
        if file is not None:
            unlock(file, self._path(name))

    def give_all_back(self) -> None:
        """Let others have all names."""
        for name in list(self._held):
            self.give_back(name)

    def _path(self, name: str) -> Path:
        # A name may hold "/", and a disk may take "A" and "a" for one.
        word = name.casefold().encode(errors="surrogateescape")
        return self._folder / hashlib.sha256(word).hexdigest()[:16]
