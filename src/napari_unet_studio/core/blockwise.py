"""Weight maps of label images that are larger than memory: dask and zarr arrays."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import ceil, isnan
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import as_array
from napari_unet_studio.core.balance import Classified, balanced, num_classes
from napari_unet_studio.core.distances import as_spacing, check_labels
from napari_unet_studio.core.errors import InputError

if TYPE_CHECKING:
    import dask.array as da


class Chunked(Protocol):
    """An array that is read in parts, as those of dask and zarr are."""

    @property
    def chunks(self) -> Any:
        """Sizes of the parts."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of each axis."""
        ...


def is_chunked(labels: Any) -> bool:
    """Return whether an array is read in parts; h5py's without chunks are not."""
    return not isinstance(labels, np.ndarray) and bool(getattr(labels, "chunks", None))


def weigh_blocks(
    labels: Any,
    weigh: Callable[..., Any],
    reach: float,
    spacing: Sequence[float] | None,
    balance: str | Sequence[float],
    ignore: int | None,
    gap: int,
    classes: Mapping[int, int] | None,
) -> "da.Array":
    """Compute weights block by block, when and where they are asked for.

    Every block sees as much of its neighbours as the terms reach, so the result equals
    that of the whole array.

    Parameters
    ----------
    labels
        A dask or zarr array, shape ``(Y, X)`` or ``(Z, Y, X)``.
    weigh
        `separation_weights` with its settings; called with a block and `balance`.
    reach
        How far it looks, in pixels of the finest axis.
    balance
        See `class_weights`. "image" needs the pixels of all blocks, which are counted
        once the first block is asked for.
    spacing, ignore, gap, classes
        As in `separation_weights`.

    Returns
    -------
    dask.array.Array
        float32, of the shape of the labels; chunks narrower than a block has to see of
        its neighbours are merged.
    """
    import dask.array as da
    from dask.delayed import delayed

    array = as_array(labels)
    check_labels(array.dtype, array.shape)
    if any(isnan(size) for size in array.shape):
        raise InputError(
            "The chunks of these labels have unknown sizes. Call "
            "labels.compute_chunk_sizes() first."
        )
    steps = as_spacing(spacing, array.ndim)
    total = num_classes(classes)
    if not all(array.shape):
        empty: da.Array = da.zeros(array.shape, dtype=np.float32, chunks=array.chunks)
        return empty
    carving = gap + 1 if gap else 0
    nothing = np.empty((0,) * array.ndim, np.float32)
    numbers: Any = balance
    if isinstance(balance, str):
        numbers = (1.0,) * total
        if balance != "none":
            found = da.map_overlap(
                partial(_drawn, gap=gap, ignore=ignore, classes=classes),
                array,
                depth=_depth([carving] * array.ndim, array.shape),
                boundary="none",
                meta=nothing.astype(np.int32),
            )
            count = delayed(partial(_count, total=total))
            blocks = [count(block) for block in found.to_delayed().ravel()]
            numbers = delayed(_balance)(blocks)
    within = [max(carving, ceil(reach * min(steps) / step)) for step in steps]
    weights: da.Array = da.map_overlap(
        weigh,
        array,
        balance=numbers,
        depth=_depth(within, array.shape),
        boundary="none",
        meta=nothing,
    )
    return weights


def _depth(pixels: Sequence[int], shape: tuple[int, ...]) -> dict[int, int]:
    """Return how much of its neighbours a block sees along each axis."""
    return dict(enumerate(map(min, pixels, shape)))


def _drawn(
    labels: NDArray[Any],
    gap: int,
    ignore: int | None,
    classes: Mapping[int, int] | None,
) -> NDArray[np.int32]:
    """Return the class of each pixel, one beyond the last without annotation."""
    found = Classified.of(labels, gap, ignore, classes)
    indices = found.indices().astype(np.int32)
    if ignore is not None:
        indices[labels == ignore] = found.num_classes
    return indices


def _count(indices: NDArray[np.int32], total: int) -> NDArray[np.int64]:
    return np.bincount(indices.ravel(), minlength=total + 1)[:total]


def _balance(counts: Sequence[NDArray[np.int64]]) -> tuple[float, ...]:
    return balanced(np.sum(counts, axis=0))
