"""What every menu *Copy…* offers beside its own dock: the session as one script."""

from collections.abc import Callable

from napari.utils.notifications import show_error
from qtpy.QtWidgets import QMenu, QWidget

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.widgets._saving import ask_where
from napari_unet_studio.widgets._session import session_of


def add_session(
    menu: QMenu, widget: QWidget, copy: Callable[[Callable[[], str]], None]
) -> None:
    """Add the entries of the session to a menu.

    Parameters
    ----------
    menu
        The menu.
    widget
        In the window of the session.
    copy
        Puts what a function returns on the clipboard.
    """
    menu.setToolTipsVisible(True)
    menu.addSeparator()
    whole = menu.addAction("Copy session as Python")
    whole.setToolTip("Copy one script of all that the docks have done so far.")
    whole.triggered.connect(lambda *_: copy(session_of(widget).script))
    file = menu.addAction("Save session…")
    file.setToolTip("Write one script of all that the docks have done so far.")
    file.triggered.connect(lambda *_: save_session(widget))

    def offer() -> None:
        for action in (whole, file):
            action.setEnabled(not session_of(widget).empty)

    menu.aboutToShow.connect(offer)


def save_session(widget: QWidget) -> None:
    """Ask for a file, and write the script of the session to it."""
    path = ask_where(widget, "Save the session", "session", {"Python (*.py)": ".py"})
    if path is None:
        return
    try:
        with atomic_write(path) as file:
            file.write(session_of(widget).script().encode())
    except StudioError as error:
        show_error(str(error))
