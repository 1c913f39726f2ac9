"""Forms made of configuration dataclasses: fields, limits, tooltips, nested groups."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass, replace
from typing import Any, Generic, TypeVar, cast

from magicgui.widgets import create_widget
from magicgui.widgets.bases import ValueWidget
from qtpy.QtCore import QEvent, QObject, QPointF, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap, QPolygonF
from qtpy.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_unet_studio.core.config import Config, field_types, help_texts
from napari_unet_studio.core.errors import ConfigError
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
    """

    changed = Signal()

    def __init__(
        self,
        config: Settings,
        hidden: tuple[str, ...] = (),
        titles: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._config = config
        self._editors: dict[str, ValueWidget[Any]] = {}
        self._groups: dict[str, Form[Any]] = {}
        self._labels: dict[str, QLabel] = {}
        self._quiet = False
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        layout = self._rows = aligned_form()
        outer.addLayout(layout)
        described: type = type(config)
        texts = help_texts(described)
        for name, (kind, options) in field_types(described).items():
            if name in hidden:
                continue
            value = getattr(config, name)
            if is_dataclass(kind):
                group: Form[Any] = Form(value)
                group.changed.connect(self._on_changed)
                self._groups[name] = group
                title = (titles or {}).get(name, name.replace("_", " ").capitalize())
                outer.addWidget(collapsible(title, group, texts.get(name, "")))
                continue
            editor = self._editor(kind, value, options)
            editor.native.setToolTip(texts.get(name, ""))
            Calm.down(editor.native)
            label = QLabel(options.get("label", name.replace("_", " ").capitalize()))
            label.setToolTip(texts.get(name, ""))
            layout.addRow(label, editor.native)
            self._editors[name] = editor
            self._labels[name] = label
            editor.changed.connect(self._on_changed)

    def value(self) -> Settings:
        """Return the configuration as edited."""
        values = {name: editor.value for name, editor in self._editors.items()}
        values |= {name: group.value() for name, group in self._groups.items()}
        return cast("Settings", replace(cast("Any", self._config), **values))

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
        if "zero" in options:
            step = options.get("step", 1)
            return ZeroBox(value, options["zero"], options["max"], step)
        settings = {k: v for k, v in options.items() if k not in ("label", "check")}
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
    section = QCollapsible(
        title,
        expandedIcon=_triangle([(2, 4), (14, 4), (8, 12)]),
        collapsedIcon=_triangle([(4, 2), (12, 8), (4, 14)]),
    )
    section.setDuration(120)
    section.toggleButton().setToolTip(tooltip)
    section.addWidget(content)
    section.layout().setContentsMargins(0, 0, 0, 0)
    section.content().layout().setContentsMargins(12, 0, 0, 4)
    return section


def _triangle(corners: Sequence[tuple[int, int]]) -> QIcon:
    """Return an icon of 16 pixels in a grey that is seen on dark and light themes."""
    picture = QPixmap(64, 64)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor("#909090"))
    painter.scale(4, 4)
    painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))
    painter.end()
    return QIcon(picture)
