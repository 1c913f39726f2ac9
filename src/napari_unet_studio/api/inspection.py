"""Looking into a model: feature maps of its nodes, and what an answer rests on."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_unet_studio.core.networks.points import Node
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.tasks.inspect import FeatureMaps
from napari_unet_studio.tasks.inspect import feature_maps as maps_task
from napari_unet_studio.tasks.inspect_config import InspectConfig
from napari_unet_studio.tasks.progress import Progress, run
from napari_unet_studio.tasks.saliency import Saliency
from napari_unet_studio.tasks.saliency import saliency as saliency_task

Settings = InspectConfig | Mapping[str, Any] | None


def feature_maps(
    image: Any,
    model: Model | str | Path = "nuclei",
    node: Node = "heads",
    config: Settings = None,
    *,
    channels: Sequence[int] | None = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    spacing: Sequence[float] | None = None,
    region: Sequence[slice] | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> FeatureMaps:
    """Return what nodes of a network make of an image, the strongest channels first.

    Parameters
    ----------
    image
        Axes (T)(Z)YX and possibly channels; numpy, dask or zarr.
    model
        A model, the name of one, or a ``.unet`` file.
    node
        A part of the network by its name, such as "encoder.2" or "nodes.0.3", a single
        layer such as "encoder.2.0", or several names. "nodes.0" is all nodes X^{0,j} of
        a U-Net++. "heads" is the probabilities of all heads.
    config
        An :class:`InspectConfig`, or some of its fields as a dict: how many channels of
        each node (`count`), `pixel_size`, `device`.
    channels
        These channels of each node instead of the strongest.
    axes, channel_axis, spacing, region
        As in :func:`predict`. With a region the maps are those of the whole image, cut
        to the region.
    callback
        Called with a progress record for each block.

    Returns
    -------
    FeatureMaps
        Maps, shape ``(K, *S')`` and float32, at the resolution of the nodes, and where
        they lie on the image.

    Raises
    ------
    StudioError
        If image, model, node or device cannot be used, with the remedy.

    Examples
    --------
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> image = SAMPLES["nuclei_2d"]().image[:128, :160]
    >>> found = feature_maps(image, "nuclei", "encoder.2", {"count": 4})
    >>> found.maps.shape, found.step
    ((4, 32, 40), (4.0, 4.0))
    """
    task = maps_task(
        image,
        load_model(model),
        node,
        _configured(config),
        channels=channels,
        axes=axes,
        channel_axis=channel_axis,
        spacing=spacing,
        region=region,
    )
    found = run(task, callback)
    assert found is not None  # only a stopped task returns nothing
    return found


def saliency(
    image: Any,
    model: Model | str | Path = "nuclei",
    pixel: Sequence[int] = (0, 0),
    config: Settings = None,
    *,
    output: int | None = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    spacing: Sequence[float] | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Saliency:
    """Return how much each pixel of an image moves the answer at one of them.

    Parameters
    ----------
    image, model, axes, channel_axis, spacing
        As in :func:`predict`.
    pixel
        An index for each axis but the channels.
    config
        As in :func:`feature_maps`.
    output
        Channel of the logits; by default the foreground, or the most probable class.
    callback
        Called with a progress record.

    Returns
    -------
    Saliency
        The gradient of the logit over the pixels it depends on, and where these lie.

    Raises
    ------
    StudioError
        If image, model, pixel or device cannot be used, with the remedy.

    Examples
    --------
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> image = SAMPLES["nuclei_2d"]().image
    >>> found = saliency(image, "nuclei", (250, 130))
    >>> found.map.shape == found.gradient.shape[1:]
    True
    """
    task = saliency_task(
        image,
        load_model(model),
        pixel,
        _configured(config),
        output=output,
        axes=axes,
        channel_axis=channel_axis,
        spacing=spacing,
    )
    found = run(task, callback)
    assert found is not None  # only a stopped task returns nothing
    return found


def _configured(config: Settings) -> InspectConfig:
    if isinstance(config, Mapping):
        return InspectConfig.from_dict(config)
    return config or InspectConfig()
