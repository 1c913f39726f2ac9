"""Goes through blocks and frames, and keeps the strongest feature maps."""

from collections.abc import Generator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.errors import ConfigError, DeviceError, InputError
from napari_unet_studio.core.networks.graph import Ref
from napari_unet_studio.core.networks.inside import node_outputs
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.tasks.device import enough_memory
from napari_unet_studio.tasks.executors import output_channels, probabilities_of
from napari_unet_studio.tasks.inspect_blocks import NodeGrid
from napari_unet_studio.tasks.memory import available_memory
from napari_unet_studio.tasks.progress import Progress, ShouldStop
from napari_unet_studio.tasks.sight import Looker, Sight

# Bytes of all channels that are kept until the strongest are known; of more, the chosen
# ones are computed once more.
_KEPT = 2**28
_OF_FREE = 0.8  # of the memory, what the maps may take

Numbers = Mapping[str, Sequence[int]]  # channels of each node


class Channel(NamedTuple):
    """One feature map.

    Parameters
    ----------
    node
        Name of its node.
    number
        Of the channel in it, from 0.
    strength
        Standard deviation of its values over the part of the image.
    """

    node: str
    number: int
    strength: float


class Strongest:
    """Computes the outputs of some nodes, and keeps the strongest channels of each.

    Parameters
    ----------
    card
        Of the model.
    nodes
        Of one pace.
    grid
        Their pixels.
    sight, looker
        What is looked at, and by what.
    heads
        Whether probabilities are wanted of logits.

    Attributes
    ----------
    maps, chosen
        What :meth:`choose` found: (K, *leading, *S) and which map each is.
    widths
        How many channels each node has.
    """

    def __init__(
        self,
        card: ModelCard,
        nodes: Mapping[str, Ref],
        grid: NodeGrid,
        sight: Sight,
        looker: Looker,
        heads: bool,
    ) -> None:
        self._card, self._nodes, self._grid = card, nodes, grid
        self._sight, self._looker, self._heads = sight, looker, heads
        widths = card.spec.graph.nodes
        self.widths = {
            name: output_channels(card) if heads else widths[ref].channels
            for name, ref in nodes.items()
        }
        self.chosen: list[Channel] = []
        self.maps = np.empty(0, np.float32)

    def choose(
        self, count: int, channels: Sequence[int] | None, should_stop: ShouldStop
    ) -> Generator[Progress, None, bool]:
        """Fill `maps` and `chosen`; False if stopped.

        Raises
        ------
        ConfigError
            If there is no such channel.
        InputError
            If the values are no numbers.
        DeviceError
            If there is too little memory.
        """
        every: Numbers = {name: range(n) for name, n in self.widths.items()}
        asked = every
        if channels is not None:
            self._check(channels)
            asked = {name: list(channels) for name in self._nodes}
        pixels = prod(self._sight.leading) * prod(self._grid.shape)
        keeps = asked is not every or 4 * pixels * _count(every) <= _KEPT
        maps = self._room(asked) if keeps else None
        sums = yield from self._go(asked, maps, should_stop)
        if sums is None:
            return False
        strengths = _strengths(asked, sums, pixels)
        wanted = asked
        if channels is None and not self._heads:
            limit = count or max(self.widths.values())
            wanted = {name: _first(strengths, name)[:limit] for name in every}
        if maps is None:
            maps = self._room(wanted)
            if (yield from self._go(wanted, maps, should_stop)) is None:
                return False
        elif wanted is not asked:
            places = {key: place for place, key in enumerate(strengths)}
            maps = maps[[places[n, c] for n, cs in wanted.items() for c in cs]]
        self.maps = maps
        self.chosen = [
            Channel(name, number, strengths[name, number])
            for name, numbers in wanted.items()
            for number in numbers
        ]
        return True

    def _check(self, channels: Sequence[int]) -> None:
        if not len(channels):
            raise ConfigError("No channel was named; name at least one.")
        for name, width in self.widths.items():
            wrong = [c for c in channels if not 0 <= c < width]
            if wrong:
                raise ConfigError(
                    f"The node {name!r} has no channel {wrong[0]}; choose from 0 to "
                    f"{width - 1}."
                )

    def _room(self, numbers: Numbers) -> NDArray[np.float32]:
        shape = (_count(numbers), *self._sight.leading, *self._grid.shape)
        needed, free = 4 * prod(shape), available_memory()
        remedy = "Choose fewer channels or a smaller part of the image."
        if needed > _OF_FREE * free:
            raise DeviceError(
                f"These feature maps take {needed / 1e9:.1f} GB of memory, but only "
                f"{free / 1e9:.1f} GB are free. {remedy}"
            )
        with enough_memory(f"There is too little memory for these maps. {remedy}"):
            return np.empty(shape, np.float32)

    def _go(
        self,
        numbers: Numbers,
        maps: NDArray[np.float32] | None,
        should_stop: ShouldStop,
    ) -> Generator[Progress, None, NDArray[np.float64] | None]:
        """Write the maps, if there are any; return sums and sums of squares."""
        blocks = self._grid.blocks
        total = prod(self._sight.leading) * len(blocks)
        sums = np.zeros((2, _count(numbers)))
        done = 0
        for place, index in self._sight.indices():
            windows = self._sight.windows(index)
            for block in blocks:
                if should_stop():
                    return None
                yield Progress(done, total, "Computing feature maps")
                found = self._answer(windows.window(block.read), block.crop, numbers)
                sums[0] += found.sum(axis=tuple(range(1, found.ndim)), dtype=float)
                sums[1] += [np.square(one, dtype=float).sum() for one in found]
                if maps is not None:
                    where: tuple[Any, ...] = (slice(None), *place, *block.place)
                    maps[where] = found
                done += 1
        yield Progress(done, total, "Computing feature maps")
        return sums

    @torch.inference_mode()
    def _answer(
        self, window: NDArray[np.float32], crop: Region, numbers: Numbers
    ) -> NDArray[np.float32]:
        looker = self._looker
        with (
            enough_memory(
                f"The memory of {looker.device} does not suffice for feature maps of a "
                f"window of {window.shape[1:]} pixels; choose a smaller part of the "
                "image, or the device cpu."
            ),
            looker.exact(),
        ):
            refs = list(dict.fromkeys(self._nodes.values()))
            outputs = node_outputs(looker.network, looker.given(window), refs)
            found: list[Tensor] = []
            for name, ref in self._nodes.items():
                output = outputs[ref][0]
                if self._heads:
                    output = probabilities_of(output, self._card)
                found.append(output[:, *crop][list(numbers[name])].float().cpu())
            return np.concatenate([tensor.numpy() for tensor in found])


def _first(strengths: Mapping[tuple[str, int], float], name: str) -> list[int]:
    """Return the channels of a node, the strongest first."""
    known = [
        (-value, number) for (node, number), value in strengths.items() if node == name
    ]
    return [number for _, number in sorted(known)]


def _count(numbers: Numbers) -> int:
    return sum(map(len, numbers.values()))


def _strengths(
    numbers: Numbers, sums: NDArray[np.float64], count: int
) -> dict[tuple[str, int], float]:
    """Return the standard deviation of each channel, in their order."""
    mean = sums[0] / count
    deviation = np.sqrt(np.maximum(0, sums[1] / count - mean**2))
    if not np.isfinite(deviation).all():
        raise InputError(
            "Feature maps of this network are not numbers: its weights are damaged, or "
            "grey values far outside the usual range. Choose another model, or clip "
            "such values, for example with numpy.clip."
        )
    names = [(name, number) for name, ns in numbers.items() for number in ns]
    return dict(zip(names, deviation.tolist(), strict=True))
