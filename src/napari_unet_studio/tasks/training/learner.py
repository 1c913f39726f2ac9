"""A network that learns: weights, optimiser, precision; one update at a time."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.losses import (
    get_loss,
    head_shares,
    over_heads,
    presence_loss,
)
from napari_unet_studio.core.networks.network import Heads, Network
from napari_unet_studio.tasks.device import memory_format, seeded
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.patches import Batch
from napari_unet_studio.tasks.training.precision import (
    TYPES,
    casting,
    exactly,
    training_precision,
)
from napari_unet_studio.tasks.training.team import Team

_CLIP = 1.0  # largest norm of the gradient
_DECAY = 1e-4  # of the weights, with AdamW
_MOMENTUM = 0.99  # Ronneberger et al. 2015
# What seeds of different steps, passes and processes are apart.
_SEEDS = 1_000_003, 7_919, 104_729


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Everything in a learner that changes, on the CPU.

    Parameters
    ----------
    weights
        State of the network.
    optimiser
        ``optimiser.state_dict()``.
    average
        Moving average of the weights, or None.
    scaler
        State of the gradient scaler; empty without one.
    """

    weights: Mapping[str, Tensor]
    optimiser: Mapping[str, Any]
    average: Mapping[str, Tensor] | None
    scaler: Mapping[str, Any]


