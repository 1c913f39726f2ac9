"""The style sheet of a dock: its tones, and a frame around what has the keyboard.

napari's own style sheet shows no focus, and knows no tones.
"""

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QWidget

from napari_unet_studio.widgets._colours import (
    DOUBT,
    FOCUS,
    NOTE,
    ON_DARK,
    ON_LIGHT,
    REMARK,
    WRONG,
    on_dark,
)

# The frames take their pixel from the padding that napari gives, so nothing moves.
_FOCUS = """
QPushButton:focus, QToolButton:focus {{ border: 1px solid {0}; padding: 3px; }}
QComboBox:focus {{ border: 1px solid {0}; padding: 2px 9px 2px 7px; }}
QLineEdit:focus {{ border: 1px solid {0}; padding: 1px; }}
QAbstractSpinBox:focus {{ border: 1px solid {0}; padding: 0px 9px; }}
QCheckBox:focus, QRadioButton:focus {{ border: 1px solid {0}; border-radius: 2px; }}
QSlider::handle:horizontal:focus {{ border: 2px solid {0}; background: {0}; }}
QAbstractItemView:focus, QTextEdit:focus, QPlainTextEdit:focus {{
  border: 1px solid {0};
}}
QToolTip {{ border: 1px solid {0}; }}
"""


def sheet(dark: bool) -> str:
    """Return the style sheet of a dock on a dark or a light theme."""
    colours = ON_DARK if dark else ON_LIGHT
    tones = [
        f'QLabel[tone="{tone}"] {{ color: {colours[tone]}; }}'
        for tone in (WRONG, DOUBT, NOTE, REMARK)
    ]
    tones.append(f'QComboBox[tone="{WRONG}"] {{ border: 1px solid {colours[WRONG]}; }}')
    return "\n".join(tones) + _FOCUS.format(colours[FOCUS])


class Looks(QObject):
    """Keeps the style sheet of a dock after the theme.

    Parameters
    ----------
    dock
        The dock's widget.
    """

    def __init__(self, dock: QWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        self._dark: bool | None = None
        # Not while Qt goes through the widgets to give them a style.
        self._later = QTimer(self, singleShot=True, interval=0)
        self._later.timeout.connect(self.follow)
        dock.installEventFilter(self)

    def follow(self) -> None:
        """Look at the theme, and give the dock its style sheet if it needs another."""
        dark = on_dark(self._dock.palette().color(QPalette.ColorRole.WindowText))
        if dark is not self._dark:
            self._dark = dark
            self._dock.setStyleSheet(sheet(dark))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Notice another theme, and that the dock is shown for the first time."""
        if event is not None:
            kind = event.type()
            if kind == QEvent.Type.Show:
                self.follow()
            elif kind in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange):
                self._later.start()
        return False
