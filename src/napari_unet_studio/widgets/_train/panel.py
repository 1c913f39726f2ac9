"""What the check and the diagnosis find, each with a button that mends it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet_studio.core.config import Config, field_types
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.findings import Finding
from napari_unet_studio.widgets._colours import DOUBT, NOTE, WRONG, tinted
from napari_unet_studio.widgets._controls import timer
from napari_unet_studio.widgets._labels import WrappedLabel
from napari_unet_studio.widgets._train.form import SMALL, ZEROS, fine_print


class _Look(NamedTuple):
    sign: str
    tone: str
    one: str
    several: str


_LOOKS = {
    "error": _Look("✖", WRONG, "error", "errors"),
    "doubt": _Look("▲", DOUBT, "doubt", "doubts"),
    "note": _Look("●", NOTE, "note", "notes"),
}
_SETTLED = 400  # milliseconds until all around has found its place
_STALE = "Settings or images have changed since."


class FindingsPanel(QFrame):
    """Lists findings, the worst first; hidden as long as there is nothing to say."""

    mend = Signal(object)
    """With the :class:`.Finding` whose changes the user wants."""

    def __init__(self) -> None:
        super().__init__()
        self.findings: tuple[Finding, ...] = ()
        self.cards: list[FindingCard] = []
        self._locked = False
        self._settling = timer(self, _SETTLED, self._scroll_here)
        self._area: QScrollArea | None = None
        self.title = QLabel()
        self.title.setStyleSheet("font-weight: bold;")
        self.expected = fine_print()
        self.stale = fine_print(_STALE)
        close = QToolButton()
        close.setText("✕")
        close.setAutoRaise(True)
        close.setToolTip("Hide this list.")
        close.clicked.connect(self.clear)
        self._list = QVBoxLayout()
        self._list.setSpacing(6)
        head = QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(head)
        layout.addWidget(self.expected)
        layout.addWidget(self.stale)
        layout.addLayout(self._list)
        self.setVisible(False)

    def show_findings(
        self, title: str, findings: Sequence[Finding], expected: str = ""
    ) -> None:
        """Show findings instead of those before.

        Parameters
        ----------
        title
            What they are from; how many there are of each kind is added.
        findings
            In any order.
        expected
            A line below the title.
        """
        order = list(_LOOKS)
        found = sorted(findings, key=lambda finding: order.index(finding.kind))
        area = self._around()
        # Not seen half filled: all of the form would be squeezed meanwhile.
        if area is not None:
            area.setUpdatesEnabled(False)
        try:
            self._fill(found, f"{title}: {counted(found)}", expected)
            if area is not None:
                self._make_room(area)
        finally:
            if area is not None:
                area.setUpdatesEnabled(True)
        if found:
            self._settling.start()
            self._scroll_here()

    def _fill(self, found: Sequence[Finding], title: str, expected: str) -> None:
        self._drop()
        self.findings = tuple(found)
        self.title.setText(title)
        self.expected.setText(expected)
        self.expected.setVisible(bool(expected))
        self.stale.setVisible(False)
        for finding in found:
            card = FindingCard(finding)
            card.fix.clicked.connect(lambda *_, it=finding: self.mend.emit(it))
            self._list.addWidget(card)
            card.setVisible(True)  # now, for Qt would do it later
            self.cards.append(card)
        self.set_locked(self._locked)
        self.setVisible(True)

    def clear(self) -> None:
        """Forget the findings."""
        self._drop()
        self.findings = ()
        self.setVisible(False)

    def grow_stale(self) -> None:
        """Say that the findings are those of other settings or images."""
        self.stale.setVisible(True)
        self.expected.setVisible(False)

    def set_locked(self, locked: bool) -> None:
        """Let nobody change settings while they are in use."""
        self._locked = locked
        for card in self.cards:
            card.fix.setEnabled(not locked and not card.mended)

    def _around(self) -> QScrollArea | None:
        """Return what the list can be scrolled in."""
        parent = self.parentWidget()
        while parent is not None and not isinstance(parent, QScrollArea):
            parent = parent.parentWidget()
        if parent is not None and self._area is None:
            self._area = parent
            parent.verticalScrollBar().rangeChanged.connect(self._on_room)
        return parent

    def _make_room(self, area: QScrollArea) -> None:
        """Give the list its height at once, from the inside to the outside."""
        content = area.widget()
        inside = [card.layout() for card in self.cards]
        for layout in (*inside, self.layout(), content and content.layout()):
            if layout is not None:
                layout.activate()
        QApplication.sendEvent(area, QEvent(QEvent.Type.LayoutRequest))

    def _on_room(self) -> None:
        """Follow, as long as all around finds its place."""
        if self._settling.isActive():
            self._scroll_here()

    def _scroll_here(self) -> None:
        """Bring the list into sight, its beginning first."""
        if self._area is not None:
            self._area.verticalScrollBar().setValue(self.y())

    def set_mended(self, finding: Finding) -> None:
        """Show that the changes of a finding were made."""
        for card in self.cards:
            if card.finding is finding:
                card.set_mended()

    def _drop(self) -> None:
        for card in self.cards:
            self._list.removeWidget(card)
            card.setParent(None)
            card.deleteLater()
        self.cards = []


class FindingCard(QWidget):
    """A finding: what there is, what to do, and a button if settings would do."""

    def __init__(self, finding: Finding) -> None:
        super().__init__()
        self.finding = finding
        self.mended = False
        look = _LOOKS[finding.kind]
        sign = QLabel(look.sign)
        tinted(sign, look.tone)
        sign.setToolTip(look.one.capitalize())
        sign.setFixedWidth(14)
        sign.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignHCenter)
        self.text = WrappedLabel()
        self.text.setText(finding.text)
        self.remedy = WrappedLabel()
        self.remedy.setText(finding.remedy)
        self.remedy.setStyleSheet(SMALL)  # readable in dark and light
        self.remedy.setVisible(bool(finding.remedy))
        self.fix = QPushButton("Fix")
        self.fix.setToolTip(f"Set {changes_text(finding)}.")
        self.fix.setVisible(bool(finding.changes))
        self.fix.setMaximumWidth(52)
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self.text)
        words.addWidget(self.remedy)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(sign)
        layout.addLayout(words, 1)
        layout.addWidget(self.fix, 0, Qt.AlignmentFlag.AlignTop)

    def set_mended(self) -> None:
        """Show that the changes were made."""
        self.mended = True
        self.fix.setText("Done")
        self.fix.setEnabled(False)


def counted(findings: Sequence[Finding]) -> str:
    """Return how many findings of each kind there are.

    Examples
    --------
    >>> counted([Finding("error", "a"), Finding("note", "b"), Finding("note", "c")])
    '1 error, 2 notes'
    >>> counted([])
    'nothing to complain about'
    """
    parts = []
    for kind, look in _LOOKS.items():
        count = sum(finding.kind == kind for finding in findings)
        if count:
            parts.append(f"{count} {look.one if count == 1 else look.several}")
    return ", ".join(parts) or "nothing to complain about"


def changes_text(finding: Finding) -> str:
    """Return the settings that a finding would change, as the form calls them.

    Examples
    --------
    >>> changes_text(Finding("doubt", "", "", {"batch": 2, "weights": {"gap": 2}}))
    '“Batch size” to 2, “Gap (px)” to 2'
    >>> changes_text(Finding("error", "", "", {"start": "", "patch": 0, "ema": 0.5}))
    '“Start from model” to none, “Patch (px)” to automatic, “Moving average” to 0.5'
    """
    return ", ".join(_changes(TrainConfig, finding.changes))


def _changes(config: type[Config], changes: Mapping[str, Any]) -> Iterator[str]:
    """Yield a field and its new value, of nested configurations as well."""
    for name, value in changes.items():
        kind, options = field_types(config)[name]
        if isinstance(value, Mapping):
            yield from _changes(kind, value)
            continue
        title = options.get("label", name.replace("_", " ").capitalize())
        shown = f"{value:g}" if isinstance(value, float) else value
        if not value:
            shown = ZEROS.get(name, "none" if value == "" else shown)
        yield f"“{title}” to {shown}"
