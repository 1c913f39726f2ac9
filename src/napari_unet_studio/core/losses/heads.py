"""Deep supervision: one loss over the heads of a network."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_unet_studio.core.loss_names import HeadWeights

if TYPE_CHECKING:
    from napari_unet_studio.core.losses.catalog import Loss


def over_heads(
    loss: "Loss",
    heads: Sequence[Tensor],
    target: Tensor,
    weight_map: Tensor | None = None,
    head_weights: Sequence[float] | None = None,
) -> Tensor:
    """Average a loss over the heads of a deeply supervised network.

    Parameters
    ----------
    loss
        Of one head.
    heads
        Their logits; the last one is the finest.
    target, weight_map
        The same for all.
    head_weights
        One number per head, of which only the ratios count; None counts all alike.
    """
    weights = [1.0] * len(heads) if head_weights is None else head_weights
    if len(weights) != len(heads):
        raise ValueError(f"{len(weights)} weights for {len(heads)} heads")
    total = sum(weights)  # numbers of the host: the device need not wait for them
    costs = [
        loss(logits, target, weight_map) * (weight / total)
        for logits, weight in zip(heads, weights, strict=True)
    ]
    return torch.stack(costs).sum()


def head_shares(kind: HeadWeights, count: int) -> tuple[float, ...]:
    """Return what each of `count` heads counts; the shares sum to 1.

    "equal" counts all heads alike, "halved" each one half of the next finer one.

    Examples
    --------
    >>> [round(share, 3) for share in head_shares("halved", 4)]
    [0.067, 0.133, 0.267, 0.533]
    """
    ratio = 2 if kind == "halved" else 1
    total = sum(ratio**head for head in range(count))
    return tuple(ratio**head / total for head in range(count))
