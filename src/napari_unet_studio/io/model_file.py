"""The ``.unet`` file: a zip of safetensors weights, a JSON card and a thumbnail.

Loading parses numbers and JSON only and checks them against the network; nothing in a
file is executed.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import ConfigError, ModelFileError
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.io.archive import Archive, write_archive
from napari_unet_studio.io.model import Model, ModelCard

if TYPE_CHECKING:
    from torch import Tensor, nn

SUFFIX = ".unet"
_THUMBNAIL = "thumbnail.png"


def save_model(model: Model, path: str | Path, half: bool = False) -> Path:
    """Write a model atomically; see :meth:`.Model.save`."""
    path = Path(path)
    if path.suffix != SUFFIX:
        path = path.with_name(path.name + SUFFIX)
    tensors = model.network.state_dict()
    if half:
        tensors = {k: t.half() if t.is_floating_point() else t for k, t in tensors.items()}
    files = {}
    if model.thumbnail is not None:
        files[_THUMBNAIL] = encode_png(model.thumbnail)
    write_archive(path, {"card": model.card.to_dict()}, {"weights": tensors}, files)
    return path


def read_card(path: str | Path) -> ModelCard:
    """Read only the card of a model file: quick, and without torch.

    Raises
    ------
    StorageError
        If the file does not exist or cannot be read.
    ModelFileError
        If it is not a whole model file of a known version.
    """
    with Archive(path, "model file") as archive:
        return ModelCard.from_dict(archive.document("card"))


def load_model_file(path: str | Path) -> Model:
    """Read a model file onto the CPU, ready for prediction.

    Raises
    ------
    StorageError
        If the file does not exist or cannot be read.
    ModelFileError
        If it is not a whole model file of a known version, or its weights do not fit.
    """
    with Archive(path, "model file") as archive:
        card = ModelCard.from_dict(archive.document("card"))
        tensors = archive.tensors("weights")
        thumbnail = _thumbnail(archive)
        network = build_with(card, tensors, archive)
    return Model(network.eval(), card, thumbnail)


def build_with(
    card: ModelCard, tensors: dict[str, "Tensor"], archive: Archive
) -> "nn.Module":
    """Build the card's network around tensors, after checking that they fit."""
    import torch

    try:
        with torch.device("meta"):
            network = build(card.spec)
    except (ConfigError, RuntimeError) as error:
        raise archive.broken(f"its network cannot be built ({error})") from error
    expected = network.state_dict()
    wrong = sorted(set(expected) ^ set(tensors)) or [
        name for name in expected if expected[name].shape != tensors[name].shape
    ]
    if wrong:
        raise archive.broken(
            f"its weights do not fit its {card.spec.family} network (first: {wrong[0]})"
        )
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise archive.broken(f"its weights contain NaN or infinity (in {name})")
        tensors[name] = tensor.to(expected[name].dtype)
    network.load_state_dict(tensors, assign=True)
    return network.requires_grad_(True)


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture (Y, X, 3) as the bytes of a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _thumbnail(archive: Archive) -> NDArray[np.uint8] | None:
    from PIL import Image

    if _THUMBNAIL not in archive:
        return None
    try:
        data = io.BytesIO(archive.read(_THUMBNAIL))
        with Image.open(data, formats=["PNG"]) as image:
            if image.width * image.height > 4096**2:
                return None
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ModelFileError):
        return None  # a picture is not worth refusing a model for
