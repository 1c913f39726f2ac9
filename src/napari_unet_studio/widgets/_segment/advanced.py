"""The section "Advanced": how a network runs, and where its result goes."""

from collections.abc import Collection
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.widgets._form import Form
from napari_unet_studio.widgets._segment.rows import combo_box, remark, small_label
from napari_unet_studio.widgets._settings import begun_with, follow_start

if TYPE_CHECKING:
    from napari_unet_studio.io.model import ModelCard

AUTOMATIC, MEMORY, FOLDER = "automatic", "in memory", "in a folder…"


class Advanced(QWidget):
    """Edits a :class:`.PredictConfig`, as far as a model and an image make use of it.

    Attributes
    ----------
    form
        The form; its rows are shown by :meth:`fit`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.form = Form(begun_with(PredictConfig()))
        follow_start(self, self.form)
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
        self._hidden: frozenset[str] = frozenset()
        self.form.add_row("Result", self.result)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.form)
        layout.addWidget(self.made)
        self.result.activated.connect(self._on_result)

    def fit(self, card: "ModelCard | None", unit: str) -> None:
        """Hide what makes no difference to a model and an image.

        Parameters
        ----------
        card
            Of the model, if there is one.
        unit
            Of the image's pixel size: "um" or "pixel".
        """
        self._hidden = frozenset(idle_settings(card, unit))
        for field in fields(PredictConfig):
            self.form.show_field(field.name, field.name not in self._hidden)

    def value(self) -> PredictConfig:
        """Return the settings; those that are hidden have their defaults.

        Raises
        ------
        ConfigError
            If they contradict each other.
        """
        default = PredictConfig()
        idle = {name: getattr(default, name) for name in self._hidden}
        return replace(self.form.value(), **idle)

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


def idle_settings(card: "ModelCard | None", unit: str) -> Collection[str]:
    """Return the settings of a prediction that change nothing.

    Examples
    --------
    >>> sorted(set(idle_settings(None, "pixel")) - {"engine"})
    ['heads', 'level', 'pixel_size']
    """
    idle = []
    spec = None if card is None else card.spec
    if spec is None or spec.family != "unet++" or spec.num_heads < 2:
        idle += ["level", "heads"]
    if card is None or card.spacing is None or card.unit != "um" or unit != "um":
        idle.append("pixel_size")
    if find_spec("openvino") is None:
        idle.append("engine")
    return idle
