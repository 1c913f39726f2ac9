"""What a job tells the window about a frame of a weight map."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.weights import WeightConfig
from napari_unet_studio.tasks.progress import Progress
from napari_unet_studio.widgets._weights.frame import Numbers

Index = tuple[int, ...]
Shown = tuple[WeightConfig, Numbers | None]  # what a frame was computed from


@dataclass(frozen=True, eq=False)
class FrameDone(Progress):
    """The weights of one frame.

    Parameters
    ----------
    index
        Of the frame along the leading axes.
    weights
        Shape of the frame, float32.
    target
        The labels with the gap carved, or None if not asked for.
    """

    index: Index = ()
    weights: NDArray[np.float32] = field(
        default_factory=lambda: np.empty(0, np.float32)
    )
    target: NDArray[Any] | None = None

    @property
    def routine(self) -> bool:
        """Return False: no frame may be skipped."""
        return False
