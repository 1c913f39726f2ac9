"""What every synthetic sample is: an image, its labels, and how to read both."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import InputError


@dataclass(frozen=True, eq=False)
class Sample:
    """A synthetic image together with the objects that it was made from.

    Parameters
    ----------
    name
        What the image shows, as a layer name.
    image
        Intensities, shape of ``labels``; with a last axis of three when ``rgb``.
    labels
        Instance ids, shape ``(*S)``, 0 is background. Touching objects have no
        background between them; each id is one connected object in every frame.
    axes
        One letter per axis of ``labels``, of T, Z, Y and X.
    spacing
        Distance between samples, one per axis of ``labels``: in ``unit`` along Z, Y
        and X, in seconds along T.
    unit
        Unit of length of ``spacing``.
    rgb
        Whether ``image`` has red, green and blue along a last axis of its own.
    """

    name: str
    image: NDArray[Any]
    labels: NDArray[np.int32]
    axes: str
    spacing: tuple[float, ...]
    unit: str = "um"
    rgb: bool = False


class SampleMaker(Protocol):
    """A function that makes a sample: the same one each time for one seed."""

    def __call__(self, *, seed: int = 0) -> Sample:
        """Make the sample of that seed."""
        ...


def check_shape(shape: tuple[int, ...], axes: str) -> None:
    """Refuse a shape that has the wrong number of axes or no room for cells.

    Parameters
    ----------
    shape
        Pixels per axis.
    axes
        One letter per axis. Y and X need 48 pixels or more, Z 4, T 1.

    Raises
    ------
    InputError
        If the shape cannot be made.

    Examples
    --------
    >>> check_shape((64, 64), "YX")
    """
    smallest = tuple({"T": 1, "Z": 4}.get(axis, 48) for axis in axes)
    if len(shape) != len(axes) or any(
        n < least for n, least in zip(shape, smallest, strict=True)
    ):
        raise InputError(
            f"A sample of shape {tuple(shape)} cannot be made: it has axes {axes} and "
            f"needs at least {smallest} pixels; give a larger shape."
        )
