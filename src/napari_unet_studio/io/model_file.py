"""The ``.unet`` file: a zip of safetensors weights, a JSON card and a thumbnail.

Loading parses numbers and JSON only and checks them against the network; nothing in a
file is executed. Networks of other programs are stored as the files they came in; of
these, TorchScript is a program, and is loaded only if the user trusts it.
"""

import hashlib
import io
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import ConfigError, ModelFileError, StorageError
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.foreign import ForeignSpec
from napari_unet_studio.io.archive import Archive, write_archive
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.trust import UntrustedError

if TYPE_CHECKING:
    from torch import Tensor

    from napari_unet_studio.core.networks.network import Network

SUFFIX = ".unet"
_THUMBNAIL = "thumbnail.png"
_LARGEST_THUMBNAIL = 4096**2  # pixels


def save_model(model: Model, path: str | Path, half: bool = False) -> Path:
    """Write a model atomically; see :meth:`.Model.save`.

    Raises
    ------
    StorageError
        If the path names no file or cannot be written.
    """
    path = Path(path)
    if not path.name:
        raise StorageError(f"'{path}' names no file; add a name for the model.")
    if path.suffix != SUFFIX:
        path = path.with_name(path.name + SUFFIX)
    files: dict[str, bytes] = {}
    if model.thumbnail is not None:
        files[_THUMBNAIL] = encode_png(model.thumbnail)
    spec, weights = model.card.spec, {}
    if isinstance(spec, ForeignSpec):
        from napari_unet_studio.io.foreign import ForeignNetwork

        assert isinstance(model.network, ForeignNetwork)
        files[_payload(spec)] = model.network.payload
    else:
        tensors = model.network.state_dict()
        if half:
            tensors = {k: _halved(t) for k, t in tensors.items()}
        weights["weights"] = tensors
    write_archive(path, {"card": model.card.to_dict()}, weights, files)
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
        return read_card_of(archive)


def read_card_of(archive: Archive) -> ModelCard:
    """Read the card in an opened archive."""
    values = archive.document("card")
    try:
        return ModelCard.from_dict(values)
    except ModelFileError as error:
        raise ModelFileError(f"{archive.path} cannot be used. {error}") from error


def load_model_file(path: str | Path, *, trust: bool = False) -> Model:
    """Read a model file onto the CPU, ready for prediction.

    Parameters
    ----------
    path
        The file.
    trust
        Whether a TorchScript program in it may run, now and later; see
        :func:`.api.importing.import_model`.

    Raises
    ------
    StorageError
        If the file does not exist or cannot be read.
    ModelFileError
        If it is not a whole model file of a known version, or its weights do not fit.
    UntrustedError
        If it holds a TorchScript program that this user does not trust.
    ConfigError
        If it holds an ONNX network and onnxruntime is not installed.
    """
    with Archive(path, "model file") as archive:
        card = read_card_of(archive)
        spec = card.spec
        thumbnail = _thumbnail(archive)
        if isinstance(spec, ForeignSpec):
            payload = archive.read(_payload(spec))
            return Model(_foreign(spec, payload, archive, trust), card, thumbnail)
        network = build_with(card, archive.tensors("weights"), archive)
    return Model(network.eval(), card, thumbnail)


def _payload(spec: ForeignSpec) -> str:
    """Return the name of the entry that holds a foreign network."""
    return f"network.{spec.kind}"


def _foreign(spec: ForeignSpec, payload: bytes, archive: Archive, trust: bool) -> Any:
    """Return the network in a payload that has the digest of its spec."""
    from napari_unet_studio.io.foreign import ForeignNetwork
    from napari_unet_studio.io.trust import trust as remember

    name = _payload(spec)
    if hashlib.sha256(payload).hexdigest() != spec.digest:
        raise archive.broken(f"{name} is not the network that its card describes")
    if trust and spec.kind == "torchscript":
        remember(spec.digest)
    try:
        return ForeignNetwork(spec, payload).eval()
    except UntrustedError as error:
        raise UntrustedError(f"{archive.path}: {error}", error.digest) from error
    except ModelFileError as error:
        raise ModelFileError(f"{archive.path} cannot be used. {error}") from error


def build_with(
    card: ModelCard, tensors: dict[str, "Tensor"], archive: Archive
) -> "Network":
    """Build the card's network around tensors, after checking that they fit."""
    import torch

    try:
        with torch.device("meta"):
            network = build(card.spec)
    except (ConfigError, RuntimeError) as error:
        raise archive.broken(f"its network cannot be built ({error})") from error
    tensors = fitting(network.state_dict(), tensors, archive)
    network.load_state_dict(tensors, assign=True)
    return network.requires_grad_(True)


def fitting(
    expected: Mapping[str, "Tensor"], tensors: Mapping[str, "Tensor"], archive: Archive
) -> dict[str, "Tensor"]:
    """Return tensors in the expected types if names, shapes and values fit, or raise.

    Weights may come in any precision of 16 bits or more.
    """
    import torch

    weights = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
    wrong = sorted(set(expected) ^ set(tensors)) or [
        name
        for name, like in expected.items()
        if like.shape != tensors[name].shape
        or tensors[name].dtype
        not in (weights if like.dtype in weights else {like.dtype})
    ]
    if wrong:
        raise archive.broken(f"its weights do not fit its network (first: {wrong[0]})")
    # Checked as used: what float64 holds may be infinite in float32.
    used = {name: tensors[name].to(like.dtype) for name, like in expected.items()}
    for name, tensor in used.items():
        if not bool(torch.isfinite(tensor).all()):
            raise archive.broken(f"its weights contain NaN or infinity (in {name})")
    return used


def _halved(tensor: "Tensor") -> "Tensor":
    """Return weights in half precision, unless they are too large for it."""
    half = tensor.half() if tensor.is_floating_point() else tensor
    return half if bool(half.isfinite().all()) else tensor


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
    with suppress(Exception):  # a picture is not worth refusing a model for
        data = archive.read(_THUMBNAIL)
        width, height = struct.unpack(">II", data[16:24])  # before anything is unpacked
        if width * height <= _LARGEST_THUMBNAIL:
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
                return np.array(image.convert("RGB"))
    return None
