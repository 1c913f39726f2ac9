"""One training step as it is written elsewhere: plain loops, with and without MONAI.

Each function takes a sample and returns the function to measure, which does several
steps and returns the last loss. Images are normalised and networks made before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.benchmark.elastic_peers import zoomed_field
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_unet_studio.core.networks.network import Network

Work = Callable[[], float]
Batches = Callable[[], "tuple[Tensor, Tensor]"]
Loss = Callable[["Tensor", "Tensor"], "Tensor"]

EAGER = "eager loop, scipy"
EAGER_ALONE = "eager loop, one batch again"
MONAI = "MONAI, same network"
DYNUNET = "MONAI, DynUNet"
RATE = 1e-4
GRID, SIGMA = 3, 10.0  # of the elastic deformation
SEED = 0


@dataclass(frozen=True, eq=False)
class Sample:
    """What is learnt: patches of an image, and by which network.

    Parameters
    ----------
    image
        Normalised grey values (Y, X).
    mask
        Where its objects are (Y, X).
    spec
        The network.
    widths
        Its channels, level by level.
    patch
        Spatial shape of a patch.
    batch
        Patches in a step.
    """

    image: NDArray[np.float32]
    mask: NDArray[np.bool_]
    spec: NetworkSpec
    widths: tuple[int, ...]
    patch: Shape
    batch: int

    def network(self) -> "Network":
        """Return the network with seeded weights."""
        from napari_unet_studio.core.networks.catalog import build
        from napari_unet_studio.tasks.device import seeded

        with seeded("cpu", SEED):
            return build(self.spec)


def eager(sample: Sample, device: str, steps: int) -> Work:
    """Train in float32; patches are deformed one by one with scipy."""
    return _loop(sample.network(), bce(), scipy_batches(sample), device, steps)


def eager_alone(sample: Sample, device: str, steps: int) -> Work:
    """Train in float32 on one batch again and again, which is on the device."""
    images, masks = scipy_batches(sample)()
    batch = images.to(device), masks.to(device)
    return _loop(sample.network(), bce(), lambda: batch, device, steps)


def monai(sample: Sample, device: str, steps: int) -> Work:
    """Train the same network with MONAI's transforms and loss."""
    from monai.losses.dice import DiceCELoss

    loss = DiceCELoss(sigmoid=True)
    return _loop(sample.network(), loss, monai_batches(sample), device, steps)


def dynunet(sample: Sample, device: str, steps: int) -> Work:
    """Train MONAI's own U-Net of the same widths, with its transforms and loss."""
    from monai.losses.dice import DiceCELoss
    from monai.networks.nets.dynunet import DynUNet

    widths = sample.widths
    network = DynUNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=1,
        kernel_size=[3] * len(widths),
        strides=[1] + [2] * (len(widths) - 1),
        upsample_kernel_size=[2] * (len(widths) - 1),
        filters=widths,
    )
    loss = DiceCELoss(sigmoid=True)
    return _loop(network, loss, monai_batches(sample), device, steps)


def bce() -> Loss:
    """Return the loss of a plain loop."""
    from torch.nn.functional import binary_cross_entropy_with_logits

    return binary_cross_entropy_with_logits


def scipy_batches(sample: Sample) -> Batches:
    """Return what makes a batch: cut, mirror and deform each patch with scipy."""
    import torch
    from scipy.ndimage import map_coordinates

    rng = np.random.default_rng(SEED)

    def one() -> tuple[NDArray[Any], NDArray[Any]]:
        starts = [
            int(rng.integers(size - side + 1))
            for size, side in zip(sample.image.shape, sample.patch, strict=True)
        ]
        box: Any = tuple(
            slice(start, start + side)
            for start, side in zip(starts, sample.patch, strict=True)
        )
        image, mask = sample.image[box], sample.mask[box].astype(np.float32)
        for axis in range(2):
            if rng.random() < 0.5:
                image, mask = np.flip(image, axis), np.flip(mask, axis)
        vectors = rng.normal(0, SIGMA, (2, GRID, GRID)).astype(np.float32)
        where = zoomed_field(vectors, sample.patch)
        return (
            map_coordinates(image, where, order=3, mode="mirror"),
            map_coordinates(mask, where, order=0, mode="mirror"),
        )

    def batch() -> "tuple[Tensor, Tensor]":
        pairs = [one() for _ in range(sample.batch)]
        images, masks = (
            np.stack(arrays)[:, None] for arrays in zip(*pairs, strict=True)
        )
        return torch.from_numpy(images), torch.from_numpy(masks)

    return batch


def monai_batches(sample: Sample) -> Batches:
    """Return what makes a batch: MONAI's crop, flips and elastic deformation."""
    import torch
    from monai.transforms.compose import Compose
    from monai.transforms.croppad.dictionary import RandSpatialCropd
    from monai.transforms.spatial.dictionary import Rand2DElasticd, RandFlipd

    keys = ("image", "mask")
    rows, columns = sample.patch
    spacing = rows / (GRID - 1), columns / (GRID - 1)
    modes = ("bicubic", "nearest")
    transform = Compose(
        [
            RandSpatialCropd(keys, sample.patch, random_size=False),
            RandFlipd(keys, prob=0.5, spatial_axis=0),
            RandFlipd(keys, prob=0.5, spatial_axis=1),
            Rand2DElasticd(keys, spacing, (SIGMA, SIGMA), prob=1, mode=modes),
        ]
    )
    transform.set_random_state(SEED)
    image = torch.from_numpy(sample.image[None])
    mask = torch.from_numpy(sample.mask[None].astype(np.float32))

    def batch() -> "tuple[Tensor, Tensor]":
        pairs: list[Any] = [
            transform({"image": image, "mask": mask}) for _ in range(sample.batch)
        ]
        images, masks = (torch.stack([p[key] for p in pairs]) for key in keys)
        # As tensors of torch: MONAI's own carry their history through every layer.
        return torch.Tensor(images), torch.Tensor(masks)

    return batch


def _loop(
    network: "nn.Module", loss_of: Loss, batches: Batches, device: str, steps: int
) -> Work:
    """Return steps as one writes them: float32, torch's own layout, AdamW."""
    import torch

    network = network.to(device).train()
    optimiser = torch.optim.AdamW(network.parameters(), RATE)

    def work() -> float:
        value = 0.0
        for _ in range(steps):
            images, masks = batches()
            optimiser.zero_grad()
            loss: Any = loss_of(network(images.to(device)), masks.to(device))
            loss.backward()
            optimiser.step()
            value = loss.item()
        return value

    return work
