"""Which images a batch takes, with which model and settings, and where results go."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari.viewer
from napari.layers import Image
from qtpy.QtCore import QObject, QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.io.images import is_in_zarr
from napari_unet_studio.tasks.batch_config import BatchConfig
from napari_unet_studio.widgets._batch.entries import (
    Entry,
    file_entries,
    layer_entries,
)
from napari_unet_studio.widgets._batch.place import NAME, Place
from napari_unet_studio.widgets._batch.reading import ReadingForm
from napari_unet_studio.widgets._batch.settings import FilesForm, ObjectsSection
from napari_unet_studio.widgets._form import aligned_form, collapsible
from napari_unet_studio.widgets._model_choice import ModelChoice
from napari_unet_studio.widgets._network_form import NetworkForm
from napari_unet_studio.widgets._segment.image import image_layers
from napari_unet_studio.widgets._segment.rows import combo_box
from napari_unet_studio.widgets._train.files import FILTER

if TYPE_CHECKING:
    from napari_unet_studio.io.model import ModelCard

REPLACE = "Replace results"
FILES, LAYERS = "files and folders", "layers of the viewer"


class BatchForm(QObject):
    """The settings of the widget "Batch": ``top`` goes above the table of images.

    Parameters
    ----------
    viewer
        Whose layers can be taken.
    parent
        The widget.
    """

    images_changed = Signal()
    """When other images are meant."""
    changed = Signal()
    """When anything else is."""
    failed = Signal(object)
    """With the error of files that cannot be taken."""

    def __init__(self, viewer: "napari.viewer.Viewer", parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.paths: list[Path] = []
        self.entries: list[Entry] = []
        self.source = combo_box("Where the images are: on the disk, or in the viewer.")
        self.source.addItems([FILES, LAYERS])
        self.browse_button = QPushButton("Browse…")
        self.browse_button.setToolTip(
            "Add images, or all images of a folder. They can be dropped here, too."
        )
        menu = QMenu(self.browse_button)
        menu.addAction("Files…", self._ask_files)
        menu.addAction("Folder or zarr…", self._ask_folder)
        self.browse_button.setMenu(menu)
        self.clear_button = QPushButton("Clear")
        self.clear_button.setToolTip("Take all files out of the list.")
        self.clear_button.clicked.connect(lambda: self.set_paths([]))
        self.models = ModelChoice(self)
        self.place = Place()
        self.reading = ReadingForm()
        self.files = FilesForm()
        self.network = NetworkForm()
        self.objects = ObjectsSection(self.model)
        self.overwrite = QCheckBox()
        self.overwrite.setAccessibleName(REPLACE)
        self.overwrite.setToolTip(
            "Compute images again whose results are there from other settings. "
            "Otherwise these are left as they are, and named in the table. What was "
            "made with the same settings is kept in any case."
        )
        self.files.form.add_row(REPLACE, self.overwrite)
        self._build()

    def _build(self) -> None:
        self.top, self.bottom = QWidget(), QWidget()
        above, below = aligned_form(), aligned_form()
        above.addRow("Images", self.source)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        buttons.addWidget(self.browse_button, 1)
        buttons.addWidget(self.clear_button, 1)
        below.addRow("Model", self.models.combo)
        below.addRow("Results", self.place)
        self.written = collapsible(
            "Files",
            self.files,
            "What is written, and whether results of other settings are replaced.",
        )
        self.read_as = collapsible(
            "Reading", self.reading, "Axes, channel and pixel size of the images."
        )
        self.running = collapsible(
            "Network", self.network, "Device, precision, tiles, averaging."
        )
        _column(above, buttons, widget=self.top)
        sections = self.written, self.read_as, self.objects.section, self.running
        _column(below, self.models.info, *sections, widget=self.bottom)
        self.source.currentIndexChanged.connect(lambda _: self._on_source())
        self.models.changed.connect(self._on_model)
        self.models.failed.connect(self.failed)
        self.place.changed.connect(self._on_place)
        for form in (self.reading, self.objects, self.files.form, self.network.form):
            form.changed.connect(self.changed)
        self.overwrite.toggled.connect(lambda _: self.changed.emit())
        self._on_model()
        self.refresh()

    # -- for programs -----------------------------------------------------------------

    @property
    def of_layers(self) -> bool:
        """Whether the images are layers."""
        return bool(self.source.currentText() == LAYERS)

    def model(self) -> "tuple[Path, ModelCard] | None":
        """Return the file and the card of the chosen model, if it can be used."""
        try:
            card = self.models.card()
        except StudioError:
            return None
        assert self.models.path is not None  # there is a card
        return self.models.path, card

    def config(self) -> BatchConfig:
        """Return the settings.

        Raises
        ------
        ConfigError
            If they contradict each other.
        """
        prediction = self.network.value()
        if self.of_layers and self.place.as_layers:
            return BatchConfig(prediction)
        return replace(self.files.form.value(), prediction=prediction)

    def set_config(self, config: BatchConfig) -> None:
        """Show other settings."""
        self.files.form.set(replace(config, prediction=BatchConfig().prediction))
        self.network.form.set(config.prediction)

    def add_paths(self, paths: Sequence[Path]) -> None:
        """Take files and folders, beside those that are there."""
        self.set_paths([*self.paths, *(p for p in paths if p not in self.paths)])

    def set_paths(self, paths: Sequence[Path]) -> None:
        """Take these and no others; `failed` tells if one is not there, or is empty."""
        paths = [path.absolute() for path in paths]
        try:
            for path in paths:
                if path not in self.paths:
                    file_entries([path], None)
        except StudioError as error:
            self.failed.emit(error)
            return
        self.paths = paths
        with QSignalBlocker(self.source):
            self.source.setCurrentText(FILES)
        self.refresh()

    def refresh(self) -> None:
        """Look which images there are: layers come and go, and files do too."""
        files = not self.of_layers
        troubles: list[StudioError] = self._leave_gone() if files else []
        self.place.suit(files, self._usual())
        try:
            entries = self._entries()
        except StudioError as error:  # folders that hold no image any more
            entries = []
            troubles.append(error)
        before = [(entry.key, entry.name) for entry in self.entries]
        self.entries = entries
        self.browse_button.setVisible(files)
        self.clear_button.setVisible(files)
        self.clear_button.setEnabled(bool(self.paths))
        self.reading.suit(not files)
        self.written.setVisible(not self.place.as_layers)
        if [(entry.key, entry.name) for entry in entries] != before:
            self.images_changed.emit()
        for trouble in troubles:  # last: another form takes back what was said before
            self.failed.emit(trouble)

    def layers(self) -> list[Image]:
        """Return the layers that are offered."""
        return image_layers(self._viewer)

    # -- choices ----------------------------------------------------------------------

    def _entries(self) -> list[Entry]:
        if self.of_layers:
            return layer_entries(self.layers())
        return file_entries(self.paths, self._out()) if self.paths else []

    def _leave_gone(self) -> list[StudioError]:
        """Take out files and folders that are gone; return what to say."""
        gone = [path for path in self.paths if _is_gone(path)]
        if not gone:
            return []
        self.paths = [path for path in self.paths if path not in gone]
        names = ", ".join(map(str, gone))
        return [
            InputError(
                f"{names} is not there any more, and was taken out of the list; "
                "add it again when it is."
            )
        ]

    def _out(self) -> Path | None:
        try:
            return self.place.read()
        except StudioError:
            return None

    def _usual(self) -> Path | None:
        """Return the folder for results beside the files, if there are any."""
        if self.of_layers or not self.paths:
            return None
        folders = [
            p if p.is_dir() and not is_in_zarr(p) else p.parent for p in self.paths
        ]
        try:
            return Path(os.path.commonpath(folders)) / NAME
        except ValueError:  # on several drives
            return folders[0] / NAME

    def _on_model(self) -> None:
        found = self.model()
        # Files say only when they are read whether their pixels have a size.
        self.network.fit(None if found is None else found[1], "um")
        self.objects.refresh()
        self.changed.emit()

    def _on_source(self) -> None:
        self.refresh()
        self.changed.emit()

    def _on_place(self) -> None:
        self.written.setVisible(not self.place.as_layers)
        self.changed.emit()

    def _ask_files(self) -> None:
        files, _ = QFileDialog.getOpenFileNames(
            self.top, "Images", self._start(), FILTER
        )
        if files:
            self.add_paths([Path(file) for file in files])

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(
            self.top, "Folder of images, or a zarr", self._start()
        )
        if folder:
            self.add_paths([Path(folder)])

    def _start(self) -> str:
        return str(self.paths[-1].parent) if self.paths else ""


def _is_gone(path: Path) -> bool:
    try:
        return not path.exists()
    except OSError:  # it may not be looked at: the batch says so
        return False


def _column(*parts: Any, widget: QWidget | None = None) -> QWidget:
    """Put widgets and layouts below each other into a widget, a new one by default."""
    widget = QWidget() if widget is None else widget
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for part in parts:
        add = layout.addWidget if isinstance(part, QWidget) else layout.addLayout
        add(part)
    return widget
