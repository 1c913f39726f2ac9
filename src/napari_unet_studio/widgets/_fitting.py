"""Which labels belong to which image, judged by shapes and names."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

import numpy as np
from napari.layers import Image, Labels

from napari_unet_studio.layers import METADATA_KEY, found_axes

# Words that tell an image from its labels, not one image from another.
_COMMON = re.compile(
    r"labels?|masks?|seg(mentation)?s?|annotations?|instances?|ground.?truth|gt|"
    r"images?|img|raw|[^a-z0-9]",
)
# More comparisons than this are not made; names then have to be equal.
_COMPARISONS = 4000
_LARGE = 2**26  # bytes that may be searched while the user waits


def pixel_shape(layer: Image | Labels) -> tuple[int, ...]:
    """Return the full-resolution shape of a layer without channels.

    Examples
    --------
    >>> pixel_shape(Image(np.zeros((8, 9, 3), np.uint8), rgb=True))
    (8, 9)
    """
    data = layer.data[0] if layer.multiscale else layer.data
    shape = tuple(int(n) for n in data.shape)
    if getattr(layer, "rgb", False):
        return shape[:-1]
    channels = [i for i, name in enumerate(found_axes(layer)) if name == "C"]
    if len(channels) == 1 and isinstance(layer, Image):
        return shape[: channels[0]] + shape[channels[0] + 1 :]
    return shape


def fitting_pairs(layers: Sequence[Any]) -> list[tuple[Image, Labels]]:
    """Pair Image and Labels layers of equal shape, similar names first.

    Every layer occurs once at most. Labels with nothing painted, and layers that this
    plugin made, are left out.

    Examples
    --------
    >>> pixels = np.ones((8, 8), int)
    >>> layers = [Image(pixels, name="a"), Image(pixels, name="b")]
    >>> layers.append(Labels(pixels, name="b labels"))
    >>> [(image.name, labels.name) for image, labels in fitting_pairs(layers)]
    [('b', 'b labels')]
    """
    images: dict[tuple[int, ...], list[Image]] = {}
    labels: dict[tuple[int, ...], list[Labels]] = {}
    for layer in layers:
        if METADATA_KEY in layer.metadata:
            continue
        if isinstance(layer, Labels) and _painted(layer):
            labels.setdefault(pixel_shape(layer), []).append(layer)
        elif isinstance(layer, Image):
            images.setdefault(pixel_shape(layer), []).append(layer)
    found = [
        pair
        for shape, group in images.items()
        if shape in labels
        for pair in _matched(group, labels[shape])
    ]
    position = {id(layer): index for index, layer in enumerate(layers)}
    return sorted(found, key=lambda pair: position[id(pair[0])])


def _matched(
    images: Sequence[Image], labels: Sequence[Labels]
) -> list[tuple[Image, Labels]]:
    """Pair off by equal names, then by similar ones, then in order."""
    found: list[tuple[Image, Labels]] = []
    free = {core_name(image.name): image for image in reversed(images)}
    left: list[Labels] = []
    for layer in labels:
        image = free.pop(core_name(layer.name), None)
        if image is None:
            left.append(layer)
        else:
            found.append((image, layer))
    used = {id(image) for image, _ in found}
    rest = [image for image in images if id(image) not in used]
    if len(rest) * len(left) > _COMPARISONS:
        return found
    ranked = sorted(
        ((i, j) for i in range(len(rest)) for j in range(len(left))),
        key=lambda ij: -_similarity(rest[ij[0]].name, left[ij[1]].name),
    )
    taken_images: set[int] = set()
    taken_labels: set[int] = set()
    for i, j in ranked:
        if i not in taken_images and j not in taken_labels:
            taken_images.add(i)
            taken_labels.add(j)
            found.append((rest[i], left[j]))
    return found


def core_name(name: str) -> str:
    """Return what a layer's name says about its content."""
    return _COMMON.sub("", name.lower())


def _similarity(a: str, b: str) -> float:
    return SequenceMatcher(None, core_name(a), core_name(b), autojunk=False).ratio()


def _painted(layer: Labels) -> bool:
    """Whether there are labels; lazy and very large ones are taken to have some."""
    data = layer.data[0] if layer.multiscale else layer.data
    known = isinstance(data, np.ndarray) and data.nbytes <= _LARGE
    return not known or bool(data.any())
