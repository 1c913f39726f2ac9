"""Shapes drawn as labels: a pixel has one object, an object is one piece."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_unet_studio.sample_data.blobs import Blob
from napari_unet_studio.sample_data.fields import FloatArray


class Drawn(NamedTuple):
    """A blob on a grid: the box that holds it and its radius in there.

    Parameters
    ----------
    blob
        The shape.
    box
        Where in the image, one slice per axis.
    local
        Positions in the frame of the blob, shape ``(ndim, *box)``.
    radius
        Distance from its centre, 1 on its outline, shape ``(*box)``.
    """

    blob: Blob
    box: tuple[slice, ...]
    local: FloatArray
    radius: FloatArray


def draw(
    blobs: Sequence[Blob],
    shape: tuple[int, ...],
    spacing: Sequence[float],
    visible: float = 0.5,
    smallest: int = 12,
    ids: Sequence[int] | None = None,
    limit: float = 1.0,
) -> tuple[NDArray[np.int32], dict[int, Drawn]]:
    """Draw shapes as labels; where two overlap, a pixel goes to the nearer one.

    Parameters
    ----------
    blobs
        Shapes to draw.
    shape
        Shape of the grid.
    spacing
        Physical distance between samples, one per axis.
    visible
        Share of a shape within the image that must not be covered by others; shapes
        below it are left out.
    smallest
        Pixels that an object must have; smaller ones are left out.
    ids
        Id of each shape; if None, they are numbered from 1 without gaps.
    limit
        Radius up to which a shape claims pixels: above 1, shapes grow into the gaps
        between them.

    Returns
    -------
    labels
        Instance ids, shape ``shape``.
    drawn
        The drawn shape of each id in ``labels``.
    """
    scale = np.asarray(spacing, float)
    every: dict[int, Drawn] = {}
    for number, blob in enumerate(blobs, start=1):
        extent = blob.extent * limit + 2 * scale
        low = np.maximum(0, np.floor((blob.centre - extent) / scale)).astype(int)
        high = np.minimum(shape, np.ceil((blob.centre + extent) / scale) + 1).astype(
            int
        )
        if np.any(high <= low):
            continue
        box = tuple(
            slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True)
        )
        ticks = [
            np.arange(s.start, s.stop) * d for s, d in zip(box, scale, strict=True)
        ]
        local = blob.local(np.stack(np.meshgrid(*ticks, indexing="ij")))
        every[number] = Drawn(blob, box, local, blob.radius(local))
    drawn = every
    while True:
        labels = _nearest(drawn, shape, limit)
        kept = {
            number: item
            for number, item in drawn.items()
            if (own := int((labels[item.box] == number).sum())) >= smallest
            and own >= visible * int((item.radius < 1).sum())
        }
        if len(kept) == len(drawn):
            break
        drawn = kept
    names = {n: ids[n - 1] if ids else i for i, n in enumerate(drawn, start=1)}
    table = np.zeros(len(blobs) + 1, np.int32)
    for number, name in names.items():
        table[number] = name
    return table[labels], {names[n]: item for n, item in drawn.items()}


def _nearest(
    drawn: dict[int, Drawn], shape: tuple[int, ...], limit: float
) -> NDArray[np.int32]:
    """Label each pixel with the shape of smallest radius, one piece for each."""
    labels = np.zeros(shape, np.int32)
    best = np.full(shape, limit)
    for number, item in drawn.items():
        closer = item.radius < best[item.box]
        best[item.box][closer] = item.radius[closer]
        labels[item.box][closer] = number
    for number, item in drawn.items():
        keep_largest(labels[item.box], number)
    return labels


def keep_largest(labels: NDArray[np.int32], number: int) -> None:
    """Erase, in place, all pieces of an object but the largest."""
    pieces, count = ndimage.label(labels == number)
    if count > 1:
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        labels[(pieces > 0) & (pieces != sizes.argmax())] = 0


def smooth_outlines(labels: NDArray[np.int32], sigma: float) -> NDArray[np.int32]:
    """Round the corners of objects that fill the plane.

    Each pixel goes to the object whose blurred mask is strongest there.

    Parameters
    ----------
    labels
        Instance ids, shape ``(Y, X)``.
    sigma
        Width of the blur in pixels.
    """
    smooth, best = labels.copy(), np.zeros(labels.shape)
    pad = int(3 * sigma)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        wide = tuple(slice(max(0, s.start - pad), s.stop + pad) for s in box)
        share = ndimage.gaussian_filter((labels[wide] == number).astype(float), sigma)
        closer = share > best[wide]
        best[wide][closer] = share[closer]
        smooth[wide][closer] = number
    for number, box in enumerate(ndimage.find_objects(smooth), start=1):
        if box is not None:
            keep_largest(smooth[box], number)
    return smooth
