"""The formulas of the border weights, from distances that are measured already.

The 2015 formula is eq. 2 of [1]_, the 2019 one that of the Fiji plugin [2]_.

References
----------
.. [1] Ronneberger, Fischer, Brox. U-Net: Convolutional networks for biomedical image
   segmentation. MICCAI 2015.
.. [2] Falk et al. U-Net: deep learning for cell counting, detection, and morphometry.
   Nature Methods 16, 2019.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.distances import NearestObjects, TwoNearest
from napari_unet_studio.core.errors import ConfigError

Preset = Literal["2015", "2019", "none"]

CUTOFF = 6.0  # sigmas; the border term is below 2e-8 of its peak beyond it
BALANCE_CUTOFF = 5.3  # the same for the wider balance term of 2019, below 1e-6
BACKGROUND_WEIGHT = 0.1  # v_bal of the 2019 preset
BALANCE_SIGMA = 10.0  # sigma_bal of the 2019 preset, in pixels of the finest axis


class BorderTerm(NamedTuple):
    """Height `w0` and width `sigma` (in pixels) of the term between two objects."""

    w0: float
    sigma: float


PRESETS: Mapping[str, BorderTerm] = MappingProxyType(
    {"2015": BorderTerm(10.0, 5.0), "2019": BorderTerm(50.0, 6.0)}
)
"""The papers' own numbers; the 2019 paper calls the height lambda."""


def reach(preset: Preset, sigma: float) -> float:
    """Return how far a preset looks, in pixels of the finest axis.

    Terms below 1e-6 of their peak are left out.

    Examples
    --------
    >>> reach("2015", 5.0), reach("2019", 6.0), reach("none", 5.0)
    (30.0, 53.0, 0.0)
    """
    if preset == "none":
        return 0.0
    if preset == "2019":
        return max(CUTOFF * sigma, BALANCE_CUTOFF * BALANCE_SIGMA)
    return CUTOFF * sigma


def separation_term(
    nearest: TwoNearest | NearestObjects, w0: float = 10.0, sigma: float = 5.0
) -> NDArray[np.float32]:
    """Evaluate ``w0 exp(-(d1 + d2)^2 / (2 sigma^2))``, the second term of eq. 2.

    The distances depend on neither `w0` nor `sigma`: keep them while a slider moves.

    Parameters
    ----------
    nearest
        Distances in pixels of the finest axis, from a search with a cutoff of at least
        six `sigma`.
    w0
        Height of the term.
    sigma
        Width of the term, in the unit of the distances.

    Examples
    --------
    >>> two = TwoNearest(d1=np.float32([0, 1, 2]), d2=np.float32([4, 3, 2]))
    >>> separation_term(two, w0=10, sigma=2).round(2)
    array([1.35, 1.35, 1.35], dtype=float32)
    """
    check_formula("none", w0, sigma)
    return _gaussian(np.add(nearest.d1, nearest.d2), w0, sigma)


def weigh(
    nearest: TwoNearest,
    occupied: NDArray[np.bool_],
    balance: NDArray[np.float32],
    preset: Preset = "2015",
    w0: float = 10.0,
    sigma: float = 5.0,
    inside: bool = True,
    annotated: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Put the terms of a preset together: what `separation_weights` does per pixel.

    Parameters
    ----------
    nearest
        Distances in pixels of the finest axis, infinite beyond `reach`; any shape.
    occupied
        Where the target has an object, of this shape.
    balance
        From `class_weights`, of this shape.
    preset, w0, sigma, inside
        As in `separation_weights`.
    annotated
        Pixels that count, the others weigh 0; None is all.
    """
    if preset == "none":
        return balance
    weights = separation_term(nearest, w0, sigma)
    if preset == "2019":
        weights += _gaussian(nearest.d1.copy(), 1 - BACKGROUND_WEIGHT, BALANCE_SIGMA)
        weights += np.float32(BACKGROUND_WEIGHT)
        weights[occupied] = 1
    else:
        if not inside:
            weights[occupied] = 0
        weights += balance
    if annotated is not None:
        weights *= annotated
    return weights


def check_formula(preset: str, w0: float, sigma: float) -> None:
    """Raise a ConfigError for what cannot be a formula."""
    if preset not in ("2015", "2019", "none"):
        raise ConfigError(
            f'The weight preset is "{preset}"; choose "2015", "2019" or "none".'
        )
    if not 0 <= w0 < np.inf:
        raise ConfigError(f"The weight w0 is {w0}; give a number of at least 0.")
    if not 0 < sigma < np.inf:
        raise ConfigError(f"The width sigma is {sigma} px; give a number above 0.")


def _gaussian(
    distance: NDArray[np.float32], height: float, sigma: float
) -> NDArray[np.float32]:
    """Turn distances into ``height exp(-distance^2 / (2 sigma^2))``, in place."""
    np.square(distance, out=distance)
    distance *= np.float32(-0.5 / sigma**2)
    np.exp(distance, out=distance)
    distance *= np.float32(height)
    return distance
