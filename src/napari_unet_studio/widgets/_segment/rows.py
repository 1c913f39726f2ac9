"""Rows of a form that come and go with what is chosen."""

from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QWidget

from napari_unet_studio.widgets._colours import REMARK, WRONG, tinted
from napari_unet_studio.widgets._form import Calm
from napari_unet_studio.widgets._labels import WrappedLabel


class Row:
    """A label and an editor that are shown or hidden together.

    Parameters
    ----------
    form
        Where they go.
    title
        Text of the label.
    editor
        The widget beside it; its tooltip is that of the label too.
    position
        Number of the row; the end by default.
    """

    def __init__(
        self, form: QFormLayout, title: str, editor: QWidget, position: int = -1
    ) -> None:
        self.label = QLabel(title)
        self.label.setToolTip(editor.toolTip())
        self.editor = editor
        form.insertRow(position, self.label, editor)

    def show(self, shown: bool) -> None:
        """Show or hide both."""
        self.label.setVisible(shown)
        self.editor.setVisible(shown)


def combo_box(tooltip: str) -> QComboBox:
    """Return a combo box with the look of all here: never wider than its column."""
    combo = QComboBox()
    combo.setToolTip(tooltip)
    combo.setMinimumWidth(80)
    combo.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    Calm.down(combo)
    return combo


def small_label() -> QLabel:
    """Return a label for a remark of one sentence or two."""
    label = WrappedLabel()
    label.setVisible(False)
    return label


def remark(label: QLabel, text: str, error: bool = False) -> None:
    """Show a remark, in red if something is wrong; "" hides the label."""
    tinted(label, WRONG if error else REMARK)
    label.setText(text)
    label.setVisible(bool(text))
