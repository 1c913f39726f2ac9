"""Saliency: which pixels of an image move the answer at one of them, as a task.

The absolute gradient of the answer with respect to the image, after Simonyan, Vedaldi
and Zisserman, "Deep inside convolutional networks" (2014).
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import ConfigError, InputError
from napari_unet_studio.core.mirror import mirror_indices
from napari_unet_studio.core.networks.places import (
    field_of,
    whole_window,
    window_for,
)
from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks.budget import default_side
from napari_unet_studio.tasks.device import enough_memory, freed
from napari_unet_studio.tasks.inspect_config import InspectConfig
from napari_unet_studio.tasks.progress import Progress, ShouldStop, never
from napari_unet_studio.tasks.sight import Looker, Sight


@dataclass(frozen=True, eq=False)
class Saliency:
    """How much the logit of one pixel changes with each pixel of the image.

    Parameters
    ----------
    gradient
        Shape (C, *S), float32: the change of the logit per unit of the normalised
        image, over the pixels that it depends on. What the network saw mirrored beyond
        the image is added to the pixels it is a mirror image of.
    logit
        At the pixel.
    output
        Channel of the logits that it is.
    pixel
        Of the image, for each of `axes`.
    axes
        Names of the image axes but the channels.
    start, step
        Along each of the spatial axes, the centre of the first pixel of the gradient
        and the size of all, in pixels of the image.
    card
        Of the model.
    config
        The settings.
    notes
        Sentences for the user.

    Examples
    --------
    >>> import napari_unet_studio as us
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> image = SAMPLES["nuclei_2d"]((64, 64)).image
    >>> found = us.saliency(image, "nuclei", (30, 20))
    >>> found.pixel, found.map.shape == found.gradient.shape[1:]
    ((30, 20), True)
    """

    gradient: NDArray[np.float32]
    logit: float
    output: int
    pixel: tuple[int, ...]
    axes: str
    start: tuple[float, ...]
    step: tuple[float, ...]
    card: ModelCard
    config: InspectConfig
    notes: tuple[str, ...] = field(default=())

    @property
    def map(self) -> NDArray[np.float32]:
        """The absolute gradient, added up over the channels: shape (*S), float32."""
        total: NDArray[np.float32] = np.abs(self.gradient).sum(axis=0)
        return total

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.gradient.shape[1:]))
        return f"<Saliency of {self.card.name!r} at {self.pixel}: {shape}>"


def saliency(
    image: Any,
    model: Model,
    pixel: Sequence[int],
    config: InspectConfig | None = None,
    *,
    output: int | None = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    spacing: Sequence[float] | None = None,
    should_stop: ShouldStop = never,
) -> Generator[Progress, None, Saliency | None]:
    """Differentiate the logit at a pixel by the image.

    Parameters
    ----------
    image, axes, channel_axis, spacing
        As for :func:`.tasks.predict.predict`.
    model
        A trained model.
    pixel
        An index for each image axis but the channels.
    config
        Where, and with which pixel size.
    output
        Channel of the logits. The default is the foreground, or the most probable class
        of this pixel.
    should_stop
        Asked before the pass.

    Yields
    ------
    Progress
        Before the pass and after it.

    Returns
    -------
    Saliency or None
        None if stopped.

    Raises
    ------
    InputError
        If the image does not suit the model, or the pixel lies outside.
    ConfigError
        If there is no such output.
    DeviceError
        If there is too little memory.
    """
    config = config or InspectConfig()
    card, spec = model.card, model.card.spec
    if output is not None and not 0 <= output < spec.num_classes:
        raise ConfigError(
            f"The network has no output {output}; choose from 0 to "
            f"{spec.num_classes - 1}."
        )
    sight = Sight(image, model, config, axes, channel_axis, spacing)
    place = tuple(int(p) for p in pixel)
    inside = len(place) == len(sight.region) and all(
        0 <= p < part.stop for p, part in zip(place, sight.region, strict=False)
    )
    if not inside:
        sizes = tuple(part.stop for part in sight.region)
        raise InputError(
            f"The pixel {place} is not one of the image of shape {sizes}; give an "
            "index for each axis but the channels."
        )
    yield Progress(0, 1, "Computing saliency")
    if should_stop():
        return None
    looker = Looker(model, config.device)
    index, seen = place[: sight.lead], sight.seen_pixel(place[sight.lead :])
    read, field_, notes = _window(spec, seen, sight.size, looker.device)
    window = sight.windows(index).window(tuple(slice(*side) for side in read))
    at = tuple(p - a - t for p, (a, _), t in zip(seen, read, spec.trim, strict=True))
    with (
        freed(looker.device),
        enough_memory(
            f"The memory of {looker.device} does not suffice for the gradient over "
            f"{window.shape[1:]} pixels; choose the device cpu or a smaller network."
        ),
    ):
        gradient, logit, output = _differentiated(looker, card, window, at, output)
    gradient, low = _folded(gradient, read, field_, sight.size)
    start, step = sight.on_image(low, (1,) * spec.ndim)
    yield Progress(1, 1, "Computing saliency")
    return Saliency(
        gradient,
        logit,
        output,
        place,
        sight.axes,
        start,
        step,
        card,
        config,
        notes,
    )


Sides = tuple[tuple[int, int], ...]


def _window(
    spec: NetworkSpec, pixel: Sequence[int], size: Sequence[int], device: str
) -> tuple[Sides, Sides, tuple[str, ...]]:
    """Return what the network is given, and which of it can influence the pixel."""
    if spec.local:
        graph = spec.graph
        ends = graph.heads if graph.average else graph.heads[-1:]
        windows = [
            window_for(spec, ends, axis, (p, p + 1), n)
            for axis, (p, n) in enumerate(zip(pixel, size, strict=True))
        ]
        read = tuple((w.start, w.stop) for w in windows)
        return read, field_of(spec, pixel), ()
    windows = [whole_window(spec, axis, n) for axis, n in enumerate(size)]
    read = tuple((w.start, w.stop) for w in windows)
    if prod(b - a for a, b in read) <= default_side(spec, device) ** spec.ndim:
        return read, read, ()
    graph = spec.graph
    windows = [
        window_for(spec, graph.heads[-1:], axis, (p, p + 1), n)
        for axis, (p, n) in enumerate(zip(pixel, size, strict=True))
    ]
    read = tuple((w.start, w.stop) for w in windows)
    note = (
        "This network looks at all it is given, and the image is too large to be given "
        "at once: of it, the receptive field of the convolutions was."
    )
    return read, read, (note,)


def _differentiated(
    looker: Looker,
    card: ModelCard,
    window: NDArray[np.float32],
    at: Sequence[int],
    output: int | None,
) -> tuple[NDArray[np.float32], float, int]:
    """Return the gradient (C, *window), the logit and its channel."""
    given = looker.given(window).requires_grad_()
    with looker.exact():
        logits = looker.network(given)[(0, slice(None), *at)]
    if output is None:
        output = int(logits.argmax())
        if card.target == "objects":
            output = len(logits) - 1
    logits[output].backward()
    assert given.grad is not None
    return given.grad[0].float().cpu().numpy(), float(logits[output].detach()), output


def _folded(
    gradient: NDArray[np.float32], read: Sides, field_: Sides, size: Sequence[int]
) -> tuple[NDArray[np.float32], tuple[int, ...]]:
    """Bring mirrored pixels back to the image, and cut off what has no influence."""
    low = []
    for axis, ((first, last), (a, b), n) in enumerate(
        zip(read, field_, size, strict=True), start=1
    ):
        a, b = max(a, first), min(b, last)
        gradient = np.moveaxis(gradient, axis, 0)[a - first : b - first]
        places = mirror_indices(a, b, n)
        begin, end = int(places.min()), int(places.max()) + 1
        folded = np.zeros((end - begin, *gradient.shape[1:]), np.float32)
        np.add.at(folded, places - begin, gradient)
        gradient = np.moveaxis(folded, 0, axis)
        low.append(begin)
    return np.ascontiguousarray(gradient), tuple(low)
