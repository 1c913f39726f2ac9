"""What the scores of cells that membranes part are made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.metrics import ratios
from napari_unet_studio.core.metrics.partitions import Partitions, thinned_borders
from napari_unet_studio.core.metrics.sums import Sums
from napari_unet_studio.core.metrics.warping import Warping

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MembraneSums(Sums):
    """Sums over planes; each array has one number for each unit.

    Parameters
    ----------
    planes
        Planes with a cell in the reference, over which means are taken.
    rand_error, v_rand, v_info
        Sums over these planes, see :class:`.Partitions`.
    wrong, pixels
        Pixels that are wrong, and all.
    warped, topology
        Pixels that stay wrong after warping, and those of them that split or join
        cells, see :class:`.Warping`.
    """

    planes: Numbers
    rand_error: Numbers
    v_rand: Numbers
    v_info: Numbers
    wrong: Numbers
    pixels: Numbers
    warped: Numbers
    topology: Numbers

    @classmethod
    def none(cls) -> "MembraneSums":
        """Return the sums of no plane."""
        return cls(*(np.zeros(0) for _ in cls.__dataclass_fields__))

    @classmethod
    def of_plane(
        cls, found: NDArray[np.int32], truth: NDArray[np.int32]
    ) -> "MembraneSums":
        """Return one plane of cells as a unit; touching cells have a membrane."""
        drawn = Partitions.of(found, truth)
        thin = Partitions.of(thinned_borders(found), truth)
        warping = Warping.of(found, truth)
        values = (
            1 if drawn.pixels else 0,
            *np.nan_to_num([drawn.rand_error, thin.v_rand, thin.v_info]),
            np.count_nonzero((found > 0) != (truth > 0)),
            truth.size,
            warping.wrong,
            warping.splits + warping.mergers,
        )
        return cls(*(np.array([value], np.float64) for value in values))

    def scores(self) -> dict[str, NDArray[Any]]:
        """Return the scores of each unit; NaN where nothing can be measured."""
        return {
            "pixel_error": ratios.ratio(self.wrong, self.pixels),
            "rand_error": ratios.ratio(self.rand_error, self.planes),
            "v_rand": ratios.ratio(self.v_rand, self.planes),
            "v_info": ratios.ratio(self.v_info, self.planes),
            "warping_error": ratios.ratio(self.warped, self.pixels),
            "splits_and_mergers": ratios.ratio(self.topology, self.pixels),
        }
