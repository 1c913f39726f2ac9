"""Forms made of configuration dataclasses: fields, limits, tooltips, nested groups."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass, replace
from typing import Any, Generic, TypeVar, cast

from magicgui.widgets import create_widget
from magicgui.widgets.bases import ValueWidget
from qtpy.QtCore import QEvent, QObject, QPointF, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPalette, QPixmap, QPolygonF
from qtpy.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_unet_studio.core.config import Config, field_types, help_texts
from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.widgets._colours import REMARK, ink
from napari_unet_studio.widgets._suggestions import SuggestionBox
from napari_unet_studio.widgets._zero_box import ZeroBox

Settings = TypeVar("Settings", bound=Config)


class Form(QWidget, Generic[Settings]):
    """Edits one configuration; nested configurations become collapsible groups.

    Parameters
    ----------
    config
        The values to start with; its class gives the fields.
    hidden
        Fields without an editor; they keep the values last set.
    titles
        Titles of nested configurations, by field; the default is the field's name.
    groups
        Fields that go into collapsible sections: titles, and the fields of each.
    zeros
        What the editors of some fields show in place of 0.
    """

    changed = Signal()

    def __init__(
        self,
        config: Settings,
        hidden: tuple[str, ...] = (),
        titles: Mapping[str, str] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        zeros: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._config = config
        self._editors: dict[str, ValueWidget[Any]] = {}
        self._groups: dict[str, Form[Any]] = {}
        self._labels: dict[str, QLabel] = {}
        self._quiet = False
        self._titles, self._zeros = titles or {}, zeros or {}
        self._outer = QVBoxLayout(self)
        self._outer.setContentsMargins(0, 0, 0, 0)
        self._rows = aligned_form()
        self._outer.addLayout(self._rows)
        sections = groups or {}
        grouped = {name for names in sections.values() for name in names}
        kinds = field_types(type(config))
        free = [name for name in kinds if name not in hidden and name not in grouped]
        nested = [name for name in free if is_dataclass(kinds[name][0])]
        for name in free:
            if name not in nested:
                self._add_field(name, self._rows, self._outer)
        for title, names in sections.items():
            self._add_section(title, names)
        for name in nested:
            self._add_field(name, self._rows, self._outer)

    def _add_section(self, title: str, names: Sequence[str]) -> None:
        """Add a collapsible section with some fields."""
        section = QWidget()
        column = QVBoxLayout(section)
        column.setContentsMargins(0, 0, 0, 0)
        rows = aligned_form()
        column.addLayout(rows)
        for name in names:
            self._add_field(name, rows, column)
        words = [self._labels[name].text() for name in names if name in self._labels]
        self._outer.addWidget(collapsible(title, section, ", ".join(words)))

    def _add_field(self, name: str, rows: QFormLayout, column: QVBoxLayout) -> None:
        """Add a row to `rows`, or a nested configuration to `column`."""
        described: type = type(self._config)
        kind, options = field_types(described)[name]
        tip = help_texts(described).get(name, "")
        value = getattr(self._config, name)
        if is_dataclass(kind):
            group: Form[Any] = Form(value)
            group.changed.connect(self._on_changed)
            self._groups[name] = group
            title = self._titles.get(name, name.replace("_", " ").capitalize())
            column.addWidget(collapsible(title, group, tip))
            return
        if name in self._zeros:
            options = {**options, "zero": self._zeros[name]}
        editor = self._editor(kind, value, options)
        editor.native.setToolTip(tip)
        Calm.down(editor.native)
        label = QLabel(options.get("label", name.replace("_", " ").capitalize()))
        label.setToolTip(tip)
        rows.addRow(label, editor.native)
        self._editors[name] = editor
        self._labels[name] = label
        editor.changed.connect(self._on_changed)

    def values(self) -> dict[str, Any]:
        """Return the fields as edited, each by itself."""
        values = {name: editor.value for name, editor in self._editors.items()}
        return values | {name: group.value() for name, group in self._groups.items()}

    def value(self) -> Settings:
        """Return the configuration as edited."""
        return cast("Settings", replace(cast("Any", self._config), **self.values()))

    def set(self, config: Settings) -> None:
        """Show another configuration; `changed` is emitted once if anything differs."""
        if self._shows(config):
            self._config = config
            return
        self._quiet = True
        try:
            self._config = config
            for name, editor in self._editors.items():
                editor.value = getattr(config, name)
            for name, group in self._groups.items():
                group.set(getattr(config, name))
        finally:
            self._quiet = False
        self.changed.emit()

    def _shows(self, config: Settings) -> bool:
        try:
            return config == self.value()
        except ConfigError:  # half a word in an editor that takes any text
            return False

    def editor(self, name: str) -> ValueWidget[Any]:
        """Return the magicgui widget of a field; "weights.sigma" is in a group."""
        group, _, rest = name.partition(".")
        return self._groups[group].editor(rest) if rest else self._editors[name]

    def add_row(self, title: str, editor: QWidget) -> None:
        """Add an editor that belongs to no field, aligned with the others."""
        label = QLabel(title)
        label.setToolTip(editor.toolTip())
        self._rows.addRow(label, editor)

    def show_field(self, name: str, shown: bool) -> None:
        """Show or hide the row of a field; hidden, it keeps its value."""
        self._labels[name].setVisible(shown)
        self._editors[name].native.setVisible(shown)

    def _on_changed(self, *_: object) -> None:
        if not self._quiet:
            self.changed.emit()

    @staticmethod
    def _editor(kind: Any, value: Any, options: Mapping[str, Any]) -> ValueWidget[Any]:
        if "suggestions" in options:
            return SuggestionBox(value, options["suggestions"])
        if "zero" in options and kind is int:
            step = options.get("step", 1)
            return ZeroBox(value, options["zero"], options["max"], step)
        without = ("label", "check", "zero")
        settings = {k: v for k, v in options.items() if k not in without}
        if kind is float:
            settings.setdefault("step", 0.1)
            settings.setdefault("widget_type", "FloatSpinBox")
        editor = cast(
            "ValueWidget[Any]",
            create_widget(value=value, annotation=kind, options=settings),
        )
        if 0 < settings.get("min", 0) < 1 and kind is float:
            # The step alone decides otherwise, and rounds small numbers to 0.
            places = -math.floor(math.log10(min(settings["min"], settings["step"])))
            editor.native.setDecimals(max(places, editor.native.decimals()))
            editor.value = value
        if "zero" in options:
            editor.native.setSpecialValueText(options["zero"])
        return editor


class Calm(QObject):
    """Lets the wheel scroll the form instead of changing a setting on the way."""

    @classmethod
    def down(cls, editor: QWidget) -> None:
        """Make an editor react to the wheel only after a click into it."""
        editor.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        editor.installEventFilter(cls(editor))

    def eventFilter(self, editor: Any, event: Any) -> bool:
        """Pass the wheel on."""
        if event.type() == QEvent.Type.Wheel and not editor.hasFocus():
            event.ignore()
            return True
        return bool(super().eventFilter(editor, event))


def aligned_form() -> QFormLayout:
    """Return a form layout with the look of all forms here."""
    layout = QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(8)
    layout.setVerticalSpacing(4)
    layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
    return layout


def collapsible(title: str, content: QWidget, tooltip: str = "") -> QCollapsible:
    """Return a section, closed at first, that opens to `content`."""
    section = Section(title)
    section.setDuration(120)
    section.toggleButton().setToolTip(tooltip)
    section.addWidget(content)
    section.layout().setContentsMargins(0, 0, 0, 0)
    section.content().layout().setContentsMargins(12, 0, 0, 4)
    return section


class Section(QCollapsible):
    """A section whose triangle has the grey of remarks of the theme."""

    _grey: QColor | None = None  # while it is being made, events come already

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self._grey = QColor()
        self._follow_theme()

    def event(self, event: Any) -> bool:
        """Notice another theme."""
        kind = event.type()
        themed = kind in (QEvent.Type.PaletteChange, QEvent.Type.Show)
        if themed and self._grey is not None:
            self._follow_theme()
        return bool(super().event(event))

    def _follow_theme(self) -> None:
        grey = ink(REMARK, self.palette().color(QPalette.ColorRole.WindowText))
        if grey != self._grey:
            self._grey = grey
            self.setExpandedIcon(_triangle([(2, 4), (14, 4), (8, 12)], grey))
            self.setCollapsedIcon(_triangle([(4, 2), (12, 8), (4, 14)], grey))


def _triangle(corners: Sequence[tuple[int, int]], colour: QColor) -> QIcon:
    """Return an icon of 16 pixels."""
    picture = QPixmap(64, 64)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    painter.scale(4, 4)
    painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))
    painter.end()
    return QIcon(picture)
