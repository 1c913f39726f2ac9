"""The settings of how probabilities become objects."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.config import Config

Border = Literal["keep", "sides", "all"]
Seeds = Literal["distance", "probability"]


@dataclass(frozen=True)
class ObjectConfig(Config):
    """How a probability image becomes objects.

    The steps are those of the parameters in the order smooth, threshold and low,
    fill_holes, split, border and sizes, close_gaps, link.

    Parameters
    ----------
    threshold
        Pixels of at least this probability belong to objects.
    min_size
        Smaller objects are removed; in pixels (voxels).
    fill_holes
        Holes up to this size that one object encloses are filled; in pixels (voxels).
        An object inside the hole joins the one around it. What reaches the border of
        the image is no hole.
    close_gaps
        Background between two objects up to this far apart goes to the nearer one: the
        gap that training carves between touching objects, given back. In pixels.
    split
        Divide objects at necks: seeds are maxima that are at least this much deeper
        than the neck between them. In pixels of distance to the border or in hundredths
        of probability, see seeds. 0 is off.
    low
        Pixels from this probability on belong to an object, too, if they hang together
        with one that reaches the threshold. 0 is off, and so is all from the threshold
        on.
    max_size
        Larger objects are removed; in pixels (voxels). 0 is off.
    smooth
        Smooth the probability first, by a Gaussian of this standard deviation in pixels
        of the finest axis, cut off at three of them. 0 is off.
    seeds
        What splitting looks at: "distance" to the border, for round objects, or
        "probability", for networks that are in doubt between objects.
    border
        Objects that touch the border of the image: "keep" them, remove those at the
        "sides", the ends of X and Y, or at "all", the first and the last plane of a
        stack included.
    link
        Objects of a time point keep the id of the one before whose intersection over
        union with them is the largest and at least this. 0 is off: each time point
        counts from 1. Of no meaning without a time axis.

    Examples
    --------
    >>> ObjectConfig(threshold=0.4, min_size=50).to_dict()["min_size"]
    50
    """

    threshold: Annotated[float, {"min": 0.01, "max": 0.99, "step": 0.01}] = 0.5
    min_size: Annotated[
        int, {"min": 0, "max": 10_000_000, "label": "Min size (px)"}
    ] = 16
    fill_holes: Annotated[
        int, {"min": 0, "max": 10_000_000, "label": "Fill holes up to (px)"}
    ] = 64
    close_gaps: Annotated[
        # The widest gap of a training target is 20; networks leave two more, in doubt.
        int,
        {"min": 0, "max": 22, "label": "Close gaps up to (px)"},
    ] = 0
    split: Annotated[
        float, {"min": 0.0, "max": 50.0, "step": 0.25, "label": "Split at necks"}
    ] = 0.0
    low: Annotated[
        float, {"min": 0.0, "max": 0.99, "step": 0.01, "label": "Low threshold"}
    ] = 0.0
    max_size: Annotated[
        int, {"min": 0, "max": 1_000_000_000, "label": "Max size (px)"}
    ] = 0
    smooth: Annotated[
        float, {"min": 0.0, "max": 10.0, "step": 0.25, "label": "Smooth (px)"}
    ] = 0.0
    seeds: Annotated[Seeds, {"label": "Split by"}] = "distance"
    border: Annotated[Border, {"label": "Objects at the border"}] = "keep"
    link: Annotated[
        float, {"min": 0.0, "max": 1.0, "step": 0.05, "label": "Link in time (IoU)"}
    ] = 0.0

    @property
    def weak(self) -> bool:
        """Whether pixels below the threshold may belong to objects."""
        return 0 < self.low < self.threshold

    def border_axes(self, ndim: int) -> tuple[int, ...]:
        """Return the axes whose first and last pixels count as border."""
        if self.border == "keep":
            return ()
        return tuple(range(-2 if self.border == "sides" else -ndim, 0))

    def fits(
        self, size: NDArray[np.int64], border: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Return which objects stay, by their sizes and whether they touch a border."""
        kept = (size >= self.min_size) & ~border
        return kept & (size <= self.max_size) if self.max_size else kept
