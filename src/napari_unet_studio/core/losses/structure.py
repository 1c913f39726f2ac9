"""Losses on the structural similarity of probabilities and truth (SSIM, MS-SSIM)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from napari_unet_studio.core.losses._counted import answers, counted, weighted_mean

_WINDOW = 11  # pixels
_SIGMA = 1.5  # of the Gaussian in it, in pixels
_C1, _C2 = 0.01**2, 0.03**2  # (k1 L)^2 and (k2 L)^2 for values from 0 to L = 1
_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # from fine to coarse
_LEAST = 0.01  # similarity below which MS-SSIM bends

_POOL = {2: functional.avg_pool2d, 3: functional.avg_pool3d}


def ssim(logits: Tensor, target: Tensor, weight_map: Tensor | None = None) -> Tensor:
    """One minus the structural similarity of the probabilities with the truth.

    Notes
    -----
    SSIM = l cs, l = (2 mx my + c1) / (mx^2 + my^2 + c1), cs = (2 sxy + c2) /
    (sx^2 + sy^2 + c2), with means and covariances in a Gaussian window of 11
    pixels (sigma 1.5) wherever it fits; along an axis with fewer pixels the window has
    the next smaller odd number. All classes count alike; a binary problem counts the
    foreground's map.

    An ignored pixel is given the truth as prediction, so that neither it nor its
    neighbours are pulled by it. A window counts by the mean weight under it.

    References
    ----------
    .. [1] Wang, Bovik, Sheikh, Simoncelli. Image Quality Assessment: From Error
       Visibility to Structural Similarity. IEEE TIP 13, 2004.
    """
    prediction, truth, weights = _maps(logits, target, weight_map)
    whole, _ = _dissimilarity(prediction, truth, weights)
    return weighted_mean(whole, weights.flatten(1).sum(1))


def ms_ssim(logits: Tensor, target: Tensor, weight_map: Tensor | None = None) -> Tensor:
    """One minus the multi-scale structural similarity with the truth.

    Notes
    -----
    MS-SSIM = l_M^a_M prod_j cs_j^a_j: at each of five scales, 2 x 2 pixels averaged
    from one to the next, the mean cs of :func:`ssim`, at the coarsest the mean SSIM, to
    the powers 0.0448, 0.2856, 0.3001, 0.2363, 0.1333. The mean is over an image and its
    classes; images count by their total weight.

    Deviations. Scales at which a window of 11 pixels does not fit are left out and the
    remaining powers made to sum to 1: five scales need 176 pixels. A mean similarity x
    below e = 0.01 is replaced by e^2 / (2 e - x), which continues its slope and stays
    positive: a power of a negative number is none, and cutting it off would leave a
    prediction of inverted contrast without a gradient.

    What :func:`ssim` and this measure is not all: beyond contrast 0 they hardly tell
    wrong from more wrong. In a sum, with focal loss and IoU, they need not.

    References
    ----------
    .. [1] Wang, Simoncelli, Bovik. Multiscale Structural Similarity for Image Quality
       Assessment. Asilomar 2003.
    """
    prediction, truth, weights = _maps(logits, target, weight_map)
    image_weights = weights.flatten(1).sum(1)
    exponents = _exponents(target.shape[1:])
    pool = _POOL[target.ndim - 1]
    similarity = torch.ones_like(image_weights)
    for scale, exponent in enumerate(exponents):
        if scale:
            prediction, truth = pool(prediction, 2), pool(truth, 2)
            weights = pool(weights.unsqueeze(1), 2).squeeze(1)
        whole, contrast = _dissimilarity(prediction, truth, weights)
        last = scale + 1 == len(exponents)
        mean = 1 - (whole if last else contrast)
        similarity = similarity * _bent(mean) ** exponent
    return weighted_mean(1 - similarity, image_weights)


def _maps(
    logits: Tensor, target: Tensor, weight_map: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return probabilities, truth and weights; the first two agree without weight."""
    logits, target, weights = counted(logits, target, weight_map)
    probability, truth = answers(logits, target)
    counts = (weights != 0).unsqueeze(1)
    return torch.where(counts, probability, truth), truth, weights


def _dissimilarity(x: Tensor, y: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return 1 - SSIM and 1 - cs as means over each image, (N,)."""
    moments = torch.cat((x, y, x * x, y * y, x * y), dim=1)  # (N, 5 C, *S)
    mx, my, mxx, myy, mxy = _blurred(moments).chunk(5, dim=1)
    sx, sy, sxy = mxx - mx * mx, myy - my * my, mxy - mx * my
    contrast = (2 * sxy + _C2) / (sx + sy + _C2)
    luminance = (2 * mx * my + _C1) / (mx * mx + my * my + _C1)
    shares = _blurred(weights.unsqueeze(1)).expand_as(contrast).flatten(1)
    total = shares.sum(1).clamp_min(1e-6)
    return (
        (shares * (1 - luminance * contrast).flatten(1)).sum(1) / total,
        (shares * (1 - contrast).flatten(1)).sum(1) / total,
    )


def _blurred(images: Tensor) -> Tensor:
    """Return the mean in a Gaussian window, wherever it fits, axis by axis."""
    # A product with a band matrix is many times faster on CPUs than a convolution of
    # single channels, and on GPUs not rounded to TF32, which would drown variances.
    for axis in range(2, images.ndim):
        band = _band(images.shape[axis], images)
        images = (images.movedim(axis, -1) @ band).movedim(-1, axis)
    return images


def _band(side: int, like: Tensor) -> Tensor:
    """Return the windows along an axis as columns, (side, number of places).

    It is made where `like` is: a matrix sent there would hold up a GPU at each use.
    """
    reach = min(_WINDOW // 2, (side - 1) // 2)
    places = side - 2 * reach
    distance = torch.arange(-reach, reach + 1, dtype=like.dtype, device=like.device)
    window = torch.exp(-((distance / _SIGMA) ** 2) / 2)
    # Rows one pixel too long, laid end to end and cut anew: each window moves by one.
    rows = like.new_zeros(places, side + 1)
    rows[:, : 2 * reach + 1] = window / window.sum()
    return rows.flatten()[: places * side].view(places, side).mT


def _exponents(sides: Sequence[int]) -> tuple[float, ...]:
    """Return the powers of the scales at which a window fits, at least of one."""
    fitting = [2**scale * _WINDOW <= min(sides) for scale in range(len(_EXPONENTS))]
    if all(fitting):
        return _EXPONENTS  # they sum to 1.0001
    kept = _EXPONENTS[: max(1, sum(fitting))]
    return tuple(exponent / sum(kept) for exponent in kept)


def _bent(x: Tensor) -> Tensor:
    """Return x where it is large enough, else a positive number with a slope."""
    low = _LEAST**2 / (2 * _LEAST - x.clamp_max(_LEAST))
    return torch.where(x > _LEAST, x, low)
