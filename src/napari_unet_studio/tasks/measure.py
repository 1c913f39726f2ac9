"""The task that measures the objects of labels, block by block."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import as_array, spatial_ndim
from napari_unet_studio.core.blocks import BlockGrid
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.measure import (
    MeasureConfig,
    Measurement,
    blocks_of,
    check_shapes,
)
from napari_unet_studio.core.measure_columns import Columns, unit_of
from napari_unet_studio.core.measure_hull import solidity_of
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.io.lazy import grouped
from napari_unet_studio.io.tables import write_csv
from napari_unet_studio.tasks.progress import Progress, ShouldStop, never

_PIXELS = 1 << 22  # of a block of lazy labels
_MOST = 1 << 25  # of one whose chunks are larger: those are read several times
_HULLS = 50  # objects between two progress records


@dataclass(frozen=True, eq=False)
class ObjectTable(Mapping[str, NDArray[Any]]):
    """Measures of objects: one value for each object in each column.

    Parameters
    ----------
    columns
        By name, see :func:`.columns_of`. Of a series, "t" is the time point from 0, and
        there is one row for each object and time point.
    unit
        Of lengths: "um", "pixel", or nothing if it is not known.

    Examples
    --------
    >>> table = ObjectTable({"label": np.array([1, 4]), "area": np.array([2.0, 3.0])})
    >>> len(table), table["area"].tolist(), table.units["area"]
    (2, [2.0, 3.0], 'px^2')
    """

    columns: Columns
    unit: str = "pixel"

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        """Return the number of rows; of columns there are ``len(table.columns)``."""
        return len(self.columns["label"])

    @property
    def units(self) -> dict[str, str]:
        """Unit of each column; empty where it has none."""
        return {name: unit_of(name, self.unit) for name in self.columns}

    @property
    def size(self) -> str:
        """Name of the column with the sizes, "area" or "volume"."""
        return "volume" if "volume" in self.columns else "area"

    def to_csv(self, path: str | Path) -> Path:
        """Write the table as CSV, see :func:`.write_csv`; a file there is replaced."""
        return write_csv(path, self.columns, self.units)

    def summary(self) -> dict[str, Any]:
        """Return the number of objects, and mean and standard deviation of the size."""
        sizes = self.columns[self.size]
        found: dict[str, Any] = {"objects": len(self)}
        if len(sizes):
            found[f"mean {self.size}"] = float(sizes.mean())
            found[f"std {self.size}"] = float(sizes.std(ddof=len(sizes) > 1))
        return found | {"unit": self.units[self.size]}


def measure(
    labels: Any,
    images: Mapping[str, Any] | None = None,
    config: MeasureConfig | None = None,
    *,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str = "pixel",
    classes: Any = None,
    should_stop: ShouldStop = never,
) -> Generator[Progress, None, ObjectTable | None]:
    """Measure the objects of labels of any size.

    Parameters
    ----------
    labels
        Instance ids with the axes (T)(Z)YX; numpy, dask, zarr or HDF5.
    images
        Intensities of the shape of the labels, by name; likewise.
    config
        What is measured.
    axes
        Names of the axes; by default "YX", "ZYX" or "TZYX".
    spacing
        Size of a pixel along the spatial axes, in `unit`.
    unit
        "um", or "pixel" where no length is known.
    classes
        Class of each pixel, whole numbers, of the shape of the labels.
    should_stop
        Asked after each block.

    Returns
    -------
    ObjectTable or None
        None if it was stopped.

    Raises
    ------
    InputError
        If the arrays do not fit each other, or the axes not the labels.
    """
    config = MeasureConfig() if config is None else config
    array = as_array(labels)
    axes = _checked_axes(array, axes)
    ndim = spatial_ndim(axes)
    lead = array.ndim - ndim
    beside = {name: as_array(each) for name, each in (images or {}).items()}
    kinds = None if classes is None else as_array(classes)
    check_shapes(array, beside, kinds)
    frames = list(np.ndindex(*array.shape[:lead]))
    shape: Shape = tuple(int(n) for n in array.shape[lead:])
    grid = blocks_of(shape, _block(array, lead))
    total = len(frames) * len(grid)
    yield Progress(0, total, "Measuring")
    tables, step = [], 0
    for index in frames:
        work = Measurement(
            array[index],
            spacing,
            {name: image[index] for name, image in beside.items()},
            None if kinds is None else kinds[index],
            config,
        )
        for region in grid:
            if should_stop():
                return None
            work.add(region)
            step += 1
            yield Progress(step, total, "Measuring")
        found = work.columns()
        if config.solidity:
            hulls = yield from _hulls(work, found["label"], should_stop)
            if hulls is None:
                return None
            found["solidity"] = hulls
        if lead:
            time = np.full(len(found["label"]), index[0])
            found = {"label": found.pop("label"), "t": time, **found}
        tables.append(found)
    columns = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
    return ObjectTable(columns, unit)


def _hulls(
    work: Measurement, ids: NDArray[Any], should_stop: ShouldStop
) -> Generator[Progress, None, NDArray[np.float64] | None]:
    """Measure the solidity of each object."""
    boxes, found = work.sums().boxes, np.empty(len(ids))
    for number, (label, box) in enumerate(zip(ids, boxes, strict=True)):
        if not number % _HULLS:
            if should_stop():
                return None
            yield Progress(number, len(ids), "Convex hulls")
        found[number] = solidity_of(work.labels, int(label), box)
    return found


def _checked_axes(array: Any, axes: str | None) -> str:
    if axes is None:
        axes = "TZYX"[-array.ndim :] if 1 < array.ndim <= 4 else ""
    axes = axes.upper()
    in_order = [axis for axis in "TZYX" if axis in axes]
    if len(axes) != array.ndim or list(axes) != in_order or axes[-2:] != "YX":
        raise InputError(
            f"Labels of shape {tuple(array.shape)} cannot have the axes {axes!r}: name "
            "every axis, out of TZYX in this order."
        )
    if 0 in array.shape:
        raise InputError(
            f"The labels hold no pixels: their shape is {tuple(array.shape)}. Choose "
            "others."
        )
    return axes


def _block(array: Any, lead: int) -> Shape | None:
    """Return a block of whole chunks of lazy labels; None for others."""
    chunks = getattr(array, "chunks", None)
    if isinstance(array, np.ndarray) or not chunks:
        return None
    shape = [int(n) for n in array.shape[lead:]]
    base = [max(c) if isinstance(c, tuple) else int(c) for c in chunks[lead:]]
    block = list(grouped(base, shape, 1, _PIXELS))
    while prod(block) > _MOST:
        longest = block.index(max(block))
        block[longest] = -(-block[longest] // 2)
    return BlockGrid(tuple(shape), tuple(block)).block
