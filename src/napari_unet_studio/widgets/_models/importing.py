"""The section "Import": a file from elsewhere, what has to be asked, the report."""

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
)

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.widgets._controls import copy_button
from napari_unet_studio.widgets._form import Calm, aligned_form
from napari_unet_studio.widgets._labels import WrappedLabel
from napari_unet_studio.widgets._models.taking import (
    ABOUT,
    MODEL,
    PROGRAM,
    STATE,
    Wanted,
    kind_of_file,
)
from napari_unet_studio.widgets._segment.rows import Row, combo_box

_RISK = (
    "TorchScript is a program: it runs with all your rights, and can read, send and "
    "delete your files. Tick this only if you know who made it."
)


class ImportPanel(QFrame):
    """Asks what has to be known about a file before its model is taken in."""

    wanted = Signal(object)
    """With a :class:`.Wanted`."""
    failed = Signal(object)
    """With the error of a network for which there is no code."""

    def __init__(self) -> None:
        super().__init__()
        self.path: Path | None = None
        self._taken: Wanted | None = None
        self.file = WrappedLabel()
        self.file.setStyleSheet("font-weight: bold;")
        self.about = WrappedLabel()
        self.name = QLineEdit()
        self.name.setToolTip(
            "Name of the model in the lists. A number is added if it is taken. Empty "
            "takes that of the file, or of a package its own."
        )
        self.network = combo_box(
            "The network that the weights belong to. What fits and what does not is "
            "told before the model is used."
        )
        self.channels = _number("Channels of the image that the network takes.", 1, 64)
        self.classes = _number(
            "Channels of what it computes: 1 for objects, 2 or more for classes.", 1, 99
        )
        form = aligned_form()
        form.addRow("Name", self.name)
        self._rows = [
            Row(form, "Network", self.network),
            Row(form, "Channels", self.channels),
            Row(form, "Outputs", self.classes),
        ]
        self.trust = QCheckBox("I trust this file")
        self.trust.setToolTip(_RISK)
        self.risk = WrappedLabel()
        self.risk.setText(_RISK)
        self.take = QPushButton("Import")
        self.take.setToolTip("Read the file and add its model to yours.")
        self.leave = QPushButton("Close")
        self.leave.setToolTip("Close this section. A model that was added stays.")
        self.copy = copy_button(
            lambda: self._code(Wanted.python),
            "Copy code that imports the file: Python, or a command of the shell.",
            lambda: self._code(Wanted.shell),
        )
        self.report = WrappedLabel()
        self.report.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
        )
        buttons = QHBoxLayout()
        for button in (self.take, self.copy, self.leave):
            buttons.addWidget(button, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 4)
        column.setSpacing(4)
        column.addWidget(self.file)
        column.addWidget(self.about)
        column.addLayout(form)
        for part in (self.trust, self.risk):
            column.addWidget(part)
        column.addLayout(buttons)
        column.addWidget(self.report)
        self.take.clicked.connect(lambda: self.wanted.emit(self.value()))
        self.name.returnPressed.connect(self.take.click)
        self.network.currentTextChanged.connect(self._on_network)
        self.trust.toggled.connect(lambda _: self._show_state())
        for changed in (
            self.name.textChanged,
            self.network.currentTextChanged,
            self.channels.valueChanged,
            self.classes.valueChanged,
        ):
            changed.connect(lambda _: self._show_state())
        self.leave.clicked.connect(self.hide)
        self.hide()

    def show_file(self, path: Path) -> None:
        """Ask what has to be known about a file."""
        self.path, self._taken = path, None
        kind = kind_of_file(path)
        self.file.setText(path.name)
        self.file.setToolTip(str(path))
        self.about.setText(ABOUT[kind])
        self.name.setText("")
        own = kind in (MODEL, STATE)
        self.name.setPlaceholderText(path.stem if own else "as in the file")
        if not self.network.count():
            from napari_unet_studio.core.networks.catalog import NETWORKS

            self.network.addItems(list(NETWORKS))
        for row in self._rows:
            row.show(kind == STATE)
        self.trust.setChecked(False)
        self.ask_trust(kind == PROGRAM)
        self.say("")
        self.show()

    def ask_trust(self, asked: bool = True) -> None:
        """Show the question whether a program in the file may run."""
        self.trust.setVisible(asked)
        self.risk.setVisible(asked)
        self._show_state()

    def value(self) -> Wanted:
        """Return what is wanted of the file."""
        state = not self.network.isHidden()
        return Wanted(
            self.path or Path(),
            self.name.text().strip(),
            self.network.currentText() if state else None,
            self.channels.value() if state else 1,
            self.classes.value() if state else 1,
            self.trust.isChecked() and not self.trust.isHidden(),
        )

    def take_note(self) -> None:
        """Remember that this was taken in: it is not again until something changes."""
        self._taken = self.value()
        self._show_state()

    def say(self, text: str) -> None:
        """Show what became of the file."""
        self.report.setText(text)
        self.report.setVisible(bool(text))

    def set_running(self, running: bool) -> None:
        """Lock what is asked while a job runs."""
        for part in (self.name, self.network, self.channels, self.classes, self.trust):
            part.setEnabled(not running)
        self._show_state(running)

    def _show_state(self, running: bool = False) -> None:
        risky = not self.trust.isHidden() and not self.trust.isChecked()
        self.take.setEnabled(not running and not risky and self.value() != self._taken)

    def _on_network(self, name: str) -> None:
        """Begin with the channels and outputs that the network has by itself."""
        from napari_unet_studio.core.networks.catalog import NETWORKS

        if name in NETWORKS:
            self.channels.setValue(NETWORKS[name].in_channels)
            self.classes.setValue(NETWORKS[name].num_classes)

    def _code(self, made: Callable[[Wanted], str]) -> str:
        try:
            return made(self.value())
        except StudioError as error:
            self.failed.emit(error)
            return ""


def _number(tip: str, low: int, high: int) -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, high)
    box.setToolTip(tip)
    Calm.down(box)
    return box
