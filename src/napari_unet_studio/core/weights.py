"""Pixel weights of the U-Net papers: class balance and borders between objects.

The 2015 weights are eq. 2 of [1]_, the 2019 weights those of the Fiji plugin [2]_. Both
rest on the exact distances of every pixel to its two nearest objects.

References
----------
.. [1] Ronneberger, Fischer, Brox. U-Net: Convolutional networks for biomedical image
   segmentation. MICCAI 2015.
.. [2] Falk et al. U-Net: deep learning for cell counting, detection, and morphometry.
   Nature Methods 16, 2019.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.carve import carve_gap
from napari_unet_studio.core.config import Config
from napari_unet_studio.core.distances import (
    TwoNearest,
    as_labels,
    as_spacing,
    check_sign,
    nearest_two,
    nearest_two_codes,
    object_codes,
)
from napari_unet_studio.core.errors import ConfigError

__all__ = [
    "PRESETS",
    "BorderTerm",
    "TwoNearest",
    "WeightConfig",
    "carve_gap",
    "class_weights",
    "nearest_two",
    "separation_term",
    "separation_weights",
]

Preset = Literal["2015", "2019", "none"]
Balance = Literal["image", "none"]

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


@dataclass(frozen=True)
class WeightConfig(Config):
    """How training pixels are weighted.

    Parameters
    ----------
    preset
        "2015": eq. 2 of the U-Net paper; "2019": the Fiji plugin's weights; "none":
        class balance alone.
    w0
        Height of the weight where two objects touch (10 in 2015, 50 in 2019).
    sigma
        Width of the weight between objects, in pixels of the finest axis (5 in 2015, 6
        in 2019).
    balance
        "image": each class has the same total weight in each image; "none": each pixel
        counts alike, which outlines objects more exactly where the loss includes Dice.
        The 2019 preset has its own balance and ignores this.
    gap
        Pixels of background that the training target gets between touching objects; 0
        leaves them touching.
    inside
        Whether the border term also weighs the pixels of the objects, as eq. 2 reads.
        If not, only the background between objects is stressed, so that a network in
        doubt decides for the gap.
    """

    preset: Preset = "2015"
    w0: Annotated[float, {"min": 0.0, "max": 1000.0, "step": 1.0, "label": "w0"}] = 10.0
    sigma: Annotated[
        float, {"min": 0.5, "max": 100.0, "step": 0.5, "label": "Sigma (px)"}
    ] = 5.0
    balance: Balance = "none"
    gap: Annotated[int, {"min": 0, "max": 20, "label": "Gap (px)"}] = 2
    inside: bool = False


def class_weights(
    labels: ArrayLike, balance: Balance = "image", ignore: int | None = None
) -> NDArray[np.float32]:
    """Weigh object and background pixels: w_c of eq. 2.

    Parameters
    ----------
    labels
        Instance ids or a mask; everything but 0 is one class.
    balance
        "image": ``w_c = N / (2 N_class)``; "none": 1.
    ignore
        Id of the pixels without annotation, which get 0 and are not counted.

    Notes
    -----
    The paper gives no formula for w_c. With this one both classes have the same total
    weight and the mean over the `N` annotated pixels is 1. An image with one class only
    gets 1.

    Examples
    --------
    >>> class_weights([[0, 0, 0, 7]])
    array([[0.6666667, 0.6666667, 0.6666667, 2.       ]], dtype=float32)
    """
    _check_settings("none", 0.0, 1.0, balance)
    array = as_labels(labels)
    check_sign(array, ignore)
    return _balanced(array != 0, _annotated(array, ignore), balance)


def separation_term(
    nearest: TwoNearest, w0: float = 10.0, sigma: float = 5.0
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
    >>> separation_term(nearest_two([[1, 0, 0, 0, 2]]), w0=10, sigma=2).round(2)
    array([[1.35, 1.35, 1.35, 1.35, 1.35]], dtype=float32)
    """
    _check_settings("none", w0, sigma, "none")
    return _gaussian(np.add(nearest.d1, nearest.d2), w0, sigma)


