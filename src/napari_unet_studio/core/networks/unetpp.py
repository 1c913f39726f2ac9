"""U-Net++ (Zhou et al. DLMIA 2018; IEEE TMI 2020), 2D and 3D."""

import torch
from torch import Tensor, nn

from napari_unet_studio.core.networks.blocks import (
    OPS,
    average_heads,
    convolutions,
    initialise,
)
from napari_unet_studio.core.networks.spec import UNetPlusPlusSpec


class UNetPlusPlus(nn.Module):
    """Nodes X^{i,j}: level i, position j along the skip.

    X^{i,0} = H(pool(X^{i-1,0})), and for j > 0
    X^{i,j} = H([X^{i,0}, ..., X^{i,j-1}, U(X^{i+1,j-1})]).

    Parameters
    ----------
    spec
        Levels, widths and supervision.
    """

    def __init__(self, spec: UNetPlusPlusSpec) -> None:
        super().__init__()
        self.spec = spec
        ops = OPS[spec.ndim]
        last = [widths[-1] for widths in spec.channels]
        levels = spec.levels
        self.pool = ops.pool(2)
        # nodes[i][j] and up[i][j - 1] serve X^{i,j}.
        self.nodes = nn.ModuleList()
        self.up = nn.ModuleList()
        for i, widths in enumerate(spec.channels):
            before = last[i - 1] if i else spec.in_channels
            row = nn.ModuleList(
                [convolutions(spec.ndim, before, widths, norm=spec.norm)]
            )
            ups = nn.ModuleList()
            for j in range(1, levels - i):
                ups.append(ops.up(last[i + 1], last[i], 2, stride=2))
                row.append(
                    convolutions(
                        spec.ndim,
                        (j + 1) * last[i],
                        (last[i],) * len(widths),
                        norm=spec.norm,
                    )
                )
            self.nodes.append(row)
            self.up.append(ups)
        self.heads = nn.ModuleList(
            ops.conv(last[0], spec.num_classes, 1) for _ in range(spec.num_heads)
        )
        initialise(self)

    def forward(
        self, x: Tensor, every_head: bool = False
    ) -> Tensor | tuple[Tensor, ...]:
        """Return the logits (N, num_classes, *S) of x (N, C, *S).

        The heads' probabilities are averaged ("accurate mode"). With `every_head`, a
        tuple of the logits of X^{0,1}, X^{0,2}, ... for deep supervision.
        """
        levels = self.spec.levels
        rows: list[list[Tensor]] = [[] for _ in range(levels)]
        for i in range(levels):
            x = self.nodes[i][0](self.pool(x) if i else x)  # type: ignore[index]
            rows[i].append(x)
            # Every anti-diagonal i + j is computable once X^{i,0} is known.
            for j in range(1, i + 1):
                k = i - j
                risen = self.up[k][j - 1](rows[k + 1][j - 1])  # type: ignore[index]
                dense = torch.cat((*rows[k], risen), dim=1)
                rows[k].append(self.nodes[k][j](dense))  # type: ignore[index]
        supervised = rows[0][-len(self.heads) :]
        logits = tuple(
            head(node) for head, node in zip(self.heads, supervised, strict=True)
        )
        return logits if every_head else average_heads(logits)
