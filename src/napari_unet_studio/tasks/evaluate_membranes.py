"""Scores of cells that membranes part, counted over planes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics import MembraneSums, cells_of
from napari_unet_studio.tasks.evaluate_labels import label_pair
from napari_unet_studio.tasks.scores import Scores, summed_up, values_of


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

    names: list[str] = field(default_factory=list, init=False)
    planes: list[tuple[int, MembraneSums]] = field(default_factory=list, init=False)

    def add(
        self,
        labels: ArrayLike,
        reference: ArrayLike,
        axes: str | None = None,
        name: str | None = None,
    ) -> None:
        """Compare two images, plane by plane.

        Parameters
        ----------
        labels, reference
            Cells of the same shape, 0 is membrane.
        axes
            Names of the axes, which only have to fit.
        name
            Of the image; None is its number from 0.

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
        for index in np.ndindex(*truth.shape[:-2]):
            plane = MembraneSums.of_plane(_parted(found[index]), _parted(truth[index]))
            self.planes.append((self.images, plane))
        self.names.append(str(self.images) if name is None else name)

    @property
    def images(self) -> int:
        """Number of images."""
        return len(self.names)

    @property
    def notes(self) -> list[str]:
        """Nothing has to be decided."""
        return []

    def scores(self) -> dict[str, float]:
        """Return the scores of all planes together; undefined ones are NaN."""
        (values,) = values_of(self._planes().total())
        return values

    def result(self) -> Scores:
        """Return the scores with those of each image."""
        planes = self._planes()
        of = np.array([image for image, _ in self.planes], np.intp)
        images = planes.weighted(
            (of == np.arange(self.images)[:, None]).astype(np.float64)
        )
        return summed_up(self.names, images, (planes, "planes"))

    def _planes(self) -> MembraneSums:
        return MembraneSums.joined(
            [MembraneSums.none(), *(plane for _, plane in self.planes)]
        )


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
