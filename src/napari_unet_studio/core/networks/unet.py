"""U-Net (Ronneberger, Fischer, Brox. MICCAI 2015), 2D and 3D, valid and padded."""

import torch
from torch import Tensor, nn

from napari_unet_studio.core.networks.blocks import (
    OPS,
    centre_crop,
    convolutions,
    initialise,
)
from napari_unet_studio.core.networks.spec import UNetSpec


class UNet(nn.Module):
    """A contracting path, an expansive path, and a skip between them at every level.

    Parameters
    ----------
    spec
        Everything that distinguishes one U-Net from another.
    """

    def __init__(self, spec: UNetSpec) -> None:
        super().__init__()
        self.spec = spec
        ops = OPS[spec.ndim]
        last = [widths[-1] for widths in spec.channels]

        def block(before: int, widths: tuple[int, ...]) -> nn.Sequential:
            return convolutions(
                spec.ndim, before, widths, padding=spec.padding, norm=spec.norm
            )

        self.encoder = nn.ModuleList(
            block(before, widths)
            for before, widths in zip(
                (spec.in_channels, *last), spec.channels, strict=False
            )
        )
        self.pool = ops.pool(2)
        self.dropout = nn.Dropout(spec.dropout) if spec.dropout else nn.Identity()
        # From here on coarse to fine, as the data flows.
        self.up = nn.ModuleList()
        self.decoder = nn.ModuleList()
        for level in reversed(range(spec.levels - 1)):
            below, width = last[level + 1], last[level]
            risen = below if spec.up_keeps_width else width
            self.up.append(ops.up(below, risen, 2, stride=2))
            self.decoder.append(
                block(risen + width, (width,) * len(spec.channels[level]))
            )
        self.head = ops.conv(last[0], spec.num_classes, 1)
        initialise(self)

    def forward(
        self, x: Tensor, every_head: bool = False
    ) -> Tensor | tuple[Tensor, ...]:
        """Return the logits (N, num_classes, *spec.output_shape(S)) of x (N, C, *S).

        With `every_head`, a tuple of the logits of all supervised heads: here one.
        """
        skips = []
        for level, block in enumerate(self.encoder):
            if level:
                x = self.pool(x)
            x = block(x)
            # The paper's "end of the contracting path": the two coarsest levels.
            if level >= len(self.encoder) - 2:
                x = self.dropout(x)
            skips.append(x)
        skips.pop()
        for up, block in zip(self.up, self.decoder, strict=True):
            x = up(x)
            x = block(torch.cat((centre_crop(skips.pop(), x), x), dim=1))
        logits: Tensor = self.head(x)
        return (logits,) if every_head else logits
