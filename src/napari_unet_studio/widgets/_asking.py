"""Questions before something is lost."""

from qtpy.QtWidgets import QMessageBox, QWidget


def agreed(parent: QWidget, title: str, question: str) -> bool:
    """Ask, and return whether the answer is yes; no is what the Enter key says.

    Work in threads goes on while the question is open, and tells of itself.
    """
    buttons = QMessageBox.StandardButton
    answer = QMessageBox.question(
        parent, title, question, buttons.Yes | buttons.No, buttons.No
    )
    return bool(answer == buttons.Yes)
