"""What the dock "Models" consists of, and what follows from the chosen model."""

from pathlib import Path

import napari.viewer
from napari.layers import Image
from qtpy.QtWidgets import QHBoxLayout, QPushButton

from napari_unet_studio.io.recent import remember_file
from napari_unet_studio.widgets._base import StudioWidget, layer_choice
from napari_unet_studio.widgets._controls import copy_button, timer
from napari_unet_studio.widgets._form import collapsible
from napari_unet_studio.widgets._model_watch import ModelWatch
from napari_unet_studio.widgets._models.code import load_python, load_shell
from napari_unet_studio.widgets._models.details import Details
from napari_unet_studio.widgets._models.entries import (
    Entry,
    entries_at_hand,
    entries_of_lists,
)
from napari_unet_studio.widgets._models.exporting import ExportPanel
from napari_unet_studio.widgets._models.importing import ImportPanel
from napari_unet_studio.widgets._models.list import ModelList
from napari_unet_studio.widgets._models.offers import Offers
from napari_unet_studio.widgets._segment.image import image_layers
from napari_unet_studio.widgets._segment.rows import remark, small_label

USE, DOWNLOAD = "Use in Segment", "Download"


class ModelsDock(StudioWidget):
    """The list, what is known of the chosen model, and the sections beneath.

    Parameters
    ----------
    viewer
        The viewer.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer, USE)
        self._closed = False
        self._entries: list[Entry] = []
        self.list = ModelList()
        self.details = Details()
        self.importing = ImportPanel()
        self.image = self.add_choice(
            layer_choice(
                Image,
                "Image on which the result is compared with the model, and which goes "
                "into a package. None takes a synthetic one.",
                lambda _: image_layers(self.viewer),
                optional=True,
            )
        )
        self.exporting = ExportPanel(self.image)
        self.offers = Offers(self)
        self.quiet = small_label()
        self._build()
        self._soon = timer(self, 0, self.refresh)
        self._watch = ModelWatch(self)
        self._watch.changed.connect(self.refresh)
        self.refresh()
        self.offers.fetch()

    def _build(self) -> None:
        self.import_button = _button(
            "Import…",
            "Take in a model from elsewhere: a file of U-Net Studio, a bioimage.io "
            "package, an ONNX or TorchScript network, or weights of PyTorch.",
        )
        self.rename_button = _button("Rename", "Edit the name in the list (F2).")
        self.duplicate_button = _button(
            "Duplicate", "Copy the model, also a bundled one, to yours."
        )
        self.delete_button = _button(
            "Delete…", "Move the file to the trash of the system."
        )
        row = QHBoxLayout()
        row.setSpacing(2)  # four buttons have room, also with a large font
        for button in (
            self.import_button,
            self.rename_button,
            self.duplicate_button,
            self.delete_button,
        ):
            row.addWidget(button, 1)
        self.cancel_button.setToolTip("Stop at the next step.")
        self.copy = copy_button(
            self.as_python,
            "Copy code that loads or downloads the model: Python, or a command of the "
            "shell.",
            self.as_shell,
        )
        self.buttons.addWidget(self.copy, 1)
        self.export_section = collapsible(
            "Export", self.exporting, "Write the model for other programs."
        )
        self.body.addWidget(self.list)
        self.body.addLayout(row)
        for part in (self.quiet, self.importing, self.details, self.export_section):
            self.body.addWidget(part)
        self.body.addStretch(1)
        self.list.chosen.connect(self._on_chosen)
        # While a name is edited the list stays as it is.
        self.list.itemDelegate().closeEditor.connect(lambda *_: self._soon.start())
        self.offers.changed.connect(self._on_offers)

    # -- the list ---------------------------------------------------------------------

    @property
    def entry(self) -> Entry | None:
        """The chosen model."""
        return self.list.entry

    def refresh(self, keep: object = None) -> None:
        """Look what models there are.

        Parameters
        ----------
        keep
            Key of the entry that is chosen afterwards; by default the same as before.
        """
        if self._closed:
            return
        self._entries = entries_at_hand(self._entries)
        offered = entries_of_lists(self.offers.models, self._entries)
        self.list.show_entries([*self._entries, *offered], keep)
        if self.list.count() == 0:
            self._on_chosen()

    def choose(self, path: Path) -> None:
        """Choose the model of a file; it is listed from now on."""
        if not self.list.choose(path):
            remember_file(path)
            self.refresh(path)

    def _on_chosen(self) -> None:
        entry = self.entry
        self.details.show_entry(entry)
        self.exporting.show_entry(entry)
        if not self.running:
            self.say("")  # what was said of the one before
        self._show_state()

    def _on_offers(self) -> None:
        remark(self.quiet, " ".join(self.offers.notes))
        self.refresh()

    def _show_state(self) -> None:
        """Enable what can be done with the chosen model."""
        entry, idle = self.entry, not self.running
        offered = entry is not None and entry.path is None
        usable = entry is not None and (offered or entry.card is not None)
        change = entry is not None and entry.can_change
        self.run_button.setText(DOWNLOAD if offered else USE)
        self.run_button.setToolTip(
            "Download the model into yours. If it is stopped, it goes on from there."
            if offered
            else "Open the Segment widget with this model."
        )
        self.run_button.setEnabled(usable and idle)
        self.import_button.setEnabled(idle)
        self.rename_button.setEnabled(change and usable and idle)
        self.list.allow_editing(idle)
        self.duplicate_button.setEnabled(usable and not offered and idle)
        self.delete_button.setEnabled(change and idle)
        at_hand = entry is not None and entry.card is not None
        self.export_section.setVisible(at_hand)
        self.copy.setEnabled(usable)
        self.exporting.set_running(not (at_hand and idle))
        self.importing.set_running(not idle)

    def set_running(self, running: bool) -> None:
        """Enable and disable what may be pressed while a job runs."""
        super().set_running(running)
        self._show_state()

    def on_closed(self) -> None:
        """Stop what runs; what was written is kept."""
        self.details.save_notes()
        self._closed = True
        self.offers.stop()
        super().on_closed()

    # -- code -------------------------------------------------------------------------

    def as_python(self) -> str:
        """Return code that loads the chosen model."""
        return "" if self.entry is None else load_python(self.entry)

    def as_shell(self) -> str:
        """Return a command that tells of the chosen model, or downloads it."""
        return "" if self.entry is None else load_shell(self.entry)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setMinimumWidth(60)
    return button
