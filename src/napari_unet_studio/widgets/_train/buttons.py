"""The buttons of the Train widget: which ones there are, and which ones when."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QMenu, QPushButton, QStackedWidget, QWidget

from napari_unet_studio.widgets._train.checkpoints import titles, unfinished


class ResumeButton(QPushButton):
    """Opens a menu of the unfinished trainings."""

    chosen = Signal(object)
    """With an :class:`.Unfinished`."""

    def __init__(self) -> None:
        super().__init__("Resume…")
        self.setToolTip(
            "Go on with a training that was stopped, on the same images in the same "
            "order."
        )
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self.fill)
        self.setMenu(self._menu)

    def fill(self) -> None:
        """List what can be resumed now."""
        self._menu.clear()
        found = unfinished()
        for title, training in zip(titles(found), found, strict=True):
            action = self._menu.addAction(title)
            action.triggered.connect(lambda *_, it=training: self.chosen.emit(it))
        if not found:
            self._menu.addAction("No unfinished training").setEnabled(False)


class TrainButtons(QStackedWidget):
    """The second row of buttons: other ones while a training runs, and after a failure.

    They are elsewhere than the button that starts a training, so that a double click
    on it presses no other.

    Parameters
    ----------
    keep
        The button that stops the training and keeps the model.
    copy
        The button that copies code.
    """

    def __init__(self, keep: QPushButton, copy: QPushButton) -> None:
        super().__init__()
        self.resume = ResumeButton()
        self.check = button(
            "Check",
            "Say what is wrong or doubtful about images, labels and settings, and how "
            "long the training will take. Train does so too before it starts.",
        )
        self.pause = button("Pause", "Give the computer a rest; nothing is lost.")
        self.discard = button(
            "Discard…", "Stop and save nothing; earlier models stay as they are."
        )
        self.save = button("Save as…", "Choose a file for the trained model.")
        self.forget = button("Discard model…", "Forget the model that is not saved.")
        self.leave = button("Stop the check", "Check no further.")
        keep.setText("Stop and keep")
        keep.setToolTip(
            "Stop now and save the best network so far. It can be resumed later."
        )
        self._idle = _row(self.resume, copy)
        self._running = _row(keep, self.discard)
        self._unsaved = _row(self.save, self.forget)
        self._checking = _row(self.leave)
        self._stoppers = (self.pause, keep, self.discard, self.leave)
        for row in (self._idle, self._running, self._unsaved, self._checking):
            self.addWidget(row)

    def show_state(self, running: bool, unsaved: bool, checking: bool = False) -> None:
        """Show the buttons that make sense."""
        self.set_stoppable(running)
        self.pause.setText("Pause")
        self.pause.setVisible(running and not checking)
        self.check.setVisible(not running or checking)
        self.check.setEnabled(not running)
        busy = self._checking if checking else self._running
        idle = self._unsaved if unsaved else self._idle
        self.setCurrentWidget(busy if running else idle)

    def set_stoppable(self, stoppable: bool) -> None:
        """Enable or disable all that interrupts a training."""
        for stopper in self._stoppers:
            stopper.setEnabled(stoppable)


def button(text: str, tooltip: str) -> QPushButton:
    """Return a button with a tooltip."""
    made = QPushButton(text)
    made.setToolTip(tooltip)
    return made


def _row(*buttons: QPushButton) -> QWidget:
    widget = QWidget()
    layout = QHBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    for each in buttons:
        layout.addWidget(each, 1)
    return widget
