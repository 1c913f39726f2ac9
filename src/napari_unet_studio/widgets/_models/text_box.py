"""A box for some lines of plain text."""

from qtpy.QtWidgets import QPlainTextEdit

# napari's themes draw no box around it, and no other ground.
_LOOK = (
    "QPlainTextEdit { border: 1px solid rgba(144, 144, 144, 130); border-radius: 2px;"
    " background-color: rgba(144, 144, 144, 40); }"
)


def text_box(lines: int) -> QPlainTextEdit:
    """Return a box that shows a number of lines; Tab goes on to the next control."""
    box = QPlainTextEdit()
    box.setStyleSheet(_LOOK)
    box.setTabChangesFocus(True)
    margin = round(box.document().documentMargin()) + box.frameWidth() + 1
    box.setFixedHeight(lines * box.fontMetrics().lineSpacing() + 2 * margin)
    return box
