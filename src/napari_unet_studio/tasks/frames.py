"""A network over frames as they are, resampled, or turned, averaged over the views."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import Frames
from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.canvas import Canvas, rescaled, turned
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.geometry import checked_region
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.tasks.engines import Sample
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.reading import Windows
from napari_unet_studio.tasks.tiles import TileRunner
from napari_unet_studio.tasks.views import ROTATIONS


class Looks:
    """The grids on which a network looks at a frame.

    Parameters
    ----------
    factors
        Size of a pixel of the model in pixels of the image, per axis; None leaves the
        image as it is.
    angles
        By how much the image is turned, in degrees, for each view.
    margin
        Mirrored pixels around a turned image.
    """

    def __init__(
        self, factors: Sequence[float] | None, angles: Sequence[float], margin: int
    ) -> None:
        self.factors, self.angles, self.margin = factors, angles, margin

    @classmethod
    def of(
        cls, config: PredictConfig, card: ModelCard, spacing: Sequence[float] | None
    ) -> "Looks":
        """Return the grids that a configuration asks for.

        Raises
        ------
        InputError
            If the pixel size of image or model is not known.
        """
        factors = None
        if config.pixel_size == "model":
            factors = factors_of(card, spacing)
        angles = ROTATIONS if config.average == "paper" else (0.0,)
        step = max(card.spec.divisor[-2:])
        reach = max(*card.spec.halo[-2:], *card.spec.trim[-2:])
        return cls(factors, angles, -(-reach // step) * step)

    @property
    def plain(self) -> bool:
        """Whether the only view is the image as it is."""
        return self.factors is None and len(self.angles) == 1

    def chains(self, frame: Any) -> list[list[Canvas]]:
        """Return for each view the canvases from the image to what the network sees."""
        base = [] if self.factors is None else [rescaled(frame, self.factors)]
        seen = base[-1] if base else frame
        return [
            [*base, turned(seen, angle, self.margin)] if angle else base
            for angle in self.angles
        ]

    def shape(self, shape: Shape) -> Shape:
        """Return the spatial shape that the network sees of a frame of a shape."""
        if self.factors is None:
            return shape
        nothing = np.broadcast_to(np.float32(0), (1, *shape))
        return rescaled(nothing, self.factors).size

    def pixels(self, shape: Shape) -> int:
        """Return the pixels, besides those of a result, that a frame of a shape takes.

        An answer lies on the grids that the network sees and on that of the image.
        """
        nothing = np.broadcast_to(np.float32(0), (1, *shape))
        sizes = [sum(prod(c.size) for c in chain) for chain in self.chains(nothing)]
        most = max(sizes)
        return most + prod(shape) if most else 0


def factors_of(
    card: ModelCard, spacing: Sequence[float] | None
) -> tuple[float, ...] | None:
    """Return the model's pixel size in pixels of an image, None if it is the same.

    Raises
    ------
    InputError
        If one of the two is not known.
    """
    if card.spacing is None or card.unit == "pixel":
        raise InputError(
            f"The model {card.name!r} does not know the pixel size of the images it "
            "was trained on; set pixel_size to 'image'."
        )
    if spacing is None:
        raise InputError(
            "The pixel size of the image is not known, so it cannot be resampled to "
            f"that of the model {card.name!r}; state the spacing, or set pixel_size to "
            "'image'."
        )
    sizes = list(spacing)[-card.spec.ndim :]
    factors = tuple(m / s for m, s in zip(card.spacing, sizes, strict=True))
    if not all(1 / 64 <= factor <= 64 for factor in factors):
        raise InputError(
            f"A pixel of the model {card.name!r} measures {card.spacing} {card.unit}, "
            f"one of the image {tuple(sizes)}: more than 64 times as much or as "
            "little. Check the spacing and its unit."
        )
    alike = all(abs(factor - 1) < 1e-3 for factor in factors)
    return None if alike else factors


class FramePredictor:
    """Fills regions of frames with probabilities.

    Parameters
    ----------
    runner
        Covers what the network sees with tiles.
    looks
        The views.
    offset, scale
        Normalisation of each channel.

    Attributes
    ----------
    pixel, constant
        As in :class:`.Windows`, over all frames.
    """

    def __init__(
        self,
        runner: TileRunner,
        looks: Looks,
        offset: NDArray[np.floating],
        scale: NDArray[np.floating],
    ) -> None:
        self.runner, self.looks = runner, looks
        self.pixel: NDArray[Any] | None = None
        self.constant = True
        self._offset, self._scale = offset, scale

    def tiles(self, frame: Any, region: Region) -> int:
        """Return how many tiles a region takes."""
        plans = (
            self.runner.plan(seen.shape[1:], parts[-1])
            for seen, _, parts in self._views(frame, region)
        )
        return sum(map(len, plans))

    def fill(
        self,
        result: NDArray[np.float32],
        frame: Any,
        region: Region | None = None,
        first: Region | None = None,
    ) -> Iterator[int]:
        """Write the probabilities of a region of a frame (C, *S).

        Parameters
        ----------
        result
            Array (C', *region) to write to.
        frame
            Grey values; numpy or lazy.
        region
            The pixels wanted; all by default.
        first
            Pixels whose tiles come first, where the image is seen as it is.

        Yields
        ------
        int
            Tiles begun, before each batch.
        """
        region = checked_region(region, tuple(frame.shape[1:]))
        begun = 0
        views = list(self._views(frame, region))
        for number, (seen, chain, parts) in enumerate(views):
            windows = Windows(seen, self._offset, self._scale)
            found, ahead = result, first
            if chain:
                sizes = [part.stop - part.start for part in parts[-1]]
                found, ahead = np.zeros((len(result), *sizes), np.float32), None
            tiles = 0
            for done, total in self.runner.fill(found, windows, parts[-1], ahead):
                yield begun + done
                tiles = total
            begun += tiles
            self._note(windows)
            for canvas, (outer, inner) in zip(
                reversed(chain), reversed(list(pairwise(parts))), strict=True
            ):
                found = canvas.answer(found, inner, outer)
            if found is not result:
                share = np.float32(1 / len(views))
                found *= share
                if number:
                    result += found
                else:
                    result[:] = found
            elif len(views) > 1:
                result *= np.float32(1 / len(views))

    def _views(
        self, frame: Any, region: Region
    ) -> Iterator[tuple[Any, list[Canvas], list[Region]]]:
        """Yield what is seen, through which canvases, and the region on each."""
        for chain in self.looks.chains(frame):
            parts = [region]
            for canvas in chain:
                parts.append(canvas.bring_back(parts[-1]))
            yield (chain[-1] if chain else frame), chain, parts

    def _note(self, windows: Windows) -> None:
        self.constant = self.constant and windows.constant
        if windows.pixel is None:
            return
        if self.pixel is None:
            self.pixel = windows.pixel
        self.constant = self.constant and bool((self.pixel == windows.pixel).all())


def sampler(
    frames: Frames,
    looks: Looks,
    offset: NDArray[np.floating],
    scale: NDArray[np.floating],
) -> Sample:
    """Return what gives windows from the middle frame, around its middle.

    Several windows lie side by side along the last axis, then along the one before.
    """

    def sample(shape: Shape, count: int) -> list[NDArray[np.float32]]:
        index = tuple(n // 2 for n in frames.leading)
        (chain, *_) = looks.chains(frames.array[index])
        seen = chain[-1] if chain else frames.array[index]
        found = []
        across = int(np.ceil(np.sqrt(count)))
        for number in range(count):
            shift = [0] * len(shape)
            shift[-1], shift[-2] = number % across, number // across
            middles = [
                size // 2 + int((s - (across - 1) / 2) * min(n, size // (2 * across)))
                for size, s, n in zip(seen.shape[1:], shift, shape, strict=True)
            ]
            if count == 1:
                middles = [size // 2 for size in seen.shape[1:]]
            region = tuple(
                slice(m - n // 2, m - n // 2 + n)
                for m, n in zip(middles, shape, strict=True)
            )
            found.append(Windows(seen, offset, scale).window(region))
        return found

    return sample
