"""Keeps a training on disk while it runs."""

import time
from pathlib import Path

from napari_unet_studio.core.errors import StorageError
from napari_unet_studio.io.atomic import sweep
from napari_unet_studio.io.checkpoint import Checkpoint, save_checkpoint

EVERY = 60.0  # seconds between two checkpoints,
LEAST = 10.0  # and before one at the end of an epoch
_SHARE = 0.05  # of the time that may go into writing


class Keeper:
    """Writes checkpoints: now and then, at ends of epochs, when asked.

    Parameters
    ----------
    path
        The file; None keeps nothing.

    Attributes
    ----------
    unsaved
        Why the last checkpoint could not be written; empty if it was.
    """

    def __init__(self, path: str | Path | None) -> None:
        self.path = path
        self.unsaved = ""
        self._last, self._cost = time.monotonic(), 0.0
        if path is not None:
            sweep(path)

    def due(self, epoch: bool) -> bool:
        """Return whether it is time, at the end of an epoch or within one."""
        waited = time.monotonic() - self._last
        least = LEAST if epoch else EVERY
        return self.path is not None and waited >= max(least, self._cost / _SHARE)

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint; a disk that is full ends no training."""
        if self.path is None:
            return
        began = time.monotonic()
        try:
            save_checkpoint(checkpoint, self.path)
            self.unsaved = ""
        except StorageError as error:
            self.unsaved = f"The training cannot be resumed: {error}"
        self._last = time.monotonic()
        self._cost = self._last - began
