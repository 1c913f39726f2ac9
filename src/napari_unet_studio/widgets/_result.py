"""What a run leaves in the viewer: its layers, redrawn while settings change."""

import time
import weakref
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import napari.viewer
import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_unet_studio.layers import LayerTuple, moved, prediction_tuples
from napari_unet_studio.tasks.progress import never, run
from napari_unet_studio.widgets._controls import FRAME, timer
from napari_unet_studio.widgets._redraw import Index, Part, count_text, redraw
from napari_unet_studio.widgets._run import Run
from napari_unet_studio.widgets._segment.on_screen import visible_index
from napari_unet_studio.widgets._segment.shown import Shown
from napari_unet_studio.widgets._worker import Failure, Job
from napari_unet_studio.widgets._written import Written, write

if TYPE_CHECKING:
    from napari_unet_studio.core.instances import ObjectConfig
    from napari_unet_studio.tasks.predict import Prediction

# Objects are found at once if that takes about so long, else in a thread.
_AT_ONCE = 50e-3  # seconds
_COST = 8e-9  # seconds per pixel, and what some settings add to them
_COMPILED = ("fill_holes", "close_gaps", "split", "low", "smooth", "link")
_COSTS = {"smooth": 8e-9, "close_gaps": 30e-9, "split": 300e-9, "link": 10e-9}


