"""Feature maps: what single nodes of a network make of an image, as a task."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.networks.places import one_pace
from napari_unet_studio.core.networks.points import HEADS, Node, find_nodes
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks.budget import default_side
from napari_unet_studio.tasks.device import freed
from napari_unet_studio.tasks.inspect_blocks import NodeGrid
from napari_unet_studio.tasks.inspect_config import InspectConfig
from napari_unet_studio.tasks.inspect_maps import Channel, Strongest
from napari_unet_studio.tasks.progress import Progress, ShouldStop, never
from napari_unet_studio.tasks.sight import Looker, Sight

__all__ = ["Channel", "FeatureMaps", "feature_maps"]


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """Outputs of some nodes of a network for a part of an image.

    Parameters
    ----------
    maps
        Shape (K, *axes), float32: the outputs as the next layer takes them; of "heads",
        probabilities.
    channels
        Which map each is. Those of a node lie side by side, the strongest first; of
        equally strong ones the lower number.
    total
        How many channels the nodes have.
    axes
        Names of the other axes, such as "TYX".
    start, step
        Along each of them, the centre of the first pixel and the size of all, in pixels
        of the image.
    card
        Of the model.
    config
        The settings.
    region
        The part of the image that was asked for; the maps cover it, and at the rims as
        much more as their pixels are larger.
    notes
        Sentences for the user.

    Examples
    --------
    >>> import napari_unet_studio as us
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> image = SAMPLES["nuclei_2d"]((64, 64)).image
    >>> found = us.feature_maps(image, "nuclei", "heads")
    >>> found.maps.shape, found.total
    ((1, 64, 64), 1)
    """

    maps: NDArray[np.float32]
    channels: tuple[Channel, ...]
    total: int
    axes: str
    start: tuple[float, ...]
    step: tuple[float, ...]
    card: ModelCard
    config: InspectConfig
    region: Region
    notes: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.maps.shape))
        return f"<FeatureMaps of {self.card.name!r}: {self.axes}, {shape}>"


def feature_maps(
    image: Any,
    model: Model,
    node: Node,
    config: InspectConfig | None = None,
    *,
    channels: Sequence[int] | None = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    spacing: Sequence[float] | None = None,
    region: Sequence[slice] | None = None,
    should_stop: ShouldStop = never,
) -> Generator[Progress, None, FeatureMaps | None]:
    """Compute feature maps of an image.

    They are those of the whole image, whatever part is asked for, if the network is
    local: the network is given what they depend on around it.

    Parameters
    ----------
    image, axes, channel_axis, spacing
        As for :func:`.tasks.predict.predict`.
    model
        A trained model.
    node
        Names of nodes, see :func:`.find_nodes`. "heads" gives the probabilities of all
        heads, in their order.
    config
        How many, and where; None is the default.
    channels
        These channels of each node, in this order, instead of the strongest.
    region
        A slice for each image axis but the channels; all by default.
    should_stop
        Asked before each block.

    Yields
    ------
    Progress
        One record per block.

    Returns
    -------
    FeatureMaps or None
        None if stopped.

    Raises
    ------
    InputError
        If the image does not suit the model.
    ConfigError
        If there is no such node or channel, or nodes have pixels of several sizes.
    DeviceError
        If there is too little memory.
    """
    config = config or InspectConfig()
    spec = model.card.spec
    nodes = find_nodes(spec.graph, node)
    one_pace(spec.graph, list(nodes.values()))
    refs = list(dict.fromkeys(nodes.values()))
    sight = Sight(image, model, config, axes, channel_axis, spacing, region)
    looker = Looker(model, config.device)
    side = default_side(spec, looker.device)
    grid = NodeGrid(spec, refs, sight.size, sight.part, side)
    work = Strongest(model.card, nodes, grid, sight, looker, node == HEADS)
    with freed(looker.device):
        done = yield from work.choose(config.count, channels, should_stop)
        if not done:
            return None
    notes = []
    if not grid.local and not grid.whole:
        notes.append(
            "This network looks at all it is given, and the image is too large to be "
            "given at once: the maps depend a little on the part of it."
        )
    start, step = sight.on_image(grid.start, grid.step)
    return FeatureMaps(
        work.maps,
        tuple(work.chosen),
        sum(work.widths.values()),
        sight.axes,
        (*(float(p.start) for p in sight.region[: sight.lead]), *start),
        (*(1.0,) * sight.lead, *step),
        model.card,
        config,
        sight.region,
        tuple(notes),
    )
