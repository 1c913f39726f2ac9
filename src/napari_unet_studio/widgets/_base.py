"""What the dock widgets share: layer choices, run and cancel, progress, messages."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import napari.layers
from magicgui.widgets import create_widget
from magicgui.widgets.bases import CategoricalWidget
from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import (
    QDockWidget,
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.layers import METADATA_KEY
from napari_unet_studio.tasks.progress import Progress
from napari_unet_studio.widgets._colours import WRONG, tinted
from napari_unet_studio.widgets._device_line import DeviceLine
from napari_unet_studio.widgets._form import Calm
from napari_unet_studio.widgets._labels import WrappedLabel
from napari_unet_studio.widgets._looks import Looks
from napari_unet_studio.widgets._welcome import Welcome
from napari_unet_studio.widgets._worker import Failure, Job, Task

# In pixels; the longest title of a dock, with the name of the plugin, is seen whole.
_WIDTH = 370

__all__ = ["StudioWidget", "layer_choice", "show_error", "show_info", "show_warning"]


def layer_choice(
    kind: type[napari.layers.Layer],
    tooltip: str,
    choices: Callable[[Any], Sequence[napari.layers.Layer]] | None = None,
    optional: bool = False,
) -> CategoricalWidget[Any]:
    """Return a combo box of the viewer's layers of a type; see `reset_choices`.

    Parameters
    ----------
    kind
        Type of the layers.
    tooltip
        Shown over the combo box.
    choices
        Called with the combo box for the layers to offer; all of the type by default.
    optional
        Whether no layer may be chosen, which is then the first choice.
    """
    options: dict[str, Any] = {} if choices is None else {"choices": choices}
    combo: Any = create_widget(
        annotation=kind, options={**options, "nullable": optional}
    )
    combo.null_string = "None"
    combo.native.setToolTip(tooltip)
    combo.native.setMinimumWidth(80)
    combo.native.setPlaceholderText("no layer chosen")
    Calm.down(combo.native)
    return combo  # type: ignore[no-any-return]


def _choose_of_the_user(combo: CategoricalWidget[Any]) -> None:
    """Choose a layer that none of our widgets made, or no layer."""
    given = [c for c in combo.choices if c and METADATA_KEY not in c.metadata]
    if combo.value not in given:
        if given:
            combo.value = given[0]
        else:
            combo.native.setCurrentIndex(-1)


class StudioWidget(QWidget):
    """A scrollable column of settings above a row of buttons and a progress bar.

    Subclasses fill ``self.body`` (a vertical layout), register their layer combo boxes
    with :meth:`add_choice`, and start work with :meth:`launch`. One job runs at a time.

    Parameters
    ----------
    viewer
        The napari viewer.
    run_text
        Text of the main button.
    """

    computes: ClassVar[bool] = False
    """Whether a network runs here: then a line says on which device."""
    welcome: ClassVar[str] = ""
    """What to say in a viewer without layers to use; "" says nothing."""
    samples: ClassVar[tuple[str, ...]] = ()
    """Keys of the samples that are offered then."""
    needed: ClassVar[type[napari.layers.Layer]] = napari.layers.Image
    """Type of the layers that can be used."""

    def __init__(self, viewer: "napari.viewer.Viewer", run_text: str) -> None:
        super().__init__()
        self.viewer = viewer
        self.looks = Looks(self)
        self.job: Job[Any] | None = None
        self._choices: list[CategoricalWidget[Any]] = []
        self._docking = QTimer(self, singleShot=True, interval=0)
        self._docking.timeout.connect(self._share_tabs)
        self._docked = False

        content = QWidget()
        self.body = QVBoxLayout(content)
        self.body.setContentsMargins(8, 8, 8, 8)
        self.body.setSpacing(6)
        self.body.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.hint: Welcome | None = None
        if self.welcome:
            self.hint = Welcome(viewer, self.welcome, self.samples, self.needed)
            self.body.addWidget(self.hint)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(content)

        self.run_button = QPushButton(run_text)
        self.run_button.clicked.connect(self.run)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self.cancel)
        self.cancel_button.setToolTip("Stop at the next step.")
        self.cancel_button.setEnabled(False)
        self.buttons = QHBoxLayout()
        self.buttons.addWidget(self.run_button, 2)
        self.buttons.addWidget(self.cancel_button, 1)
        self.progress = QProgressBar()
        self.progress.setTextVisible(True)
        self.progress.setVisible(False)
        self.status = WrappedLabel()
        self.status.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
        )
        self.footer = footer = QVBoxLayout()
        footer.setContentsMargins(8, 0, 8, 8)
        footer.setSpacing(6)
        footer.addLayout(self.buttons)
        footer.addWidget(self.progress)
        footer.addWidget(self.status)
        self.device_line: DeviceLine | None = None
        if self.computes:
            self.device_line = DeviceLine()
            footer.addWidget(self.device_line)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(scroll, 1)
        outer.addLayout(footer)
        self.setMinimumWidth(_WIDTH)

    # -- layers -----------------------------------------------------------------------

    def add_choice(self, combo: CategoricalWidget[Any]) -> CategoricalWidget[Any]:
        """Keep a layer combo box up to date with the viewer."""
        self._choices.append(combo)
        return combo

    def reset_choices(self, event: object = None) -> None:
        """Refresh the layer combo boxes; napari calls this when layers change."""
        if self.hint is not None:
            self.hint.refresh()
        for combo in self._choices:
            layer = combo.value
            with combo.changed.blocked():
                combo.reset_choices(event)
                # A renamed layer comes back under another text: it stays chosen.
                if layer is not None and layer in combo.choices:
                    combo.value = layer
                elif combo.value is not None:
                    _choose_of_the_user(combo)
            if combo.value is not layer:
                combo.changed.emit(combo.value)

    def showEvent(self, event: Any) -> None:
        """Refresh the layer choices: they come from the window, known from now on."""
        super().showEvent(event)
        self.reset_choices()
        if not self._docked:
            self._docked = True
            self._docking.start()
            if self.device_line is not None:
                self.device_line.begin()
            for table in self.findChildren(QTableView):
                table.setTabKeyNavigation(False)  # arrows do; Tab would never leave it

    def _share_tabs(self) -> None:
        """Become a tab beside another dock of this package, if there is one.

        napari puts docks above each other, where two of these have no room.
        """
        dock = self.parent()
        window = None if dock is None else dock.parent()
        if not isinstance(dock, QDockWidget) or not isinstance(window, QMainWindow):
            return
        if dock.isFloating() or window.tabifiedDockWidgets(dock):
            return
        for other in window.findChildren(QDockWidget):
            beside = window.dockWidgetArea(other) == window.dockWidgetArea(dock)
            of_ours = other is not dock and isinstance(other.widget(), StudioWidget)
            if of_ours and beside and other.isVisible() and not other.isFloating():
                window.tabifyDockWidget(other, dock)
                dock.raise_()
                return

    def event(self, event: Any) -> bool:
        """Notice when napari closes the dock: it lets go of the widget for good."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.on_closed()
        return bool(super().event(event))

    def on_closed(self) -> None:
        """Stop what runs, because nobody could see its result any more."""
        if self.job is not None:
            self.job.stop()

    # -- work -------------------------------------------------------------------------

    def run(self) -> None:
        """Do what the main button says; subclasses start a job here."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Stop the running job at its next step."""
        if self.job is not None and not self.job.stopping:
            self.cancel_button.setEnabled(False)
            self.say("Stopping…")
            self.job.stop()

    @property
    def running(self) -> bool:
        """Whether a job is under way."""
        return self.job is not None

    def launch(
        self,
        task: Task[Any],
        title: str,
        on_result: Callable[[Any], None],
        on_progress: Callable[[Any], None] | None = None,
        listed: bool = True,
    ) -> None:
        """Run a task in a thread; callbacks come in the main thread.

        What a result of None, or one after :meth:`cancel`, means is up to `on_result`.
        For `listed` see :class:`Job`.
        """
        if self.running:
            return
        job: Job[Any] = Job(task, title, self, listed)
        self.job = job
        job.progressed.connect(self.on_progress)
        if on_progress is not None:
            job.progressed.connect(on_progress)
        job.succeeded.connect(on_result)
        job.failed.connect(self.on_failure)
        job.finished.connect(self._on_finished)
        self.set_running(True)
        self.say(f"{title}…")
        job.start()

    def load_torch(self) -> None:
        """Import torch here, in the main thread: it must not be left to a worker."""
        if "torch" not in sys.modules:
            self.say("Loading PyTorch…")
            self.status.repaint()
            import torch  # noqa: F401

            self.say("")

    def set_running(self, running: bool) -> None:
        """Enable and disable what may be pressed while a job runs."""
        self.run_button.setEnabled(not running)
        self.cancel_button.setEnabled(running)
        self.progress.setVisible(running)
        self.progress.setRange(0, 0)

    def on_progress(self, progress: Progress) -> None:
        """Move the progress bar."""
        self.progress.setRange(0, progress.total)
        self.progress.setValue(progress.step)
        self.progress.setFormat(f"{progress.message}  %p %")

    def on_failure(self, failure: Failure) -> None:
        """Tell the user what went wrong."""
        self.complain(failure.error, failure.report)

    def complain(self, error: Exception, report: str = "") -> None:
        """Show an error as a notification and in the widget."""
        if isinstance(error, StudioError):
            text = str(error)
        else:
            text = f"Unexpected error, {type(error).__name__}: {error}"
        self.say(text, error=True)
        self.status.setToolTip("" if isinstance(error, StudioError) else report)
        show_error(text)

    def say(self, text: str, error: bool = False) -> None:
        """Show a line below the buttons."""
        self.status.setToolTip("")
        tinted(self.status, WRONG if error else "")
        self.status.setText(text)

    def _on_finished(self) -> None:
        stopped = self.job is not None and self.job.stopping
        self.job = None
        self.set_running(False)
        if stopped and self.status.text() == "Stopping…":
            self.say("Stopped.")
