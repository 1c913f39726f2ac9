"""U-Net++ (Zhou et al. DLMIA 2018; IEEE TMI 2020), 2D and 3D, and its pruning."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.checks import check_choice, check_whole
from napari_unet_studio.core.networks.graph import Graph, Ref
from napari_unet_studio.core.networks.ops import UpKind
from napari_unet_studio.core.networks.pencil import Pencil
from napari_unet_studio.core.networks.spec import LevelSpec

if TYPE_CHECKING:
    from napari_unet_studio.core.networks.network import Network

Mode = Literal["accurate", "fast"]


@dataclass(frozen=True, kw_only=True)
class UNetPlusPlusSpec(LevelSpec):
    """U-Net++: nested nodes with dense skips and deep supervision, padded.

    Parameters
    ----------
    deep_supervision
        One 1x1 head on each node X^{0,j}, j >= 1, instead of one on the last.
    mode
        What answers where several heads were trained: in "accurate" mode the average
        of their probabilities, in "fast" mode the last head alone.
    up
        The up-convolution, as in :class:`.UNetSpec`.

    Examples
    --------
    >>> spec = UNetPlusPlusSpec(channels=(32, 64, 128, 256, 512))
    >>> spec.num_heads
    4

    References
    ----------
    .. [1] Zhou et al. UNet++. DLMIA 2018; IEEE TMI 2020.
    """

    family: ClassVar[str] = "unet++"

    deep_supervision: bool = True
    mode: Mode = "accurate"
    up: UpKind = "transposed"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("deep_supervision", self.deep_supervision, (True, False))
        check_choice("mode", self.mode, get_args(Mode))
        check_choice("up", self.up, get_args(UpKind))

    def draw(self, pencil: Pencil) -> Graph:
        """Draw the nodes X^{i,j}: level i, position j along the skip.

        X^{i,0} = H(pool(X^{i-1,0})), and for j > 0
        X^{i,j} = H([X^{i,0}, ..., X^{i,j-1}, U(X^{i+1,j-1})]).
        """
        last = [widths[-1] for widths in self.channels]
        rows: list[list[Ref]] = [[] for _ in self.channels]
        x = pencil.image
        for i, widths in enumerate(self.channels):
            if i:
                x = pencil.pool(x, self.factor(i - 1))
            pencil.block(f"nodes.{i}.0")
            for width in widths:
                x = pencil.unit(x, width)
            rows[i].append(x)
            # Every anti-diagonal i + j is computable once X^{i,0} is known.
            for j in range(1, i + 1):
                k = i - j
                pencil.block(f"nodes.{k}.{j}")
                below, name = rows[k + 1][j - 1], f"up.{k}.{j - 1}"
                risen = pencil.up(below, last[k], self.factor(k), self.up, name)
                y = pencil.concat(*rows[k], risen)
                for _ in self.channels[k]:
                    y = pencil.unit(y, last[k])
                rows[k].append(y)
        heads = []
        supervised = rows[0][1:] if self.deep_supervision else rows[0][-1:]
        for number, node in enumerate(supervised):
            pencil.block(f"heads.{number}")
            name = f"heads.{number}"
            heads.append(pencil.conv(node, self.num_classes, 1, name=name))
        return pencil.graph(heads, average=self.mode == "accurate")


def prune(network: "Network", level: int, mode: Mode = "fast") -> "Network":
    """Return the part of a trained U-Net++ that one of its heads needs.

    Parameters
    ----------
    network
        Trained with deep supervision; it stays as it is.
    level
        1 to the number of heads: what the paper calls L1, L2, ... The last one keeps
        all nodes.
    mode
        "fast": the answer of that head, exactly as the whole network gives it.
        "accurate": the average over the heads up to it.

    Returns
    -------
    Network
        A U-Net++ of ``level + 1`` levels. The other nodes are gone, from memory too.

    Raises
    ------
    ConfigError
        If the network is no U-Net++ with that head.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.catalog import build
    >>> whole = build("unet++")
    >>> whole.spec.parameters, prune(whole, 2).spec.parameters
    (9041700, 511105)
    """
    import torch

    from napari_unet_studio.core.networks.catalog import build

    spec = network.spec
    if not isinstance(spec, UNetPlusPlusSpec) or not spec.deep_supervision:
        raise ConfigError(
            "Only a U-Net++ that was trained with deep supervision can be pruned; this "
            f"is a {spec.family} network."
        )
    level = check_whole("The pruning level", level, 1, spec.num_heads)
    small = replace(
        spec,
        channels=spec.channels[: level + 1],
        pooling=spec.pooling[:level],
        deep_supervision=mode == "accurate",
        mode=mode,
    )
    with torch.device("meta"):  # no weights are drawn only to be replaced
        pruned = build(small)
    state = network.state_dict()
    if mode == "fast":
        for part in ("weight", "bias"):
            state[f"heads.0.{part}"] = state[f"heads.{level - 1}.{part}"]
    kept = {name: state[name].clone() for name in pruned.state_dict()}
    pruned.load_state_dict(kept, assign=True)
    return pruned.train(network.training)
