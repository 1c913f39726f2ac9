"""What the crops of a network take off, for those who write it down."""

from napari_unet_studio.core.networks import ops
from napari_unet_studio.core.networks.arithmetic import node_sizes
from napari_unet_studio.core.networks.graph import Ref
from napari_unet_studio.core.networks.spec import NetworkSpec


def crop_margins(spec: NetworkSpec) -> dict[Ref, tuple[int, ...]]:
    """Return how many pixels each crop takes off a side, along each axis.

    They are the same for all inputs on the network's grid.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.unet import UNetSpec
    >>> crop_margins(UNetSpec(channels=(8, 16), padding="valid"))
    {11: (4, 4)}
    """
    found: dict[Ref, tuple[int, ...]] = {}
    for axis, side in enumerate(spec.axes):
        sizes = node_sizes(spec.graph, axis, side.smallest)
        assert sizes is not None  # it is on the grid
        for ref, node in enumerate(spec.graph.nodes):
            if isinstance(node.op, ops.Crop):
                outer, inner = (sizes[source] for source in node.inputs)
                found[ref] = (*found.get(ref, ()), (outer - inner) // 2)
    return found
