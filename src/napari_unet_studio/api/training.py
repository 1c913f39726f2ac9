"""Training a network, taking a part of one, and telling how good it is."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from napari_unet_studio.core.config import Device
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.networks import unetpp
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.tasks.evaluate import Kind, scorer
from napari_unet_studio.tasks.progress import Progress, run
from napari_unet_studio.tasks.recipes import recipe
from napari_unet_studio.tasks.train import train as train_task
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.pair_files import read_pairs
from napari_unet_studio.tasks.training.pairs import Pair


def train(
    pairs: Sequence[Pair | tuple[Any, ...]],
    config: TrainConfig | Mapping[str, Any] | str | None = None,
    device: Device = "auto",
    resume: str | Path | None = None,
    callback: Callable[[Progress], object] | None = None,
    *,
    name: str = "model",
    checkpoint: str | Path | None = None,
) -> Model:
    """Train a network on labelled images.

    Parameters
    ----------
    pairs
        Tuples (image, labels) or (image, labels, role), or :class:`.Pair` to state axes
        and pixel size. An image has axes (T)(Z)YX; labels hold instance ids or classes,
        0 is background. Both may be arrays, files, or folders with files of the same
        names; what is large stays in its file, and is read patch by patch.
    config
        A :class:`.TrainConfig`, some of its fields as a dict, or the name of a recipe
        such as "quick look"; the default trains a small U-Net.
    device
        "auto", "cpu", "cuda" or "mps"; "auto" leaves the choice to `config`.
    resume
        A checkpoint to go on from, with the data and settings it was made with.
    callback
        Called with a progress record after each update.
    name
        Name of the model.
    checkpoint
        Where to keep the state on the way, so that the training can be resumed.

    Returns
    -------
    Model
        The best network on the held-out images. ``model.save("cells.unet")`` keeps it;
        ``model.card.scores`` says how good it is, empty if nothing could be held out.

    Raises
    ------
    StudioError
        If images, labels, settings, device or checkpoint cannot be used, with the
        remedy; see :mod:`napari_unet_studio.core.errors`.

    Examples
    --------
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> sample = SAMPLES["nuclei_2d"]()
    >>> model = train(
    ...     [(sample.image[128:256, 128:256], sample.labels[128:256, 128:256])],
    ...     {"updates": 2, "patch": 32, "batch": 1},
    ... )
    >>> model.card.training["updates"]
    2
    """
    if config is None:
        config = TrainConfig()
    elif isinstance(config, str):
        config = recipe(config)
    elif isinstance(config, Mapping):
        config = TrainConfig.from_dict(config)
    if device != "auto":
        config = replace(config, device=device)
    complete = [each for pair in pairs for each in _as_pairs(pair)]
    task = train_task(complete, config, name=name, checkpoint=checkpoint, resume=resume)
    model = run(task, callback)
    assert model is not None  # nobody stopped it
    return model


def _as_pairs(pair: Any) -> list[Pair]:
    if isinstance(pair, Pair):
        return [pair]
    if not isinstance(pair, tuple | list) or len(pair) not in (2, 3):
        raise InputError(
            f"Training takes a list of tuples (image, labels), but there is a "
            f"{type(pair).__name__} in it. Give [(image, labels)] for a single image."
        )
    files = [isinstance(part, str | Path) for part in pair[:2]]
    if all(files):
        return read_pairs(*pair)
    if any(files):
        raise InputError(
            "One of image and labels is a file and the other an array; give two files, "
            "or two arrays."
        )
    return [Pair(*pair)]


def prune(model: Model | str | Path, level: int, mode: unetpp.Mode = "fast") -> Model:
    """Return the part of a U-Net++ model that one of its heads needs.

    Parameters
    ----------
    model
        Trained with deep supervision; a model, the name of one or a file. It stays as
        it is.
    level
        1 to the number of heads: what the paper calls L1, L2, ...
    mode
        "fast" takes the answer of that head, "accurate" the average of the heads up to
        it.

    Raises
    ------
    ConfigError
        If the network is no U-Net++ with that head.

    Notes
    -----
    The scores in the card are those of the whole network, so the pruned model has none;
    see :func:`evaluate`.
    """
    whole = load_model(model)
    network = unetpp.prune(whole.network, level, mode)
    name = f"{whole.name}-L{level}"
    card = replace(whole.card, name=name, spec=network.spec, scores={})
    return Model(network, card, whole.thumbnail)


def evaluate(
    labels: ArrayLike,
    reference: ArrayLike,
    axes: str | None = None,
    connected: bool | None = None,
    *,
    kind: Kind = "objects",
    ignore: int | None = None,
) -> dict[str, float]:
    """Compare a segmentation with a reference.

    Parameters
    ----------
    labels, reference
        Instance ids of the same shape, 0 is background; or what `kind` says.
    axes
        Names of the axes, such as "TYX"; time points are compared one by one. By
        default all axes are spatial.
    connected
        Take the connected components of the reference as its objects. By default they
        are taken, with a warning, if it is a mask of several pieces under one id.
    kind
        "objects"; "classes", where each label is a class; or "membranes", where labels
        above 0 are cells and 0 is what parts them, scored plane by plane.
    ignore
        Of classes: label of the reference whose pixels do not count.

    Returns
    -------
    dict of float
        Undefined scores are absent. Of objects: "iou", "dice" and "pixel_error" of the
        foreground; "f1" and "average_precision" of objects matched at IoU 0.5, and
        "average_precision_0.6" to "average_precision_0.9"; "seg", the measure of the
        Cell Tracking Challenge, see :class:`.Seg`; "pairs_kept_apart", the share of
        touching reference pairs that stay two objects.

        Of classes: "pixel_error", "mean_iou" over all classes that occur, and "iou 64"
        of the class with the label 64.

        Of membranes: "pixel_error"; the means over planes of "rand_error", and of
        "v_rand" and "v_info" after the membranes of the segmentation were thinned, see
        :class:`.Partitions`; "warping_error" and its part "splits_and_mergers", see
        :class:`.Warping`.

    Raises
    ------
    InputError
        If the values are no whole numbers, shapes and axes do not fit, or an option
        does not belong to the kind.

    Examples
    --------
    >>> evaluate([[1, 1, 0, 2]], [[5, 5, 0, 7]])["f1"]
    1.0
    >>> evaluate([[0, 64, 64]], [[0, 0, 64]], kind="classes")["iou 64"]
    0.5
    """
    tally = scorer(kind, connected, ignore)
    tally.add(labels, reference, axes)
    for note in tally.notes:
        warnings.warn(note, stacklevel=2)
    return {name: value for name, value in tally.scores().items() if value == value}
