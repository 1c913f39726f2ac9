"""Doubts about the labels of a training: whether they are what the settings say."""

from collections.abc import Iterator, Mapping, Sequence
from math import floor, log10

import numpy as np

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.findings import Finding, Kind, finding_of
from napari_unet_studio.tasks.training.preflight_look import Look
from napari_unet_studio.tasks.training.preflight_masks import about_masks
from napari_unet_studio.tasks.training.survey import class_values
from napari_unet_studio.tasks.training.targets import Targets

# What is too little: a share of the labelled pixels, pixels of a class, of all that is
# labelled, and objects.
_SHARE, _CLASS, _LABELLED, _OBJECTS = 1e-3, 100, 1000, 10
# Values that are more likely ids than classes, and fewer that are more likely classes.
_IDS, _CLASSES = 12, 8
# Pieces per label, and share of the image, from which labels look like classes.
_SCATTERED, _COVERED = 3.0, 0.8


def about_labels(looks: Sequence[Look], config: TrainConfig) -> Iterator[Finding]:
    """Yield what is wrong with labels, one by one and together."""
    broken = list(_negative(looks))
    if broken:
        yield from broken
        return
    nothing = list(_nothing(looks, config))
    yield from nothing
    if not nothing:
        kinds = list(_kind(looks, config))
        yield from kinds
        if not any(finding.kind == "error" for finding in kinds):
            yield from _shares(looks, config)
    yield from _meaning(looks, config)
    yield from _empty(looks, config)
    yield from about_masks(looks, config)


def of_role(looks: Sequence[Look], role: str) -> list[Look]:
    """Return the looks at pairs with a role."""
    return [look for look in looks if look.pair.role == role]


def percent(share: float) -> str:
    """Return a share as a percentage with as many digits as it takes.

    Examples
    --------
    >>> percent(0.123), percent(0.00042)
    ('12 %', '0.042 %')
    """
    digits = 0 if share >= 0.1 or not share else 1 - floor(log10(share * 100))
    return f"{100 * share:.{digits}f} %"


def _negative(looks: Sequence[Look]) -> Iterator[Finding]:
    for look in looks:
        values = look.survey.values
        if len(values) and values[0] < 0:
            yield Finding(
                "error",
                f"The labels of {look.name!r} contain {values[0]}; ids must be 0 or "
                "more.",
                "Make background of these pixels, for example with "
                "numpy.maximum(labels, 0).",
            )


def _nothing(looks: Sequence[Look], config: TrainConfig) -> Iterator[Finding]:
    """Yield why there is nothing to learn, if so."""
    train = of_role(looks, "train")
    whole = all(look.whole for look in train)
    kind: Kind = "error" if whole else "doubt"
    where = "everywhere" if whole else "everywhere in the parts that were looked at"
    values = {v for look in train for v in look.survey.values.tolist()}
    known = values - Targets(config, ()).ignored
    unlabelled, objects = config.zero == "unlabelled", config.target == "objects"
    if unlabelled and objects and config.ignore == config.background:
        yield Finding(
            "error",
            f"The label {config.ignore} is both that of background and the one to "
            "ignore.",
            "Ignore another label, or none.",
            {"ignore": 0},
        )
    elif not known and config.ignore and config.ignore in values:
        yield Finding(
            kind,
            f"The labels are {config.ignore} {where}, which is to be ignored"
            f"{', or unlabelled' if 0 in values else ''}.",
            "Ignore no label, or paint some objects first.",
            {"ignore": 0},
        )
    elif not known and unlabelled:
        yield Finding(
            kind,
            f"Nothing is labelled: the labels are 0 {where}.",
            "Paint some objects and some background first.",
        )
    elif known == {0}:
        yield Finding(
            kind,
            f"The labels are background (0) {where}.",
            "Paint some objects first.",
        )
    elif unlabelled and objects and known == {config.background}:
        yield Finding(
            kind,
            f"The labels are background ({config.background}) or unlabelled {where}.",
            "Paint some objects with other labels first.",
        )
    elif unlabelled and objects and config.background not in known:
        yield Finding(
            kind,
            "Unpainted pixels are unlabelled, but no background is painted: the label "
            f"for it, {config.background}, does not occur.",
            f"Paint some background with label {config.background}, or let unpainted "
            "pixels be background.",
            {"zero": "background"},
        )


def _kind(looks: Sequence[Look], config: TrainConfig) -> Iterator[Finding]:
    """Yield whether ids are taken for classes, or classes for ids."""
    if config.target == "classes":
        ids = {"target": "objects"}
        try:
            values = class_values([look.survey for look in looks], config)
        except StudioError as error:
            count = len({v for look in looks for v in look.survey.values.tolist()})
            yield finding_of(error, ids if count > 2 else {})
            return
        if len(values) > _IDS:
            yield Finding(
                "doubt",
                f"The labels hold {len(values)} different values, and each is taken "
                "for a class of its own.",
                'If they number objects, choose the target "objects".',
                ids,
            )
        return
    for look in of_role(looks, "train"):
        count = len(look.values(config))
        if not 2 <= count <= _CLASSES or look.survey.mask:
            continue
        covered = look.survey.pixels(look.values(config)) / look.seen
        signs = []
        if look.scattered >= _SCATTERED:
            signs.append(f"each in {look.scattered:.0f} pieces on average")
        if covered >= _COVERED:
            signs.append(f"on {percent(covered)} of the pixels")
        if signs:
            yield Finding(
                "doubt",
                f"The labels of {look.name!r} hold only {count} different values, "
                f"{' and '.join(signs)}: they look like classes, but are taken for "
                "objects.",
                'If every value is a class, choose the target "classes"; if they are '
                "objects, each piece needs a number of its own.",
                {"target": "classes"},
            )
            return