class Learner:
    """The network of a training with its optimiser.

    Parameters
    ----------
    network
        With the weights to begin with; it is moved to the device.
    config
        Optimiser, loss, precision and so on.
    device
        Where to train.
    team
        The processes that share the training.
    precision
        Of an earlier part of the training, which "auto" goes on in; empty if there is
        none.
    """

    def __init__(
        self,
        network: Network,
        config: TrainConfig,
        device: str,
        team: Team,
        precision: str = "",
    ) -> None:
        ndim = network.spec.ndim
        self.config, self.device, self.team = config, device, team
        kind: str = config.precision
        if kind == "auto" and precision:
            kind = precision
        found = training_precision(kind, device, ndim)
        # What is faster is measured: one process decides for all.
        self.precision = TYPES[round(team.same(TYPES.index(found)))]
        self.layout = memory_format(device, ndim)
        network.to(device=device, memory_format=self.layout)  # type: ignore[call-overload]
        self.network = network
        self._called = team.joined(network, device)
        if config.compile:
            self._called.compile(dynamic=False)
        self._loss = get_loss(config.loss)
        self.optimiser = _optimiser(network, config, device)
        self.scaler = _scaler(device, self.precision)
        self._average: dict[str, Tensor] | None = None
        if config.ema:
            self._average = {k: t.clone() for k, t in network.state_dict().items()}

    # -- learning ---------------------------------------------------------------------

    def update(
        self, step: int, rate: float, batches: Iterable[Batch], total: int
    ) -> Tensor:
        """Do one weight update and return its loss, still on the device.

        Parameters
        ----------
        step
            Updates done before.
        rate
            Learning rate.
        batches
            The patches of this process, in as many passes as the memory wants.
        total
            Patches of all passes of this process.
        """
        self.network.train()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        losses, done = [], 0
        for number, batch in enumerate(batches):
            count = len(batch.images)
            done += count
            # Gradients are shared once, in the last pass.
            with self._shared(done == total), self._dropout(step, number):
                loss = self._loss_of(batch) * (count / total)
                # Each process sees the loss of all patches, and the gradients of its
                # own: the mean over processes is that of one process but for the size.
                scaled = self.scaler.scale(loss * self.team.size)
                with exactly(self.device, self.precision):
                    scaled.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.network.parameters(), _CLIP)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self._follow(step)
        return torch.stack(losses).sum()

    def recover(self) -> None:
        """Make ready to do an update again that memory did not suffice for."""
        self.optimiser.zero_grad(set_to_none=True)
        # The moments are made in the first update; half of them are as good as none.
        made = [set(values) for values in self.optimiser.state.values()]
        count = sum(1 for _ in self.network.parameters())
        if len(made) < count or any(names != made[0] for names in made):
            self.optimiser.state.clear()
        if self.scaler.is_enabled():  # it may wait for the rest of the update
            scale = self.scaler.state_dict()
            self.scaler = _scaler(self.device, self.precision)
            self.scaler.load_state_dict(scale)

    def _loss_of(self, batch: Batch) -> Tensor:
        with casting(self.device, self.precision):
            heads = self._forward(batch.images.to(memory_format=self.layout))
        team = self.team
        logits = [team.whole(head.float()) for head in heads.logits]
        target = team.whole(batch.target)
        weight_map = batch.weight_map
        if weight_map is not None:
            weight_map = team.whole(weight_map)
        shares = head_shares(self.config.head_weights, len(logits))
        loss = over_heads(self._loss, logits, target, weight_map, shares)
        if heads.presence is not None:
            loss = loss + presence_loss(team.whole(heads.presence.float()), target)
        return loss

    def _forward(self, x: Tensor) -> Heads:
        try:
            heads: Heads = self._called(x, every_head=True)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise ConfigError(
                f"Batch normalisation has nothing to average in a batch of {len(x)} "
                f"patch of {' x '.join(map(str, x.shape[2:]))} pixels. Choose a larger "
                "batch or patch, or a network without it."
            ) from error
        return heads

    def _follow(self, step: int) -> None:
        """Move the average of the weights towards the weights."""
        if self._average is None:
            return
        # The first weights are random: at first the average forgets quickly.
        keep = min(self.config.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                average = self._average[name]
                if average.is_floating_point():
                    average.lerp_(value, 1 - keep)
                else:
                    average.copy_(value)

    @contextmanager
    def _dropout(self, step: int, number: int) -> Iterator[None]:
        """Seed torch's own generator, from which dropout draws.

        By step, so that a resumed training repeats it, and put back afterwards, so that
        nobody else's numbers are disturbed.
        """
        by_seed, by_pass, by_rank = _SEEDS
        seed = self.config.seed * by_seed + step
        with seeded(self.device, seed + number * by_pass + self.team.rank * by_rank):
            yield

    def _shared(self, last: bool) -> AbstractContextManager[Any]:
        """Return the context of a pass: all but the last keep gradients to themselves.

        The loss of a pass is that of all processes, so each pass would be shared just
        as well, for more traffic.
        """
        if last or not isinstance(self._called, nn.parallel.DistributedDataParallel):
            return nullcontext()
        return self._called.no_sync()

    # -- what was learnt --------------------------------------------------------------

    def judged(self) -> Network:
        """Return the network that is validated and kept: the average, if there is one.

        It is a copy in that case, and otherwise goes on learning.
        """
        if self._average is None:
            return self.network
        network = copy.deepcopy(self.network)
        network.load_state_dict(self._average)
        return network

    def kept(self) -> dict[str, Tensor]:
        """Return the weights of :meth:`judged`, as a copy on the CPU."""
        weights = self._average or self.network.state_dict()
        return _copied(weights)

    def finite(self) -> bool:
        """Return whether all weights are numbers; waits for the device."""
        flags = [t.isfinite().all() for t in self.network.state_dict().values()]
        return bool(torch.stack(flags).all())

    def snapshot(self) -> Snapshot:
        """Return a copy of everything that changes."""
        state = self.optimiser.state_dict()
        moments = {
            number: {name: _plain(value) for name, value in values.items()}
            for number, values in state["state"].items()
        }
        return Snapshot(
            _copied(self.network.state_dict()),
            {"state": moments, "param_groups": copy.deepcopy(state["param_groups"])},
            None if self._average is None else _copied(self._average),
            dict(self.scaler.state_dict()),
        )

    def _laid_out(self, value: Any, number: int) -> Any:
        """Return a moment with the layout of its parameter, as fused optimisers want.

        They go through the memory of both alike, whatever the strides say.
        """
        if not isinstance(value, Tensor):
            return value
        parameter = list(self.network.parameters())[number]
        if value.shape != parameter.shape:
            return value.clone()
        return torch.empty_like(parameter, dtype=value.dtype).copy_(value)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot.

        Raises
        ------
        ValueError, KeyError, RuntimeError
            If it is that of another network or optimiser.
        """
        self.network.load_state_dict(snapshot.weights)
        moments = {
            number: {
                name: self._laid_out(value, number) for name, value in each.items()
            }
            for number, each in snapshot.optimiser["state"].items()
        }
        groups = copy.deepcopy(snapshot.optimiser["param_groups"])
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        if self._average is not None:
            average = snapshot.average or snapshot.weights
            for name, value in self._average.items():
                value.copy_(average[name])
        if snapshot.scaler:
            self.scaler.load_state_dict(dict(snapshot.scaler))


def _scaler(device: str, precision: str) -> torch.amp.GradScaler:
    """Return what keeps small gradients above zero in float16."""
    return torch.amp.GradScaler(device.split(":")[0], enabled=precision == "float16")


def _optimiser(
    network: nn.Module, config: TrainConfig, device: str
) -> torch.optim.Optimizer:
    # Known to the fused kernels; others take the usual ones.
    fused = device.split(":")[0] in ("cpu", "cuda") or None
    parameters, rate = network.parameters(), config.learning_rate
    if config.optimiser == "sgd":
        return torch.optim.SGD(parameters, rate, _MOMENTUM, fused=fused)
    return torch.optim.AdamW(parameters, rate, weight_decay=_DECAY, fused=fused)


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: t.detach().to("cpu", copy=True) for k, t in tensors.items()}


def _plain(value: Any) -> Any:
    return value.detach().to("cpu", copy=True) if isinstance(value, Tensor) else value
