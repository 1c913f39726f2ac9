"""The losses by name, and their mixtures."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from napari_unet_studio.core.loss_names import check_terms, parse_loss
from napari_unet_studio.core.losses.overlap import soft_dice, soft_iou
from napari_unet_studio.core.losses.pixels import (
    focal,
    unetpp_hybrid,
    weighted_cross_entropy,
)
from napari_unet_studio.core.losses.structure import ms_ssim, ssim

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def cross_entropy_and_dice(
    logits: Tensor, target: Tensor, weight_map: Tensor | None = None
) -> Tensor:
    """Half the weighted cross-entropy plus the weighted soft Dice loss.

    Notes
    -----
    The mixture of U-Net++ (Zhou et al. 2018, eq. 3), with the weight map in both terms:
    a Dice term that counts all pixels alike would hide the thin gaps between objects
    again.
    """
    entropy = weighted_cross_entropy(logits, target, weight_map)
    return 0.5 * entropy + soft_dice(logits, target, weight_map)


def unet3plus_hybrid(
    logits: Tensor, target: Tensor, weight_map: Tensor | None = None
) -> Tensor:
    """Focal loss plus MS-SSIM plus soft IoU: pixels, patches and the whole map.

    References
    ----------
    .. [1] Huang et al. UNet 3+: A Full-Scale Connected UNet for Medical Image
       Segmentation. ICASSP 2020.
    """
    return (
        focal(logits, target, weight_map)
        + ms_ssim(logits, target, weight_map)
        + soft_iou(logits, target, weight_map)
    )


# The names, for those who must not load torch, are core.loss_names.LOSS_NAMES.
LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        "cross-entropy": weighted_cross_entropy,
        "dice": soft_dice,
        "cross-entropy + dice": cross_entropy_and_dice,
        "unet++": unetpp_hybrid,
        "focal": focal,
        "ssim": ssim,
        "ms-ssim": ms_ssim,
        "iou": soft_iou,
        "unet3+": unet3plus_hybrid,
    }
)


def weighted_sum(weights: Mapping[str, float]) -> Loss:
    """Return the sum of losses of :data:`LOSSES`, each times its weight.

    Raises
    ------
    ConfigError
        If a name is unknown or a weight not positive.

    Examples
    --------
    >>> loss = weighted_sum({"dice": 1.0, "focal": 0.5})
    >>> undecided = torch.zeros(1, 1, 4, 4)
    >>> truth = torch.ones(1, 4, 4, dtype=torch.int64)
    >>> round(float(loss(undecided, truth, None)), 4)
    0.4066
    """
    check_terms(weights)
    terms = [(LOSSES[name], weight) for name, weight in weights.items()]

    def summed(
        logits: Tensor, target: Tensor, weight_map: Tensor | None = None
    ) -> Tensor:
        costs = [weight * loss(logits, target, weight_map) for loss, weight in terms]
        return torch.stack(costs).sum()

    return summed


def get_loss(text: str) -> Loss:
    """Return the loss of a name, or of a sum such as "0.5 focal + dice".

    Names are those of :data:`LOSSES`. A number weighs the one name behind it; a name
    with a plus in it is meant wherever it stands without a number.

    Raises
    ------
    ConfigError
        If a part of it is unknown.

    Examples
    --------
    >>> get_loss("focal") is LOSSES["focal"]
    True
    >>> get_loss("focal + fun")
    Traceback (most recent call last):
    ...
    napari_unet_studio.core.errors.ConfigError: There is no loss 'fun'; choose one ...
    """
    return LOSSES[text] if text in LOSSES else weighted_sum(parse_loss(text))
