"""Tensors in the files of other programs, and nothing else that is in them."""

import io
import tarfile
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet_studio.core.errors import ModelFileError, StorageError

if TYPE_CHECKING:
    from torch import Tensor

_LARGEST = 8 * 2**30
_RATIO = 20  # weights are hardly packed by any program
_MOST_TENSORS = 100_000
# Under these a checkpoint may hold its weights.
_HOLDERS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "network_weights",
    "network",
    "net",
    "weights",
    "params",
)


def read_tensors(data: bytes, name: str) -> dict[str, "Tensor"]:
    """Return the tensors in the bytes of a file, whatever wrote it.

    Parameters
    ----------
    data
        The file.
    name
        What to call it in messages.

    Raises
    ------
    ModelFileError
        If it holds no tensors, or anything else as well.
    """
    import torch

    if data[8:9] == b"{":
        return _safetensors(data, name)
    _check_unpacking(data, name)
    _check_age(data, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what odd files make torch do
            found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler can raise anything
        raise ModelFileError(
            f"{name} cannot be read as weights: it is damaged, or holds more than "
            "tensors, and programs in it are not run. Save it again with "
            "torch.save(network.state_dict(), path)."
        ) from error
    return _plain(found, name)


def file_bytes(path: Path) -> bytes:
    """Return the bytes of a file that is not too large to hold weights."""
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            raise ModelFileError(
                f"{path} has {size} bytes, more than a network's weights; choose "
                "another file."
            )
        return path.read_bytes()
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read: {error.strerror or error}. Check the path."
        ) from error


def _safetensors(data: bytes, name: str) -> dict[str, "Tensor"]:
    from safetensors.torch import load

    try:
        found: dict[str, Tensor] = load(data)
    except Exception as error:  # a foreign header can say anything
        raise ModelFileError(
            f"{name} cannot be read as safetensors ({error}); save it again."
        ) from error
    return _plain(found, name)


def _check_unpacking(data: bytes, name: str) -> None:
    """Refuse a zip that unpacks to far more than it takes."""
    if not data.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            total = sum(entry.file_size for entry in archive.infolist())
    except Exception as error:  # zipfile raises many kinds
        raise ModelFileError(
            f"{name} is a damaged file of weights ({error}); save it again."
        ) from error
    if total > _RATIO * len(data) + 2**20:
        raise ModelFileError(
            f"{name} would unpack to {total} bytes; save it again, not packed."
        )


def _check_age(data: bytes, name: str) -> None:
    """Refuse the first format of torch, which torch 2.5 reads unsafely."""
    try:
        tarfile.open(fileobj=io.BytesIO(data), mode="r:").close()
        old = not data.startswith(b"PK")
    except (tarfile.TarError, ArithmeticError, LookupError, OSError, ValueError):
        old = False
    if old:
        raise ModelFileError(
            f"{name} is in a format that torch gave up in 2017; load it there and save "
            "it again with torch.save(network.state_dict(), path)."
        )


def _plain(found: Any, name: str) -> dict[str, "Tensor"]:
    """Return the tensors in what was loaded, by name."""
    import torch

    for _ in range(2):  # a checkpoint, and a state dict in it
        holder = next(
            (k for k in _HOLDERS if _is_dict(found) and _is_dict(found.get(k))), None
        )
        found = found if holder is None else found[holder]
    tensors = {}
    if _is_dict(found):
        tensors = {
            key: value.detach()
            for key, value in found.items()
            if isinstance(key, str) and isinstance(value, torch.Tensor)
        }
    if not 0 < len(tensors) <= _MOST_TENSORS:
        raise ModelFileError(
            f"{name} holds no state dict, which is a table of named tensors; save it "
            "with torch.save(network.state_dict(), path)."
        )
    odd = next((k for k, t in tensors.items() if t.layout != torch.strided), None)
    if odd is not None:
        raise ModelFileError(f"{name}: the tensor {odd!r:.80} is a sparse one.")
    return tensors


def _is_dict(value: Any) -> bool:
    return isinstance(value, Mapping)
