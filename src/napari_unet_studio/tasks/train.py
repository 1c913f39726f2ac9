"""Training as a task: yields losses, scores and previews, returns a model."""

import math
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_unet_studio.core.errors import (
    ConfigError,
    DeviceError,
    InputError,
    StudioError,
)
from napari_unet_studio.core.losses import LOSSES, over_heads
from napari_unet_studio.core.networks.catalog import NETWORKS, build, get_spec
from napari_unet_studio.io.checkpoint import (
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks.device import (
    autocast,
    choose_device,
    freed,
    is_out_of_memory,
    memory_format,
)
from napari_unet_studio.tasks.patches import Batch, PatchSource
from napari_unet_studio.tasks.predict import TileRunner
from napari_unet_studio.tasks.progress import Progress, ShouldStop, never
from napari_unet_studio.tasks.train_config import AUTOMATIC_PATCH, TrainConfig
from napari_unet_studio.tasks.training_data import (
    Dataset,
    Pair,
    channels_of,
    check_pairs,
    class_values,
    digest,
    prepare,
)
from napari_unet_studio.tasks.validate import (
    Judge,
    Preview,
    collapsed,
    predict_item,
    preview_of,
    selection_score,
)

VALIDATIONS = 20  # rounds in the course of a training
_REPORT = 10  # updates between two readings of the loss, which wait for the device
_WARM_UP = 0.05  # share of the updates in which the rate rises
_CLIP = 1.0  # largest norm of the gradient


@dataclass(frozen=True)
class TrainProgress(Progress):
    """One step of a training.

    Parameters
    ----------
    loss
        Mean loss since the last reading, where it was read.
    scores
        Scores on the validation frames, after a validation round.
    preview
        The first validation frame, after a validation round.
    seconds_left
        Estimated time to the end.
    """

    loss: float | None = None
    scores: Mapping[str, float] | None = None
    preview: Preview | None = None
    seconds_left: float | None = None

    @property
    def routine(self) -> bool:
        """Whether the record carries neither loss nor scores nor a preview."""
        return self.loss is None and self.scores is None and self.preview is None


@dataclass
class _State:
    """Where a training stands."""

    step: int
    best_score: float
    best_step: int
    scores: dict[str, float]
    history: list[dict[str, Any]]
    seconds: float


def train(
    pairs: Sequence[Pair],
    config: TrainConfig = TrainConfig(),
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
        Everything else.
    name
        Name of the model.
    checkpoint
        Where to keep the state after each validation round and when stopped.
    resume
        A checkpoint to go on from. Data and settings must be those it was made with,
        but for the number of updates; the result is that of an uninterrupted training.
    should_stop
        Asked before each update. A stopped training returns what it has: the best
        network so far, or the last one without validation.

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
    used = check_pairs(pairs)
    device = choose_device(config.device)
    values = class_values(used, config.target)
    spec = get_spec(
        config.network,
        in_channels=channels_of(used, NETWORKS[config.network].ndim),
        num_classes=1 if config.target == "objects" else len(values),
    )
    spacings = {pair.spacing for pair in used}
    spacing = spacings.pop() if len(spacings) == 1 else None
    spacing = None if spacing is None else spacing[-spec.ndim :]
    card = ModelCard(
        name=name,
        spec=spec,
        target=config.target,
        class_values=values,
        spacing=spacing,
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
    with freed(device):
        course = _Course(card, config, dataset, source, device, start)
        return (yield from course.run(checkpoint, should_stop))


class _Course:
    """The network, the optimiser and the state of one training."""

    def __init__(
        self,
        card: ModelCard,
        config: TrainConfig,
        dataset: Dataset,
        source: PatchSource,
        device: str,
        start: Checkpoint | None,
    ) -> None:
        self.card, self.config, self.device = card, config, device
        self.dataset, self.source = dataset, source
        self.layout = memory_format(device, card.spec.ndim)
        if start is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(config.seed)
                self.network = build(card.spec)
        else:
            self.network = start.model.network
        self.network.to(device=device, memory_format=self.layout)  # type: ignore[call-overload]
        self.optimiser = torch.optim.AdamW(self.network.parameters(), weight_decay=1e-4)
        self.best: dict[str, Tensor] | None = None
        self.state = _State(0, -math.inf, 0, {}, [], 0.0)
        if start is not None:
            self.optimiser.load_state_dict(start.optimiser)
            self.best = start.best
            self.state = _State(**start.state)

    def run(
        self, checkpoint: str | Path | None, should_stop: ShouldStop
    ) -> Generator[Progress, None, Model]:
        """Update the weights to the end, or until stopped."""
        total, state = self.config.updates, self.state
        every = max(1, total // VALIDATIONS)
        begun, first = time.monotonic(), state.step
        before = state.seconds
        losses: list[Tensor] = []
        while state.step < total and not should_stop():
            losses.append(self._update(self.source(state.step, self.device)))
            state.step += 1
            state.seconds = before + time.monotonic() - begun
            left = (state.seconds - before) / (state.step - first) * (total - state.step)
            loss = None
            if state.step % _REPORT == 0 or state.step in (1, total):
                loss = self._read(losses)
                losses.clear()
                state.history.append({"step": state.step, "loss": loss})
            yield TrainProgress(
                state.step, total, "Training", loss=loss, seconds_left=left
            )
            if state.step % every == 0 or state.step == total:
                scores, preview = yield from self._validate(total)
                if checkpoint is not None:
                    self._save(checkpoint)
                yield TrainProgress(
                    state.step, total, "Training", None, scores, preview, left
                )
        if checkpoint is not None and state.step < total:
            self._save(checkpoint)
        return self._model()

    def _update(self, batch: Batch) -> Tensor:
        """Do one weight update and return its loss, still on the device."""
        self.network.train()
        step, total = self.state.step, self.config.updates
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * _schedule(step, total)
        devices = [self.device] if self.device.startswith("cuda") else []
        try:
            # Dropout draws from torch's own generator: seeded by step, so that a resumed
            # training repeats it, and forked, so that nobody else's is disturbed.
            with torch.random.fork_rng(devices=devices):
                torch.manual_seed(self.config.seed * 1_000_003 + step)
                with autocast(self.device, self.config.precision):
                    x = batch.images.to(memory_format=self.layout)
                    heads = self.network(x, every_head=True)
                heads = [head.float() for head in heads]
                loss = over_heads(
                    LOSSES[self.config.loss], heads, batch.target, batch.weight_map
                )
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.network.parameters(), _CLIP)
            self.optimiser.step()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise DeviceError(
                f"The memory of {self.device} does not suffice for a batch of "
                f"{self.config.batch} patches of {self.source.input_shape} pixels. "
                "Choose a smaller batch, patch or network."
            ) from error
        return loss.detach()

    def _read(self, losses: list[Tensor]) -> float:
        loss = float(torch.stack(losses).mean())
        if not math.isfinite(loss):
            raise StudioError(
                f"The loss is no longer a number after {self.state.step} updates. Try a "
                "lower learning rate, or a network with batch normalisation."
            )
        return loss

    def _validate(
        self, total: int
    ) -> Generator[Progress, None, tuple[dict[str, float] | None, Preview | None]]:
        """Score the network on the held-out frames and remember it if it is the best."""
        state = self.state
        if not self.dataset.validate:
            return None, None
        runner = TileRunner(
            Model(self.network, self.card), self.device, self.config.precision
        )
        judge, preview = Judge(self.card), None
        for item in self.dataset.validate:
            probabilities = predict_item(runner, item)
            judge.add(item, probabilities)
            if preview is None:
                preview = preview_of(item, probabilities)
            yield TrainProgress(state.step, total, "Validating")
        scores = judge.scores()
        state.history.append({"step": state.step, **scores})
        # A network that gives one class everywhere is never the one to keep.
        score = -1.0 if collapsed(judge) else selection_score(scores)
        if score > state.best_score:
            state.best_score, state.best_step = score, state.step
            state.scores = scores
            self.best = {
                k: t.detach().cpu().clone() for k, t in self.network.state_dict().items()
            }
        return scores, preview

    def _save(self, path: str | Path) -> None:
        checkpoint = Checkpoint(
            Model(self.network, self._card()),
            self.best,
            self.optimiser.state_dict(),
            vars(self.state),
        )
        save_checkpoint(checkpoint, path)

    def _card(self) -> ModelCard:
        notes = list(self.dataset.notes)
        if self.best is not None and self.state.best_score < 0:
            notes.append(
                "The network predicts one class everywhere on the validation images: "
                "train longer, or check that the labels fit the images."
            )
        return replace(
            self.card,
            scores=dict(self.state.scores),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            training={
                "config": self.config.to_dict(),
                "updates": self.state.step,
                "best_update": self.state.best_step or self.state.step,
                "seconds": round(self.state.seconds, 1),
                "device": self.device,
                "history": self.state.history,
                "notes": notes,
            },
        )

    def _model(self) -> Model:
        """Return the best network, or the last one if none was measured."""
        network = build(self.card.spec)
        weights = self.best if self.best is not None else self.network.state_dict()
        network.load_state_dict({k: t.detach().cpu() for k, t in weights.items()})
        return Model(network.eval(), self._card())


def _schedule(step: int, total: int) -> float:
    """Rise linearly, then fall as a cosine to zero (Loshchilov and Hutter 2017)."""
    rise = max(1, round(_WARM_UP * total))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))


def _resumed(path: str | Path, card: ModelCard, config: TrainConfig) -> Checkpoint:
    """Load a checkpoint and make sure that it belongs to these data and settings."""
    start = load_checkpoint(path)
    old = start.model.card
    if [d["sha256"] for d in old.data] != [d["sha256"] for d in card.data]:
        raise InputError(
            f"The checkpoint {path} belongs to other images or labels; give those it was "
            "made with, in the same order, or start anew."
        )
    before, now = dict(old.training["config"]), config.to_dict()
    for key in ("updates", "device"):
        before.pop(key), now.pop(key)
    for key, value in now.items():
        if before.get(key) != value:
            raise ConfigError(
                f"The checkpoint {path} was made with {key} = {before.get(key)!r}, not "
                f"{value!r}; use the same setting or start anew."
            )
    return start
