"""Batched augmentation on the training device: one resampling for all geometry.

Rotation, flip, zoom and elastic deformation are composed into one field of coordinates,
and image, target and weight map are sampled through it once. The elastic part is
:mod:`.deform`, the same code as the preview.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.config import Config
from napari_unet_studio.core.deform import dense_displacement, warp
from napari_unet_studio.core.networks.spec import Shape

if TYPE_CHECKING:
    from torch import Tensor

    from napari_unet_studio.core.warping import Order


@dataclass(frozen=True)
class AugmentConfig(Config):
    """How training patches are varied.

    Parameters
    ----------
    rotate
        Turn by any angle within the YX plane.
    flip
        Mirror along any axis.
    zoom
        Enlarge or shrink by up to this factor; 0.2 means 1/1.2 to 1.2.
    elastic
        Standard deviation of the elastic displacement vectors on a coarse grid, in
        pixels of the finest axis. 0 is off.
    grid
        Points of the coarse grid per axis.
    brightness
        Largest shift of grey values, in units of the normalised range.
    contrast
        Largest relative change of contrast.
    gamma
        Largest change of gamma, as a factor: 0.3 means 1/1.3 to 1.3.
    noise
        Largest standard deviation of added noise, in units of the normalised range.
    """

    rotate: bool = True
    flip: bool = True
    zoom: Annotated[float, {"min": 0.0, "max": 1.0, "step": 0.05}] = 0.2
    elastic: Annotated[
        float, {"min": 0.0, "max": 100.0, "step": 0.5, "label": "Elastic (px)"}
    ] = 8.0
    grid: Annotated[int, {"min": 2, "max": 16, "label": "Elastic grid"}] = 3
    brightness: Annotated[float, {"min": 0.0, "max": 1.0, "step": 0.05}] = 0.1
    contrast: Annotated[float, {"min": 0.0, "max": 0.9, "step": 0.05}] = 0.25
    gamma: Annotated[float, {"min": 0.0, "max": 2.0, "step": 0.05}] = 0.3
    noise: Annotated[float, {"min": 0.0, "max": 1.0, "step": 0.01}] = 0.03

    def window(self, shape: Shape, spacing: Sequence[float] | None = None) -> Shape:
        """Return the source window that a patch of `shape` can be drawn from."""
        finest = _finest_per_axis(len(shape), spacing)
        size = np.array(shape, dtype=float) * (1 + self.zoom)
        if self.rotate:
            # The diagonal in units of the finest axis, as pixels of each axis.
            size[-2:] = float(np.hypot(*(size / finest)[-2:])) * finest[-2:]
        size = size + 2 * 2 * self.elastic * finest
        return tuple(int(v) for v in np.ceil(size))


@dataclass(frozen=True)
class Draws:
    """The random choices for one batch, drawn on the CPU so that devices agree.

    Parameters
    ----------
    matrices
        (N, ndim, ndim): from patch to source coordinates, both about their centres.
    coarse
        (N, ndim, *grid) elastic displacements in pixels, or None.
    tone
        (N, 4): brightness, contrast, gamma, noise of each sample.
    seeds
        (N,): of the noise of each sample.
    """

    matrices: NDArray[np.float32]
    coarse: NDArray[np.float32] | None
    tone: NDArray[np.float32]
    seeds: NDArray[np.int64]

    def part(self, samples: slice) -> "Draws":
        """Return the choices for some of the samples."""
        coarse = None if self.coarse is None else self.coarse[samples]
        return Draws(
            self.matrices[samples], coarse, self.tone[samples], self.seeds[samples]
        )


def draw(
    config: AugmentConfig,
    batch: int,
    ndim: int,
    rng: np.random.Generator,
    spacing: Sequence[float] | None = None,
) -> Draws:
    """Draw the random choices for a batch.

    Rotations happen in physical space if `spacing` says that Y and X differ.
    """
    finest = _finest_per_axis(ndim, spacing)
    matrices = np.zeros((batch, ndim, ndim))
    for n in range(batch):
        zoom = np.exp(rng.uniform(-1, 1) * np.log1p(config.zoom))
        matrix = np.eye(ndim) * zoom
        if config.rotate:
            angle = rng.uniform(0, 2 * np.pi)
            cos, sin = np.cos(angle), np.sin(angle)
            turn = np.eye(ndim)
            turn[-2:, -2:] = [[cos, -sin], [sin, cos]]
            # Pixels -> finest-axis units -> turn -> pixels.
            matrix = matrix @ (finest[:, None] * turn / finest[None, :])
        if config.flip:
            matrix = matrix @ np.diag(rng.choice([-1.0, 1.0], ndim))
        matrices[n] = matrix
    coarse = None
    if config.elastic:
        coarse = rng.normal(0, config.elastic, (batch, ndim, *(config.grid,) * ndim))
        coarse = coarse * finest.reshape((1, ndim) + (1,) * ndim)
    low = [-config.brightness, -config.contrast, -np.log1p(config.gamma), 0]
    high = [config.brightness, config.contrast, np.log1p(config.gamma), config.noise]
    tone = rng.uniform(low, high, (batch, 4))
    return Draws(
        matrices.astype(np.float32),
        None if coarse is None else coarse.astype(np.float32),
        tone.astype(np.float32),
        rng.integers(2**31, size=batch),
    )


def sent(array: NDArray[Any], device: str) -> "Tensor":
    """Return an array as a tensor on a device; a GPU is not waited for."""
    import torch

    tensor = torch.from_numpy(array)
    if device.startswith("cuda"):
        # Other memory is copied at once, for which the GPU has to be idle.
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def coordinates(draws: Draws, shape: Shape, window: Shape, device: str) -> "Tensor":
    """Return where each patch pixel comes from: (N, ndim, *shape), window pixels."""
    import torch

    axes = [torch.arange(s, device=device) - (s - 1) / 2 for s in shape]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"))  # (ndim, *shape)
    matrices = sent(draws.matrices, device)
    where = torch.einsum("nij,j...->ni...", matrices, grid)
    if draws.coarse is not None:
        where += dense_displacement(sent(draws.coarse, device), shape)
    for axis, side in enumerate(window):
        where[:, axis] += (side - 1) / 2
    return where


def augment_tone(images: "Tensor", draws: Draws) -> "Tensor":
    """Vary brightness, contrast, gamma and noise of normalised images (N, C, *S)."""
    import torch

    tone = sent(draws.tone, str(images.device))
    tone = tone.reshape((-1, 4) + (1,) * (images.ndim - 1))
    brightness, contrast, gamma, noise = tone.unbind(1)
    axes = tuple(range(2, images.ndim))
    low = images.amin(axes, keepdim=True)
    span = (images.amax(axes, keepdim=True) - low).clamp_min(1e-6)
    images = ((images - low) / span).clamp(0, 1) ** gamma.exp() * span + low
    mean = images.mean(axes, keepdim=True)
    images = (images - mean) * (1 + contrast) + mean + brightness
    # Of each sample by itself, so that it does not depend on how batches are cut.
    grain = torch.empty_like(images)
    generator = torch.Generator(images.device)
    for sample, seed in zip(grain, draws.seeds.tolist(), strict=True):
        sample.normal_(generator=generator.manual_seed(seed))
    return images + grain * noise


def augment(
    images: "Tensor",
    target: "Tensor",
    weight_map: "Tensor | None",
    draws: Draws,
    shape: Shape,
) -> "tuple[Tensor, Tensor, Tensor | None]":
    """Turn a batch of source windows into augmented patches.

    Parameters
    ----------
    images
        Normalised windows (N, C, *W).
    target
        Class indices (N, *W), any integer dtype; sampled nearest.
    weight_map
        Weights (N, *W), sampled linearly, or None.
    draws
        From :func:`draw`.
    shape
        Spatial shape of the patches.

    Returns
    -------
    tuple
        Images (N, C, *shape), target (N, *shape) int64, weights (N, *shape) or None.
    """
    window = tuple(images.shape[2:])
    where = coordinates(draws, shape, window, str(images.device))
    order: Order = "cubic" if len(shape) == 2 else "linear"
    patches = augment_tone(warp(images, where, order), draws)
    labels = warp(target.unsqueeze(1), where, "nearest").squeeze(1).long()
    if weight_map is None:
        return patches, labels, None
    weights = warp(weight_map.unsqueeze(1), where, "linear").squeeze(1)
    return patches, labels, weights


def _finest_per_axis(ndim: int, spacing: Sequence[float] | None) -> NDArray[np.float64]:
    """Pixels of each axis per pixel of the finest one: 1 or less."""
    if spacing is None:
        return np.ones(ndim)
    return float(np.min(spacing)) / np.asarray(spacing, dtype=float)
