"""Many images through one model, from Python."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.io.folders import batch_items
from napari_unet_studio.io.manifest import results_in
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.tasks.batch import BatchConfig, BatchResult
from napari_unet_studio.tasks.batch import batch as batch_task
from napari_unet_studio.tasks.progress import Progress, run


def batch(
    images: str | Path | Sequence[str | Path],
    out: str | Path,
    model: Model | str | Path = "nuclei",
    config: BatchConfig | Mapping[str, Any] | None = None,
    *,
    objects: ObjectConfig | Mapping[str, Any] | None = None,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    channel: Channel | None = None,
    level: int = 0,
    region: Sequence[slice] | None = None,
    overwrite: bool = False,
    callback: Callable[[Progress], object] | None = None,
) -> BatchResult:
    """Predict the images of files, folders and patterns into a folder.

    What cannot be read or predicted is listed, and the rest goes on. Nothing is
    replaced unless `overwrite` says so. The same call again keeps what is done, so that
    it goes on where it was stopped or killed; ``batch.json`` in the folder is the
    record.

    Parameters
    ----------
    images
        One or several paths: files, zarr stores, folders, or patterns such as
        ``data/**/*.tif``; see :func:`.find_images`.
    out
        Folder of the results: for ``a.tif`` the labels ``a.tif``, or the store
        ``a.zarr``; and ``batch.json``.
    model
        A model, the name of one, or a ``.unet`` file.
    config
        A :class:`.BatchConfig`, or some of its fields as a dict.
    objects
        How probabilities become objects: an :class:`ObjectConfig`, or as a dict what
        differs from the settings of the model, which are the default.
    axes, spacing, unit
        Of all images, instead of what their files say; with "C" for the channels.
    channel
        Take this channel alone, by number, or "grey", the luminance of colours.
    level
        Resolution level of images that have several; 0 is the finest.
    region
        A slice for each axis but the channels: predict these pixels only.
    overwrite
        Replace files in the way. What is done already with the same settings is kept
        all the same; images are never replaced.
    callback
        Called with a progress record for each tile, and for each image that is
        finished: ``record.outcome``.

    Returns
    -------
    BatchResult
        An outcome for each image, with its file of labels, number of objects, or what
        went wrong.

    Raises
    ------
    StudioError
        If there are no images, model, settings, device or folder cannot be used, or the
        disk is full, with the remedy. What is done is kept.

    Examples
    --------
    >>> from napari_unet_studio.io.images import write_tiff
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> folder = getfixture("tmp_path")
    >>> for name in ("day 1", "day 2"):
    ...     image = SAMPLES["nuclei_2d"]().image[:128, :128]
    ...     _ = write_tiff(folder / "images" / f"{name}.tif", image, "YX")
    >>> _ = (folder / "images" / "day 3.tif").write_text("no image")
    >>> result = batch(folder / "images", folder / "found", "nuclei")
    >>> result
    <BatchResult: 2 done, 0 kept, 1 failed>
    >>> result.done[1].labels.name, result.done[1].objects > 5
    ('day 2.tif', True)
    >>> batch(folder / "images", folder / "found", "nuclei")
    <BatchResult: 0 done, 2 kept, 1 failed>
    """
    paths = [images] if isinstance(images, str | Path) else list(images)
    if isinstance(config, Mapping):
        config = BatchConfig.from_dict(config)
    loaded = load_model(model)
    if isinstance(objects, Mapping):
        usual = loaded.card.objects.to_dict()
        objects = ObjectConfig.from_dict(usual | dict(objects))
    out = Path(out)
    task = batch_task(
        batch_items(paths, results_in(out)),
        out,
        loaded,
        config,
        objects=objects,
        axes=axes,
        spacing=spacing,
        unit=unit,
        channel=channel,
        level=level,
        region=None if region is None else tuple(region),
        overwrite=overwrite,
        loaded_from="" if isinstance(model, Model) else str(model),
    )
    return run(task, callback)
