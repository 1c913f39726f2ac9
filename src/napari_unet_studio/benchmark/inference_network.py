"""The network that all methods of the benchmark of inference run."""

from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from napari_unet_studio.benchmark.inference_peers import Sample
from napari_unet_studio.benchmark.samples import picture
from napari_unet_studio.core.networks.catalog import build, get_spec
from napari_unet_studio.core.networks.network import Network
from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks.device import seeded

SEED = 0
PATCHES, PATCH = 24, {2: 192, 3: 48}  # their number, and their sides by axes


def spec_of(ndim: int, quick: bool) -> NetworkSpec:
    """Return the network: a U-Net with batch norm, one channel, one class."""
    if quick:
        return get_spec("unet-16", ndim=ndim, channels=(4, 8, 16))
    if ndim == 2:
        return get_spec("unet-32", norm="batch")
    return get_spec("unet-3d", channels=(16, 32, 64, 128, 256))


@cache
def model_of(ndim: int, quick: bool) -> Model:
    """Return the network with seeded weights, after a few updates on blobs.

    With weights as they were drawn an answer is noise, which 8-bit integers and margins
    change in other ways than that of a network that has learned something.
    """
    spec = spec_of(ndim, quick)
    with seeded("cpu", SEED):
        network = build(spec)
    card = ModelCard(name=spec.family, spec=spec, target="classes")
    model = Model(network, card)
    side = PATCH[ndim] // (2 if quick else 1)
    patches = []
    for seed in range(PATCHES):
        grey, mask = picture((side,) * ndim, seed)
        image = Sample(grey.astype(np.float32), model).tensor("cpu")
        patches.append((image, torch.from_numpy(mask.astype(np.float32))[None, None]))
    with torch.enable_grad():
        _learn(network.train(), patches, 1e-2 if quick else 1e-3)
    network.eval()
    return model


def _learn(network: Network, patches: list[tuple[Tensor, Tensor]], rate: float) -> None:
    """Update once per patch, then let batch norms take the mean over all of them."""
    update = torch.optim.Adam(network.parameters(), rate)
    for image, mask in patches:
        loss = binary_cross_entropy_with_logits(network(image), mask)
        update.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        update.step()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):
            layer.reset_running_stats()
            layer.momentum = None
    with torch.no_grad():
        for image, _ in patches:
            network(image)
