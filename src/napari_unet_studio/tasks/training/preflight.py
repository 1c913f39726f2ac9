"""The check before a training: what is wrong or doubtful, and what it will take."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from math import prod
from typing import NamedTuple

from napari_unet_studio.core.axes import as_array, spatial_ndim
from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.tasks.device import choose_device, is_out_of_memory
from napari_unet_studio.tasks.progress import Progress, ShouldStop, never
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.expected import (
    Expected,
    Workload,
    expectation,
    tried,
)
from napari_unet_studio.tasks.training.findings import Finding, changed, finding_of
from napari_unet_studio.tasks.training.holding_out import JUDGED
from napari_unet_studio.tasks.training.origin import Origin, origin_of
from napari_unet_studio.tasks.training.pairs import (
    Pair,
    Role,
    channels_of,
    check_pairs,
    frames_of,
)
from napari_unet_studio.tasks.training.preflight_budget import (
    about_device,
    about_memory,
    about_time,
    about_validation,
)
from napari_unet_studio.tasks.training.preflight_images import about_images
from napari_unet_studio.tasks.training.preflight_labels import about_labels, of_role
from napari_unet_studio.tasks.training.preflight_look import Look, look_at
from napari_unet_studio.tasks.training.preflight_network import (
    about_network,
    about_planes,
)
from napari_unet_studio.tasks.training.survey import class_values

_FLAT = "unet-16"  # a network for 2D images
_ORDER = ("error", "doubt", "note")


class Preflight(NamedTuple):
    """What was found before a training.

    Parameters
    ----------
    findings
        Errors first, then doubts, then notes.
    expected
        Time and memory; None where errors leave nothing to try.
    """

    findings: tuple[Finding, ...]
    expected: Expected | None

    @property
    def passed(self) -> bool:
        """Whether the training can start: there are no errors."""
        return not any(finding.kind == "error" for finding in self.findings)


def preflight(
    pairs: Sequence[Pair],
    config: TrainConfig | None = None,
    *,
    should_stop: ShouldStop = never,
) -> Generator[Progress, None, Preflight | None]:
    """Look for what is wrong or doubtful about a training, without training.

    Small images and labels are looked at as a whole, large ones that are not in memory
    in parts, so that it takes seconds. Bad data are reported and raise nothing.

    Parameters
    ----------
    pairs
        Images with labels and roles.
    config
        Everything else; None is the default.
    should_stop
        Asked between pairs; a stopped check returns None.

    Yields
    ------
    Progress
        Before each pair is looked at, and before the trial of the network.
    """
    config = config or TrainConfig()
    total = len(pairs) + 1
    yield Progress(0, total, "Checking the images")
    used, findings = _checked(pairs)
    origin: Origin | None = None
    try:
        origin = origin_of(config)
        findings += about_device(config, origin.ndim)
        used, misfits = _fitting(used, origin.ndim, config)
        findings += misfits
    except StudioError as error:
        findings.append(finding_of(error, {"start": ""}))
    looks: list[Look] = []
    for number, pair in enumerate(used):
        if should_stop():
            return None
        yield Progress(number, total, f"Looking at {pair.name}")
        try:
            ndim = origin.ndim if origin is not None else 2
            looks.append(look_at(pair, ndim, config, len(used)))
        except Exception as error:  # noqa: BLE001 - whatever reading a file may raise
            findings.append(_unreadable(error, pair))
    if should_stop():
        return None
    findings += about_images(looks, config)
    expected = None
    if of_role(looks, "train"):
        findings += about_labels(looks, config)
        if origin is not None:
            yield Progress(total - 1, total, "Trying the network")
            more, expected = _tried(looks, origin, config)
            findings += more
    unique = {(finding.kind, finding.text): finding for finding in findings}
    found = sorted(unique.values(), key=lambda finding: _ORDER.index(finding.kind))
    return Preflight(tuple(found), expected)


def _checked(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Finding]]:
    """Return the pairs in use that can be looked at, and what is wrong with others."""
    used, findings = [], []
    for number, pair in enumerate(pairs, start=1):
        named = replace(pair, name=pair.name or f"pair {number}")
        if named.role == "off":
            continue
        try:
            role: Role = "train" if named.role == "validate" else named.role
            (checked,) = check_pairs([replace(named, role=role)])
            used.append(replace(checked, role=named.role))
        except StudioError as error:
            finding = finding_of(error)
            if _coloured(named):
                finding = replace(
                    finding,
                    remedy="If the last axis of the image holds its channels, say so: "
                    "channel_axis = -1.",
                )
            findings.append(finding)
        except Exception as error:  # noqa: BLE001 - anything may stand for an image
            findings.append(_unreadable(error, named))
    if not any(pair.role == "train" for pair in pairs):
        try:
            check_pairs([])
        except StudioError as error:
            findings.append(finding_of(error))
    return used, findings


def _coloured(pair: Pair) -> bool:
    """Return whether the image has an axis more than the labels, for channels."""
    shape, labels = as_array(pair.image).shape, as_array(pair.labels).shape
    return pair.channel_axis is None and tuple(shape[:-1]) == tuple(labels)


def _unreadable(error: Exception, pair: Pair) -> Finding:
    if isinstance(error, StudioError):
        return finding_of(error)
    reason = str(error).strip().rstrip(".") or type(error).__name__
    return Finding(
        "error",
        f"The pair {pair.name!r} cannot be read: {reason:.200}.",
        "Check that image and labels are arrays of numbers and their files are still "
        "there, or set its role to off.",
    )


def _fitting(
    pairs: Sequence[Pair], ndim: int, config: TrainConfig
) -> tuple[list[Pair], list[Finding]]:
    """Return the pairs whose axes suit the network, and what is wrong with others."""
    used, findings = [], []
    for pair in pairs:
        try:
            frames_of(pair, ndim)
            used.append(pair)
        except StudioError as error:
            flat = spatial_ndim(frames_of(pair, 2).axes) < ndim
            changes = {"network": _FLAT} if flat and not config.start else {}
            findings.append(finding_of(error, changes))
    if used:
        try:
            channels_of(used, ndim)
        except StudioError as error:
            findings.append(finding_of(error))
    return used, findings


def _tried(
    looks: Sequence[Look], origin: Origin, config: TrainConfig
) -> tuple[list[Finding], Expected | None]:
    """Return what is found about the network, and what a trial of it says."""
    train = of_role(looks, "train")
    pairs = [look.pair for look in looks]
    try:
        channels = channels_of(pairs, origin.ndim)
        values = class_values([look.survey for look in looks], config)
    except StudioError:
        return [], None  # which is known by now
    spacings = {pair.spacing and pair.spacing[-origin.ndim :] for pair in pairs}
    spacing = spacings.pop() if len(spacings) == 1 else None
    try:
        spec = origin.spec(channels, values, spacing)
    except StudioError as error:
        return [finding_of(error, {"start": ""})], None
    shapes = tuple(look.frames.shape for look in train)
    work = Workload(spec, shapes, sum(look.pixels for look in train), 0, spacing)
    findings = list(about_validation(looks, work, config))
    if not findings:
        work = _judging(looks, work, config)
    findings += about_network(train, work, config)
    findings += about_planes(looks, work, config)
    # What was found wrong with these is known, and hinders nobody to try the rest.
    usable = config
    for finding in about_device(config, spec.ndim):
        usable = changed(usable, finding.changes)
    try:
        device = choose_device(usable.device)
        trial = tried(work, usable, device)
    except StudioError as error:
        return [*findings, finding_of(error)], None
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return [*findings, *about_memory(None, work, config, device)], None
    found = expectation(trial, work, usable, device)
    findings += about_memory(trial, work, usable, device)
    findings += about_time(found, config)
    return findings, found


def _judging(looks: Sequence[Look], work: Workload, config: TrainConfig) -> Workload:
    """Return the work with the pixels that are judged, and without those held out."""
    judging = of_role(looks, "validate")
    if judging:
        judged = sum(
            len(look.frames) * min(prod(look.frames.shape), JUDGED) for look in judging
        )
        return replace(work, judged=judged)
    held = round(config.hold_out * work.pixels)
    return replace(work, pixels=work.pixels - held, judged=held)
