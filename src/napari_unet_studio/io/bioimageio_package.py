"""The files of a bioimage.io package: a zip, a folder, or the description in one.

Nothing is unpacked: files are read by name, into memory, and only those that lie in the
package.
"""

import io
import math
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Self
from urllib.parse import urlparse
from zipfile import is_zipfile

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import ModelFileError, StorageError
from napari_unet_studio.io.archive import Archive
from napari_unet_studio.io.extras import require

_NAMES = ("rdf.yaml", "bioimageio.yaml", "model.yaml", "rdf.yml", "bioimageio.yml")
_ENDINGS = (".bioimageio.yaml", ".rdf.yaml")
_MOST_FILES = 10_000
# Bytes of a description, of weights, and of a test image.
_DESCRIPTION, _WEIGHTS, _TENSOR = 2 * 2**20, 4 * 2**30, 512 * 2**20
# No description is nested as deeply, or holds as many values.
_DEEPEST, _MOST_VALUES = 50, 500_000
_ITEMS = re.compile(r"^[ ]*([-?][ ]+){20}", re.MULTILINE)
_INDENTED = re.compile(r"^ {200}", re.MULTILINE)


class BrokenPackageError(ModelFileError):
    """A bioimage.io package is damaged, or describes what cannot be computed here."""


class _Zip(Archive):
    def broken(self, reason: str) -> ModelFileError:
        return BrokenPackageError(
            f"{self.path} is not a usable {self.kind}: {reason}. Download it again, or "
            "ask its authors."
        )


def is_package(path: str | Path) -> bool:
    """Whether a path looks like a bioimage.io package; quick, and never an error.

    Examples
    --------
    >>> is_package("cells.tif")
    False
    """
    path = Path(path)
    try:
        if path.is_dir():
            return any((path / name).is_file() for name in _NAMES)
        if path.suffix in (".yaml", ".yml"):
            return path.is_file() and _is_description(path.name)
        if path.suffix != ".zip" or not is_zipfile(path):
            return False
        with _Zip(path, "") as archive:
            return _find(archive.zip.namelist()) is not None
    except (OSError, ModelFileError):
        return False


