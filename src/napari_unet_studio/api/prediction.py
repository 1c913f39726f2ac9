"""Running a model over images: arrays in memory, or files of any size."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.ome_layout import Version
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.tasks.predict import PredictConfig, Prediction
from napari_unet_studio.tasks.predict import predict as predict_task
from napari_unet_studio.tasks.progress import Progress, run
from napari_unet_studio.tasks.stream import Mapper, StoredPrediction, serial
from napari_unet_studio.tasks.stream import predict_zarr as predict_zarr_task


def predict(
    image: Any,
    model: Model | str | Path = "nuclei",
    config: PredictConfig | Mapping[str, Any] | None = None,
    *,
    objects: ObjectConfig | Mapping[str, Any] | None = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    spacing: Sequence[float] | None = None,
    region: Sequence[slice] | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Prediction:
    """Predict an image, tile by tile, with mirrored borders.

    Parameters
    ----------
    image
        Axes (T)(Z)YX and possibly channels; numpy, dask or zarr. Axes beyond those of
        the network are looped over.
    model
        A model, the name of one, or a ``.unet`` file.
    config
        A :class:`PredictConfig`, or some of its fields as a dict.
    objects
        How probabilities become objects: an :class:`ObjectConfig`, or as a dict what
        differs from the settings of the model, which are the default.
    axes
        Names of the axes but the channels, such as "TYX"; by default "YX", "ZYX" or
        "TZYX" by their number.
    channel_axis
        Axis of `image` that holds channels.
    spacing
        Pixel size of the spatial axes. An array states no unit, so it is taken to be
        in that of the model's pixel size.
    region
        A slice for each axis but the channels: predict these pixels only, by what the
        network sees around them, so they come out as those of the whole image.
    callback
        Called with a progress record for each tile.

    Returns
    -------
    Prediction
        Probabilities (C, *S), classes and labels.

    Raises
    ------
    StudioError
        If image, model, settings or device cannot be used, with the remedy.

    Examples
    --------
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> sample = SAMPLES["nuclei_2d"]()
    >>> prediction = predict(sample.image[128:256, 128:256], "nuclei")
    >>> prediction.probabilities.shape, prediction.labels.dtype
    ((1, 128, 128), dtype('int32'))
    >>> part = predict(sample.image[:256, :256], region=(slice(64, 128), slice(0, 99)))
    >>> part.labels.shape
    (64, 99)
    """
    if isinstance(image, str | Path):
        raise InputError(
            f"An image in memory is expected, not the path {str(image)!r}; read it "
            "first, as with tifffile.imread, or use predict_zarr or batch, which take "
            "files."
        )
    model = load_model(model)
    task = predict_task(
        image,
        model,
        _configured(config),
        objects=_objects(objects, model),
        axes=axes,
        channel_axis=channel_axis,
        spacing=spacing,
        region=region,
    )
    prediction = run(task, callback)
    assert prediction is not None  # only a stopped task returns nothing
    return prediction


def predict_zarr(
    image: Any,
    out: str | Path,
    model: Model | str | Path = "nuclei",
    config: PredictConfig | Mapping[str, Any] | None = None,
    *,
    objects: ObjectConfig | Mapping[str, Any] | None = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    channel: Channel | None = None,
    spacing: Sequence[float] | None = None,
    unit: str = "pixel",
    level: int = 0,
    version: Version = "0.5",
    overwrite: bool = False,
    mapper: Mapper | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> StoredPrediction:
    """Predict an image of any size into an OME-Zarr store, block by block.

    The memory it takes depends on the blocks and, with some hundred bytes for each, on
    the number of objects, not on the image. What is done is kept: if it is interrupted
    or killed, the same call goes on from there.

    Parameters
    ----------
    image
        Path of a file or OME-Zarr image; or an array, numpy, dask or zarr.
    out
        Path of the result, ending in ".zarr".
    model, config, objects
        As in :func:`predict`.
    axes, channel_axis, spacing, unit
        Of an array; of a file, instead of what it says itself.
    channel
        Take this channel alone, by number, or "grey", the luminance of colours.
    level
        Resolution level of an image that has several; 0 is the finest.
    version
        Of OME-Zarr, "0.5" or "0.4".
    overwrite
        Start anew, and replace an earlier result once this one is finished.
    mapper
        Computes elsewhere, such as a :class:`.DaskMapper`; by default in this process.
    callback
        Called with a progress record for each tile or step.

    Returns
    -------
    StoredPrediction
        Where it is, the number of objects, and what there is to say.

    Raises
    ------
    StudioError
        If image, model, settings, device or place cannot be used, with the remedy.

    Examples
    --------
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> folder = getfixture("tmp_path")
    >>> stored = predict_zarr(SAMPLES["nuclei_2d"]().image, folder / "nuclei.zarr")
    >>> stored.name, stored.count > 100
    ('nuclei', True)
    >>> from napari_unet_studio.io.images import read_image
    >>> read_image(stored.path / "labels" / "nuclei").axes
    'YX'
    """
    model = load_model(model)
    task = predict_zarr_task(
        image,
        out,
        model,
        _configured(config),
        objects=_objects(objects, model),
        axes=axes,
        channel_axis=channel_axis,
        channel=channel,
        spacing=spacing,
        unit=unit,
        level=level,
        version=version,
        overwrite=overwrite,
        mapper=mapper or serial,
    )
    stored = run(task, callback)
    assert stored is not None  # only a stopped task returns nothing
    return stored


def segment(
    image: Any,
    model: Model | str | Path = "nuclei",
    config: PredictConfig | Mapping[str, Any] | None = None,
    *,
    objects: ObjectConfig | Mapping[str, Any] | None = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    spacing: Sequence[float] | None = None,
    region: Sequence[slice] | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> NDArray[np.int32]:
    """Return the labels of :func:`predict`, (*S) or of the region: ids, or classes.

    Examples
    --------
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> sample = SAMPLES["nuclei_2d"]()
    >>> labels = segment(sample.image[:256, :256])
    >>> bool(labels.max() > 10)
    True
    """
    return predict(
        image,
        model,
        config,
        objects=objects,
        axes=axes,
        channel_axis=channel_axis,
        spacing=spacing,
        region=region,
        callback=callback,
    ).labels


def _configured(config: PredictConfig | Mapping[str, Any] | None) -> PredictConfig:
    if isinstance(config, Mapping):
        return PredictConfig.from_dict(config)
    return config or PredictConfig()


def _objects(
    objects: ObjectConfig | Mapping[str, Any] | None, model: Model
) -> ObjectConfig | None:
    if isinstance(objects, Mapping):
        return ObjectConfig.from_dict(model.card.objects.to_dict() | dict(objects))
    return objects
