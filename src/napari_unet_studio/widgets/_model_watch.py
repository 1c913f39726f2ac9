"""Notices that models come, go or change, whoever makes them."""

import contextlib
from pathlib import Path

from qtpy.QtCore import QFileSystemWatcher, QObject, Signal

from napari_unet_studio.io.registry import models_folder, user_folder
from napari_unet_studio.widgets._controls import timer
from napari_unet_studio.widgets._settings import follow_page

_PAUSE = 200  # milliseconds: a file in the making changes its folder often


class ModelWatch(QObject):
    """Watches the folder of models, the files opened lately and the settings."""

    changed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        clock = timer(self, _PAUSE, self._tell)
        self._watcher = QFileSystemWatcher(self)
        self._watcher.directoryChanged.connect(lambda _: clock.start())
        follow_page(self, lambda _: self._tell())
        self.look()

    def look(self) -> None:
        """Watch the folders that the settings name now."""
        # Without folders there is nothing to watch; then the models are listed once.
        # One of the settings may be half typed: it is made when a model is saved.
        with contextlib.suppress(OSError):
            (user_folder() / "models").mkdir(parents=True, exist_ok=True)
        folders = {str(_there(place)) for place in (models_folder(), user_folder())}
        watched = set(self._watcher.directories())
        if watched - folders:
            self._watcher.removePaths(sorted(watched - folders))
        if folders - watched:
            self._watcher.addPaths(sorted(folders - watched))

    def _tell(self) -> None:
        self.look()
        self.changed.emit()


def _there(folder: Path) -> Path:
    """Return a folder, or of one that is not there yet the nearest around it."""
    around = (place for place in (folder, *folder.parents) if place.is_dir())
    return next(around, Path(folder.anchor))
