"""Labels that no file name is too long for."""

import re
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QApplication, QLabel, QMenu, QSizePolicy

# Not in numbers: "0.5" stays whole.
_JOINTS = re.compile(r"(?<=[_\-./\\])(?<!\d\.)(?=\w)|(?<=\d\.)(?=[^\W\d])")
_LONGEST = 24  # letters that always fit into a dock
_WORD = re.compile(rf"\w{{{_LONGEST}}}(?=\w)")
_BREAK = "\u200b"  # a space without width


class WrappedLabel(QLabel):
    """A label that wraps its lines within long words too.

    Names of files from microscopes are one word, which Qt would not break: the label,
    and with it the dock's contents, would be as wide as that word.
    """

    def __init__(self) -> None:
        super().__init__()
        self._given = ""
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        policy = self.sizePolicy()
        policy.setHorizontalPolicy(QSizePolicy.Policy.Ignored)
        self.setSizePolicy(policy)

    def setText(self, text: str | None) -> None:
        """Show a text."""
        self._given = text or ""
        super().setText(breakable(self._given))

    def text(self) -> str:
        """Return the text as it was given."""
        return self._given

    def keyPressEvent(self, event: Any) -> None:
        """Copy the selected text as it was given: a path has to be found again."""
        if event.matches(QKeySequence.StandardKey.Copy) and self.hasSelectedText():
            self.copy_selected()
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: Any) -> None:
        """Offer to copy the selected text."""
        if not self.hasSelectedText():
            event.ignore()
            return
        menu = QMenu(self)
        menu.addAction("Copy").triggered.connect(self.copy_selected)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(event.globalPos())

    def copy_selected(self) -> None:
        """Put the selected text on the clipboard, without the places to break it."""
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            text = self.selectedText().replace(_BREAK, "")
            clipboard.setText(text.replace("\u2029", "\n"))  # Qt's ends of lines


def breakable(text: str) -> str:
    """Return a text with places inside its words at which a line may end.

    Examples
    --------
    >>> breakable("plate_1.tif").split("\u200b")
    ['plate_', '1.', 'tif']
    >>> breakable("IoU 0.91") == "IoU 0.91"
    True
    """
    return _WORD.sub(rf"\g<0>{_BREAK}", _JOINTS.sub(_BREAK, text))
