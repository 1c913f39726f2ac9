"""The course of one training: updates, validation rounds, checkpoints."""

import math
from collections.abc import Generator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_unet_studio.core.errors import (
    ConfigError,
    ModelFileError,
    StorageError,
    StudioError,
)
from napari_unet_studio.core.losses import (
    get_loss,
    head_shares,
    over_heads,
    presence_loss,
)
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.network import Heads
from napari_unet_studio.io.checkpoint import Checkpoint, save_checkpoint
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks.device import autocast, memory_format, seeded
from napari_unet_studio.tasks.patches import Batch, PatchSource
from napari_unet_studio.tasks.progress import (
    Clock,
    Progress,
    ShouldStop,
    TrainProgress,
    never,
)
from napari_unet_studio.tasks.setup import judging_runner
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training_data import Dataset
from napari_unet_studio.tasks.validate import (
    Judge,
    collapsed,
    predict_item,
    preview_of,
    selection_score,
)

VALIDATIONS = 20  # rounds in the course of a training
_REPORT = 10  # updates between two readings of the loss, which wait for the device
_WARM_UP = 0.05  # share of the updates in which the rate rises
_CLIP = 1.0  # largest norm of the gradient


@dataclass
class State:
    """Where a training stands."""

    step: int
    best_score: float
    best_step: int
    scores: dict[str, float]
    history: list[dict[str, Any]]
    seconds: float
    pending: list[float] = field(default_factory=list)  # losses since the last reading


