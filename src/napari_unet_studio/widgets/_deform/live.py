"""The preview over time: at once while something moves, exact when it rests."""

from functools import partial

from qtpy.QtCore import QObject, Signal

from napari_unet_studio.widgets._controls import FRAME, SETTLED, soon
from napari_unet_studio.widgets._deform.chosen import Chosen
from napari_unet_studio.widgets._deform.compare import Comparison
from napari_unet_studio.widgets._deform.form import DeformForm
from napari_unet_studio.widgets._deform.layers import PreviewLayers
from napari_unet_studio.widgets._deform.preview import Exact
from napari_unet_studio.widgets._live import LiveWidget
from napari_unet_studio.widgets._worker import Failure, Job


class LivePreview(QObject):
    """Shows the preview that the form describes, and never lets the window wait for it.

    What takes long is deformed in a thread, one view at a time; a result that came too
    late is used only where nothing better is known.

    Parameters
    ----------
    widget
        The widget that this belongs to.
    form
        Its form.
    """

    summarised = Signal(str)
    """With what the deformation does, in words."""

    def __init__(self, widget: LiveWidget, form: DeformForm) -> None:
        super().__init__(widget)
        self.viewer = widget.viewer
        self.layers: PreviewLayers | None = None
        self._form = form
        self._comparison: Comparison | None = None
        self._job: Job[Exact | None] | None = None
        self._complain = widget.on_failure
        self.live_timer = widget.clock(FRAME, self.draw)
        self.settle_timer = widget.clock(SETTLED, self._settle)
        self._lines_timer = widget.clock(0, self._draw_lines)
        form.compare.flipped.connect(self._on_flipped)

    @property
    def busy(self) -> bool:
        """Whether something is deformed in a thread."""
        return self._job is not None

    def show(self, chosen: Chosen) -> None:
        """Bring a preview into the viewer."""
        self.remove()
        self.layers = PreviewLayers(self.viewer, chosen)
        self.layers.add(self._form.value())
        self._form.compare.setEnabled(True)
        self.draw()
        self.settle_timer.start()

    def remove(self) -> None:
        """Take the preview out of the viewer."""
        self._end_comparison()
        self._form.compare.setEnabled(False)
        for clock in (self.live_timer, self.settle_timer, self._lines_timer):
            clock.stop()
        if self._job is not None:
            self._job.stop()
        layers, self.layers = self.layers, None
        if layers is not None:
            layers.remove()
        self.summarised.emit("")

    def follow_settings(self) -> None:
        """Redraw because a setting changed: whoever changes one wants to see it."""
        self._end_comparison()
        self.follow_view()

    def follow_view(self) -> None:
        """Redraw because the viewer shows another part of the data."""
        if self.layers is not None:
            soon(self.live_timer)
            self.settle_timer.start()

    def forget(self) -> None:
        """Read the layers anew."""
        if self.layers is not None:
            self.layers.forget()
            self.follow_view()

    # -- drawing ----------------------------------------------------------------------

    def draw(self) -> None:
        """Show what the window can wait for, and have the rest computed."""
        layers = self.layers
        if layers is None or not layers.alive:
            return
        layers.redraw(self._form.value())
        self.summarised.emit(layers.summary())
        soon(self._lines_timer)
        # What is drawn coarsely meanwhile is not worth a thread until it rests.
        if layers.deformation.missing and not layers.deformation.hasty:
            self._begin()

    def _draw_lines(self) -> None:
        layers, form = self.layers, self._form
        if layers is None or not layers.alive or self._comparison is not None:
            return
        wanted = {"grid": form.bent.isChecked(), "arrows": form.arrows.isChecked()}
        if layers.draw_lines(wanted):
            self._lines_timer.start()

    def _settle(self) -> None:
        if self.layers is None or not self.layers.alive:
            return
        if self.layers.deformation.missing:
            self._begin()
        else:
            self.layers.finish()

    def _begin(self) -> None:
        layers = self.layers
        if layers is None or self._job is not None:
            return
        deformation = layers.deformation
        keys, age = sorted(deformation.missing, key=str), deformation.age
        task = partial(deformation.exact, keys, deformation.config)
        job: Job[Exact | None] = Job(task, "Deforming", self)
        self._job = job
        job.succeeded.connect(lambda exact: self._on_exact(layers, exact, age))
        job.failed.connect(self._on_failure)
        job.finished.connect(self._on_finished)
        job.start()

    def _on_exact(self, layers: PreviewLayers, exact: Exact | None, age: int) -> None:
        if exact is None or layers is not self.layers:
            return
        layers.deformation.accept(exact, age)
        if exact.config == self._form.value() or not layers.deformation.hasty:
            self.draw()
            if not (self.settle_timer.isActive() or layers.deformation.missing):
                layers.finish()

    def _on_failure(self, failure: Failure) -> None:
        if self.layers is not None:
            self.layers.deformation.missing.clear()
            self._complain(failure)

    def _on_finished(self) -> None:
        self._job = None
        deformation = None if self.layers is None else self.layers.deformation
        if deformation is not None and deformation.missing:
            if deformation.hasty:
                self.settle_timer.start()
            else:
                self._begin()

    # -- before and after -------------------------------------------------------------

    def _on_flipped(self, before: bool) -> None:
        if self._comparison is not None:
            self._comparison.end()
            self._comparison = None
        if before and self.layers is not None:
            self._comparison = Comparison(self.viewer, self.layers.swaps())
        else:
            self.follow_view()

    def _end_comparison(self) -> None:
        self._form.compare.end()
