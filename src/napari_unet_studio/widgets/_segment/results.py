"""The results of the Segment widget, the latest first."""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import napari.viewer
from napari.layers import Layer
from qtpy.QtCore import QObject, Signal

from napari_unet_studio.widgets._run import Run
from napari_unet_studio.widgets._segment.code import record_result

if TYPE_CHECKING:  # at run time these load scikit-image: not for opening
    from napari_unet_studio.core.instances import ObjectConfig
    from napari_unet_studio.widgets._segment.shown import Shown


class Results(QObject):
    """Finds results by what they are of, and forgets those whose layers are gone.

    Parameters
    ----------
    viewer
        Where the layers are.
    parent
        The widget.
    """

    noted = Signal(str)
    """With a sentence for the user."""
    failed = Signal(object)
    """With a :class:`.Failure`."""

    def __init__(self, viewer: "napari.viewer.Viewer", parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._known: list[Shown] = []
        self.hidden: list[str] = []
        """Names of the layers that the latest result hid."""
        self._covered: WeakSet[Layer] = WeakSet()  # hidden below

    def of(self, layer: Layer | None, model: Path | None, key: Any) -> "Shown | None":
        """Return the latest result of an image, a model and a choice."""
        found = (x for x in self._known if x.belongs_to(layer, model, key))
        return next(found, None)

    def put(self, run: Run, prediction: Any, objects: "ObjectConfig | None") -> "Shown":
        """Show what a run came to, in the layers of the one before if it can be.

        Parameters
        ----------
        run, prediction
            The run and its result, stored if the run wrote it to a folder.
        objects
            Settings that the user chose while the network was running, if any.
        """
        from napari_unet_studio.widgets._result import Result
        from napari_unet_studio.widgets._segment.stored import StoredResult

        self.hidden.clear()
        if run.out is not None:
            stored = StoredResult(self._viewer, run, self, prediction)
            self._known.insert(0, stored)
            self._cover_others(stored)
            return stored
        mine = (x for x in self._known if x.belongs_to(run.layer, run.path, run.key))
        result = next((x for x in mine if isinstance(x, Result)), None)
        if result is None:
            result = Result(self._viewer, run, self)
            result.failed.connect(self.failed)
            result.noted.connect(self.noted)
            result.redrawn.connect(self._record)
            self._cover_others(result)
        else:
            self._known.remove(result)
            self.bring(result)
        self._known.insert(0, result)
        result.fill(prediction, run)
        if prediction.card.target == "objects" and objects is not None:
            result.redraw(objects)
        return result

    def bring(self, result: "Shown") -> None:
        """Show what was hidden of a result, and hide what other models found instead.

        Nothing is done if nothing of it was hidden: the user chooses what is on screen.
        """
        mine = [x for x in result.layers if x in self._covered]
        self._covered.difference_update(mine)
        hidden = [x for x in mine if not x.visible]
        if hidden:
            for layer in hidden:
                layer.visible = True
            self._cover_others(result)

    def _cover_others(self, result: "Shown") -> None:
        """Hide what other models found in the same image, unless the user edited it.

        The objects of two models, one over the other, would be counted as one's.
        """
        for other in self._known:
            if other.model != result.model and other.image is result.image:
                for layer in other.untouched:
                    if layer.visible and layer in self._viewer.layers:
                        layer.visible = False
                        self._covered.add(layer)
                        self.hidden.append(layer.name)

    def _record(self) -> None:
        """Record what is shown, also of results that the panel does not show."""
        for result in self._known:
            record_result(self, result)

    def take_gone(self) -> "list[Shown]":
        """Forget the results whose layers the user removed, and return them."""
        gone = [x for x in self._known if x.gone]
        self._known = [x for x in self._known if x not in gone]
        return gone

    def stop(self) -> None:
        """Stop redrawing all of them."""
        for result in self._known:
            result.stop()
