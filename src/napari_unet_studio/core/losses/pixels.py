"""Losses that judge each pixel on its own, averaged by weight."""

import torch
from torch import Tensor
from torch.nn import functional

from napari_unet_studio.core.losses._counted import IGNORE, counted, weighted_mean

__all__ = ["IGNORE", "focal", "unetpp_hybrid", "weighted_cross_entropy"]


def weighted_cross_entropy(
    logits: Tensor, target: Tensor, weight_map: Tensor | None = None
) -> Tensor:
    """Pixel-weighted cross-entropy.

    Notes
    -----
    E = sum_x w(x) (-log p_{l(x)}(x)) / sum_x w(x), over pixels that are not ignored:
    the energy of Ronneberger et al. 2015, eq. 1 (a loss is minus the paper's E),
    divided by the total weight so that neither patch size nor weights change the step
    size.
    """
    logits, target, weights = counted(logits, target, weight_map)
    return weighted_mean(_surprise(logits, target), weights)


def focal(
    logits: Tensor,
    target: Tensor,
    weight_map: Tensor | None = None,
    *,
    gamma: float = 2.0,
    alpha: float | None = None,
) -> Tensor:
    """Focal loss: cross-entropy that turns away from what is easy.

    Parameters
    ----------
    logits, target, weight_map
        As everywhere here.
    gamma
        How fast a pixel loses interest as its probability grows; 0 is cross-entropy.
    alpha
        Weight of objects (classes above 0) against 1 - alpha for background; None
        counts both alike.

    Notes
    -----
    FL = -(1 - p)^gamma log p, with p the probability of the true class, as a mean by
    weight over the pixels; the paper divides by the number of matched anchors instead.

    References
    ----------
    .. [1] Lin, Goyal, Girshick, He, Dollár. Focal Loss for Dense Object Detection. ICCV
       2017, eq. 4 and 5.
    """
    logits, target, weights = counted(logits, target, weight_map)
    surprise = _surprise(logits, target)
    # Not exactly 0, where a power below 1 has no finite slope.
    doubt = (-torch.expm1(-surprise)).clamp_min(1e-12)
    cost = doubt**gamma * surprise
    if alpha is not None:
        cost = cost * torch.where(target > 0, alpha, 1 - alpha)
    return weighted_mean(cost, weights)


def unetpp_hybrid(
    logits: Tensor, target: Tensor, weight_map: Tensor | None = None
) -> Tensor:
    """Pixel-wise cross-entropy and Dice of U-Net++, in the form of the journal.

    Notes
    -----
    L = -1/N sum_c sum_n (y log p + 2 y p / (y^2 + p^2)), over classes c and pixels n,
    as a mean by weight. Only the true class of a pixel has y = 1, hence the pixel
    costs -log p - 2 p / (1 + p^2) with p its probability.

    Two deviations. One is added, so that a perfect answer costs 0 instead of -1; the
    gradient is the same. A binary problem (C = 1) counts both classes, with 1 - p for
    the background: the formula gives nothing to a pixel of no class, so with the
    foreground alone it would be best to see objects everywhere.

    References
    ----------
    .. [1] Zhou, Siddiquee, Tajbakhsh, Liang. UNet++: Redesigning Skip Connections to
       Exploit Multiscale Features in Image Segmentation. IEEE TMI 39, 2020.
    """
    logits, target, weights = counted(logits, target, weight_map)
    surprise = _surprise(logits, target)
    p, doubt = torch.exp(-surprise), -torch.expm1(-surprise)
    # 1 - 2 p / (1 + p^2) = (1 - p)^2 / (1 + p^2), without the rounding near p = 1
    return weighted_mean(surprise + doubt**2 / (1 + p**2), weights)


def _surprise(logits: Tensor, target: Tensor) -> Tensor:
    """Return -log p of the true class, (N, *S)."""
    if logits.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(
            logits[:, 0], target.to(logits.dtype), reduction="none"
        )
    return functional.cross_entropy(logits, target, reduction="none")
