"""The section "Advanced": how a network runs, and where its result goes."""

from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QFileDialog

from napari_unet_studio.widgets._network_form import NetworkForm
from napari_unet_studio.widgets._segment.rows import combo_box, remark, small_label

AUTOMATIC, MEMORY, FOLDER = "automatic", "in memory", "in a folder…"


class Advanced(NetworkForm):
    """Edits how a network runs, and where its result goes."""

    def __init__(self) -> None:
        super().__init__()
        self.result = combo_box(
            "Where the result goes. Automatic keeps it in memory if it takes less than "
            "half of what is free, so that its objects can be tuned at once; else it "
            "is written to a folder as OME-Zarr, block by block, and shown from there."
        )
        self.result.addItems([AUTOMATIC, MEMORY, FOLDER])
        self.folder: Path | None = None
        self._before = AUTOMATIC
        self.made = small_label()
        self.made.setToolTip("What the automatic choices became in this run.")
        self.form.add_row("Result", self.result)
        self.layout().setSpacing(4)
        self.layout().addWidget(self.made)
        self.result.activated.connect(self._on_result)

    def choose_folder(self, folder: Path | None) -> None:
        """Put results into a folder, or go back to the choice before for None."""
        if folder is not None:
            self.folder, self._before = folder, FOLDER
        with QSignalBlocker(self.result):
            name = FOLDER if self.folder is None else f"in {self.folder.name}…"
            self.result.setItemText(2, name)
            role = Qt.ItemDataRole.ToolTipRole
            self.result.setItemData(2, str(self.folder or ""), role)
            self.result.setCurrentIndex([AUTOMATIC, MEMORY, FOLDER].index(self._before))

    @property
    def place(self) -> str:
        """One of `AUTOMATIC`, `MEMORY` and `FOLDER`."""
        return (AUTOMATIC, MEMORY, FOLDER)[int(self.result.currentIndex())]

    def say_made(self, text: str) -> None:
        """Say what the automatic choices became."""
        remark(self.made, text)

    def _on_result(self, index: int) -> None:
        if index < 2:
            self._before = self.place
            return
        start = self.folder or Path.home()
        chosen = QFileDialog.getExistingDirectory(
            self, "Folder for results", str(start)
        )
        self.choose_folder(Path(chosen) if chosen else None)
