"""Training a network, and taking a part of one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_unet_studio.core.config import Device
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.networks import unetpp
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.registry import load_model
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
    see :func:`.evaluate`.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.kron(np.eye(4, dtype=int), np.ones((16, 16), int))
    >>> settings = {"network": "unet++-16", "updates": 1, "patch": 32, "batch": 1}
    >>> model = train([(labels * 100.0, labels)], settings, device="cpu", name="cells")
    >>> prune(model, 1).name
    'cells-L1'
    """
    whole = load_model(model)
    network = unetpp.prune(whole.drawn, level, mode)
    name = f"{whole.name}-L{level}"
    card = replace(whole.card, name=name, spec=network.spec, scores={})
    return Model(network, card, whole.thumbnail)
