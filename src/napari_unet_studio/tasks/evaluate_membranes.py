"""Scores of cells that membranes part, counted over planes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics import (
    Confusion,
    Partitions,
    Warping,
    cells_of,
    mean_finite,
    thinned_borders,
)
from napari_unet_studio.tasks.evaluate_labels import label_pair


@dataclass
class MembraneTally:
    """Scores of cells that membranes part, plane by plane, as in ISBI 2012.

    Notes
    -----
    Labels above 0 are cells, 0 is membrane. All axes before the last two count planes.
    Cells of one id are parted where they do not touch along edges; a prediction of
    several ids that touch gets a membrane one pixel wide between them.

    The pixel error and the warping error count all pixels. Of the scores of partitions
    the mean over the planes is taken: the Rand error as membranes are drawn, V_Rand
    and V_Info after thinning those of the prediction.

    Examples
    --------
    >>> tally = MembraneTally()
    >>> cells = [[9, 9, 0, 9, 9], [9, 9, 0, 9, 9]]
    >>> tally.add(cells, cells)
    >>> {name: round(value, 3) for name, value in tally.scores().items()}
    {'pixel_error': 0.0, 'rand_error': 0.0, 'v_rand': 1.0, 'v_info': 1.0, \
'warping_error': 0.0, 'splits_and_mergers': 0.0}
    """

    images: int = field(default=0, init=False)
    pixels: Confusion = field(
        default_factory=lambda: Confusion(np.zeros((2, 2), np.int64)), init=False
    )
    warping: Warping = field(default=Warping(0, 0, 0, 0), init=False)
    rand_errors: list[float] = field(default_factory=list, init=False)
    v_rands: list[float] = field(default_factory=list, init=False)
    v_infos: list[float] = field(default_factory=list, init=False)

    def add(
        self, labels: ArrayLike, reference: ArrayLike, axes: str | None = None
    ) -> None:
        """Compare two images, plane by plane.

        Raises
        ------
        InputError
            If the values are no whole numbers, or shapes and axes do not fit.
        """
        found, truth = label_pair(labels, reference, axes)
        if truth.ndim < 2:
            raise InputError(
                f"Membranes are scored in planes, but the labels have the shape "
                f"{truth.shape}; give an image of two or more axes."
            )
        self.images += 1
        for index in np.ndindex(*truth.shape[:-2]):
            self._add(_parted(found[index]), _parted(truth[index]))

    def _add(self, found: NDArray[np.int32], truth: NDArray[np.int32]) -> None:
        self.pixels += Confusion.of(found > 0, truth > 0)
        self.warping += Warping.of(found, truth)
        thin = Partitions.of(thinned_borders(found), truth)
        self.rand_errors.append(Partitions.of(found, truth).rand_error)
        self.v_rands.append(thin.v_rand)
        self.v_infos.append(thin.v_info)

    @property
    def notes(self) -> list[str]:
        """Nothing has to be decided."""
        return []

    def scores(self) -> dict[str, float]:
        """Return the scores of all planes together; undefined ones are NaN."""
        return {
            "pixel_error": self.pixels.pixel_error,
            "rand_error": mean_finite(self.rand_errors),
            "v_rand": mean_finite(self.v_rands),
            "v_info": mean_finite(self.v_infos),
            "warping_error": self.warping.error,
            "splits_and_mergers": self.warping.topology,
        }


def _parted(labels: NDArray[Any]) -> NDArray[np.int32]:
    """Number the cells of a plane, with a membrane between those that touch.

    Along edges: cells that meet at a corner have a membrane between them already.
    """
    cells = cells_of(labels)
    apart = cells.copy()
    for one, other, kept in (
        (cells[:-1], cells[1:], apart[1:]),
        (cells[:, :-1], cells[:, 1:], apart[:, 1:]),
    ):
        kept[(one != other) & (one > 0) & (other > 0)] = 0
    return cells_of(apart)