def _shares(looks: Sequence[Look], config: TrainConfig) -> Iterator[Finding]:
    """Yield what there is too little of."""
    train = of_role(looks, "train")
    nothing = Targets(config, ()).ignored
    pixels: dict[int, int] = {}
    for look in train:
        survey = look.survey
        for value, count in zip(survey.values, survey.counts, strict=True):
            pixels[int(value)] = pixels.get(int(value), 0) + int(count)
    labelled = sum(count for value, count in pixels.items() if value not in nothing)
    seen = sum(pixels.values())
    whole = all(look.whole for look in train)
    if nothing & set(pixels):
        yield _annotated(labelled, seen, whole)
    if not labelled:
        return
    if config.target == "classes":
        shares = {
            f"the class {value}": count
            for value, count in pixels.items()
            if value not in nothing
        }
    else:
        found = np.array(list(pixels))
        there = found[Targets(config, ()).foreground(found)].tolist()
        shares = {"objects": sum(pixels[value] for value in there)}
        yield from _few(train, config)
    rare = {}
    if config.target == "classes" and whole:
        rare = {name: count for name, count in shares.items() if count < _CLASS}
        yield from _rare(rare)
    for name, count in shares.items():
        if name in rare:
            continue
        if count < _SHARE * labelled and config.weights.balance == "none":
            yield Finding(
                "doubt",
                f"Only {percent(count / labelled)} of the labelled pixels belong to "
                f"{name}, which a network may leave out altogether.",
                "Balance the classes, or paint more of it. If most of it is not "
                "painted yet, let unpainted pixels be unlabelled.",
                {"weights": {"balance": "global"}},
            )


def _rare(counts: Mapping[str, int]) -> Iterator[Finding]:
    """Yield which classes have too few pixels, all in one sentence."""
    each = [
        f"{count} pixel{'s' * (count != 1)} belong{'s' * (count == 1)} to {name}"
        for name, count in counts.items()
    ]
    if each:
        yield Finding(
            "doubt",
            f"Only {', '.join(each)}: too few to learn from.",
            "Paint more, or set such pixels to another label.",
        )


def _annotated(labelled: int, seen: int, whole: bool) -> Finding:
    text = f"{percent(labelled / seen)} of the pixels are annotated"
    if whole and labelled < _LABELLED:
        return Finding(
            "doubt",
            f"{text}, only {labelled}: few to learn from.",
            "Paint some more strokes of each kind.",
        )
    return Finding("note", f"{text}; only these teach and count.")


def _few(train: Sequence[Look], config: TrainConfig) -> Iterator[Finding]:
    """Yield whether there are few objects to learn from."""
    counts = [look.objects for look in train if look.objects is not None]
    count = sum(counts)
    if len(counts) < len(train) or not 0 < count < _OBJECTS:
        return
    many = "s" * (count > 1)
    if all(look.survey.mask for look in train if look.objects):
        # How many objects they are, nobody knows.
        masks = "mask holds" if len(train) == 1 else "masks hold"
        pieces = "object" if config.split_masks else "connected piece"
        text = f"The {masks} only {count} {pieces}{many} to learn from."
    else:
        verb = "are" if many else "is"
        text = f"There {verb} only {count} labelled object{many} to learn from."
    yield Finding(
        "doubt",
        text,
        "Label some more: a few dozen, from different images, teach much more.",
    )


def _meaning(looks: Sequence[Look], config: TrainConfig) -> Iterator[Finding]:
    """Yield whether a label that has a meaning does not occur."""
    values = {v for look in looks for v in look.survey.values.tolist()}
    whole = all(look.whole for look in looks)
    if config.ignore and whole and config.ignore not in values:
        yield Finding(
            "doubt",
            f"The label to ignore, {config.ignore}, does not occur in any of the "
            "labels.",
            "Ignore the label that you painted for it, or none.",
            {"ignore": 0},
        )
    if config.zero == "unlabelled" and whole and values and 0 not in values:
        yield Finding(
            "note", "Unpainted pixels are unlabelled, but every pixel is painted."
        )


def _empty(looks: Sequence[Look], config: TrainConfig) -> Iterator[Finding]:
    """Yield pairs without objects, where others have some."""
    if config.target == "classes" or not any(look.values(config) for look in looks):
        return
    for look in looks:
        if look.values(config) or not look.whole:
            continue
        validate = look.pair.role == "validate"
        yield Finding(
            "doubt",
            f"The labels of {look.name!r} hold no object"
            f"{', so there is nothing to find in it' * validate}.",
            "If its objects are only not painted yet, set its role to off.",
        )
