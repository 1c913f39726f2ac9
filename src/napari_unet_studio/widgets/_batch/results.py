"""Results of layers as layers: new ones, or those of the run before again."""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import napari.viewer
from napari.layers import Layer

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.layers import Source, prediction_tuples
from napari_unet_studio.widgets._written import Written, write

if TYPE_CHECKING:
    from napari_unet_studio.tasks.predict import Prediction

_Key = tuple[Path, Channel | None]  # of a result: the model, and the channel


class LayerResults:
    """Adds results to the viewer; what nobody has edited is replaced by the next run.

    Each channel of an image has results of its own.

    Parameters
    ----------
    viewer
        The viewer.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        self._viewer = viewer
        self._known: WeakKeyDictionary[Any, dict[_Key, list[Written]]]
        self._known = WeakKeyDictionary()

    def put(
        self, layer: Any, model: Path, prediction: "Prediction", source: Source
    ) -> str:
        """Show a prediction; returns what there is to say to the user, or "".

        Parameters
        ----------
        layer
            The image; None if it is gone by now.
        model
            File of the model.
        prediction, source
            The result, and the image as it was read.
        """
        tuples = prediction_tuples(prediction, source)
        known = {} if layer is None else self._known.setdefault(layer, {})
        key = (model, source.channel)
        before: list[Written | None] = list(known.get(key, []))
        if len(before) != len(tuples):
            before = [None] * len(tuples)
        pairs = zip(tuples, before, strict=True)
        written = [write(self._viewer, new, old) for new, old in pairs]
        known[key] = [each for each, _ in written]
        return " ".join(filter(None, (note for _, note in written)))

    def of(self, layer: Any, model: Path, channel: Channel | None) -> list[Layer]:
        """Return the layers of a result that are still there, the labels last.

        Parameters
        ----------
        layer
            The image; None if it is gone by now.
        model
            File of the model.
        channel
            The one that was taken of several, as its source says.
        """
        known = {} if layer is None else self._known.get(layer, {})
        found = [written.layer for written in known.get((model, channel), [])]
        return [x for x in found if x in self._viewer.layers]

    def tidy(self) -> None:
        """Forget results whose layers were removed, so that their memory can go."""
        for known in self._known.values():
            for key, written in list(known.items()):
                if not any(each.layer in self._viewer.layers for each in written):
                    del known[key]
