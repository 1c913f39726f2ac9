"""The course of a training on screen: curves, figures, and what is shown on images."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.tasks.progress import Prepared, Progress, TrainProgress
from napari_unet_studio.widgets._axes import BLUE, GREEN, RED, Curve, Panel
from napari_unet_studio.widgets._colours import DOUBT, tinted
from napari_unet_studio.widgets._plot import LivePlot
from napari_unet_studio.widgets._saving import ask_where
from napari_unet_studio.widgets._train.export import KINDS, save_curves
from napari_unet_studio.widgets._train.form import fine_print
from napari_unet_studio.widgets._train.held_out import HeldOutLayers, in_words
from napari_unet_studio.widgets._train.place import Place
from napari_unet_studio.widgets._train.preview import PreviewLayer
from napari_unet_studio.widgets._train.texts import figures, unkept
from napari_unet_studio.widgets._viewing import remove_layers

if TYPE_CHECKING:
    from napari_unet_studio.io.model import Model

_LOSS = Panel((Curve("loss", "Loss", RED),), waiting="The loss appears here.")
_IOU = Curve("iou", "IoU", BLUE)
_F1 = Curve("f1", "F1 of objects", GREEN, "dashed")
_SCORES = Panel((_IOU, _F1), top=1.0, waiting="Scores on held-out data appear here.")
_OF_CLASSES = Panel((), top=1.0, family="iou ", member="class {}")
_OBJECTS = (_LOSS, _SCORES, _OF_CLASSES)
_CLASSES = (_LOSS, replace(_SCORES, curves=(_IOU,)), _OF_CLASSES)
_FIGURES = ("learning_rate", "patches_per_second", "memory")


@dataclass(frozen=True, eq=False)
class Stage:
    """Where a training is shown.

    Parameters
    ----------
    viewer
        The napari viewer.
    places
        Of the images that are layers.
    classes
        Whether the network tells classes and not objects.
    """

    viewer: Any
    places: tuple[Place, ...]
    classes: bool


class Course(QWidget):
    """Follows a training; hidden until there is one."""

    said = Signal(str)
    """That the curves are saved, and where."""
    failed = Signal(object)
    """With the error that kept the curves from being saved."""

    def __init__(self) -> None:
        super().__init__()
        self.plot = LivePlot(_OBJECTS, "updates")
        self.figures = fine_print()
        self.figures.setToolTip(
            "Learning rate of the last update, patches per second, memory in use by "
            "napari or on the GPU, and the estimated time to the end."
        )
        self.measured = fine_print()
        self.unkept = fine_print()
        tinted(self.unkept, DOUBT)
        self.keep_layers = QCheckBox("Keep the layers")
        self.keep_layers.setToolTip(
            "While a network trains, one layer shows what it makes of a held-out "
            "image, and others which parts are held out (blue) and which are not used "
            "because they lie too near (grey). They are removed at the end unless this "
            "is ticked."
        )
        self.save = QPushButton("Save curves…")
        self.save.setToolTip("Save the values as a table (CSV) or a picture (PNG).")
        self.save.clicked.connect(self._ask)
        self.close_button = QToolButton()
        self.close_button.setText("✕")
        self.close_button.setAutoRaise(True)
        self.close_button.setToolTip("Hide the curves; the next training has its own.")
        self.close_button.clicked.connect(self.hide)
        self.preview_note = fine_print()
        self.show_button = QPushButton("Show")
        self.show_button.setToolTip(
            "Go to the slice of the preview, with its image beneath it in sight."
        )
        self.show_button.clicked.connect(self._reveal)
        self.records: list[dict[str, Any]] = []
        self._last: TrainProgress | None = None
        self._stage: Stage | None = None
        self._preview: PreviewLayer | None = None
        self._held_out: HeldOutLayers | None = None
        row = QHBoxLayout()
        row.addWidget(self.keep_layers, 1)
        row.addWidget(self.save)
        row.addWidget(self.close_button)
        self._preview_row = QWidget()
        shown = QHBoxLayout(self._preview_row)
        shown.setContentsMargins(0, 0, 0, 0)
        shown.addWidget(self.preview_note, 1)
        shown.addWidget(self.show_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.setSpacing(4)
        told = self.figures, self.unkept, self.measured
        for part in (self.plot, *told, self._preview_row):
            layout.addWidget(part)
        layout.addLayout(row)
        self.measured.setVisible(False)
        self.unkept.setVisible(False)
        self._preview_row.setVisible(False)
        self.setVisible(False)

    def begin(self, stage: Stage, history: Iterable[Mapping[str, Any]] = ()) -> None:
        """Start with empty curves, or with those of a training that is resumed."""
        self._stage = stage
        self._preview = PreviewLayer(stage.viewer, stage.places, stage.classes)
        self._held_out = HeldOutLayers(stage.viewer, stage.places)
        self.records = [dict(record) for record in history]
        self.plot.set_panels(_CLASSES if stage.classes else _OBJECTS)
        self.plot.extend(self.records)
        self._last = None
        self.figures.setText("")
        self.measured.setVisible(False)
        self.close_button.setVisible(False)
        self.setVisible(True)

    def follow(self, progress: Progress) -> None:
        """Show what a record says; routine ones say how long it still takes."""
        if isinstance(progress, Prepared):
            self._show_held_out(progress)
        if not isinstance(progress, TrainProgress):
            return
        self._note(progress)
        if progress.unsaved is not None:
            self._note_unkept(progress.unsaved)
        if progress.loss is not None:
            self._last = progress
            self.figures.setText(figures(progress))
        if progress.preview is not None and self._preview is not None:
            self._preview.show(progress.preview)
            self._note_preview(self._preview)

    def conclude(self, model: "Model") -> None:
        """Say which network was kept, or that none was measured."""
        if model.card.scores:
            self.plot.mark(model.card.training["best_update"], "best")
        else:
            self.plot.wait_for(_LOSS.waiting, "No scores: nothing was measured.")

    @property
    def empty(self) -> bool:
        """Whether a training was begun, and did nothing yet."""
        return self._last is None

    def end(self, keep: bool = True) -> None:
        """Take the layers away, unless they shall be kept."""
        self.close_button.setVisible(True)
        self.unkept.setVisible(False)
        self._preview_row.setVisible(False)
        if self._stage is not None and not (keep and self.keep_layers.isChecked()):
            remove_layers(self._stage.viewer, self._layers())
        self._stage = self._preview = self._held_out = None
        if self._last is not None:
            self.figures.setText(figures(replace(self._last, seconds_left=None)))

    def save_curves(self, path: str | Path) -> None:
        """Save the curves as a table (.csv) or a picture (.png)."""
        try:
            save_curves(Path(path), self.records, self.plot.picture())
        except StudioError as error:
            self.failed.emit(error)
            return
        self.said.emit(f"Saved: {path}")

    def _layers(self) -> list[Any]:
        shown = (self._preview, self._held_out)
        return [layer for part in shown if part is not None for layer in part.layers]

    def _ask(self) -> None:
        path = ask_where(self, "Save the curves", "curves", KINDS)
        if path is not None:
            self.save_curves(path)

    def _note_preview(self, preview: PreviewLayer) -> None:
        """Say of what the preview is, with a way to it as long as it is there."""
        self.preview_note.setText(f"Preview: {preview.title}")
        self.show_button.setVisible(preview.place is not None)
        self._preview_row.setVisible(preview.there)

    def _note_unkept(self, reason: str) -> None:
        """Say that there is no checkpoint, as long as that is so."""
        found = unkept(reason, "Make room there: it is tried again every minute or so.")
        self.unkept.setText(f"▲ {found}")
        self.unkept.setVisible(bool(reason))

    def _reveal(self) -> None:
        if self._preview is not None:
            self._preview.reveal()

    def _show_held_out(self, prepared: Prepared) -> None:
        text = in_words(prepared.held_out)
        self.measured.setText(text)
        self.measured.setVisible(bool(text))
        if self._preview is not None and self._held_out is not None:
            self._preview.held_out = prepared.held_out
            self._held_out.show(prepared.held_out)

    def _note(self, progress: TrainProgress) -> None:
        """Keep and draw the numbers of a record."""
        step = progress.step
        if progress.loss is None and not progress.scores:
            return
        if self.records and self.records[-1]["step"] > step:
            # After a setback the training goes on from an earlier update.
            self.records = [r for r in self.records if r["step"] <= step]
            self.plot.clear()
            self.plot.extend(self.records)
        if progress.loss is not None:
            record: dict[str, Any] = {"step": step, "loss": progress.loss}
            for name in _FIGURES:
                if (value := getattr(progress, name)) is not None:
                    record[name] = value
            self._add(record)
        if progress.scores:
            self._add({"step": step, **progress.scores})

    def _add(self, record: dict[str, Any]) -> None:
        self.records.append(record)
        self.plot.add(record["step"], record)
