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

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core._search import Found, search
from napari_unet_studio.core.balance import (
    Balance,
    Classes,
    Classified,
    balanced,
    check_balance,
    class_counts,
    class_weights,
)
from napari_unet_studio.core.blockwise import Chunked, is_chunked, weigh_blocks
from napari_unet_studio.core.border import (
    PRESETS,
    BorderTerm,
    Preset,
    check_formula,
    reach,
    separation_term,
    weigh,
)
from napari_unet_studio.core.carve import carve_gap
from napari_unet_studio.core.config import Config
from napari_unet_studio.core.distances import (
    NearestObjects,
    TwoNearest,
    as_labels,
    as_spacing,
    nearest_objects,
    nearest_two,
)

if TYPE_CHECKING:
    import dask.array as da

__all__ = [
    "PRESETS",
    "Balance",
    "BorderTerm",
    "Classes",
    "NearestObjects",
    "Preset",
    "TwoNearest",
    "WeightConfig",
    "balanced",
    "carve_gap",
    "class_counts",
    "class_weights",
    "nearest_objects",
    "nearest_two",
    "reach",
    "separation_term",
    "separation_weights",
    "weigh",
]


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
        "image": each class has the same total weight in each image; "global": in all
        images together; "none": each pixel counts alike, which outlines objects more
        exactly where the loss includes Dice. The 2019 preset has its own balance and
        ignores this.
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


@overload
def separation_weights(
    labels: Chunked,
    preset: Preset = ...,
    w0: float | None = ...,
    sigma: float | None = ...,
    spacing: Sequence[float] | None = ...,
    balance: Balance | Sequence[float] = ...,
    ignore: int | None = ...,
    gap: int = ...,
    inside: bool = ...,
    threads: int | None = ...,
    classes: Classes | None = ...,
) -> "da.Array": ...
@overload
def separation_weights(
    labels: ArrayLike,
    preset: Preset = ...,
    w0: float | None = ...,
    sigma: float | None = ...,
    spacing: Sequence[float] | None = ...,
    balance: Balance | Sequence[float] = ...,
    ignore: int | None = ...,
    gap: int = ...,
    inside: bool = ...,
    threads: int | None = ...,
    classes: Classes | None = ...,
) -> NDArray[np.float32]: ...
def separation_weights(
    labels: ArrayLike | Chunked,
    preset: Preset = "2015",
    w0: float | None = None,
    sigma: float | None = None,
    spacing: Sequence[float] | None = None,
    balance: Balance | Sequence[float] = "image",
    ignore: int | None = None,
    gap: int = 0,
    inside: bool = True,
    threads: int | None = None,
    classes: Classes | None = None,
) -> "NDArray[np.float32] | da.Array":
    """Weigh every pixel for training, highest in narrow gaps between objects.

    Parameters
    ----------
    labels
        Instance ids of any integer type, 0 is background, shape ``(Y, X)`` or
        ``(Z, Y, X)``. Those of a dask or zarr array are weighed block by block: the
        result is a dask array, equal to that of the whole array.
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
        Class balance of the presets "2015" and "none", see `class_weights`: "image",
        "none", or numbers, one per class. "global" needs the counts of all images: add
        up those of `class_counts` and give the numbers of `balanced`.
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
    classes
        Class of each object, for the class balance; None is one class for all. The
        border term is high between any two objects, whatever their classes.

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
    check_formula(preset, w0, sigma)
    check_balance(balance)
    if preset == "2019":
        balance = "none"  # spare the counting: it has no effect
    if is_chunked(labels):
        weigh_block = partial(
            separation_weights,
            preset=preset,
            w0=w0,
            sigma=sigma,
            spacing=spacing,
            ignore=ignore,
            gap=gap,
            inside=inside,
            threads=1,  # dask has its own
            classes=classes,
        )
        distance = reach(preset, sigma)
        return weigh_blocks(
            labels, weigh_block, distance, spacing, balance, ignore, gap, classes
        )
    array = as_labels(np.asarray(labels))
    steps = as_spacing(spacing, array.ndim)
    found = Classified.of(array, gap, ignore, classes)
    table = found.table(balance)
    if preset == "none":
        return found.weights(table)
    weights = np.empty(array.shape, np.float32)

    def take(block: Found) -> None:
        rows = block.rows
        weights[rows] = weigh(
            TwoNearest(block.d1, block.d2),
            found.occupied(rows),
            found.weights(table, rows),
            preset,
            w0,
            sigma,
            inside,
            None if ignore is None else array[rows] != ignore,
        )

    finest = tuple(step / min(steps) for step in steps)
    search(found.codes, finest, reach(preset, sigma), take, threads)
    return weights
