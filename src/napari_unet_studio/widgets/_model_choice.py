"""The choice of a model: a combo box that follows the models folder, and the card."""

import contextlib
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QLabel

from napari_unet_studio.core.amounts import sides
from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.core.networks.foreign import KIND_NAMES, ForeignSpec
from napari_unet_studio.io.model_file import read_card
from napari_unet_studio.io.recent import remember_file
from napari_unet_studio.io.registry import available_models, known_models
from napari_unet_studio.widgets._form import Calm
from napari_unet_studio.widgets._model_watch import ModelWatch
from napari_unet_studio.widgets._models.taking import FILTER, MODEL, kind_of_file

if TYPE_CHECKING:
    from napari_unet_studio.io.model import ModelCard

OPEN = "Open file…"
NONE = "No model yet"
_FAMILIES = {"unet": "U-Net", "unet++": "U-Net++", "unet3+": "U-Net 3+"}
_MEASURES = {"iou": "IoU", "f1": "F1"}


class ModelChoice(QObject):
    """Combo box of the models at hand and a label with what the chosen one's card says.

    Bundled models, the user's folder and files that were opened lately, in whichever
    dock, are offered. A model that appears there appears here too, and so do those of
    another folder when the settings change. ``combo`` and ``info`` go into a layout.
    """

    changed = Signal()
    """When another model is chosen, or its file has changed."""
    failed = Signal(object)
    """With the error of a file that was picked but cannot be used."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.combo = QComboBox()
        self.combo.setToolTip(
            "The network: one of the bundled ones, one you trained, or a file."
        )
        self.combo.setMinimumWidth(80)
        Calm.down(self.combo)
        self.combo.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.info = QLabel()
        self.info.setWordWrap(True)
        self.info.setTextFormat(Qt.TextFormat.PlainText)
        self._opened: list[Path] = []
        self._chosen: tuple[Path, float] | None = None
        self._watcher = ModelWatch(self)
        self._watcher.changed.connect(self.refresh)
        self.combo.activated.connect(self._on_activated)
        self.combo.currentIndexChanged.connect(lambda _: self._on_changed())
        self.refresh()

    @property
    def path(self) -> Path | None:
        """File of the chosen model."""
        path = self.combo.currentData()
        return path if isinstance(path, Path) else None

    @property
    def reference(self) -> str:
        """What :func:`.load_model` takes for the chosen model: its name or its path."""
        name = str(self.combo.currentText())
        known = known_models().get(name)
        if known is None or known.source == "file" or known.path != self.path:
            return str(self.path)  # files elsewhere are known for a while only
        return name

    def card(self) -> "ModelCard":
        """Read the card of the chosen model.

        Raises
        ------
        StudioError
            If there is no model, or its file is missing, broken or foreign.
        """
        if self.path is None:
            raise InputError(
                f"There is no model yet; use the Train widget, or pick {OPEN!r}."
            )
        return read_card(self.path)

    def choose(self, model: str | Path) -> None:
        """Choose a model by name, or a file.

        Raises
        ------
        StudioError
            If there is no such model, or the file is broken or foreign.
        """
        index = self.combo.findText(str(model))
        path = self.combo.itemData(index) if index >= 0 else None
        if path is None:
            path = Path(model).absolute()
            read_card(path)
            if self._index(path) < 0:
                remember_file(path)  # for all docks
                self._opened.append(path)  # if that cannot be written
                self.refresh()
        self.combo.setCurrentIndex(self._index(path))

    def refresh(self) -> None:
        """Look what models there are; the chosen one stays chosen."""
        models = available_models()
        for path in self._opened:
            if path in models.values() or not path.is_file():
                continue
            taken = path.stem in models
            models[f"{path.stem} ({path.parent})" if taken else path.stem] = path
        before = self.path
        with QSignalBlocker(self.combo):
            self.combo.clear()
            for name, path in models.items():
                self.combo.addItem(name, path)
                role = Qt.ItemDataRole.ToolTipRole
                self.combo.setItemData(self.combo.count() - 1, str(path), role)
            if not models:
                self.combo.addItem(NONE)
            self.combo.insertSeparator(self.combo.count())
            self.combo.addItem(OPEN)
            self.combo.setCurrentIndex(max(0, self._index(before)))
        self._on_changed()

    def _index(self, path: Path | None) -> int:
        """Return where a file is in the combo box, -1 if it is not."""
        found = (self.combo.itemData(i) for i in range(self.combo.count()))
        return next((i for i, other in enumerate(found) if other and other == path), -1)

    def _on_activated(self, index: int) -> None:
        """Ask for a file if the last entry was picked."""
        if self.combo.itemText(index) == OPEN:
            back = None if self._chosen is None else self._chosen[0]
            self.combo.setCurrentIndex(max(0, self._index(back)))
            file, _ = QFileDialog.getOpenFileName(
                self.combo, "Open a model", str(Path.home()), FILTER
            )
            if file and kind_of_file(Path(file)) != MODEL:
                self._import(Path(file))
            else:
                self.open(file)

    @staticmethod
    def _import(path: Path) -> None:
        """Open the import of a file in another format."""
        from napari import current_viewer

        from napari_unet_studio.widgets._docks import in_front
        from napari_unet_studio.widgets.models import ModelsWidget

        viewer = current_viewer()
        if viewer is not None:
            in_front(viewer, ModelsWidget, "Models").show_import(path)

    def open(self, file: str | Path) -> None:
        """Choose a file if it is a model, else keep the choice; "" does nothing."""
        if not file:
            return
        try:
            self.choose(Path(file))
        except StudioError as error:
            self.failed.emit(error)

    def _on_changed(self) -> None:
        """Show the card, if it is another file than before or a new version of it."""
        path = self.path
        if self.combo.currentText() == OPEN:
            return
        try:
            now = None if path is None else (path, path.stat().st_mtime)
        except OSError:
            now = None if path is None else (path, 0.0)
        if now == self._chosen and self.info.text():
            return
        self._chosen = now
        try:
            card = self.card()
            lines = (card.purpose, kind_of(card), merit_of(card))
            self.info.setText("\n".join(filter(None, lines)))
            self.info.setToolTip(details_of(card))
        except StudioError as error:
            self.info.setText(str(error))
            self.info.setToolTip("")
        self.changed.emit()


def kind_of(card: "ModelCard", age: bool = True) -> str:
    """Say what a model is: network, axes, channels and, if wanted, its age."""
    spec = card.spec
    family = _FAMILIES.get(spec.family, spec.family)
    if isinstance(spec, ForeignSpec):
        family = f"{KIND_NAMES[spec.kind]} network"
    text = f"{family}, {spec.ndim}D, {spec.in_channels} channel"
    text += "s" * (spec.in_channels > 1)
    if not age:
        return text
    with contextlib.suppress(ValueError):
        text += f", from {datetime.fromisoformat(card.created):%d %b %Y}"
    return text


def merit_of(card: "ModelCard", brief: bool = False) -> str:
    """Say how good a model is, and which classes it knows if it finds no objects.

    Parameters
    ----------
    card
        Of the model.
    brief
        Leave out on what that was measured.
    """
    classes = ", ".join(map(str, card.class_values))
    text = f"Classes {classes}; " if card.target == "classes" else ""
    scores = [
        f"{name} {card.scores[key]:.2f}"
        for key, name in _MEASURES.items()
        if key in card.scores
    ]
    measured = ", ".join(scores) + ("" if brief else f" {judged_on(card)}")
    return text + (measured if scores else "not scored")


def judged_on(card: "ModelCard") -> str:
    """Say on what a model's scores were measured, as far as its card knows.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.catalog import get_spec
    >>> from napari_unet_studio.io.model import ModelCard
    >>> one = ({"name": "cells", "role": "train"},)
    >>> judged_on(ModelCard(name="a", spec=get_spec("unet-16"), data=one))
    'on a held-out part of its image'
    """
    if any(each.get("role") == "validate" for each in card.data):
        return "on held-out images"
    # Of a few images it may be parts, of many whole ones: that is not in the card.
    if len(card.data) == 1:
        return "on a held-out part of its image"
    return "on held-out data"


def trained_pixels(card: "ModelCard") -> str:
    """Say on pixels of which size a model was trained; "" if they have none."""
    if card.spacing is None or (card.unit == "pixel" and set(card.spacing) == {1.0}):
        return ""
    size = sides(card.spacing, "g")
    unit = "µm" if card.unit == "um" else card.unit
    return f"Trained on pixels of {size} {unit}."


def details_of(card: "ModelCard") -> str:
    """Say what else a card knows, as HTML for a tooltip."""
    lines = [card.description, trained_pixels(card)]
    field = sides(card.spec.receptive_field)
    lines.append(f"Judges each pixel by the {field} pixels around it.")
    lines += [str(note) for note in card.training.get("notes", ())]
    lines.append(f"Licence: {card.licence}" if card.licence else "")
    return "<br>".join(escape(line) for line in lines if line)
