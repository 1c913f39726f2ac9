"""Mirrored and turned views of a window, whose answers are averaged."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.tasks.executors import Executor, Pending
from napari_unet_studio.tasks.predict_config import Average

# "The average over 7 rotated versions of the input data" (Ronneberger et al. 2015).
ROTATIONS = tuple(360 * i / 7 for i in range(7))


@dataclass(frozen=True)
class View:
    """One way to look at a window: Y and X exchanged or not, then axes mirrored.

    Parameters
    ----------
    mirrored
        Whether each spatial axis of the view runs backwards.
    exchanged
        Whether Y and X change places first.

    Examples
    --------
    >>> pixels = np.arange(6).reshape(1, 2, 3)
    >>> view = View((True, False), exchanged=True)
    >>> view.of(pixels).tolist()
    [[[2, 5], [1, 4], [0, 3]]]
    >>> view.back(view.of(pixels)).tolist() == pixels.tolist()
    True
    """

    mirrored: tuple[bool, ...]
    exchanged: bool = False

    @property
    def _flips(self) -> tuple[int, ...]:
        count = len(self.mirrored)
        return tuple(axis - count for axis, flip in enumerate(self.mirrored) if flip)

    def of(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the view of an array (..., *S)."""
        if self.exchanged:
            array = array.swapaxes(-1, -2)
        return np.flip(array, self._flips)

    def back(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the array of a view."""
        array = np.flip(array, self._flips)
        return array.swapaxes(-1, -2) if self.exchanged else array

    def crop(self, crop: Region, shape: Shape) -> Region:
        """Return where a part of an array of spatial `shape` lies in the view of it."""
        sides = list(zip(crop, shape, strict=True))
        if self.exchanged:
            sides[-1], sides[-2] = sides[-2], sides[-1]
        return tuple(
            slice(size - part.stop, size - part.start) if flip else part
            for (part, size), flip in zip(sides, self.mirrored, strict=True)
        )


def views_of(average: Average, spec: NetworkSpec) -> tuple[View, ...]:
    """Return the views of a window that an average takes, the window itself first.

    Raises
    ------
    ConfigError
        If quarter turns do not fit the network, whose Y and X differ.
    """
    ndim = spec.ndim
    if average == "flips":
        return tuple(View(flips) for flips in product((False, True), repeat=ndim))
    if average == "turns":
        grids = {
            (axis.divisor, axis.trim, axis.halo, axis.largest)
            for axis in spec.axes[-2:]
        }
        if len(grids) > 1:
            raise ConfigError(
                "Quarter turns exchange Y and X, which this network pools differently; "
                "choose the average 'flips'."
            )
        rest = (False,) * (ndim - 2)
        return tuple(
            View((*rest, *flips), exchanged)
            for exchanged in (False, True)
            for flips in product((False, True), repeat=2)
        )
    return (View((False,) * ndim),)


class Averaged:
    """An executor that averages the answers for several views.

    Sums are kept in the computer's memory, never on a GPU.

    Parameters
    ----------
    executor
        Computes one view.
    views
        The views.
    spec
        The network.
    """

    def __init__(
        self, executor: Executor, views: Sequence[View], spec: NetworkSpec
    ) -> None:
        self._executor, self._views, self._spec = executor, views, spec

    @property
    def ahead(self) -> int:
        """Batches that may be under way; each is several already."""
        return min(1, self._executor.ahead)

    def submit(self, blocks: NDArray[np.float32], crops: Sequence[Region]) -> Pending:
        """Begin with a batch; see :class:`.Executor`."""
        shape = self._spec.output_shape(blocks.shape[2:])
        waiting = [
            self._executor.submit(
                np.ascontiguousarray(view.of(blocks)),
                [view.crop(crop, shape) for crop in crops],
            )
            for view in self._views
        ]

        def wait() -> list[NDArray[np.float32]]:
            totals: list[NDArray[np.float32]] = []
            for number, (view, pending) in enumerate(
                zip(self._views, waiting, strict=True)
            ):
                for place, answer in enumerate(pending()):
                    if number:
                        totals[place] += view.back(answer)
                    else:
                        totals.append(view.back(answer).copy())
            share = np.float32(1 / len(self._views))
            return [total * share for total in totals]

        return wait

    def close(self) -> None:
        """Let go of the network."""
        self._executor.close()
