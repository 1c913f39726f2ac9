"""The course of one training: updates, validation rounds, setbacks."""

import math
import time
from collections.abc import Generator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from napari_unet_studio.core.errors import ModelFileError, StudioError
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.io.checkpoint import Checkpoint
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks.device import memory_taken
from napari_unet_studio.tasks.memory import kept_buffers
from napari_unet_studio.tasks.progress import (
    Progress,
    ShouldStop,
    TrainProgress,
    never,
)
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.dataset import Dataset
from napari_unet_studio.tasks.training.keeper import Keeper
from napari_unet_studio.tasks.training.learner import Learner, Snapshot
from napari_unet_studio.tasks.training.pace import Pace
from napari_unet_studio.tasks.training.patches import PatchSource
from napari_unet_studio.tasks.training.rounds import Rounds, Verdict
from napari_unet_studio.tasks.training.schedule import Plan, rate
from napari_unet_studio.tasks.training.state import State
from napari_unet_studio.tasks.training.steps import Steps

_REPORT = 10  # updates between two readings of the loss, which wait for the device
_SLOWER = 0.3  # of the rate, after a setback


class Course:
    """One training, from its first update or from a checkpoint.

    Parameters
    ----------
    card
        Of the model, but for what is learnt.
    config
        How to train.
    dataset
        Frames to fit and to judge by.
    source
        Of the patches of all processes.
    learner
        The network with its optimiser, new.
    start
        Where to go on.
    checkpoint
        Where to keep the state on the way.
    """

    def __init__(
        self,
        card: ModelCard,
        config: TrainConfig,
        dataset: Dataset,
        source: PatchSource,
        learner: Learner,
        start: Checkpoint | None = None,
        checkpoint: str | Path | None = None,
    ) -> None:
        self.card, self.config, self.dataset = card, config, dataset
        self.learner, self.team = learner, learner.team
        self.state = State(config.batch, source.patch)
        self.best: Mapping[str, Tensor] | None = None
        if start is not None:
            self._resume(start)
        pixels = sum(math.prod(item.shape) for item in dataset.train)
        seen = source.batch * math.prod(source.output_shape)
        self.pace = Pace(Plan.of(config, pixels, seen), self.state, self.team)
        # Of a longer budget, or of fewer rounds, fewer rounds are due by now.
        self.state.round = min(self.state.round, self.pace.round())
        source = replace(source, patch=self.state.patch)
        self.steps = Steps(learner, source, self.state.batch)
        self.rounds = Rounds(card, dataset.validate, learner)
        # Process 0 alone writes.
        self.keeper = Keeper(None if self.team.rank else checkpoint)
        self._unread: list[Tensor] = []
        self._good: tuple[State, Snapshot] | None = None
        self._busy = 0.0  # seconds in updates since the last reading

    def _resume(self, start: Checkpoint) -> None:
        weights = start.model.network.state_dict()
        snapshot = Snapshot(weights, start.optimiser, start.average, start.scaler)
        try:
            self.learner.restore(snapshot)
            self.state = State(**start.state)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"The checkpoint is damaged or of another version ({error}); start "
                "anew."
            ) from error
        self.best = start.best
        # Whoever goes on does not want it to end for the same reason at once.
        self.state.notes = [n for n in self.state.notes if n != self.state.ended]
        self.state.ended, self.state.stale = "", 0

    # -- the way ----------------------------------------------------------------------

    def run(self, should_stop: ShouldStop) -> Generator[Progress, None, Model]:
        """Update the weights to the end, or until stopped."""
        first = self.state.step
        self.pace.begin()
        with kept_buffers():
            self.steps.begin()
            try:
                self._remember()
                yield from self._train(should_stop)
                if self.state.step > first:
                    self._settle()
                    self._save()
            finally:
                self.steps.close()
        return self._model()

    def _train(self, should_stop: ShouldStop) -> Generator[Progress, None, None]:
        state = self.state
        if not (yield from self._validated(should_stop)):
            return
        while self.pace.share() < 1 and not state.ended:
            if self.team.agreed(should_stop()):
                return
            learning_rate = self._advance()
            last = self.pace.share() >= 1
            epoch = state.step % self.pace.plan.epoch == 0
            save = self.team.agreed(self.keeper.due(epoch))
            if state.step <= _REPORT or state.step % _REPORT == 0 or last:
                record = self._read(learning_rate)
            else:
                if save or self.pace.round_is_due():
                    self._settle()
                record = self.pace.record()
            yield from self.pace.without(record)
            if self.pace.round_is_due():
                if not (yield from self._validated(never if last else should_stop)):
                    return
                save = True
            if save:
                before = self.keeper.unsaved
                self._save()
                after = self.keeper.unsaved
                if after != before:
                    record = replace(self.pace.record(), unsaved=after)
                    yield from self.pace.without(record)

    def _advance(self) -> float:
        """Do an update and return its learning rate."""
        state, began = self.state, time.monotonic()
        factor = rate(self.pace.share(), self.config.schedule) * state.slower
        learning_rate = self.config.learning_rate * factor
        self._unread.append(self.steps.advance(state.step, learning_rate))
        self._busy += time.monotonic() - began
        state.step += 1
        self.pace.tell()
        # Told once, and kept in the checkpoint.
        state.notes += self.steps.notes
        self.steps.notes.clear()
        return learning_rate

    # -- losses and setbacks ----------------------------------------------------------

    def _read(self, learning_rate: float) -> TrainProgress:
        """Note the mean loss since the last reading, and return it in a record."""
        state = self.state
        if not self._settle():
            return self.pace.record()
        loss, count = sum(state.pending) / len(state.pending), len(state.pending)
        state.pending.clear()
        entry = {"step": state.step, "loss": loss, "learning_rate": learning_rate}
        state.history.append(entry)
        busy, self._busy = self._busy, 0.0
        patches = count * self.steps.source.batch
        return replace(
            self.pace.record(),
            loss=loss,
            learning_rate=learning_rate,
            patches_per_second=patches / busy if busy else None,
            memory=memory_taken(self.learner.device),
        )

    def _settle(self) -> bool:
        """Fetch the losses from the device; False if they sent the training back."""
        losses = torch.stack(self._unread).tolist() if self._unread else []
        self._unread.clear()
        numbers = [loss for loss in losses if math.isfinite(loss)]
        # A scaler leaves out updates that overflow float16, and learns from them.
        scaled = self.learner.scaler.is_enabled() and bool(numbers)
        good = (len(numbers) == len(losses) or scaled) and self.learner.finite()
        if self.team.agreed(not good):
            self._go_back()
            return False
        self.state.pending += numbers
        return True

    def _go_back(self) -> None:
        """Return to the last good state, more slowly; the second time for good."""
        assert self._good is not None
        reached, (past, snapshot) = self.state.step, self._good
        again = past.slower < 1
        self.learner.restore(snapshot)
        self._busy = 0.0
        past.notes += self.state.notes[len(past.notes) :]
        reason = f"The loss was no longer a number after {reached} updates"
        if again:
            past.ended = (
                f"{reason}, again: stopped. Try a lower learning rate, or a network "
                "with batch normalisation."
            )
            if not past.step:
                raise StudioError(past.ended)  # there is nothing to keep
            past.notes.append(past.ended)
        else:
            past.slower = _SLOWER
            past.notes.append(
                f"{reason}: the training went back to update {past.step}, and on at "
                f"{_SLOWER:g} of the rate."
            )
        vars(self.state).update(vars(past.copy()))

    def _remember(self) -> None:
        """Keep where the training stands, to go back to."""
        self.state.batch, self.state.patch = self.steps.batch, self.steps.source.patch
        self._good = self.state.copy(), self.learner.snapshot()

    # -- validation -------------------------------------------------------------------

    def _validated(self, should_stop: ShouldStop) -> Generator[Progress, None, bool]:
        """Do the validation round that is due; False if stopped on the way."""
        if not self.pace.round_is_due():
            return True
        if self.team.size > 1:  # each process has its own frames, and waits for others
            should_stop = never
        state = self.state
        verdict: Verdict | None = None
        if self.dataset.validate:
            judging = self.rounds.judge(self.learner.judged(), should_stop)
            while True:
                try:
                    next(judging)
                except StopIteration as done:
                    verdict = done.value
                    break
                yield from self.pace.without(self.pace.record("Validating"))
            if verdict is None:
                return False
        self.pace.tell()
        state.round = self.pace.round()
        if verdict is not None:
            self._weigh(verdict)
            record = self.pace.record()
            record = replace(record, scores=verdict.scores, preview=verdict.preview)
            yield from self.pace.without(record)
        return True

    def _weigh(self, verdict: Verdict) -> None:
        """Keep the network if it is the best, and give up if none was for long."""
        state = self.state
        state.history.append({"step": state.step, **verdict.scores})
        if state.best_score is None or verdict.score > state.best_score:
            state.best_score, state.best_step = verdict.score, state.step
            state.scores, state.threshold = verdict.scores, verdict.threshold
            state.stale = 0
            self.best = self.learner.kept()
            return
        state.stale += 1
        if self.config.patience and state.stale >= self.config.patience:
            state.ended = (
                f"Stopped after {state.step} updates: no better score in "
                f"{state.stale} validation rounds."
            )
            state.notes.append(state.ended)

    # -- what is kept -----------------------------------------------------------------

    def _save(self) -> None:
        """Remember the state, and write it where it is to be kept."""
        self._remember()
        assert self._good is not None
        state, snapshot = self._good
        checkpoint = Checkpoint(
            Model(self.learner.network, self._card()),
            self.best,
            snapshot.optimiser,
            asdict(state),
            snapshot.average,
            snapshot.scaler,
        )
        self.keeper.save(checkpoint)

    def _card(self) -> ModelCard:
        state = self.state
        notes = [
            *self.dataset.notes,
            *state.notes,
            *state.doubts(bool(self.dataset.validate)),
        ]
        about = {
            "config": self.config.to_dict(),
            "finished": bool(state.ended) or self.pace.share() >= 1,
            "device": self.learner.device,
            "precision": self.learner.precision,
            "processes": self.team.size,
            "notes": notes + [self.keeper.unsaved] * bool(self.keeper.unsaved),
        }
        return state.card(self.card, about)

    def _model(self) -> Model:
        """Return the best network, or the last one if none was measured."""
        weights = self.best if self.best is not None else self.learner.kept()
        with torch.device("meta"):
            network = build(self.card.spec)
        whole = {name: tensor.contiguous() for name, tensor in weights.items()}
        network.load_state_dict(whole, assign=True)
        return Model(network.eval(), self._card())
