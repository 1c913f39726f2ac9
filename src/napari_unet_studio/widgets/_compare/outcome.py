"""The lower half of the widget "Compare": the table, its buttons and the legend."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_unet_studio.widgets._compare.legend import Legend
from napari_unet_studio.widgets._compare.results import ResultTable
from napari_unet_studio.widgets._saving import ask_where


class Outcome(QWidget):
    """Shows rows of scores."""

    save_asked = Signal(object)
    """With the path of a CSV file."""
    keep_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.results = ResultTable()
        self.legend = Legend()
        self.keep_button = QPushButton("Add labels")
        copy, save = QPushButton("Copy table"), QPushButton("Save CSV…")
        copy.setToolTip(
            "Copy the scores, to be pasted into a spreadsheet (also Ctrl+C in the "
            "table)."
        )
        save.setToolTip("Write all scores, also those not shown here, to a file.")
        self.keep_button.setToolTip("Add what the chosen model found as a layer.")
        copy.clicked.connect(self.results.copy)
        save.clicked.connect(self._ask_where)
        self.keep_button.clicked.connect(lambda: self.keep_asked.emit())
        line = QHBoxLayout()
        line.setSpacing(4)
        for button in (copy, save, self.keep_button):
            line.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.results)
        column.addLayout(line)
        column.addWidget(self.legend)

    def _ask_where(self) -> None:
        path = ask_where(self, "Save the scores", "comparison")
        if path is not None:
            self.save_asked.emit(path)
