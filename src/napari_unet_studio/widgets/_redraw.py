"""Objects anew from probabilities, the part on screen first; no Qt here."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import spatial_ndim
from napari_unet_studio.core.instances import ObjectConfig, label_objects
from napari_unet_studio.tasks.progress import Progress, ShouldStop

Index = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Part(Progress):
    """Labels of the part of an image that is on screen.

    Parameters
    ----------
    index
        Where the part lies in the image.
    labels
        Its objects.
    """

    index: Index = ()
    labels: NDArray[np.int32] | None = None

    @property
    def routine(self) -> bool:
        """False: each part has to be shown."""
        return False


def redraw(
    probability: NDArray[np.float32],
    objects: ObjectConfig,
    axes: str,
    spacing: Sequence[float],
    visible: Index,
    should_stop: ShouldStop,
) -> Generator[Progress, None, NDArray[np.int32] | None]:
    """Label the objects of a foreground probability, time point by time point.

    Parameters
    ----------
    probability
        Shape (*image axes).
    objects
        The settings.
    axes
        Names of the image axes, such as "TYX".
    spacing
        Pixel size of the spatial axes.
    visible
        Index of the time point, the section or both on screen; () if there is no such.
    should_stop
        Asked before each time point.

    Yields
    ------
    Progress
        First a :class:`Part` for what is on screen, then one record per time point. The
        part of a section is a preview: whether an object is too small, only its whole
        stack can tell.

    Returns
    -------
    ndarray of int32 or None
        All labels; None if stopped.
    """
    leading = probability.ndim - spatial_ndim(axes)
    if len(visible) > leading:
        preview = replace(objects, min_size=0)
        section = label_objects(probability[visible], preview, spacing[1:])
        yield Part(0, 1, "Finding objects", visible, section)
        if should_stop():
            return None
    if not leading:
        return label_objects(probability, objects, spacing)
    labels = np.empty(probability.shape, np.int32)
    shown = visible[:leading]
    frames = sorted(np.ndindex(*probability.shape[:leading]), key=lambda i: i != shown)
    for step, index in enumerate(frames, start=1):
        if should_stop():
            return None
        labels[index] = label_objects(probability[index], objects, spacing)
        what = (step, len(frames), "Finding objects")
        yield Part(*what, index, labels[index]) if index == shown else Progress(*what)
    return labels


def count_text(labels: NDArray[Any], axes: str) -> str:
    """Say how many objects there are; the ids of each time point are 1 to n.

    Examples
    --------
    >>> count_text(np.array([[1, 0, 2]]), "YX")
    '2 objects'
    >>> count_text(np.array([[[1, 0, 2]], [[0, 0, 1]]]), "TYX")
    '3 objects in 2 frames, at most 2 in one'
    """
    if "T" not in axes:
        return _objects(int(labels.max(initial=0)))
    each = labels.reshape(len(labels), -1).max(axis=1, initial=0)
    frames = f"{len(each)} frame{'s' * (len(each) != 1)}"
    return f"{_objects(int(each.sum()))} in {frames}, at most {each.max()} in one"


def _objects(count: int) -> str:
    return f"{count} object{'s' * (count != 1)}" if count else "no objects"
