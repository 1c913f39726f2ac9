"""One quiet line in docks that compute: the device, torch, and a GPU left unused."""

import sys
from collections.abc import Generator
from functools import cache

from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet_studio.tasks.installation import (
    Installation,
    Remedy,
    find_installation,
)
from napari_unet_studio.tasks.progress import Progress, ShouldStop
from napari_unet_studio.widgets._colours import DOUBT, REMARK, tinted
from napari_unet_studio.widgets._labels import WrappedLabel
from napari_unet_studio.widgets._worker import Job

_SMALL = "font-size: 11px;"


class DeviceLine(QWidget):
    """Says where a dock computes; found in a thread, once for all docks."""

    def __init__(self) -> None:
        super().__init__()
        self._job: Job[Installation] | None = None
        self.line = WrappedLabel()
        self.line.setStyleSheet(_SMALL)
        self.line.setToolTip(
            "Where the docks compute when their Device is “auto”, and the torch that "
            "is installed. Device is under Advanced; what docks begin with is in the "
            "preferences of napari."
        )
        tinted(self.line, REMARK)
        self.remedy = RemedyBox()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.line)
        layout.addWidget(self.remedy)

    def begin(self) -> None:
        """Look what there is, and say it."""
        if self._job is not None:
            return
        loaded = "torch" in sys.modules  # it can be asked without waiting for it

        def task(_: ShouldStop) -> Generator[Progress, None, Installation]:
            yield Progress(0, 1, "Looking for a GPU")
            return _found(loaded)

        self._job = Job(task, "Looking for a GPU", self)
        self._job.succeeded.connect(self.show_found)
        self._job.start()

    def show_found(self, found: Installation) -> None:
        """Say what there is.

        Parameters
        ----------
        found
            What is installed.
        """
        self.line.setText(found.text)
        self.remedy.show_remedy(found.remedy)


@cache
def _found(loaded: bool) -> Installation:
    """Return what is installed; `loaded` is whether torch can be asked at once."""
    return find_installation(ask=loaded)


class RemedyBox(QWidget):
    """Why torch does not use a GPU; a button opens what helps, to be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.reason = WrappedLabel()
        tinted(self.reason, DOUBT)
        self.how = QPushButton("How to use the GPU")
        self.how.setCheckable(True)
        self.how.setToolTip("Show or hide what makes torch use the GPU.")
        self.advice = WrappedLabel()
        self.command = QLineEdit()
        self.command.setReadOnly(True)
        self.command.setToolTip("The line to run in a shell.")
        self.copy = QPushButton("Copy")
        self.copy.setToolTip("Copy the line.")
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.command, 1)
        row.addWidget(self.copy)
        self._line = QWidget()
        self._line.setLayout(row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for part in (self.reason, self.how, self.advice, self._line):
            layout.addWidget(part)
        self.how.toggled.connect(self._on_how)
        self.copy.clicked.connect(self._on_copy)
        self.show_remedy(None)

    def show_remedy(self, remedy: Remedy | None) -> None:
        """Show what helps; nothing for None."""
        self.setVisible(remedy is not None)
        if remedy is not None:
            self.reason.setText(f"▲ {remedy.reason}")
            self.advice.setText(remedy.advice)
            self.command.setText(remedy.command)
            self.command.setCursorPosition(0)
        self._on_how(self.how.isChecked())

    def _on_how(self, shown: bool) -> None:
        self.advice.setVisible(shown)
        self._line.setVisible(shown and bool(self.command.text()))

    def _on_copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.command.text())
