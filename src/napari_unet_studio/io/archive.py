"""Zip archives of tensors and JSON, written whole and read with suspicion."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from napari_unet_studio.core.errors import ModelFileError, StorageError
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.plain_json import dumps

if TYPE_CHECKING:
    from torch import Tensor

Tensors = Mapping[str, "Tensor"]

# A larger entry of that kind is refused before it is unpacked.
_LIMITS = {
    ".safetensors": 16 * 2**30,
    ".onnx": 2 * 2**30,
    ".torchscript": 4 * 2**30,
    ".json": 64 * 2**20,
    ".png": 16 * 2**20,
}
# So is one that would unpack to much more than it takes in the file.
_LARGE, _LARGEST_RATIO = 64 * 2**20, 100
# Only of these zipfile unpacks no more than it is asked for, whatever an entry claims.
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_START = b"PK\x03\x04"


def write_archive(
    path: Path,
    documents: Mapping[str, Mapping[str, Any]],
    tensors: Mapping[str, Tensors],
    files: Mapping[str, bytes],
) -> None:
    """Write JSON documents, sets of tensors and files into one archive, atomically."""
    from safetensors.torch import save

    with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, document in documents.items():
            text = dumps(document, indent=1)
            archive.writestr(f"{name}.json", text, zipfile.ZIP_DEFLATED)
        for name, tensor_set in tensors.items():
            plain = {k: t.detach().cpu().contiguous() for k, t in tensor_set.items()}
            archive.writestr(f"{name}.safetensors", save(plain))
        for name, data in files.items():
            archive.writestr(name, data)


class Archive:
    """An archive opened for reading; every access is checked.

    Only entries asked for by name are read, into memory: no path from the archive is
    ever used, nothing is unpickled or run.

    Parameters
    ----------
    path
        The file.
    kind
        What it should be, for messages: "model file", "checkpoint".
    """

    def __init__(self, path: str | Path, kind: str) -> None:
        self.path = Path(path)
        self.kind = kind

    def __enter__(self) -> Self:
        start = b""
        try:
            with self.path.open("rb") as file:
                start = file.read(len(_START))
            self.zip = zipfile.ZipFile(self.path)
        except OSError as error:
            raise StorageError(
                f"The {self.kind} {self.path} cannot be read: "
                f"{error.strerror or error}. Check the path."
            ) from error
        except Exception as error:  # zipfile raises many kinds
            raise self.broken(_no_archive(start)) from error
        return self

    def __exit__(self, *_: object) -> None:
        self.zip.close()

    def __contains__(self, name: str) -> bool:
        return name in self.zip.namelist()

    def broken(self, reason: str) -> ModelFileError:
        """Return the error that says why the file cannot be used."""
        return ModelFileError(
            f"{self.path} is not a usable {self.kind}: {reason}. Choose a file saved "
            "by napari-unet-studio."
        )

    def read(self, name: str, limit: int | None = None) -> bytes:
        """Return the bytes of an entry.

        Parameters
        ----------
        name
            Of the entry.
        limit
            The most bytes that it may have; by default as many as its kind may.

        Raises
        ------
        ModelFileError
            If the entry is absent, damaged, too large or packed in an unusual way.
        """
        limit = _LIMITS[Path(name).suffix] if limit is None else limit
        try:
            entry = self.zip.getinfo(name)
        except KeyError as error:
            raise self.broken(f"it holds no {name}") from error
        self.check(entry, limit)
        try:
            with self.zip.open(entry) as file:
                return file.read(entry.file_size)
        except Exception as error:  # each decompressor has its own; encryption too
            raise self.broken(f"{name} is damaged ({error})") from error

    def check(self, entry: zipfile.ZipInfo, limit: int) -> None:
        """Raise a ModelFileError for an entry that is too large or oddly packed."""
        name, size, packed = entry.filename, entry.file_size, entry.compress_size
        if size > limit or (size > _LARGE and size > _LARGEST_RATIO * packed):
            raise self.broken(f"{name} claims {size} bytes, packed in {packed}")
        if entry.compress_type not in METHODS:
            raise self.broken(
                f"{name} is packed by another method than zip's usual one"
            )

    def document(self, name: str) -> dict[str, Any]:
        """Return a JSON object."""
        text = self.read(f"{name}.json")
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self.broken(f"{name}.json is no JSON ({error})") from error
        if not isinstance(values, dict):
            raise self.broken(f"{name}.json is no JSON object")
        return values

    def tensors(self, name: str) -> dict[str, "Tensor"]:
        """Return a set of tensors on the CPU."""
        from safetensors.torch import load

        data = self.read(f"{name}.safetensors")
        try:
            tensors: dict[str, Tensor] = load(data)
        except Exception as error:  # a foreign header can say anything
            raise self.broken(f"{name} cannot be read ({error})") from error
        return tensors


def _no_archive(start: bytes) -> str:
    """Say why a file that starts so is no archive."""
    if start == _START:
        return "its end is missing, copy it or download it again"
    return "it is not a zip archive" if start else "it is empty"
