"""The windows of an image, read and normalised ahead of the network."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.geometry import Tile
from napari_unet_studio.core.intensity import Normalisation, check_finite
from napari_unet_studio.core.mirror import read_mirrored
from napari_unet_studio.tasks.ahead import ahead


class Windows:
    """Reads windows of one frame.

    Parameters
    ----------
    frame
        Grey values (C, *S); numpy or lazy.
    offset, scale
        Normalisation of each channel.

    Attributes
    ----------
    pixel, constant
        The first pixel read, (C, 1, ...), and whether all others were equal to it.
    """

    def __init__(
        self,
        frame: Any,
        offset: NDArray[np.floating],
        scale: NDArray[np.floating],
    ) -> None:
        self.shape = tuple(frame.shape[1:])
        self.pixel: NDArray[Any] | None = None
        self.constant = True
        self._frame, self._offset, self._scale = frame, offset, scale

    def read(self, tiles: Sequence[Tile]) -> NDArray[np.float32]:
        """Return the normalised windows (N, C, *window) of tiles.

        Raises
        ------
        InputError
            If a pixel is NaN or infinite.
        """
        return np.stack([self.window(tile.read) for tile in tiles])

    def ahead(
        self, batches: Sequence[Sequence[Tile]]
    ) -> Iterator[tuple[Sequence[Tile], NDArray[np.float32]]]:
        """Yield batches with their windows; a thread reads those that follow."""
        yield from ahead(self.read, batches)

    def window(self, region: Region) -> NDArray[np.float32]:
        """Return one normalised window (C, *region), mirrored outside of the image."""
        block = read_mirrored(self._frame, region)
        check_finite(block)
        if self.pixel is None:
            self.pixel = block[:, *(slice(0, 1),) * (block.ndim - 1)].copy()
        self.constant = self.constant and bool((block == self.pixel).all())
        return Normalisation.apply(block, self._offset, self._scale)
