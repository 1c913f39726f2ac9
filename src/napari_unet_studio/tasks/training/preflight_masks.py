"""Doubts about masks, which number no objects."""

from collections.abc import Iterator, Sequence

from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.findings import Finding
from napari_unet_studio.tasks.training.preflight_look import NECKS, Look


def about_masks(looks: Sequence[Look], config: TrainConfig) -> Iterator[Finding]:
    """Yield that labels number no objects, and whether some hang together."""
    # One value in one piece may be a single object, where other labels number theirs or
    # more of them may lie where nobody looked.
    numbered = any(look.values(config) and not look.survey.mask for look in looks)
    masks = [
        look
        for look in looks
        if look.survey.mask and (look.scattered > 1 or (look.whole and not numbered))
    ]
    if config.target == "classes" or not masks:
        return
    (value,) = masks[0].values(config)
    more = f", and those of {len(masks) - 1} more," if len(masks) > 1 else ""
    yield Finding(
        "doubt",
        f"The labels of {masks[0].name!r}{more} are a mask: all objects have one "
        f"value ({value}), so touching ones cannot be told apart.",
        f"Each connected piece{', divided at necks,' if config.split_masks else ''} is "
        "taken for an object. Give every object a number of its own if some touch.",
    )
    necks = sum(look.necks for look in masks)
    if necks and not config.split_masks:
        yield Finding(
            "doubt",
            f"In the masks {necks} object{' seems' if necks == 1 else 's seem'} to "
            f"hang together with others, at necks {NECKS:g} pixels deep or more.",
            "Split masks at necks if these are objects that touch.",
            {"split_masks": NECKS},
        )