class Package:
    """A package that is open for reading; a context manager.

    Parameters
    ----------
    path
        A zip, a folder, or the description (``rdf.yaml``) in a folder.

    Attributes
    ----------
    description
        What stands in the description, as plain values.

    Raises
    ------
    StorageError
        If it cannot be read.
    BrokenPackageError
        If it is no package, or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._zip: _Zip | None = None
        self._folder = self.path
        self._base = ""
        self.description: dict[str, Any] = {}

    def __enter__(self) -> Self:
        if not self.path.exists():
            raise StorageError(f"{self.path} does not exist; check the path.")
        if self.path.is_dir():
            found = next((n for n in _NAMES if (self.path / n).is_file()), None)
        elif self.path.suffix in (".yaml", ".yml"):
            self._folder, found = self.path.parent, self.path.name
        else:
            self._zip = _Zip(self.path, "bioimage.io package")
            self._zip.__enter__()
            found = _find(self._zip.zip.namelist())
            self._base = "" if found is None else found.rpartition("/")[0]
            found = None if found is None else found.rpartition("/")[2]
        try:
            if found is None:
                raise self.broken("it holds no rdf.yaml that describes a model")
            data = self._bytes(found, _DESCRIPTION)
            self.description = _parsed(data, self)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._zip is not None:
            self._zip.__exit__()

    def broken(self, reason: str) -> ModelFileError:
        """Return the error that says why a package cannot be used."""
        return BrokenPackageError(
            f"{self.path} is not a usable bioimage.io package: {reason}. Download it "
            "again, or ask its authors."
        )

    def refused(self, reason: str) -> ModelFileError:
        """Return the error that says what a package needs that is not there."""
        return BrokenPackageError(f"{self.path} cannot be used: {reason}.")

    def __contains__(self, source: object) -> bool:
        try:
            return self._exists(self._name(source))
        except ModelFileError:
            return False

    def weights(self, source: object) -> bytes:
        """Return the bytes of a file of weights."""
        return self._bytes(self._name(source), _WEIGHTS)

    def tensor(self, source: object) -> NDArray[Any]:
        """Return the array in a ``.npy`` file."""
        name = self._name(source)
        data = self._bytes(name, _TENSOR)
        try:
            return _array(data)
        except Exception as error:  # a foreign header can say anything
            raise self.broken(f"{name} is no array of numbers ({error})") from error

    def _name(self, source: object) -> str:
        """Return the name of a file in the package that a description means."""
        if not isinstance(source, str) or not source:
            raise self.broken(f"{source!r:.80} is given as the name of a file")
        if "://" in source:  # published packages may hold what they point to
            source = PurePosixPath(urlparse(source).path).name or "."
        parts = PurePosixPath(source).parts
        outside = ".." in parts or PurePosixPath(source).is_absolute()
        if outside or "\\" in source or ":" in source or "\0" in source:
            raise self.broken(f"{source!r:.80} lies outside of the package")
        return str(PurePosixPath(source))

    def _exists(self, name: str) -> bool:
        if self._zip is not None:
            return self._inside(name) in self._zip
        return self._file(name).is_file()

    def _inside(self, name: str) -> str:
        return f"{self._base}/{name}" if self._base else name

    def _file(self, name: str) -> Path:
        folder = self._folder.resolve()
        file = (folder / name).resolve()
        if folder not in file.parents:  # a link that leads out of it
            raise self.broken(f"{name!r:.80} lies outside of the package")
        return file

    def _bytes(self, name: str, limit: int) -> bytes:
        if self._zip is not None:
            return self._zip.read(self._inside(name), limit)
        file = self._file(name)
        try:
            size = file.stat().st_size
            if size > limit:
                raise self.broken(f"{name} has {size} bytes, more than {limit}")
            return file.read_bytes()
        except FileNotFoundError as error:
            raise self.broken(f"it holds no {name}") from error
        except OSError as error:
            raise StorageError(
                f"{file} cannot be read: {error.strerror or error}. Check the file."
            ) from error


def _is_description(name: str) -> bool:
    return name in _NAMES or name.endswith(_ENDINGS)


def _find(names: list[str]) -> str | None:
    """Return the description among the names of a zip, the outermost one."""
    if len(names) > _MOST_FILES:
        return None
    found = [name for name in names if _is_description(name.rpartition("/")[2])]
    found = [name for name in found if name.count("/") <= 1]
    return min(found, key=lambda name: (name.count("/"), name), default=None)


def _parsed(data: bytes, package: Package) -> dict[str, Any]:
    """Return the values of a description, none of them anything but plain data."""
    yaml = require("yaml", "bioimageio")
    try:
        text = data.decode("utf-8-sig")
        _check_nesting(text)
        values = yaml.load(text, Loader=_loader(yaml))  # built on the safe one
        _check_size(values)
    except (ValueError, RecursionError, TypeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        raise package.broken(f"its description is no YAML ({reason})") from error
    if not isinstance(values, dict):
        raise package.broken("its description is no list of names and values")
    return values


def _check_nesting(text: str) -> None:
    """Refuse text whose nesting could exhaust the stack of a parser."""
    if _ITEMS.search(text) or _INDENTED.search(text):
        raise ValueError("nested too deeply")
    depth = 0
    for found in re.finditer(r"[\[\]{}]", text):
        depth = depth + 1 if found.group() in "[{" else max(0, depth - 1)
        if depth > 10 * _DEEPEST:
            raise ValueError("nested too deeply")


def _check_size(values: Any) -> None:
    """Refuse values that aliases have made more than anybody can go through."""
    count, stack = 0, [(values, 0)]
    while stack:
        value, depth = stack.pop()
        count += 1
        if depth > _DEEPEST or count > _MOST_VALUES:
            raise ValueError("too many values")
        if isinstance(value, dict):
            stack += [(each, depth + 1) for pair in value.items() for each in pair]
        elif isinstance(value, list | tuple):
            stack += [(each, depth + 1) for each in value]


def _loader(yaml: Any) -> Any:
    """Return a loader of YAML 1.2, in which such descriptions are written.

    PyYAML's own reads 1.1: dates, numbers of base 60, and no 1e-6.
    """
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    # Merge keys, which 1.2 lacks, would copy what aliases name before it is counted.
    parts = {"yaml_implicit_resolvers": {}, "flatten_mapping": lambda *_: None}
    Loader: Any = type("Loader", (base,), parts)

    def add(kind: str, pattern: str, first: str, make: Any) -> None:
        tag = f"tag:yaml.org,2002:{kind}"
        Loader.add_implicit_resolver(tag, re.compile(f"^(?:{pattern})$"), [*first])
        Loader.add_constructor(tag, lambda loader, node: make(node.value))

    number = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    special = r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    add("null", "~|null|Null|NULL|", "~nN", lambda _: None)
    Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("^$"), [""])
    add("bool", "true|True|TRUE|false|False|FALSE", "tTfF", _truth)
    add("int", r"[-+]?[0-9]+", "-+0123456789", int)
    add("float", f"{number}|{special}", "-+.0123456789", _number)
    return Loader


def _truth(text: str) -> bool:
    return text.lower() == "true"


def _number(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _array(data: bytes) -> NDArray[Any]:
    """Return the array of a ``.npy`` file, made only if all of it is there."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, _, dtype = read(file)
    if dtype.kind not in "fiub" or len(shape) > 8 or min(shape, default=1) < 1:
        raise ValueError(f"shape {shape} of {dtype}")
    if math.prod(shape) * dtype.itemsize > len(data):
        raise ValueError("truncated")
    file.seek(0)
    array: NDArray[Any] = np.load(file, allow_pickle=False)
    return array


def texts(values: object) -> Iterator[str]:
    """Yield the texts in a list, or the one that there is."""
    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, str) and value.strip():
            yield " ".join(value.split())
