"""What the channels of another program's answer mean, as far as it can be told."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.networks.foreign import Activation, ForeignSpec
from napari_unet_studio.io.bioimageio_steps import After

_FOREGROUND = re.compile(r"fore|nucle|cell|object|mask|prob|instance|inside", re.I)
_NOT = re.compile(r"back|bound|border|edge|contour|dist|membrane|outside", re.I)
_BACKGROUND = re.compile(r"back", re.I)


@dataclass(frozen=True)
class Meaning:
    """What an answer means.

    Parameters
    ----------
    activation
        What turns it into probabilities.
    channel
        The foreground; -1 takes all as classes.
    target, class_values
        As in :class:`.ModelCard`.
    notes
        What was assumed, in sentences.
    """

    activation: Activation
    channel: int = -1
    target: Literal["objects", "classes"] = "objects"
    class_values: tuple[int, ...] = (0, 1)
    notes: tuple[str, ...] = ()

    def spec(self, spec: ForeignSpec) -> ForeignSpec:
        """Return the spec of a network that answers so."""
        return replace(
            spec,
            activation=self.activation,
            channel=self.channel,
            num_classes=1 if self.channel >= 0 else spec.outputs,
        )


def meaning_of(
    output: NDArray[np.float32],
    after: After,
    names: Sequence[str],
    described: Mapping[str, Any],
) -> Meaning:
    """Tell what an answer means.

    Parameters
    ----------
    output
        The file's output (N, K, *S) for an image.
    after
        What the package does with it.
    names
        Of the channels; empty where they have none.
    described
        What the package says of the output.
    """
    count, notes = output.shape[1], []
    activation = after.activation
    if activation == "none" and not _are_probabilities(output, described):
        activation = "sigmoid" if count == 1 else "softmax"
        notes.append(
            "The package does not say how its output becomes probabilities; a "
            f"{activation} is assumed."
        )
    if count == 1:
        return Meaning(activation, notes=tuple(notes))
    sums = activation == "softmax"
    if activation == "none":
        sums = bool(np.abs(output.sum(axis=1) - 1).max() < 1e-3)
    named = ", ".join(name or f"number {n}" for n, name in enumerate(names))
    if sums and count > 2:
        return Meaning(activation, -1, "classes", tuple(range(count)), tuple(notes))
    if sums and not (_NOT.search(names[1]) and not _BACKGROUND.search(names[0])):
        return Meaning(activation, notes=tuple(notes))
    wanted = [n for n, name in enumerate(names) if not _NOT.search(name)]
    chosen = next((n for n in wanted if _FOREGROUND.search(names[n])), [*wanted, 0][0])
    notes.append(
        f"Of the {count} channels of its output ({named:.200}), number {chosen} is "
        "taken as the foreground, and the others are not used."
    )
    return Meaning(activation, chosen, notes=tuple(notes))


def answer_of(output: NDArray[np.float32], activation: Activation) -> NDArray[Any]:
    """Return the answer that an activation makes of an output (N, K, *S)."""
    values = output.astype(np.float64)
    if activation == "sigmoid":
        return 0.5 * (1 + np.tanh(values / 2))
    if activation == "softmax":
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    return values


def _are_probabilities(
    output: NDArray[np.float32], described: Mapping[str, Any]
) -> bool:
    data = described.get("data")
    stated = data.get("range") if isinstance(data, Mapping) else None
    stated = stated or described.get("data_range")
    if stated in ([0, 1], [0.0, 1.0]):
        return True
    least, most = float(output.min()), float(output.max())
    return least >= -1e-6 and most <= 1 + 1e-6
