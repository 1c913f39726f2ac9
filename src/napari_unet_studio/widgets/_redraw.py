"""Objects anew from probabilities, the part on screen first; no Qt here."""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import spatial_ndim
from napari_unet_studio.core.instances import ObjectConfig, label_objects
from napari_unet_studio.core.linking import link_objects
from napari_unet_studio.tasks.progress import Progress, ShouldStop

Index = tuple[int | slice, ...]

_SOON = 2**20  # pixels whose gaps are closed within a frame or two
_REST = 0.15  # seconds: a slider that moves is faster
_AROUND = 64  # pixels around the field on screen: objects at its border are seen whole


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
    probability: NDArray[Any],
    objects: ObjectConfig,
    axes: str,
    spacing: Sequence[float],
    visible: Index | None,
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
        Index of the time point, the section or both on screen, then slices of the field
        on screen if that is a small part; () if there is no such. None shows nothing in
        advance, where all is there at once.
    should_stop
        Asked before each time point.

    Yields
    ------
    Progress
        First a :class:`Part` for what is on screen, then one record per time point. The
        part of a section is a preview: whether an object is too small, only its whole
        stack can tell. So is that of a field. Of a large plane, objects come with open
        gaps first, which are closed once the settings rest.

    Returns
    -------
    ndarray of int32 or None
        All labels; None if stopped.
    """
    leading = probability.ndim - spatial_ndim(axes)
    if visible is None:
        visible = ()
    elif len(visible) > leading:
        yield Part(
            0,
            1,
            "Finding objects",
            visible,
            _look(probability, objects, axes, spacing, visible),
        )
        if should_stop():
            return None
    elif _closes_slowly(probability, objects):
        quick = label_objects(probability, replace(objects, close_gaps=0), spacing)
        whole = (slice(None),) * probability.ndim
        yield Part(0, 1, "Finding objects", whole, quick)
        if not _rests(should_stop):
            return None
    if not leading:
        return label_objects(probability, objects, spacing)
    labels = np.empty(probability.shape, np.int32)
    shown = visible[:leading]
    linked = objects.link and "T" in axes
    frames = sorted(np.ndindex(*probability.shape[:leading]), key=lambda i: i != shown)
    for step, index in enumerate(frames, start=1):
        if should_stop():
            return None
        labels[index] = label_objects(probability[index], objects, spacing)
        what = (step, len(frames), "Finding objects")
        yield Part(*what, index, labels[index]) if index == shown else Progress(*what)
    return link_objects(labels, objects.link) if linked else labels


def _closes_slowly(probability: NDArray[Any], objects: ObjectConfig) -> bool:
    """Return whether a plane is found soon but for its gaps."""
    slow = objects.split or objects.smooth
    large = probability.ndim == 2 and probability.size > _SOON
    return large and bool(objects.close_gaps) and not slow


def _rests(should_stop: ShouldStop) -> bool:
    """Wait for other settings; return whether none came."""
    end = time.monotonic() + _REST
    while time.monotonic() < end:
        if should_stop():
            return False
        time.sleep(0.005)
    return True


def _look(
    probability: NDArray[Any],
    objects: ObjectConfig,
    axes: str,
    spacing: Sequence[float],
    visible: Index,
) -> NDArray[np.int32]:
    """Label the section or the field on screen, quickly."""
    place = tuple(at for at in visible if not isinstance(at, slice))
    field = [at for at in visible if isinstance(at, slice)]
    plane = probability[place]
    if probability.ndim - len(place) < spatial_ndim(axes):  # a section of a stack
        objects = replace(objects, min_size=0, max_size=0, border="keep")
    if not field:
        return label_objects(plane, objects, spacing[-2:])
    # What ends at the field goes on beyond it.
    objects = replace(objects, border="keep")
    starts = [max(at.start - _AROUND, 0) for at in field]
    around = tuple(
        slice(start, at.stop + _AROUND) for start, at in zip(starts, field, strict=True)
    )
    inner = tuple(
        slice(at.start - start, at.stop - start)
        for start, at in zip(starts, field, strict=True)
    )
    return label_objects(plane[around], objects, spacing[-2:])[inner]


def count_text(labels: NDArray[Any], axes: str) -> str:
    """Say how many objects there are, in each time point if there are several.

    Examples
    --------
    >>> count_text(np.array([[1, 0, 2]]), "YX")
    '2 objects'
    >>> count_text(np.array([[[1, 0, 2]], [[0, 0, 1]]]), "TYX")
    '3 objects in 2 frames, at most 2 in one'
    >>> count_text(np.zeros((2, 1, 3), int), "TYX")
    'no objects in any of 2 frames'
    """
    if "T" not in axes:
        return _objects(int(labels.max(initial=0)))
    # Linked ids have gaps, so the highest one is not the number.
    each = np.array([np.count_nonzero(np.bincount(t.ravel())[1:]) for t in labels])
    frames = f"{len(each)} frame{'s' * (len(each) != 1)}"
    if not each.any():
        return f"no objects in {'any of ' * (len(each) > 1)}{frames}"
    return f"{_objects(int(each.sum()))} in {frames}, at most {each.max()} in one"


def _objects(count: int) -> str:
    return f"{count} object{'s' * (count != 1)}" if count else "no objects"
