"""Losses on logits; ignored pixels and the weight map count in every one.

Shapes: logits ``(N, C, *S)``, target ``(N, *S)`` of class indices with -1 for "ignore",
weight_map ``(N, *S)``, in 2D and 3D. C = 1 is a binary problem with classes 0 and 1. A
weight of 0 is the same as "ignore"; a batch without a counted pixel costs 0.
"""

from napari_unet_studio.core.losses.catalog import (
    LOSSES,
    Loss,
    cross_entropy_and_dice,
    get_loss,
    unet3plus_hybrid,
    weighted_sum,
)
from napari_unet_studio.core.losses.heads import head_shares, over_heads
from napari_unet_studio.core.losses.overlap import soft_dice, soft_iou
from napari_unet_studio.core.losses.pixels import (
    IGNORE,
    focal,
    unetpp_hybrid,
    weighted_cross_entropy,
)
from napari_unet_studio.core.losses.presence import presence_loss
from napari_unet_studio.core.losses.structure import ms_ssim, ssim

__all__ = [
    "IGNORE",
    "LOSSES",
    "Loss",
    "cross_entropy_and_dice",
    "focal",
    "get_loss",
    "head_shares",
    "ms_ssim",
    "over_heads",
    "presence_loss",
    "soft_dice",
    "soft_iou",
    "ssim",
    "unet3plus_hybrid",
    "unetpp_hybrid",
    "weighted_cross_entropy",
    "weighted_sum",
]
