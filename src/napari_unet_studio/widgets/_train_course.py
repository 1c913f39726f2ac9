"""The course of a training on screen: curves, and the preview layer."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_unet_studio.tasks.progress import Progress, TrainProgress
from napari_unet_studio.widgets._axes import Curve, Panel
from napari_unet_studio.widgets._plot import LivePlot
from napari_unet_studio.widgets._preview import PreviewLayer

if TYPE_CHECKING:
    from napari_unet_studio.io.model import Model

_PANELS = (
    Panel((Curve("loss", "Loss", "#e8963c"),), waiting="The loss appears here."),
    Panel(
        (
            Curve("iou", "IoU", "#4a9fe8"),
            Curve("f1", "F1 of objects", "#35b57c", dashed=True),
        ),
        top=1.0,
        waiting="Scores on held-out data appear here.",
    ),
)


class Course(QWidget):
    """Follows a training; hidden until there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.plot = LivePlot(_PANELS, "updates")
        self.keep_preview = QCheckBox("Keep the preview layer")
        self.keep_preview.setToolTip(
            "While a network trains, a layer shows what it makes of a held-out image. "
            "It is removed at the end unless this is ticked."
        )
        self._preview: PreviewLayer | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(self.plot)
        layout.addWidget(self.keep_preview)
        self.setVisible(False)

    def begin(
        self, preview: PreviewLayer, history: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        """Start with empty curves, or with those of a training that is resumed."""
        self._preview = preview
        self.plot.clear()
        self.plot.extend(history)
        self.setVisible(True)

    def follow(self, progress: Progress) -> None:
        """Show what a record says; routine ones say nothing."""
        if not isinstance(progress, TrainProgress):
            return
        if progress.loss is not None:
            self.plot.add(progress.step, {"loss": progress.loss})
        if progress.scores:
            self.plot.add(progress.step, progress.scores)
        if progress.preview is not None and self._preview is not None:
            self._preview.show(progress.preview)

    def conclude(self, model: "Model") -> None:
        """Say which network was kept, or that none was measured."""
        if model.card.scores:
            self.plot.mark(model.card.training["best_update"], "best")
        else:
            self.plot.wait_for(_PANELS[0].waiting, "No scores: nothing was measured.")

    def end(self, keep: bool = True) -> None:
        """Take the preview away, unless it shall be kept."""
        if self._preview is not None and not (keep and self.keep_preview.isChecked()):
            self._preview.remove()
        self._preview = None
