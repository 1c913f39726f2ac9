"""Where the results of a batch go."""

from pathlib import Path

from qtpy.QtCore import QSignalBlocker, QUrl, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.widgets._segment.rows import combo_box

NAME = "predicted"
"""Of the folder beside the images."""
LAYERS, FOLDER = "as new layers", "in a folder"


class Place(QWidget):
    """A folder, typed or chosen; of layers the results may be layers too."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._usual: Path | None = None
        self._files = True
        self.kind = combo_box(
            "Whether the results become layers of the viewer, or files in a folder."
        )
        self.kind.addItems([LAYERS, FOLDER])
        self.folder = QLineEdit()
        self.folder.setToolTip(
            "Folder for the results: a label image for each image, and batch.json with "
            f"what was done. Left empty it is “{NAME}”, beside the images."
        )
        self.button = QPushButton("…")
        self.button.setToolTip("Choose the folder for the results.")
        self.button.setFixedWidth(32)
        self._line = QWidget()
        row = QHBoxLayout(self._line)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.folder, 1)
        row.addWidget(self.button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.kind)
        column.addWidget(self._line)
        self.setToolTip("Where the results go.")
        self.kind.currentIndexChanged.connect(lambda _: self._on_changed())
        self.folder.textChanged.connect(lambda _: self._on_changed())
        self.button.clicked.connect(self._on_ask)
        self.suit(True, None)

    @property
    def as_layers(self) -> bool:
        """Whether the results become layers."""
        return not self._files and self.kind.currentText() == LAYERS

    def suit(self, files: bool, usual: Path | None) -> None:
        """Offer what goes with files, or with layers.

        Parameters
        ----------
        files
            Whether the images are files; their results are too.
        usual
            The folder that is taken if none is given.
        """
        self._files, self._usual = files, usual
        hint = "choose a folder"
        if usual is not None:
            hint = f"{usual.parent.name}/{usual.name}"
        elif files:
            hint = f"{NAME}, beside the images"
        self.folder.setPlaceholderText(hint)
        self._fit()

    def set(self, folder: Path | None) -> None:
        """Put results into a folder; None takes the usual one, or layers."""
        with QSignalBlocker(self.kind):
            self.kind.setCurrentText(LAYERS if folder is None else FOLDER)
        self.folder.setText("" if folder is None else str(folder))
        self._on_changed()

    def read(self) -> Path | None:
        """Return the folder; None if the results become layers.

        Raises
        ------
        InputError
            If there is none.
        """
        if self.as_layers:
            return None
        text = self.folder.text().strip()
        if text.startswith("file:"):  # dropped on the field
            text = QUrl(text).toLocalFile()
        if text:
            folder = Path(text).expanduser()
            if folder.is_absolute():
                return folder
            # One that a relative name means depends on where napari was started.
            around = Path.home() if self._usual is None else self._usual.parent
            return around / folder
        if self._usual is None:
            raise InputError(
                "There is no folder for the results yet; choose one with the button … "
                "in the row Results."
            )
        return self._usual

    def _fit(self) -> None:
        self.kind.setVisible(not self._files)
        self._line.setVisible(not self.as_layers)

    def _on_changed(self) -> None:
        self._fit()
        self.changed.emit()

    def _on_ask(self) -> None:
        try:
            start = self.read()
        except InputError:
            start = None
        there = (p for p in (start, *(start.parents if start else ())) if p)
        first = next((p for p in there if p.is_dir()), Path.home())
        chosen = QFileDialog.getExistingDirectory(
            self, "Folder for results", str(first)
        )
        if chosen:
            self.set(Path(chosen))
