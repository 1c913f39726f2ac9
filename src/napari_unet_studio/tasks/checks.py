"""What an image has to have to be predicted."""

from collections.abc import Sequence

import numpy as np

from napari_unet_studio.core.axes import Frames, spatial_ndim
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.model import ModelCard


def check_channels(frames: Frames, card: ModelCard) -> None:
    """Raise an InputError if image and model have different numbers of channels."""
    expected, found = card.spec.in_channels, frames.channels
    if expected == found:
        return
    remedy = "choose another image or another model"
    if found > 1 == expected:
        remedy = f"take one of its channels (channel 0 to {found - 1}), or {remedy}"
    if found == 3:
        remedy = (
            "convert the image to grey (channel 'grey'), take one of its channels "
            "(channel 0 to 2), or choose a model trained on colour"
        )
    raise InputError(
        f"The model {card.name!r} takes {expected} channel{'s' * (expected > 1)} but "
        f"the image has {found}; {remedy}."
    )


def check_spacing(spacing: Sequence[float] | None, axes: str) -> None:
    """Raise an InputError unless each spatial axis has a pixel size above 0."""
    count = spatial_ndim(axes)
    if spacing is None:
        return
    if len(spacing) != count or not all(0 < step < np.inf for step in spacing):
        raise InputError(
            f"The spacing {tuple(spacing)} does not fit the axes {axes}: give {count} "
            "numbers above 0, the pixel size of each spatial axis."
        )
