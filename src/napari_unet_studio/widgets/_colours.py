"""Colours of the docks, that can be read on dark and on light themes.

No colour is readable on both, so each has two. Texts are given a tone, and the dock
that they are in colours its tones after the theme (:mod:`._looks`); what paints itself
asks :func:`ink`. No meaning is in a colour alone: the text or a sign beside it says the
same.
"""

from collections.abc import Mapping
from types import MappingProxyType

from qtpy.QtGui import QColor
from qtpy.QtWidgets import QWidget

WRONG, DOUBT, NOTE, REMARK = "wrong", "doubt", "note", "remark"
"""Tones: of what is wrong, of what is to be doubted, of what is good to know, and of
remarks."""
FOCUS = "focus"
"""Of the frame around what has the keyboard."""

ON_DARK: Mapping[str, str] = MappingProxyType(
    {
        WRONG: "#ff8f85",
        DOUBT: "#f0a94a",
        NOTE: "#7db8ff",
        REMARK: "#b4b4b4",
        FOCUS: "#8ab4ff",
    }
)
ON_LIGHT: Mapping[str, str] = MappingProxyType(
    {
        WRONG: "#a8181c",
        DOUBT: "#7a4a00",
        NOTE: "#0a55a0",
        REMARK: "#505050",
        FOCUS: "#1a4fd0",
    }
)


def tinted(widget: QWidget, tone: str = "") -> None:
    """Give a text a tone, or none.

    Parameters
    ----------
    widget
        Anywhere in a dock.
    tone
        Of this module; "" is the usual colour of texts.
    """
    if widget.property("tone") == tone:
        return
    widget.setProperty("tone", tone)
    style = widget.style()
    if style is not None:  # style sheets look at properties when they are applied
        style.unpolish(widget)
        style.polish(widget)


def tone_of(widget: QWidget) -> str:
    """Return the tone that a text was given, "" for none."""
    return str(widget.property("tone") or "")


def on_dark(text: QColor) -> bool:
    """Return whether a theme is dark, by the usual colour of its texts."""
    return bool(text.lightness() > 127)


def ink(tone: str, text: QColor) -> QColor:
    """Return the colour of a tone.

    Parameters
    ----------
    tone
        Of this module.
    text
        The usual colour of texts where it is painted.
    """
    return QColor((ON_DARK if on_dark(text) else ON_LIGHT)[tone])


def mixed(ink: QColor, paper: QColor, share: float) -> QColor:
    """Return a colour between two; a share of 1 is all `ink`."""
    parts = (
        round(share * a + (1 - share) * b)
        for a, b in zip(ink.getRgb()[:3], paper.getRgb()[:3], strict=True)
    )
    return QColor(*parts)
