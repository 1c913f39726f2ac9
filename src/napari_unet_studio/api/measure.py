"""Measuring objects."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from napari_unet_studio.core.axes import as_array
from napari_unet_studio.core.channels import pick_channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.measure import MeasureConfig
from napari_unet_studio.tasks.measure import ObjectTable
from napari_unet_studio.tasks.measure import measure as measure_task
from napari_unet_studio.tasks.progress import Progress, run


def measure(
    labels: Any,
    image: Any = None,
    *,
    axes: str | None = None,
    channel_axis: int | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    classes: Any = None,
    config: MeasureConfig | Mapping[str, Any] | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> ObjectTable:
    """Measure the objects of a segmentation.

    Parameters
    ----------
    labels
        Instance ids with the axes (T)(Z)YX, 0 is background; numpy, dask, zarr or HDF5.
        What is lazy is read block by block, so it may be of any size.
    image
        Intensities: an array of the shape of the labels, one with channels besides, or
        several such as ``{"dapi": dapi, "gfp": gfp}``, which name the columns.
    axes
        Names of the axes of the labels, such as "TYX"; by default all are spatial, of
        four the first is time.
    channel_axis
        Axis of `image` with channels, if any.
    spacing
        Size of a pixel along the spatial axes.
    unit
        Of the spacing; by default "um" if there is one, "pixel" if not.
    classes
        An image of classes, of the shape of the labels; the column "class" tells that
        of most pixels of each object.
    config
        A :class:`.MeasureConfig`, or some of its fields as a dict.
    callback
        Called with a progress record after each block.

    Returns
    -------
    ObjectTable
        A mapping of columns, see :func:`.columns_of`; ``table.to_csv("cells.csv")``
        writes them.

    Raises
    ------
    StudioError
        If labels, image or settings cannot be used, with the remedy.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([[1, 1, 0, 2]])
    >>> table = measure(labels, labels * 10, spacing=(0.5, 0.5))
    >>> table["area"].tolist(), table["mean intensity"].tolist()
    ([0.5, 0.25], [10.0, 20.0])
    >>> table.units["area"]
    'um^2'
    """
    if isinstance(config, Mapping):
        config = MeasureConfig.from_dict(config)
    if unit is None:
        unit = "pixel" if spacing is None else "um"
    task = measure_task(
        labels,
        _named(image, channel_axis),
        config,
        axes=axes,
        spacing=spacing,
        unit=unit,
        classes=classes,
    )
    table = run(task, callback)
    assert table is not None  # nobody stopped it
    return table


def _named(image: Any, channel_axis: int | None) -> dict[str, Any]:
    """Return images by name, one for each channel."""
    if image is None:
        return {}
    several = isinstance(image, Mapping)
    found: dict[str, Any] = {}
    for name, array in (image if several else {"intensity": image}).items():
        if channel_axis is None:
            found[name] = array
            continue
        array = as_array(array)
        if not -array.ndim <= channel_axis < array.ndim:
            raise InputError(
                f"An image of shape {tuple(array.shape)} has no axis {channel_axis} "
                "for channels; count its axes from 0."
            )
        for number in range(array.shape[channel_axis]):
            title = f"{name} {number}" if several else f"channel {number}"
            found[title] = pick_channel(array, channel_axis, number)
    return found