class Result(Shown):
    """The layers of a result in memory, redrawn while settings change.

    Parameters
    ----------
    viewer, run, parent
        As in :class:`.Shown`.
    """

    def __init__(
        self, viewer: "napari.viewer.Viewer", run: Run, parent: QObject
    ) -> None:
        super().__init__(viewer, run, parent)
        self.prediction: Prediction
        self._written: list[Written] = []
        self._wanted: ObjectConfig
        self._followed: Layer | None = None
        self._begun = 0.0  # when it last began to redraw
        self._compiled: set[str] = set()  # settings whose kernels are
        self._stale = False  # the probabilities are others than those of the labels
        self._edited = False  # by the user
        self._remark = ""
        self._kept: weakref.ref[Layer] | None = None
        self._undo: list[tuple[Index, NDArray[Any]]] = []
        self._job: Job[NDArray[np.int32] | None] | None = None
        self._timer = timer(self, FRAME, self._begin)

    # -- layers -----------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """Its layers, the labels last; they may be removed by now."""
        return [written.layer for written in self._written]

    @property
    def untouched(self) -> list[Layer]:
        """Those of its layers that the user has not edited."""
        return [written.layer for written in self._written if written.intact]

    def fill(self, prediction: "Prediction", run: Run) -> None:
        """Show a prediction, in the layers of the one before where that is allowed."""
        self.stop()
        self.config = prediction.config
        self.card = prediction.card
        self.axes = run.axes
        self.source = moved(run.source, None)
        # The classes are not needed any more, so their memory is not kept.
        self.prediction = replace(prediction, classes=prediction.labels)
        self._wanted = prediction.objects
        self._compiled |= _kernels(prediction.objects)
        self._count()
        tuples = prediction_tuples(prediction, run.source)
        before: list[Written | None] = list(self._written)
        if len(before) != len(tuples):
            before = [None] * len(tuples)
        self._written = [self._put(*pair) for pair in zip(tuples, before, strict=True)]
        self.labels.visible = True
        self._follow()

    @property
    def kept(self) -> str | None:
        """Name of a copy of the labels that is as they are now, if there is one."""
        copy = None if self._kept is None else self._kept()
        layers = self.viewer.layers
        if copy is None or copy not in layers or self.labels not in layers:
            return None
        same = np.array_equal(copy.data, self.labels.data)
        return str(copy.name) if same else None

    def keep(self) -> str | None:
        """Put a copy of the labels into the viewer and return its name."""
        layer = self.labels
        if layer not in self.viewer.layers:
            return None
        data, state, kind = layer.as_layer_data_tuple()
        state |= {
            "name": f"{layer.name} kept",
            "metadata": deepcopy(state["metadata"]),
            "visible": False,
        }
        copy = Layer.create(np.array(data), state, kind)
        selection = self.viewer.layers.selection
        active = selection.active
        self.viewer.layers.insert(self.viewer.layers.index(layer), copy)
        selection.active = active
        self._kept = weakref.ref(copy)
        return str(copy.name)

    def _put(
        self, new: LayerTuple, before: Written | None, in_place: bool = False
    ) -> Written:
        part = self.source.region is not None
        written, note = write(self.viewer, new, before, part, in_place)
        if note:
            self.noted.emit(note)
        return written

    # -- probabilities ----------------------------------------------------------------

    def _follow(self) -> None:
        """Notice when the layer of probabilities gets other data from now on."""
        if self._followed is not None:
            self._followed.events.data.disconnect(self._on_probability)
        self._followed = self._written[0].layer
        self._stale = self._edited = False
        self._remark = ""
        # napari holds the method weakly: it goes with this object.
        self._followed.events.data.connect(self._on_probability)

    def _on_probability(self, event: Any = None) -> None:
        if self.prediction.card.target == "objects":
            self._stale = True
            self.redraw(self._wanted)

    def _probability(self) -> NDArray[Any]:
        """Return what the layer of probabilities shows now, if objects can be of it."""
        own: NDArray[Any] = self.prediction.probabilities[0]
        written = self._written[0]
        data: NDArray[Any] = written.layer.data
        self._edited = False
        self._remark = ""
        if written.layer not in self.viewer.layers or written.intact:
            return own
        name = written.layer.name
        like = isinstance(data, np.ndarray) and data.shape == own.shape
        if not like or data.dtype.kind not in "buif":
            self._remark = (
                f"The settings work from the model's probabilities: {name!r} holds "
                f"other data than an array of {own.shape} in memory."
            )
            return own
        self._edited = True
        self._remark = f"The settings work from {name!r} as you edited it."
        return data

    @property
    def remark(self) -> str:
        """What the layer of probabilities holds, if it is there and was edited."""
        there = self._written[0].layer in self.viewer.layers
        return self._remark if there else ""

    def as_python(self) -> str:
        """Return the lines that repeat the result in napari's console."""
        return self._unedited() + super().as_python()

    def as_shell(self) -> str:
        """Return the command that repeats the result on files."""
        return self._unedited() + super().as_shell()

    def _unedited(self) -> str:
        if not self._edited:
            return ""
        return f"# Without what was edited in {self._written[0].layer.name!r}.\n"

    # -- settings ---------------------------------------------------------------------

    @property
    def objects(self) -> "ObjectConfig":
        """The settings that were asked for last."""
        return self._wanted

    def redraw(self, objects: "ObjectConfig") -> None:
        """Find the objects anew, soon; the last of several requests counts."""
        self._wanted = objects
        if self._job is not None:
            self._job.stop()
        elif not self._timer.isActive():
            # A first step need not wait; those of a moving slider become frames.
            passed = 1000 * (time.monotonic() - self._begun)
            self._timer.start(max(0, round(FRAME - passed)))

    @property
    def settled(self) -> bool:
        """Whether the layers show the settings that were asked for last."""
        waits = self._job is not None or self._timer.isActive()
        return not waits and self._wanted == self.prediction.objects

    def _shown_objects(self) -> "ObjectConfig":
        return self.prediction.objects

    def stop(self) -> None:
        """Stop redrawing; the labels go on showing what they were last."""
        self._timer.stop()
        if self._job is not None:
            self._job.stop()
            self._job = None
            self.waiting.emit("")
        self.take_back()
        self._stale = False
        if self._written:
            self._wanted = self.prediction.objects

    def _begin(self) -> None:
        objects, prediction = self._wanted, self.prediction
        if objects == prediction.objects and not self._stale:
            self.take_back()
            self.redrawn.emit()
            return
        self._stale = False
        self._begun = time.monotonic()
        probability, axes = self._probability(), prediction.axes
        spacing = self.source.spacing
        cost = _COST + sum(_COSTS[name] for name in _COSTS if getattr(objects, name))
        # The first use of a setting may compile for seconds: not in this thread.
        known = _kernels(objects) <= self._compiled
        at_once = known and probability.size * cost <= _AT_ONCE
        visible = None if at_once else visible_index(self.viewer, self.labels)
        task = partial(redraw, probability, objects, axes, spacing, visible)
        if at_once:
            self._show(run(task(never)), objects)
            return
        job: Job[NDArray[np.int32] | None] = Job(task, "Finding objects", self)
        self._job = job
        job.progressed.connect(lambda record: self._on_part(job, record))
        job.succeeded.connect(lambda labels: self._on_labels(job, labels, objects))
        job.failed.connect(lambda failure: self._on_failure(job, failure))
        job.finished.connect(lambda: self._on_finished(job))
        self.waiting.emit("Updating…")
        job.start()

    def _on_part(self, job: Job[Any], record: Any) -> None:
        """Show the part on screen before the rest is known."""
        if job is not self._job:
            return
        if not isinstance(record, Part):
            self.waiting.emit(f"Updating… {record.step} of {record.total}")
            return
        self.take_back()
        written = self._written[-1]
        if written.layer in self.viewer.layers and written.intact:
            data = written.layer.data
            old, new = data[record.index].copy(), np.asarray(record.labels)
            if not np.array_equal(old, new):
                if written.noted:  # the whole will be in a new layer
                    return
                written.forget_table()
            self._undo.append((record.index, old))
            data[record.index] = new
            written.layer.refresh()
            written.renew()

    def _on_labels(self, job: Job[Any], labels: Any, objects: "ObjectConfig") -> None:
        # A whole image is shown also if overtaken: else nothing would move meanwhile.
        if job is self._job and labels is not None:
            self._show(labels, objects)

    def _on_failure(self, job: Job[Any], failure: Failure) -> None:
        if job is self._job:
            self.take_back()
            self._wanted = self.prediction.objects
            self.failed.emit(failure)

    def _on_finished(self, job: Job[Any]) -> None:
        if job is not self._job:
            return
        self._job = None
        self.waiting.emit("")
        if self._wanted != self.prediction.objects or self._undo or self._stale:
            self._timer.start()

    def _show(self, labels: Any, objects: "ObjectConfig") -> None:
        self._undo.clear()
        self._compiled |= _kernels(objects)
        self.prediction = replace(
            self.prediction, labels=labels, classes=labels, objects=objects
        )
        self._count()
        new = prediction_tuples(self.prediction, self.source)[-1]
        self._written[-1] = self._put(new, self._written[-1], in_place=True)
        self.redrawn.emit()

    def _count(self) -> None:
        """Count the objects once: later the user may paint into the same array."""
        prediction = self.prediction
        self.found = "classes mapped"
        if prediction.card.target == "objects":
            self.found = count_text(prediction.labels, prediction.axes)

    def take_back(self) -> None:
        """Take back what was shown in advance, unless the user has painted on it."""
        if self._undo and self._written[-1].intact:
            layer = self.labels
            for index, old in reversed(self._undo):
                layer.data[index] = old
            layer.refresh()
            self._written[-1].renew()
        self._undo.clear()


def _kernels(objects: "ObjectConfig") -> set[str]:
    """Return the settings in use that have kernels of their own."""
    return {name for name in _COMPILED if getattr(objects, name)}
