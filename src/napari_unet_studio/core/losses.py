"""Losses on logits; ignored pixels and the weight map count in every one.

Shapes: logits (N, C, *S), target (N, *S) of class indices with -1 for "ignore",
weight_map (N, *S). C = 1 is a binary problem with classes 0 and 1.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional

IGNORE = -1


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
    valid = target != IGNORE
    if logits.shape[1] == 1:
        per_pixel = functional.binary_cross_entropy_with_logits(
            logits[:, 0], target.clamp_min(0).to(logits.dtype), reduction="none"
        )
    else:
        per_pixel = functional.cross_entropy(
            logits, target, ignore_index=IGNORE, reduction="none"
        )
    weights = valid.to(logits.dtype)
    if weight_map is not None:
        weights = weights * weight_map
    return (per_pixel * weights).sum() / weights.sum().clamp_min(1e-6)


def soft_dice(
    logits: Tensor, target: Tensor, weight_map: Tensor | None = None
) -> Tensor:
    """One minus the soft Dice coefficient, averaged over classes.

    Notes
    -----
    D_c = (2 sum w p_c y_c + 1) / (sum w p_c + sum w y_c + 1), over the whole batch,
    with the smoothing of 1 that defines the coefficient of an absent class. A binary
    problem counts its foreground only, several classes count all of them.
    """
    if logits.shape[1] == 1:
        probability = torch.sigmoid(logits)
        truth = (target == 1).unsqueeze(1).to(logits.dtype)
    else:
        probability = torch.softmax(logits, dim=1)
        one_hot = functional.one_hot(target.clamp_min(0), logits.shape[1])
        truth = one_hot.movedim(-1, 1).to(logits.dtype)  # (N, C, *S)
    weights = (target != IGNORE).to(logits.dtype)
    if weight_map is not None:
        weights = weights * weight_map
    weights = weights.unsqueeze(1)
    axes = (0, *range(2, logits.ndim))
    overlap = (weights * probability * truth).sum(axes)
    total = (weights * (probability + truth)).sum(axes)
    return 1 - ((2 * overlap + 1) / (total + 1)).mean()


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


Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]

LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        "cross-entropy": weighted_cross_entropy,
        "dice": soft_dice,
        "cross-entropy + dice": cross_entropy_and_dice,
    }
)


def over_heads(
    loss: Loss,
    heads: Sequence[Tensor],
    target: Tensor,
    weight_map: Tensor | None = None,
) -> Tensor:
    """Average a loss over the heads of a deeply supervised network."""
    total = torch.stack([loss(logits, target, weight_map) for logits in heads])
    return total.mean()
