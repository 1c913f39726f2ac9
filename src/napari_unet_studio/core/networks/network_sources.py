"""Pieces of the Python files that hold a network by itself."""

HEADER = '''"""{title}, in PyTorch alone.

Written by napari-unet-studio; the layers have the names of the tensors in its files.

SPDX-License-Identifier: BSD-3-Clause
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F{helpers}


class {name}(nn.Module):
    """Logits (N, {answers}, ...) of normalised images ({shape}).

    Images have {sizes}
    """

    def __init__(self) -> None:
        super().__init__()
{init}
    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of x."""
{body}'''

DROP_PATH = '''def drop_path(x: Tensor, probability: float, training: bool) -> Tensor:
    """Leave out the branch of some images while training (stochastic depth)."""
    if not training:
        return x
    keep = 1 - probability
    alive = torch.full([x.shape[0]] + [1] * (x.dim() - 1), keep).to(x).bernoulli()
    return x * (alive / keep)'''

AVERAGE_ONE = '''def average(logits: list[Tensor]) -> Tensor:
    """Return the logits of the mean probability of several heads."""
    stacked = torch.stack(logits)
    inside = torch.logsumexp(F.logsigmoid(stacked), 0)
    return inside - torch.logsumexp(F.logsigmoid(-stacked), 0)'''

AVERAGE_CLASSES = '''def average(logits: list[Tensor]) -> Tensor:
    """Return the logits of the mean probabilities of several heads."""
    stacked = torch.stack(logits)
    return torch.logsumexp(F.log_softmax(stacked, 2), 0) - {log}'''

GUIDED = '''def guided(logits: Tensor, presence: Tensor) -> Tensor:
    """Answer "background" for the images in which no object is present."""
    background = torch.full_like(logits, -20.0)
{first}    found = (presence.flatten(1) > 0).reshape([-1] + [1] * (logits.dim() - 1))
    return torch.where(found, logits, background)'''
