"""Training as a task: yields losses, scores and previews, returns a model."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from napari_unet_studio.core.errors import ConfigError, InputError, StudioError
from napari_unet_studio.io.checkpoint import Checkpoint, load_checkpoint
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks.device import enough_memory, freed
from napari_unet_studio.tasks.progress import (
    Prepared,
    Progress,
    ShouldStop,
    TrainProgress,
    never,
    until,
)
from napari_unet_studio.tasks.train_config import AUTOMATIC_PATCH, TrainConfig
from napari_unet_studio.tasks.training.course import Course
from napari_unet_studio.tasks.training.dataset import digest, prepare
from napari_unet_studio.tasks.training.learner import Learner
from napari_unet_studio.tasks.training.origin import origin_of
from napari_unet_studio.tasks.training.pairs import Pair, channels_of, check_pairs
from napari_unet_studio.tasks.training.patches import PatchSource
from napari_unet_studio.tasks.training.sizes import smallest_object
from napari_unet_studio.tasks.training.survey import carved_gap, class_values, survey
from napari_unet_studio.tasks.training.team import Alone, Team
from napari_unet_studio.tasks.training.thumbnail import thumbnail_of

__all__ = ["TrainConfig", "TrainProgress", "train"]

# What a resumed training may have changed: how long, how it is watched, and where.
_FREE = ("updates", "epochs", "minutes", "validations", "patience", "device")

_REPEATED = ("command", "pairs")  # how to repeat a training


def train(
    pairs: Sequence[Pair],
    config: TrainConfig | None = None,
    *,
    name: str = "model",
    checkpoint: str | Path | None = None,
    resume: str | Path | None = None,
    should_stop: ShouldStop = never,
    team: Team | None = None,
    repeat: Mapping[str, Any] | None = None,
) -> Generator[Progress, None, Model | None]:
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
        Where to keep the state: every minute, at the end of each epoch, after each
        validation round and when stopped.
    resume
        A checkpoint to go on from. Data and settings must be those it was made with,
        but for device, budget and validation. If these are the same too, the result is
        that of an uninterrupted training, on a GPU up to rounding.
    should_stop
        Asked on the way of all preparations, before each update and before each frame
        of a validation. A stopped training returns what it has: the best network so
        far, or the last one without validation.
    team
        The processes that share the training; None is this one alone.
    repeat
        What the card is to say of how to repeat it, see :func:`.repetition`. A resumed
        training keeps what it was begun with unless there is something new.

    Yields
    ------
    Progress
        While preparing, then :class:`Prepared`, then one :class:`TrainProgress` per
        update.

    Returns
    -------
    Model or None
        None if it was stopped before everything was ready.

    Raises
    ------
    InputError
        If the pairs cannot be trained on, see :func:`.check_pairs` and
        :func:`.survey`.
    ConfigError
        If the network does not suit the images, or a checkpoint the settings.
    DeviceError
        If the device is absent or its memory too small.
    """
    config, team = config or TrainConfig(), team or Alone()
    device = team.device(config.device)
    # One of several processes must not leave alone: the others would wait for it.
    asked = should_stop if team.size == 1 else never
    used = check_pairs(pairs)
    origin = origin_of(config)
    channels = channels_of(used, origin.ndim)
    surveys = yield from until(asked, survey(used, config))
    if surveys is None:
        return None
    values = class_values(surveys, config)
    spacings = {pair.spacing and pair.spacing[-origin.ndim :] for pair in used}
    spacing = spacings.pop() if len(spacings) == 1 else None
    units = {pair.unit for pair in used}
    spec = origin.spec(channels, values, spacing)
    network, notes = origin.network(spec)
    data = yield from until(asked, _digests(used))
    if data is None:
        return None
    card = ModelCard(
        name=name,
        spec=spec,
        normalisation=origin.normalisation,
        target=config.target,
        class_values=values,
        spacing=spacing,
        unit=units.pop() if len(units) == 1 else "pixel",
        gap=carved_gap(surveys, config),
        description=_description(used, values, config),
        training={**(repeat or {}), **origin.about()},
        data=data,
        versions={p: version(p) for p in ("napari-unet-studio", "torch", "numpy")},
    )
    start = _resumed(resume, card, config) if resume is not None else None
    if start is not None:
        begun = start.model.card.training
        kept = {key: begun[key] for key in _REPEATED if key in begun}
        card = replace(card, training={**kept, **card.training})
    preparing = prepare(used, surveys, spec, card.normalisation, config, values)
    dataset = yield from until(asked, preparing)
    if dataset is None:
        return None
    dataset = dataset._replace(notes=(*notes, *dataset.notes))
    if config.target == "objects":
        masks = all(found.mask for found in surveys)
        least = smallest_object(dataset.train, masks)
        card = replace(card, min_size=card.min_size if least is None else least)
    yield Prepared(len(used), len(used), "Ready", dataset.held_out, dataset.notes)
    source = PatchSource(
        dataset.train,
        spec,
        config.patch or AUTOMATIC_PATCH[spec.ndim],
        config.batch * config.accumulate * team.size,
        config.augment,
        spacing,
        config.seed,
    )
    with (
        enough_memory(
            f"The memory of {device} does not suffice for this network. Choose a "
            "smaller network, or another device."
        ),
        freed(device),
    ):
        before = "" if start is None else _precision(start, device)
        learner = Learner(network, config, device, team, before)
        course = Course(card, config, dataset, source, learner, start, checkpoint)
        task = course.run(should_stop)
        del course, learner, network  # or the device's memory could not be freed
        model = yield from task
    if model is not None:
        # A picture is not worth losing a training for.
        with suppress(StudioError):
            model.thumbnail = thumbnail_of(dataset.validate or dataset.train)
    return model


def _digests(
    pairs: Sequence[Pair],
) -> Generator[Progress, None, tuple[dict[str, str], ...]]:
    """Return what pairs are known again by."""
    found = []
    for number, pair in enumerate(pairs, start=1):
        found.append(digest(pair))
        yield Progress(number, len(pairs), f"Reading {pair.name}")
    return tuple(found)


def _precision(start: Checkpoint, device: str) -> str:
    """Return the type in which a training went on so far, if it is on such a device."""
    training = start.model.card.training
    same = str(training.get("device", "")).split(":")[0] == device.split(":")[0]
    return str(training.get("precision", "")) if same else ""


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
            f"The checkpoint {path} belongs to other images or labels, to other roles "
            "of them, or to another model to start from; give those it was made with, "
            "in the same order, or start anew."
        )
    # A setting that did not exist then was what its default is now.
    before = _flat({**TrainConfig().to_dict(), **old.training.get("config", {})})
    for key, value in _flat(config.to_dict()).items():
        if key not in _FREE and before.get(key, value) != value:
            raise ConfigError(
                f"The checkpoint {path} was made with {key} = {before[key]!r}, not "
                f"{value!r}; use the same setting or start anew."
            )
    return start


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one table: "weights.sigma" and so on."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _origin(card: ModelCard) -> tuple[object, ...]:
    """Return what two cards have in common that were made of the same pairs."""
    pairs = [(data.get("role"), data.get("sha256")) for data in card.data]
    begun = card.training.get("start")
    return card.spec, card.spacing, card.class_values, pairs, begun
