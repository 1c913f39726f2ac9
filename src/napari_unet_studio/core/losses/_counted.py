"""What counts: one place that knows ignored pixels, weights and the binary case."""

import torch
from torch import Tensor
from torch.nn import functional

IGNORE = -1


def counted(
    logits: Tensor, target: Tensor, weight_map: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits, target and weights; what does not count is 0 in all three.

    Neither an ignored pixel nor one of weight 0 gets a gradient, whatever its logits.
    """
    valid = target != IGNORE
    weights = valid.to(logits.dtype)
    if weight_map is not None:
        weights = torch.where(valid, weight_map.to(logits.dtype), 0.0)
        valid = weights != 0
    return (
        logits.masked_fill(~valid.unsqueeze(1), 0.0),
        target.masked_fill(~valid, 0),
        weights,
    )


def answers(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return probabilities and one-hot truth, both (N, C, *S), C = 1 for foreground."""
    classes = logits.shape[1]
    if classes == 1:
        return torch.sigmoid(logits), (target > 0).unsqueeze(1).to(logits.dtype)
    truth = functional.one_hot(target, classes).movedim(-1, 1)  # (N, C, *S)
    return torch.softmax(logits, dim=1), truth.to(logits.dtype)


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return the mean of values, or 0 where nothing has weight."""
    return (values * weights).sum() / weights.sum().clamp_min(1e-6)
