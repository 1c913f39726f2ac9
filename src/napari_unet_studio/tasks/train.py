"""Training as a task: yields losses, scores and previews, returns a model."""

from collections.abc import Generator, Sequence
from importlib.metadata import version
from pathlib import Path

from napari_unet_studio.core.errors import ConfigError, InputError
from napari_unet_studio.core.networks.catalog import NETWORKS, get_spec
from napari_unet_studio.io.checkpoint import Checkpoint, load_checkpoint
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks.course import Course
from napari_unet_studio.tasks.device import choose_device, enough_memory, freed
from napari_unet_studio.tasks.patches import PatchSource
from napari_unet_studio.tasks.progress import (
    Progress,
    ShouldStop,
    TrainProgress,
    never,
)
from napari_unet_studio.tasks.train_config import (
    AUTOMATIC_PATCH,
    TrainConfig,
    chosen_network,
)
from napari_unet_studio.tasks.training_data import (
    Pair,
    carved_gap,
    channels_of,
    check_pairs,
    class_values,
    digest,
    prepare,
)

__all__ = ["TrainConfig", "TrainProgress", "train"]


def train(
    pairs: Sequence[Pair],
    config: TrainConfig | None = None,
    *,
    name: str = "model",
    checkpoint: str | Path | None = None,
    resume: str | Path | None = None,
    should_stop: ShouldStop = never,
) -> Generator[Progress, None, Model]:
    """Train a network on labelled images.

    Parameters
    ----------
    pairs
        Images with labels and roles.
    config
        Everything else; None is the default.
    name
        Name of the model.
    checkpoint
        Where to keep the state after each validation round and when stopped.
    resume
        A checkpoint to go on from. Data and settings must be those it was made with,
        but for device and number of updates. If these are the same too, the result is
        that of an uninterrupted training, on a GPU up to rounding.
    should_stop
        Asked before each update and each frame of a validation. A stopped training
        returns what it has: the best network so far, or the last one without
        validation.

    Yields
    ------
    Progress
        While preparing, then one :class:`TrainProgress` per update.

    Raises
    ------
    InputError
        If the pairs cannot be trained on, see :func:`.check_pairs`.
    ConfigError
        If the network does not suit the images, or a checkpoint the settings.
    DeviceError
        If the device is absent or its memory too small.
    """
    config = config or TrainConfig()
    used = check_pairs(pairs)
    device = choose_device(config.device)
    values = class_values(used, config.target)
    ndim = NETWORKS[config.network].ndim
    spacings = {pair.spacing and pair.spacing[-ndim:] for pair in used}
    spacing = spacings.pop() if len(spacings) == 1 else None
    spec = get_spec(
        chosen_network(config, spacing),
        in_channels=channels_of(used, ndim),
        num_classes=1 if config.target == "objects" else len(values),
    )
    card = ModelCard(
        name=name,
        spec=spec,
        target=config.target,
        class_values=values,
        spacing=spacing,
        gap=carved_gap(used, config.weights, config.target),
        description=_description(used, values, config),
        data=tuple(digest(pair) for pair in used),
        versions={p: version(p) for p in ("napari-unet-studio", "torch", "numpy")},
    )
    start = _resumed(resume, card, config) if resume is not None else None
    preparing = prepare(
        used,
        spec,
        card.normalisation,
        config.weights,
        config.target,
        values,
        config.hold_out,
        config.seed,
    )
    dataset = yield from preparing
    source = PatchSource(
        dataset.train,
        spec,
        config.patch or AUTOMATIC_PATCH[spec.ndim],
        config.batch,
        config.augment,
        spacing,
        config.seed,
    )
    with (
        enough_memory(
            f"The memory of {device} does not suffice for a batch of {config.batch} "
            f"patches of {' x '.join(map(str, source.input_shape))} pixels. Choose a "
            "smaller batch, patch or network."
        ),
        freed(device),
    ):
        course = Course(card, config, dataset, source, device, start)
        task = course.run(checkpoint, should_stop)
        del course  # or the device's memory could not be freed
        return (yield from task)


def _description(
    pairs: Sequence[Pair], values: Sequence[int], config: TrainConfig
) -> str:
    """Say what a model was trained on, in a line for the card."""
    count = sum(pair.role == "train" for pair in pairs)
    images = f"{count} image{'s' * (count > 1)}"
    learned = "objects" if config.target == "objects" else f"{len(values)} classes"
    return f"Trained on {images}, {learned}"


def _resumed(path: str | Path, card: ModelCard, config: TrainConfig) -> Checkpoint:
    """Load a checkpoint and make sure that it belongs to these data and settings."""
    start = load_checkpoint(path)
    old = start.model.card
    if _origin(old) != _origin(card):
        raise InputError(
            f"The checkpoint {path} belongs to other images or labels, or to other "
            "roles of them; give those it was made with, in the same order, or start "
            "anew."
        )
    # A setting that did not exist then was what its default is now.
    before = {**TrainConfig().to_dict(), **old.training.get("config", {})}
    now = config.to_dict()
    for key, value in now.items():
        if key not in ("updates", "device") and before.get(key) != value:
            raise ConfigError(
                f"The checkpoint {path} was made with {key} = {before.get(key)!r}, not "
                f"{value!r}; use the same setting or start anew."
            )
    return start


def _origin(card: ModelCard) -> tuple[object, ...]:
    """Return what two cards have in common that were made of the same pairs."""
    pairs = [(data.get("role"), data.get("sha256")) for data in card.data]
    return card.spec, card.spacing, card.class_values, pairs
