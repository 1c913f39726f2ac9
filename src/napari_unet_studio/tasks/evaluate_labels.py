"""What label images have to be like to be compared, and what the objects of one are."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_unet_studio.core.axes import spatial_ndim
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics._arrays import as_pair, whole_numbers
from napari_unet_studio.tasks.training.targets import is_mask, split_pieces


def label_pair(
    labels: ArrayLike, reference: ArrayLike, axes: str | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return two label images as arrays.

    Raises
    ------
    InputError
        If the values are no whole numbers, or shapes and axes do not fit.
    """
    found, truth = as_pair(whole_numbers(labels), whole_numbers(reference))
    if not truth.ndim:
        raise InputError("Single numbers were given; compare images.")
    if axes is not None and len(axes) != truth.ndim:
        raise InputError(
            f"Labels of shape {truth.shape} cannot have the axes {axes!r}; name "
            "each of them."
        )
    return found, truth


@dataclass(frozen=True, eq=False)
class ReferenceObjects:
    """The objects of a reference.

    Parameters
    ----------
    labels
        Their ids, 0 is background.
    ignored
        Mask of the pixels that do not count; None counts all.
    said
        Whether components were taken where nobody asked for them and it makes a
        difference, so that a note has to tell.
    """

    labels: NDArray[Any]
    ignored: NDArray[np.bool_] | None = None
    said: bool = False


def reference_objects(
    truth: NDArray[Any],
    axes: str | None,
    connected: bool | None = None,
    split: float = 0.0,
    ignore: int | None = None,
    specks: int = 0,
) -> ReferenceObjects:
    """Decide what the objects of a reference are: its ids, or components of a mask.

    Parameters
    ----------
    truth
        Whole numbers, 0 is background.
    axes
        Names of the axes; components do not go through time. None takes all axes as
        spatial.
    connected, split, ignore, specks
        See :class:`.Tally`.

    Examples
    --------
    >>> reference_objects(np.array([[9, 9, 0, 9]]), "YX").labels.tolist()
    [[1, 1, 0, 2]]
    """
    ignored = None if ignore is None else truth == ignore
    if connected is False:
        return ReferenceObjects(truth, ignored)
    there = truth if ignored is None else np.where(ignored, 0, truth)
    if not connected and not (_one_id(there) and is_mask(there)):
        return ReferenceObjects(truth, ignored)
    labels = np.zeros(truth.shape, np.int32)
    small = np.zeros(truth.shape, np.bool_)
    time = 0 if axes is None else truth.ndim - spatial_ndim(axes)
    for index in np.ndindex(*truth.shape[:time]):
        labels[index] = split_pieces(there[index] > 0, split)
        if specks:
            few = np.bincount(labels[index].ravel()) < specks
            few[:1] = False
            small[index] = few[labels[index]]
    several = int(labels.max(initial=0)) > 1
    if specks:
        ignored = small if ignored is None else ignored | small
    return ReferenceObjects(labels, ignored, connected is None and several)


def _one_id(labels: NDArray[Any]) -> bool:
    """Whether all that is no background is alike, found without sorting."""
    ids = labels[labels != 0]
    return bool(ids.size) and bool((ids == ids[0]).all())
