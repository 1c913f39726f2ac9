"""What bioimage.io packages do to images before a network, and to answers after it."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.foreign import Activation

Refused = Callable[[str], Exception]
Step = tuple[str, Mapping[str, Any]]

_EPS = 1e-6  # of the standard's operations
_AXES = {"batch": "b", "channel": "c"}


@dataclass
class Before:
    """What preprocessing comes to.

    Parameters
    ----------
    rule
        How grey values become input.
    clip
        Limits of the values after that, or None.
    notes
        What is done in another way than the package says.
    """

    rule: Normalisation
    clip: tuple[float, float] | None = None
    notes: list[str] = field(default_factory=list)


@dataclass
class After:
    """What postprocessing comes to.

    Parameters
    ----------
    activation
        "none" where nothing turns the output into probabilities.
    threshold
        Of a binarisation, which is left to the user; None without.
    """

    activation: Activation = "none"
    threshold: float | None = None


def steps_of(values: Mapping[str, Any], key: str, refused: Refused) -> list[Step]:
    """Return names and settings of the pre- or postprocessing of a tensor."""
    steps = values.get(key) or []
    if not isinstance(steps, list):
        raise refused(f"its {key} is no list")
    found = []
    for step in steps:
        name = step.get("id", step.get("name")) if isinstance(step, Mapping) else None
        kwargs = (step.get("kwargs") or {}) if name else {}
        if not isinstance(name, str) or not isinstance(kwargs, Mapping):
            raise refused(f"a step of its {key} is {step!r:.60}")
        found.append((name, kwargs))
    return found


def before_of(steps: list[Step], space: str, channels: int, refused: Refused) -> Before:
    """Return what preprocessing comes to.

    Parameters
    ----------
    steps
        See :func:`steps_of`.
    space
        Letters of the spatial axes.
    channels
        Of the image.

    Raises
    ------
    ModelFileError
        By `refused`, for the step that cannot be done here, with its name.
    """
    gains, offsets = [1.0] * channels, [0.0] * channels
    found: Before | None = None
    clip: tuple[float, float] | None = None
    for name, kwargs in steps:
        what = f"the step {name} of its preprocessing"
        if name == "ensure_dtype":
            if not str(kwargs.get("dtype")).startswith("float"):
                raise refused(f"{what} makes {kwargs.get('dtype')!r:.40}")
            continue
        if clip is not None:
            raise refused(f"{what} comes after a clip")
        if name == "clip":
            clip = _limits(kwargs, what, refused)
            continue
        if found is not None:
            raise refused(f"{what} comes after one that measures the image")
        affine = _affine(name, kwargs, channels, what, refused)
        if affine is not None:
            more, shift = affine
            gains = [a * b for a, b in zip(gains, more, strict=True)]
            offsets = [a * b + c for a, b, c in zip(offsets, more, shift, strict=True)]
            continue
        if len(set(gains)) > 1 or min(gains) <= 0:
            raise refused(f"{what} comes after channels were scaled by {gains}")
        found = _measured(name, kwargs, gains[0], space, channels, what, refused)
    if found is None:
        rule = Normalisation(
            method="fixed",
            offsets=tuple(-b / a for a, b in zip(gains, offsets, strict=True)),
            scales=tuple(1 / a for a in gains),
        )
        found = Before(rule)
    found.clip = clip
    return found


def after_of(steps: list[Step], refused: Refused) -> After:
    """Return what postprocessing comes to.

    Raises
    ------
    ModelFileError
        By `refused`, for the step that cannot be done here, with its name.
    """
    found, clipped = After(), False
    for name, kwargs in steps:
        what = f"the step {name} of its postprocessing"
        if name == "ensure_dtype":
            continue
        if name == "clip":
            low, high = _limits(kwargs, what, refused)
            if low <= 0 and high >= 1:  # changes no probability, but may change logits
                clipped = True
                continue
        single = found.activation == "none" and found.threshold is None and not clipped
        if name == "sigmoid" and single:
            found.activation = "sigmoid"
        elif name == "softmax" and single:
            axis = kwargs.get("axis", "channel")
            if axis not in ("channel", "c"):
                raise refused(f"{what} is along {axis!r:.40}")
            found.activation = "softmax"
        elif name == "binarize" and found.threshold is None:
            level = kwargs.get("threshold")
            if not isinstance(level, int | float) or not 0 < level < 1:
                raise refused(f"{what} has the threshold {level!r:.40}")
            found.threshold = float(level)
        else:
            raise refused(f"{what} is not known here")
    return found


def _affine(
    name: str,
    kwargs: Mapping[str, Any],
    channels: int,
    what: str,
    refused: Refused,
) -> tuple[list[float], list[float]] | None:
    """Return gain and offset of each channel, None for steps of another kind."""
    if name == "scale_linear":
        gain = _each(kwargs.get("gain", 1.0), channels, what, refused)
        offset = _each(kwargs.get("offset", 0.0), channels, what, refused)
    elif name == "fixed_zero_mean_unit_variance" or (
        # Format 0.4 has it so if no mode is stated.
        name == "zero_mean_unit_variance"
        and kwargs.get("mode", "fixed" if "mean" in kwargs else "") == "fixed"
    ):
        eps = 0.0
        if name == "zero_mean_unit_variance":
            eps = _number(kwargs.get("eps", _EPS), what, refused)
        mean = _each(kwargs.get("mean"), channels, what, refused)
        std = _each(kwargs.get("std"), channels, what, refused)
        if min(std) <= 0:
            raise refused(f"{what} has the deviation {min(std)}")
        gain = [1 / (s + eps) for s in std]
        offset = [-m * g for m, g in zip(mean, gain, strict=True)]
    else:
        return None
    axis = kwargs.get("axis", "channel")
    if axis not in ("channel", "c", None) or 0 in gain:
        raise refused(f"{what} is along {axis!r:.40} with gain {gain}")
    return gain, offset


def _measured(
    name: str,
    kwargs: Mapping[str, Any],
    gain: float,
    space: str,
    channels: int,
    what: str,
    refused: Refused,
) -> Before:
    """Return a normalisation by the image's own values."""
    if name not in ("zero_mean_unit_variance", "scale_range"):
        raise refused(f"{what} is not known here")
    if kwargs.get("reference_tensor") is not None:
        raise refused(f"{what} measures another tensor")
    letters = _letters(kwargs.get("axes"), space, what, refused)
    eps = _number(kwargs.get("eps", _EPS), what, refused) / gain
    joint = "c" in letters and channels > 1
    notes = []
    if kwargs.get("mode") == "per_dataset" or "b" in letters:
        notes.append("Images are normalised one by one, not a whole set at once.")
    if name == "zero_mean_unit_variance":
        return Before(Normalisation("zscore", eps=eps, joint=joint), notes=notes)
    low = _number(kwargs.get("min_percentile", 0.0), what, refused)
    high = _number(kwargs.get("max_percentile", 100.0), what, refused)
    if not 0 <= low < high <= 100:
        raise refused(f"{what} has the percentiles {low} and {high}")
    rule = Normalisation("percentile", low, high, eps=eps, joint=joint)
    return Before(rule, notes=notes)


