"""Measures of objects: size, place, shape, intensities, neighbours and class.

All but the solidity are sums over pixels, see :mod:`.measure_sums`, so labels of any
size are measured block by block with the memory of one block.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.axes import as_array
from napari_unet_studio.core.blocks import BlockGrid, Region, widened
from napari_unet_studio.core.config import Config
from napari_unet_studio.core.crofton import crossing_weights, neighbours
from napari_unet_studio.core.distances import as_spacing, check_labels
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.measure_columns import Columns, columns_of
from napari_unet_studio.core.measure_hull import solidity_of
from napari_unet_studio.core.measure_sums import Block, Contact, Sums
from napari_unet_studio.core.networks.spec import Shape

_PIXELS = 1 << 22  # of a block
_WAITING = 2.0  # parts are joined once they hold this many times the joined objects


@dataclass(frozen=True)
class MeasureConfig(Config):
    """What is measured besides size, place, box, intensities and class.

    Parameters
    ----------
    shape
        Diameter, axes, direction, elongation, perimeter or surface, and roundness.
    neighbours
        How many objects each one touches, and how far the nearest one is.
    solidity
        Share of its convex hull that an object fills. Slow: about half a millisecond
        for each object, several in volumes.

    Examples
    --------
    >>> MeasureConfig.from_dict({"shape": False}).shape
    False
    """

    shape: Annotated[bool, {"label": "Shape"}] = True
    neighbours: Annotated[bool, {"label": "Neighbours"}] = True
    solidity: Annotated[bool, {"label": "Solidity (slow)"}] = False


class Measurement:
    """Measures the objects of one plane or volume, block by block.

    Parameters
    ----------
    labels
        Instance ids, (Y, X) or (Z, Y, X); numpy or lazy. Ids from 1 on are objects, 0
        and what is below is none.
    spacing
        Size of a pixel along each axis.
    images
        Intensities of the shape of the labels, by name; numpy or lazy.
    classes
        Class of each pixel, whole numbers, of the shape of the labels; or None.
    config
        What is measured.

    Raises
    ------
    InputError
        If the arrays do not fit each other or hold no numbers of the kind they should.
    """

    def __init__(
        self,
        labels: Any,
        spacing: Sequence[float] | None = None,
        images: Mapping[str, Any] | None = None,
        classes: Any = None,
        config: MeasureConfig | None = None,
    ) -> None:
        self.labels = as_array(labels)
        self.shape: Shape = tuple(int(n) for n in self.labels.shape)
        check_labels(self.labels.dtype, self.shape)
        self.config = MeasureConfig() if config is None else config
        self.spacing = as_spacing(spacing, len(self.shape))
        self.images = {name: as_array(each) for name, each in (images or {}).items()}
        self.classes = None if classes is None else as_array(classes)
        check_shapes(self.labels, self.images, self.classes)
        self._contact: Contact | None = None
        if self.config.shape or self.config.neighbours:
            steps = neighbours(len(self.shape))
            self._contact = Contact(steps, crossing_weights(self.spacing))
        self._parts: list[Sums] = []
        self._joined = 0  # objects in the first part

    def add(self, region: Region) -> None:
        """Measure the pixels of a block; blocks must cover each pixel once."""
        flat = len(self.shape) == 2
        margin = np.array([0 if flat else 1, 1, 1])
        outer, inner = widened(region, (1,) * len(region), self.shape)
        missing = [  # of the margin, beyond the image
            (1 - own.start, own.stop + 1 - (part.stop - part.start))
            for own, part in zip(inner, outer, strict=True)
        ]
        labels = np.pad(np.asarray(self.labels[outer]), missing)
        origin = np.array([0] * flat + [part.start for part in region])

        def read(array: Any) -> NDArray[Any]:
            pixels = np.asarray(array[region])
            return pixels[None] if flat else pixels

        block = Block(
            labels[None] if flat else labels,
            margin,
            origin,
            {name: read(image) for name, image in self.images.items()},
            None if self.classes is None else read(self.classes),
        )
        self._parts.append(Sums.of(block, self._contact))
        rows = sum(len(part.ids) for part in self._parts)
        if rows > _WAITING * max(self._joined, 1 << 16):
            self._parts = [Sums.join(self._parts)]
            self._joined = len(self._parts[0].ids)

    def sums(self) -> Sums:
        """Return what was summed up so far."""
        if not self._parts:
            self.add((slice(0, 0),) * len(self.shape))
        self._parts = [Sums.join(self._parts)]
        return self._parts[0]

    def columns(self) -> Columns:
        """Return the measures of all objects, without the solidity, sorted by id."""
        return columns_of(self.sums(), self.spacing, self.shape, self.config)


def measure_objects(
    labels: ArrayLike,
    spacing: Sequence[float] | None = None,
    intensities: Mapping[str, ArrayLike] | None = None,
    config: MeasureConfig | None = None,
    classes: ArrayLike | None = None,
) -> dict[str, NDArray[Any]]:
    """Measure the objects of a plane or a volume.

    Parameters
    ----------
    labels, spacing, config, classes
        As of :class:`Measurement`.
    intensities
        As its images.

    Returns
    -------
    dict of ndarray
        One value for each object in each column, sorted by id; see
        :func:`.columns_of` for their meaning, and :func:`.unit_of` for their units.

    Examples
    --------
    >>> found = measure_objects([[1, 1, 0], [1, 1, 0], [0, 0, 7]], spacing=(0.5, 0.5))
    >>> found["label"].tolist(), found["area"].tolist(), found["x"].tolist()
    ([1, 7], [1.0, 0.25], [0.25, 1.0])
    >>> found["neighbours"].tolist(), found["border"].tolist()
    ([1, 1], [True, True])
    """
    work = Measurement(labels, spacing, intensities, classes, config)
    if all(work.shape):
        for region in blocks_of(work.shape):
            work.add(region)
    found = work.columns()
    if work.config.solidity:
        boxes = work.sums().boxes
        found["solidity"] = np.array(
            [
                solidity_of(work.labels, int(label), box)
                for label, box in zip(found["label"], boxes, strict=True)
            ]
        )
    return found


def check_shapes(labels: Any, images: Mapping[str, Any], classes: Any) -> None:
    """Raise an InputError if images or classes have another shape than the labels."""
    beside = {f"image {name!r}": each for name, each in images.items()}
    if classes is not None:
        beside["class image"] = classes
    for name, array in beside.items():
        if tuple(array.shape) != tuple(labels.shape):
            raise InputError(
                f"The {name} has shape {tuple(array.shape)} but the labels have "
                f"{tuple(labels.shape)}; choose one of the same shape."
            )


def blocks_of(shape: Shape, block: Shape | None = None) -> BlockGrid:
    """Return blocks to measure in; by default some millions of pixels of whole rows."""
    if block is None:
        rest, sides = _PIXELS, []
        for size in reversed(shape):
            sides.append(max(1, min(size, rest)))
            rest //= sides[-1]
        block = tuple(reversed(sides))
    return BlockGrid(shape, block)
