"""A row of scores on display, and where its error map goes."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_unet_studio.layers import LayerTuple, Source, labels_tuple
from napari_unet_studio.layers.errors import errors_tuple
from napari_unet_studio.tasks.comparison import CandidateScores
from napari_unet_studio.widgets._compare.plan import Plan
from napari_unet_studio.widgets._compare.stamps import Asked, Known, Stamp
from napari_unet_studio.widgets._compare.texts import EDITED, REMOVED
from napari_unet_studio.widgets._compare.versions import Versions


@dataclass(frozen=True, eq=False)
class Shown:
    """A row; it keeps no layer and no pixels of one in memory.

    Parameters
    ----------
    key
        Of its candidate.
    row
        Its scores.
    asked
        What it was measured against, and how.
    source
        The reference as it was, without its pixels.
    title
        What was predicted, for the names of results.
    stamp
        The state of layers and files that it is of.
    known
        What the model predicted, to be scored again without running it.
    """

    key: Hashable
    row: CandidateScores
    asked: Asked
    source: Source
    title: str
    stamp: Stamp
    known: Known | None

    @classmethod
    def of(cls, row: CandidateScores, plan: Plan) -> "Shown":
        """Return the row of a run."""
        entry = plan.entry(row.name)
        known = None
        if row.kind == "labels":  # its pixels are those of a layer
            images = tuple(replace(image, labels=None) for image in row.images)
            row = replace(row, images=images)
        elif row.images and row.images[0].labels is not None:
            known = Known(plan.how(entry), row)
        title = plan.source.name if plan.picture is None else plan.picture.title
        stamp = plan.stamps[entry.key]
        return cls(entry.key, row, plan.asked, plan.place, title, stamp, known)

    @property
    def errors(self) -> Any:
        """The error map, None if there is none."""
        return self.row.images[0].errors if self.row.images else None

    @property
    def labels(self) -> Any:
        """What a model found, None if it failed."""
        return self.row.images[0].labels if self.row.images else None

    @property
    def layers(self) -> list[Any]:
        """The layers that it is of, those that are gone left out."""
        found = (layer() for layer, _ in self.stamp.versions)
        return [layer for layer in found if layer is not None]

    def errors_layer(self, only: int | None) -> LayerTuple:
        """Return the layer of its errors; `only` as of :func:`.errors_tuple`."""
        made = {"reference": self.source.name, "axes": self.asked.axes}
        return errors_tuple(self.errors, self.source, self.row.name, made, only)

    def labels_layer(self) -> LayerTuple:
        """Return a layer of what a model found."""
        made = {"model": self.row.name, "axes": self.asked.axes}
        name = f"{self.title} [{self.row.name}] labels"
        # A copy: the user may paint in it, and the next scores are of what was found.
        found = np.array(self.labels)
        return labels_tuple(found, self.source, name, made, opacity=0.5)

    def elsewhere(self, now: Asked) -> str:
        """Say that something else is chosen now than it was scored with, or nothing."""
        if self.row.kind == "labels" or now.image is None:  # they need no image
            now = now._replace(image=self.asked.image, channel=self.asked.channel)
        if self.asked == now:
            return ""
        if self.asked.reference != now.reference:
            how = f"against {self.source.name!r}, which is not the reference now"
        elif self.asked.kind != now.kind:
            how = f"as {self.asked.kind}, which is not what is chosen now"
        elif self.asked.axes != now.axes:
            how = f"with the axes {self.asked.axes}, which are not those chosen now"
        elif self.asked.image != now.image:
            how = f"on the image {self.title!r}, which is not the one chosen now"
        else:
            how = f"on another channel of {self.title!r} than the one chosen now"
        return f"Scored {how}; Compare scores anew."

    def outdated(self, versions: Versions, layers: Any, now: Asked) -> str:
        """Say why the scores do not hold any more, or nothing."""
        elsewhere = self.elsewhere(now)
        if elsewhere:
            return elsewhere
        if self.stamp.edited(versions):
            return EDITED
        return REMOVED if self.stamp.gone(layers) else ""
