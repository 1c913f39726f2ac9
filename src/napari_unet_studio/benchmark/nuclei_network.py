"""MONAI's BasicUNet of the size of ``unet-16``: its weights in a file, its answers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import nn

from napari_unet_studio.core.errors import ModelFileError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.mirror import read_mirrored
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.tasks.device import seeded

# From 16 channels to 256, as unet-16; the last entry is the width before the answer.
FEATURES = (16, 32, 64, 128, 256, 16)
MULTIPLE = 16  # of which sides have to be, to be halved four times
_FIRST = "conv_0.conv_0.conv.weight"  # its second axis is the channels of images


def basic_unet(in_channels: int, seed: int) -> nn.Module:
    """Return the network with seeded weights; everything but its widths is MONAI's."""
    from monai.networks.nets.basic_unet import BasicUNet

    with seeded("cpu", seed):
        network: nn.Module = BasicUNet(
            spatial_dims=2, in_channels=in_channels, out_channels=1, features=FEATURES
        )
    return network


def write_weights(network: nn.Module, path: Path, facts: dict[str, Any]) -> None:
    """Write the weights as safetensors, with what is known of their training."""
    tensors = {name: t.contiguous() for name, t in network.state_dict().items()}
    with atomic_write(path) as file:
        file.write(save(tensors, {"training": json.dumps(facts)}))


def read_weights(path: Path) -> nn.Module:
    """Return the network with the weights of a file.

    Raises
    ------
    ModelFileError
        If the file holds no weights of this network.
    """
    try:
        tensors = load(path.read_bytes())
        network = basic_unet(tensors[_FIRST].shape[1], 0)
        network.load_state_dict(tensors)
    except (KeyError, IndexError, RuntimeError, SafetensorError) as error:
        raise ModelFileError(
            f"{path} holds no weights of a BasicUNet of {FEATURES[0]} to "
            f"{max(FEATURES)} channels; remove it to train one, or name another file."
        ) from error
    return network.eval()


def facts_of(path: Path) -> dict[str, Any]:
    """Return what a file of weights tells of its training; empty if nothing."""
    with safe_open(path, "pt") as file:
        told = (file.metadata() or {}).get("training", "{}")
    found: dict[str, Any] = json.loads(told)
    return found


def size_of(network: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in network.parameters())


def probabilities(network: nn.Module, image: NDArray[Any]) -> NDArray[np.float32]:
    """Return the probability of foreground (Y, X) of an image (Y, X), seen as a whole.

    It is normalised as for this package, and mirrored beyond its end to sides that the
    network takes.
    """
    rule = Normalisation()
    whole = image[np.newaxis]
    grey = rule.apply(whole, *rule.fit(whole))
    window = [slice(0, -(-side // MULTIPLE) * MULTIPLE) for side in image.shape]
    with torch.inference_mode():
        logits = network(torch.from_numpy(read_mirrored(grey, window)[np.newaxis]))
        found: NDArray[np.float32] = logits[0, 0].sigmoid().numpy()
    return found[: image.shape[0], : image.shape[1]]