def _letters(axes: Any, space: str, what: str, refused: Refused) -> set[str]:
    """Return over which axes is measured."""
    if axes is None:
        return {"c", *space}
    if not isinstance(axes, str | list) or not all(isinstance(a, str) for a in axes):
        raise refused(f"{what} has the axes {axes!r:.60}")
    letters = {_AXES.get(axis, axis) for axis in axes}
    if letters - set("bc") != set(space):
        raise refused(
            f"{what} is along {', '.join(sorted(letters))}, not along all axes of an "
            "image"
        )
    return letters


def _limits(
    kwargs: Mapping[str, Any], what: str, refused: Refused
) -> tuple[float, float]:
    for key in ("min_percentile", "max_percentile"):
        if kwargs.get(key) is not None:
            raise refused(f"{what} has a {key}; only fixed limits are known here")
    largest = 1e29  # a limit that is not stated
    low, high = (
        sign * largest if value is None else _number(value, what, refused)
        for sign, value in ((-1, kwargs.get("min")), (1, kwargs.get("max")))
    )
    if not -largest <= low < high <= largest:
        raise refused(f"{what} has the limits {low} and {high}")
    return low, high


def _each(value: Any, channels: int, what: str, refused: Refused) -> list[float]:
    """Return a number for each channel."""
    values = list(_flat(value))
    if len(values) == 1:
        values *= channels
    if len(values) != channels:
        raise refused(f"{what} has {len(values)} values for {channels} channels")
    return [_number(v, what, refused) for v in values]


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _flat(each)
    else:
        yield value


def _number(value: Any, what: str, refused: Refused) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refused(f"{what} has the value {value!r:.40}")
    if not math.isfinite(value) or abs(value) > 1e30:
        raise refused(f"{what} has the value {value!r:.40}")
    return float(value)
