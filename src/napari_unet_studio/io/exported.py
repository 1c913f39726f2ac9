"""ONNX and TorchScript files that this package exported: their card comes with them."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any, Literal

from napari_unet_studio.core.errors import ModelFileError, StorageError
from napari_unet_studio.core.networks.foreign import KIND_NAMES, ForeignSpec
from napari_unet_studio.io.archive import METHODS
from napari_unet_studio.io.foreign import ForeignNetwork
from napari_unet_studio.io.foreign_files import parameters_of
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.model_facts import KEY
from napari_unet_studio.io.onnx_check import check_onnx
from napari_unet_studio.io.trust import check_trusted
from napari_unet_studio.io.trust import trust as remember

_LARGEST = 4 * 2**30
_LARGEST_CARD = 64 * 2**20


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript program; quick, and without running it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile):
        return False
    return any(name.endswith("/constants.pkl") for name in names)


def import_exported(path: str | Path, trust: bool = False) -> Model:
    """Read an ONNX or TorchScript file that this package exported.

    Parameters
    ----------
    path
        The file.
    trust
        Whether a TorchScript program may run, now and later.

    Raises
    ------
    StorageError
        If it cannot be read.
    ModelFileError
        If it is damaged, or tells nothing about its images.
    UntrustedError
        If it is a TorchScript program, and `trust` is False.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise ModelFileError(f"{path} is larger than 4 GB; choose another file.")
        payload = path.read_bytes()
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read: {error.strerror or error}. Check the path."
        ) from error
    kind: Literal["onnx", "torchscript"] = (
        "torchscript" if payload.startswith(b"PK") else "onnx"
    )
    if kind == "onnx":
        text = check_onnx(payload, str(path)).metadata.get(KEY, "")
    else:
        text = _extra(payload, path)
    card, answer = _known(text, path, kind)
    digest = hashlib.sha256(payload).hexdigest()
    if kind == "torchscript":
        if trust:
            remember(digest)
        check_trusted(digest, str(path))
    spec = card.spec
    padded = not any(spec.trim)
    single = spec.num_classes == 1
    foreign = ForeignSpec(
        ndim=spec.ndim,
        in_channels=spec.in_channels,
        num_classes=spec.num_classes,
        kind=kind,
        digest=digest,
        smallest=tuple(axis.smallest for axis in spec.axes),
        step=spec.divisor,
        shrink=spec.trim,
        reach=spec.halo if padded else (),
        whole=not spec.local,
        outputs=spec.num_classes,
        activation=(
            "none" if answer == "probabilities" else "sigmoid" if single else "softmax"
        ),
        parameters_count=parameters_of(kind, payload),
    )
    values = card.to_dict()
    values["spec"] = foreign.to_dict()
    values["origin"] = {
        "format": KIND_NAMES[kind],
        "file": path.name,
        "sha256": digest,
    }
    network = ForeignNetwork(foreign, payload).eval()
    return Model(network, ModelCard.from_dict(values))


def _extra(payload: bytes, path: Path) -> str:
    """Return what was stored beside a program under our name, without running it."""
    try:
        with zipfile.ZipFile(io.BytesIO(payload)) as archive:
            for entry in archive.infolist():
                if entry.filename.endswith(f"/extra/{KEY}"):
                    if entry.compress_type not in METHODS:
                        raise ValueError("packed by an unusual method")
                    with archive.open(entry) as file:
                        return file.read(_LARGEST_CARD).decode()
    except Exception as error:  # zipfile raises many kinds
        raise ModelFileError(
            f"{path} is a damaged file ({error}); export it again."
        ) from error
    return ""


def _known(text: str, path: Path, kind: str) -> tuple[ModelCard, str]:
    """Return the card that came with a file, and what its answer is."""
    if not text:
        raise ModelFileError(
            f"{path} is {KIND_NAMES[kind]}, but does not say which images it takes and "
            "what it answers. Import the bioimage.io package that it belongs to, which "
            "does, or a file exported by napari-unet-studio."
        )
    try:
        values: Any = json.loads(text)
        return ModelCard.from_dict(values["card"]), str(values.get("answer"))
    except ModelFileError as error:
        raise ModelFileError(f"{path} cannot be used. {error}") from error
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise ModelFileError(
            f"{path} holds a damaged model card ({error}); export it again."
        ) from error