def separation_weights(
    labels: ArrayLike,
    preset: Preset = "2015",
    w0: float | None = None,
    sigma: float | None = None,
    spacing: Sequence[float] | None = None,
    balance: Balance = "image",
    ignore: int | None = None,
    gap: int = 0,
    inside: bool = True,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Weigh every pixel for training, highest in narrow gaps between objects.

    Parameters
    ----------
    labels
        Instance ids of any integer type, 0 is background, shape ``(Y, X)`` or
        ``(Z, Y, X)``.
    preset
        "2015", "2019" or "none", see Notes.
    w0
        Height of the border term (lambda of 2019); None is the paper's: 10 or 50.
    sigma
        Width of the border term, in pixels of the finest axis; None is the paper's: 5
        or 6.
    spacing
        Distance of neighbouring pixels per axis, in any unit; None is 1 everywhere.
    balance
        Class balance of the presets "2015" and "none", see `class_weights`.
    ignore
        Id of the pixels without annotation: they weigh 0 and are no object.
    gap
        Pixels between touching objects that the target counts as background, see
        `carve_gap`. Distances are measured to the whole objects in any case.
    inside
        Whether the border term of "2015" also weighs object pixels; they are background
        once carved.
    threads
        Number of threads, see `nearest_two`.

    Notes
    -----
    With d1 and d2 from `nearest_two`, the presets are

    - "2015" [1]_, eq. 2, on all pixels:
      ``w_c + w0 exp(-(d1 + d2)^2 / (2 sigma^2))``, with `inside` false the second term
      on the background only;
    - "2019" [2]_, outside the objects: ``v_bal + (1 - v_bal) exp(-d1^2 / (2
      sigma_bal^2)) + w0 exp(-(d1 + d2)^2 / (2 sigma^2))`` with ``v_bal = 0.1`` and
      ``sigma_bal = 10``, and 1 inside them; `balance` has no effect;
    - "none": ``w_c``.

    The papers' distances are to the border of a cell, here to its pixels, so that they
    are 0 inside. Terms below 1e-6 of their peak are left out. An image without objects
    has no border term. The Fiji plugin, which carves its target first, is matched with
    ``gap=1``.

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox. MICCAI 2015, eq. 2.
    .. [2] Falk et al. Nature Methods 16, 2019, and its plugin's default settings.

    Examples
    --------
    >>> separation_weights([[1, 0, 0, 2]], balance="none").round(2)
    array([[9.35, 9.35, 9.35, 9.35]], dtype=float32)
    >>> separation_weights([[1, 0, 0, 2]], preset="2019").round(2)
    array([[ 1.  , 45.12, 45.12,  1.  ]], dtype=float32)
    """
    default = PRESETS.get(preset, BorderTerm(0.0, 1.0))
    w0 = default.w0 if w0 is None else w0
    sigma = default.sigma if sigma is None else sigma
    _check_settings(preset, w0, sigma, balance)
    array = as_labels(labels)
    steps = as_spacing(spacing, array.ndim)
    check_sign(array, ignore)
    occupied = (carve_gap(array, gap, ignore) if gap else array) != 0
    annotated = _annotated(array, ignore)
    if preset == "none":
        return _balanced(occupied, annotated, balance)
    reach = CUTOFF * sigma
    if preset == "2019":
        reach = max(reach, BALANCE_CUTOFF * BALANCE_SIGMA)
    finest = tuple(step / min(steps) for step in steps)
    codes = object_codes(array, ignore)
    d1, d2 = nearest_two_codes(codes, finest, reach, threads)
    weights = _gaussian(np.add(d1, d2, out=d2), w0, sigma)
    if preset == "2015":
        if not inside:
            weights[occupied] = 0
        weights += _balanced(occupied, annotated, balance)
    else:
        weights += _gaussian(d1, 1 - BACKGROUND_WEIGHT, BALANCE_SIGMA)
        weights += np.float32(BACKGROUND_WEIGHT)
        weights[occupied] = 1
    if annotated is not None:
        weights *= annotated
    return weights


def _gaussian(
    distance: NDArray[np.float32], height: float, sigma: float
) -> NDArray[np.float32]:
    """Turn distances into ``height exp(-distance^2 / (2 sigma^2))``, in place."""
    np.square(distance, out=distance)
    distance *= np.float32(-0.5 / sigma**2)
    np.exp(distance, out=distance)
    distance *= np.float32(height)
    return distance


def _annotated(labels: NDArray[Any], ignore: int | None) -> NDArray[np.bool_] | None:
    """Mark the pixels that count; None where all do."""
    return None if ignore is None else np.asarray(labels != ignore)


def _balanced(
    inside: NDArray[np.bool_], annotated: NDArray[np.bool_] | None, balance: Balance
) -> NDArray[np.float32]:
    per_class = np.ones(2, np.float32)  # background, objects
    if balance == "image":
        counted = inside if annotated is None else inside & annotated
        total = inside.size if annotated is None else np.count_nonzero(annotated)
        objects = np.count_nonzero(counted)
        if 0 < objects < total:
            per_class[:] = total / (2 * (total - objects)), total / (2 * objects)
    weights = per_class[inside.view(np.uint8)]
    if annotated is not None:
        weights *= annotated
    return weights


def _check_settings(preset: str, w0: float, sigma: float, balance: str) -> None:
    if preset not in ("2015", "2019", "none"):
        raise ConfigError(
            f'The weight preset is "{preset}"; choose "2015", "2019" or "none".'
        )
    if balance not in ("image", "none"):
        raise ConfigError(
            f'The class balance is "{balance}"; choose "image" or "none".'
        )
    if not 0 <= w0 < np.inf:
        raise ConfigError(f"The weight w0 is {w0}; give a number of at least 0.")
    if not 0 < sigma < np.inf:
        raise ConfigError(f"The width sigma is {sigma} px; give a number above 0.")
