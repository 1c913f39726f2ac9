"""A look into an ONNX file before anything computes it.

An ONNX file is a protocol buffer: a tree of numbered fields. What may reach beyond the
file, or is not part of the standard, is found by walking that tree, without the library
that wrote it.
"""

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from napari_unet_studio.core.errors import ModelFileError

# Domains of operators that onnxruntime computes itself, none of them with a file.
_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}
# Operators that no network of convolutions needs.
_LOOPS = {"Loop", "Scan"}
# Nested subgraphs and values of a file that somebody meant to be read.
_DEEPEST, _MOST_FIELDS = 16, 4_000_000

# Numbers of fields, from onnx.proto.
_GRAPH, _OPSETS, _METADATA, _FUNCTIONS = 7, 8, 14, 25
_NODES, _INITIALIZERS, _SPARSE, _DOMAIN, _OPERATOR, _ATTRIBUTES = 1, 5, 15, 7, 4, 5
_DIMS, _EXTERNAL, _LOCATION = 1, 13, 14


class OnnxFacts(NamedTuple):
    """What a file says about itself.

    Parameters
    ----------
    parameters
        Values in all its stored tensors.
    metadata
        Texts by name.
    """

    parameters: int
    metadata: dict[str, str]


def check_onnx(data: bytes, name: str) -> OnnxFacts:
    """Look through an ONNX file.

    Parameters
    ----------
    data
        The file.
    name
        What to call it in messages.

    Raises
    ------
    ModelFileError
        If it is no ONNX file, is damaged, keeps weights in other files, or needs
        loops, functions of its own or operators that are not part of the standard.
    """
    try:
        return _Walk(memoryview(data)).facts(name)
    except (IndexError, ValueError, UnicodeDecodeError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(
            f"{name} is no ONNX file, or it is damaged; download it again."
        ) from error


class _Walk:
    """Collects facts over a file."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.parameters = 0
        self.domains: set[str] = set()
        self.operators: set[str] = set()
        self.external = self.graph = self.functions = False
        self.fields = 0

    def facts(self, name: str) -> OnnxFacts:
        metadata = {}
        for number, value in self._fields(self.data):
            if number == _GRAPH:
                self.graph = True
                self._graph(_message(value), 0)
            elif number == _METADATA:
                texts = dict(self._fields(_message(value)))
                key, text = (bytes(_message(texts.get(n, b""))) for n in (1, 2))
                metadata[key.decode()] = text.decode()
            elif number == _OPSETS:
                for inner, domain in self._fields(_message(value)):
                    if inner == 1:
                        self.domains.add(bytes(_message(domain)).decode())
            elif number == _FUNCTIONS:
                self.functions = True
        if not self.graph:
            raise ValueError("no graph")
        if self.external:
            raise ModelFileError(
                f"{name} keeps its weights in other files, which are not read; save it "
                "as one file (onnx.save without external data)."
            )
        loops = sorted(self.operators & _LOOPS)
        if loops:
            raise ModelFileError(
                f"{name} needs the operator {loops[0]}, which could run for ever; "
                "export the network without loops."
            )
        if self.functions:
            # They may call each other without end, and hold tensors of their own.
            raise ModelFileError(
                f"{name} defines operators of its own; export it with standard "
                "operators (onnx.inliner puts them in their places)."
            )
        foreign = sorted(self.domains - _DOMAINS)
        if foreign:
            raise ModelFileError(
                f"{name} needs operators of {foreign[0]!r:.80}, which are not part of "
                "ONNX; export it with standard operators."
            )
        return OnnxFacts(self.parameters, metadata)

    def _graph(self, data: memoryview, depth: int) -> None:
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        for number, value in self._fields(data):
            if number == _NODES:
                self._node(_message(value), depth)
            elif number == _INITIALIZERS:
                self._tensor(_message(value), count=True)
            elif number == _SPARSE:
                self._sparse(_message(value))

    def _node(self, data: memoryview, depth: int) -> None:
        for number, value in self._fields(data):
            if number == _OPERATOR:
                self.operators.add(bytes(_message(value)).decode())
            elif number == _DOMAIN:
                self.domains.add(bytes(_message(value)).decode())
            elif number == _ATTRIBUTES:
                for inner, held in self._fields(_message(value)):
                    if inner in (5, 10):  # tensors
                        self._tensor(_message(held), count=False)
                    elif inner in (6, 11):  # graphs
                        self._graph(_message(held), depth + 1)
                    elif inner in (22, 23):
                        self._sparse(_message(held))

    def _sparse(self, data: memoryview) -> None:
        for number, value in self._fields(data):
            if number in (1, 2):
                self._tensor(_message(value), count=True)

    def _tensor(self, data: memoryview, count: bool) -> None:
        dims: list[int] = []
        for number, value in self._fields(data):
            if number == _DIMS and isinstance(value, int):
                dims.append(value)
            elif number == _DIMS:
                dims += _packed(_message(value))
            elif number == _EXTERNAL or (number == _LOCATION and value == 1):
                self.external = True
        if count:
            self.parameters += max(0, prod(dims))

    def _fields(self, data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
        """Yield number and value of each field of a message."""
        at, end = 0, len(data)
        while at < end:
            self.fields += 1
            if self.fields > _MOST_FIELDS:
                raise ValueError("too many fields")
            tag, at = _varint(data, at)
            number, kind = tag >> 3, tag & 7
            if kind == 0:
                value, at = _varint(data, at)
                yield number, value
                continue
            if kind == 2:
                size, at = _varint(data, at)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
            else:
                raise ValueError(f"a field of kind {kind}")
            if at + size > end:
                raise ValueError("a field ends beyond its message")
            yield number, data[at : at + size]
            at += size


def _message(value: int | bytes | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number in place of a message")
    return memoryview(value)


def _packed(data: memoryview) -> list[int]:
    found, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number of more than 64 bits")
