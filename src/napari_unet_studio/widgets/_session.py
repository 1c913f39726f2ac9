"""What the docks of a window have done, as one script that does it again."""

from collections.abc import Sequence
from typing import Any
from weakref import ref

from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QMainWindow

from napari_unet_studio.widgets._origins import Origin
from napari_unet_studio.widgets._script import Script
from napari_unet_studio.widgets._step import Step, plain


class Session(QObject):
    """The finished runs of all docks of a window, in order.

    It keeps no layer alive. A run whose results were replaced takes the place of the
    run before it; one whose results were removed is left out, unless they are used.

    Parameters
    ----------
    window
        The main window; the session goes with it.
    """

    def __init__(self, window: QObject) -> None:
        super().__init__(window)
        self._viewer: Any = None
        self._steps: list[Step] = []
        self._origins: list[Origin] = []

    @property
    def empty(self) -> bool:
        """Whether nothing was done yet."""
        return not self._steps

    def add(self, viewer: Any, step: Step) -> None:
        """Record a finished run.

        Parameters
        ----------
        viewer
            The viewer of the window.
        step
            The run.
        """
        self._viewer = ref(plain(viewer))
        for use in step.used:
            layer = use.layer
            known = any(origin.of is use.of for origin in self._origins)
            made = any(each.made_of(layer) for each in self._steps)
            if layer is not None and not known and not made:
                self._origins.append(Origin(layer))
        for number, before in enumerate(self._steps):
            if step.replaces(before):
                if step.made:
                    self._steps[number] = step.after(before)
                    return
                del self._steps[number]  # nothing that follows rests on it
                break
        self._steps.append(step)

    def script(self) -> str:
        """Return Python that does it all again, in napari or without; "" if nothing."""
        viewer = None if self._viewer is None else self._viewer()
        if viewer is None or not self._steps:
            return ""
        return Script(viewer, self._steps, self._origins).text()


def session_of(widget: QObject) -> Session:
    """Return the session of the window that a widget is in."""
    window: Any = widget
    while not isinstance(window, QMainWindow) and window.parent() is not None:
        window = window.parent()
    found: Session | None
    found = window.findChild(Session, "", Qt.FindChildOption.FindDirectChildrenOnly)
    return Session(window) if found is None else found


def record(
    widget: Any,
    what: str,
    code: str,
    used: Sequence[Any] = (),
    made: Sequence[Any] = (),
    *,
    changed: Any = None,
    model: str = "",
    trained: str = "",
    viewer: Any = None,
) -> None:
    """Record a finished run of a dock.

    Parameters
    ----------
    widget
        The dock, or a part of it.
    what
        The work in a word or two, such as "Segment".
    code
        Lines for napari's console that do it again; "" records nothing.
    used
        The layers whose names stand in them.
    made
        The layers that they add, in this order.
    changed
        A layer that they change instead, such as one that gets a table.
    model, trained
        Name of the model that they use, and of the one that they train.
    viewer
        Of the widget, where it has no attribute of this name.
    """
    if code:
        step = Step.of(what, code, used, made, changed, model, trained)
        session_of(widget).add(viewer or widget.viewer, step)