class Course:
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
        self.loss = get_loss(config.loss)
        self.layout = memory_format(device, card.spec.ndim)
        # On CPUs, torch 2.13 computes wrong gradients of small volumes in bfloat16.
        exact = device == "cpu" and card.spec.ndim == 3
        self.precision = "float32" if exact else config.precision
        if start is None:
            with seeded("cpu", config.seed):
                self.network = build(card.spec)
        else:
            self.network = start.model.network
        self.network.to(device=device, memory_format=self.layout)  # type: ignore[call-overload]
        self.optimiser = torch.optim.AdamW(self.network.parameters(), weight_decay=1e-4)
        self.clock = Clock()
        self.unsaved = ""
        self.best: dict[str, Tensor] | None = None
        self.state = State(0, -math.inf, 0, {}, [], 0.0)
        self._unread: list[Tensor] = []
        self._cap: int | None = None
        if start is not None:
            self._restore(start)

    def _restore(self, start: Checkpoint) -> None:
        try:
            self.optimiser.load_state_dict(start.optimiser)
            values = dict(start.state)
            if values["best_score"] is None:  # what JSON makes of minus infinity
                values["best_score"] = -math.inf
            self.state = State(**values)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"The checkpoint is damaged or of another version ({error}); start "
                "anew."
            ) from error
        self.best = start.best

    def run(
        self, checkpoint: str | Path | None, should_stop: ShouldStop
    ) -> Generator[Progress, None, Model]:
        """Update the weights to the end, or until stopped."""
        total, state = self.config.updates, self.state
        every = max(1, total // VALIDATIONS)
        first, before = state.step, state.seconds
        self.clock = Clock()
        if self._owes_round(every):
            news = yield from self._validate(should_stop)
            if news is not None:
                yield from self.clock.without(news)
        while state.step < total and not should_stop():
            self._unread.append(self._update(self.source(state.step, self.device)))
            state.step += 1
            spent = self.clock.seconds
            state.seconds = before + spent
            left = spent / (state.step - first) * (total - state.step)
            due = state.step % every == 0 or state.step == total
            loss = None
            if state.step % _REPORT == 0 or state.step in (1, total):
                loss = self._read()
            elif due:
                self._settle()
            yield from self.clock.without(
                TrainProgress(
                    state.step, total, "Training", loss=loss, seconds_left=left
                )
            )
            if not due:
                continue
            news = None
            if self.dataset.validate:
                last = state.step == total
                news = yield from self._validate(never if last else should_stop, left)
                if news is None:
                    break
            if checkpoint is not None:
                self._save(checkpoint)
            if news is not None:
                yield from self.clock.without(news)
        if first < state.step < total:
            self._settle()
            if checkpoint is not None:
                self._save(checkpoint)
        return self._model()

    def _update(self, batch: Batch) -> Tensor:
        """Do one weight update and return its loss, still on the device."""
        self.network.train()
        step, total = self.state.step, self.config.updates
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * _schedule(step, total)
        # Dropout draws from torch's own generator: seeded by step, so that a resumed
        # training repeats it, and put back, so that nobody else's is disturbed.
        with seeded(self.device, self.config.seed * 1_000_003 + step):
            with autocast(self.device, self.precision):
                heads = self._forward(batch.images.to(memory_format=self.layout))
            logits = [head.float() for head in heads.logits]
            shares = head_shares(self.config.head_weights, len(logits))
            loss = over_heads(self.loss, logits, batch.target, batch.weight_map, shares)
            if heads.presence is not None:
                loss = loss + presence_loss(heads.presence.float(), batch.target)
        self.optimiser.zero_grad(set_to_none=True)
        # Under autocast only the forward pass belongs; float32 is meant for both.
        exact = self.precision == "float32"
        with autocast(self.device, "float32") if exact else nullcontext():
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), _CLIP)
        self.optimiser.step()
        return loss.detach()

    def _forward(self, x: Tensor) -> Heads:
        try:
            heads: Heads = self.network(x, every_head=True)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise ConfigError(
                f"Batch normalisation has nothing to average in a batch of {len(x)} "
                f"patch of {' x '.join(map(str, x.shape[2:]))} pixels. Choose a larger "
                "batch or patch, or a network without it."
            ) from error
        return heads

    def _read(self) -> float:
        """Return the mean loss since the last reading, and note it."""
        self._settle()
        state = self.state
        loss = sum(state.pending) / len(state.pending)
        state.pending.clear()
        state.history.append({"step": state.step, "loss": loss})
        return loss

    def _settle(self) -> None:
        """Fetch the losses from the device, and make sure that all is finite."""
        losses = torch.stack(self._unread).tolist() if self._unread else []
        self._unread.clear()
        self.state.pending += losses
        weights = [p.isfinite().all() for p in self.network.parameters()]
        if not (all(map(math.isfinite, losses)) and bool(torch.stack(weights).all())):
            raise StudioError(
                f"The loss is no longer a number after {self.state.step} updates. Try "
                "a lower learning rate, or a network with batch normalisation."
            )

    def _owes_round(self, every: int) -> bool:
        """Return whether the training was stopped in the middle of a validation."""
        step = self.state.step
        due = bool(self.dataset.validate) and step > 0 and step % every == 0
        return due and not any(
            entry["step"] == step and "loss" not in entry
            for entry in self.state.history
        )

    def _validate(
        self, should_stop: ShouldStop, left: float | None = None
    ) -> Generator[Progress, None, TrainProgress | None]:
        """Score the network on the held-out frames; remember it if it is the best.

        Returns what to report, with `left` as the time left, or None if stopped.
        """
        state, total = self.state, self.config.updates
        judge, preview = Judge(self.card), None
        model = Model(self.network, self.card)
        with judging_runner(model, self.device, self.config.precision) as runner:
            runner.cap = self._cap or runner.cap
            for item in self.dataset.validate:
                if should_stop():
                    return None
                probabilities = predict_item(runner, item)
                judge.add(item, probabilities)
                if preview is None:
                    preview = preview_of(item, probabilities)
                yield from self.clock.without(
                    TrainProgress(state.step, total, "Validating")
                )
            self._cap = runner.cap
        scores = judge.scores()
        state.history.append({"step": state.step, **scores})
        # A network that gives one class everywhere is never the one to keep.
        score = -1.0 if collapsed(judge) else selection_score(scores)
        if score > state.best_score:
            state.best_score, state.best_step = score, state.step
            state.scores = scores
            weights = self.network.state_dict()
            self.best = {k: t.detach().cpu().clone() for k, t in weights.items()}
        return TrainProgress(state.step, total, "Training", None, scores, preview, left)

    def _save(self, path: str | Path) -> None:
        checkpoint = Checkpoint(
            Model(self.network, self._card()),
            self.best,
            self.optimiser.state_dict(),
            vars(self.state),
        )
        try:
            save_checkpoint(checkpoint, path)
            self.unsaved = ""
        except StorageError as error:
            # The training is worth more than the means to resume it.
            self.unsaved = f"The training cannot be resumed: {error}"

    def _card(self) -> ModelCard:
        notes = list(self.dataset.notes)
        if self.dataset.validate and self.best is None and self.state.step:
            notes.append(
                "Kept unmeasured, because the training was stopped before its first "
                "validation round was finished."
            )
        if self.best is not None and self.state.best_score < 0:
            notes.append(
                "The network predicts one class everywhere on the validation images: "
                "train longer, or check that the labels fit the images."
            )
        if self.unsaved:
            notes.append(self.unsaved)
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
        weights = self.best if self.best is not None else self.network.state_dict()
        with torch.device("meta"):
            network = build(self.card.spec)
        network.load_state_dict(
            {k: t.detach().cpu().contiguous() for k, t in weights.items()}, assign=True
        )
        return Model(network.eval(), self._card())


def _schedule(step: int, total: int) -> float:
    """Rise linearly, then fall as a cosine to zero (Loshchilov and Hutter 2017)."""
    rise = max(1, round(_WARM_UP * total))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))
