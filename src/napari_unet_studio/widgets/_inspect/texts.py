"""What the Inspect widget says about networks, nodes and results."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from napari_unet_studio.core.amounts import sides
from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.points import (
    BoxFacts,
    box_facts,
    field_at,
    named_nodes,
)
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape

if TYPE_CHECKING:  # at run time these load torch
    from napari_unet_studio.tasks.inspect import Channel
    from napari_unet_studio.tasks.inspect_speed import Speed

TILE = {2: 512, 3: 96}  # side of a tile whose costs are told

_SI = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def facts_text(
    spec: NetworkSpec, shape: Shape | None, spacing: Sequence[float], unit: str
) -> str:
    """Return what there is to know about a network.

    Parameters
    ----------
    spec
        The network.
    shape
        Spatial shape of the image, if there is one for it.
    spacing, unit
        Its pixel size.
    """
    field = f"{sides(spec.receptive_field)} px"
    if shape is not None and unit != "pixel":
        lengths = [n * s for n, s in zip(spec.receptive_field, spacing, strict=True)]
        field += f" ({sides(lengths, '.3g')} {'µm' if unit == 'um' else unit})"
    if not spec.local:
        field += "; normalisation or attention look at all of it"
    rows = [
        f"{spec.parameters:,} parameters, {spec.levels} levels",
        f"Receptive field {field}",
        f"Halo {sides(spec.halo)} px, divisor {sides(spec.divisor)}",
    ]
    if any(spec.trim):
        rows[-1] += f", loses {sides(spec.trim)} px a side"
    rows.append(_costs(spec, "Tile of", (TILE[spec.ndim],) * spec.ndim))
    if shape is not None and shape != (TILE[spec.ndim],) * spec.ndim:
        rows.append(_costs(spec, "Image of", shape))
    return "\n".join(rows)


def _costs(spec: NetworkSpec, what: str, shape: Shape) -> str:
    """Tell what a pass over so many pixels costs."""
    try:
        inner = spec.input_shape(shape)
        found = spec.costs(inner)
    except ConfigError as error:
        return str(error)
    return (
        f"{what} {sides(shape)} px: {amount(found.flops, 'operations')}, "
        f"{amount(found.inference_bytes, 'B')}"
        + (f" ({amount(found.training_bytes, 'B')} to train)" * (what == "Tile of"))
    )


@lru_cache(maxsize=16)
def facts_of(spec: NetworkSpec, shape: Shape) -> Mapping[str, BoxFacts]:
    """Return the facts of all boxes for an image of spatial `shape`."""
    return box_facts(spec, spec.input_shape(shape))


def about_box(spec: NetworkSpec, name: str, facts: BoxFacts) -> str:
    """Return what there is to know about a box, in lines."""
    field = field_at(spec, named_nodes(spec.graph)[name])
    many = "s" * (facts.channels != 1)
    lines = [
        f"{name}: {facts.channels} channel{many} of {sides(facts.shape)} px",
        f"Pixels of {sides(facts.pace)} px see {sides(field)} px"
        if field is not None
        else "One value for the whole image",
        f"{facts.parameters:,} parameters, {amount(facts.flops, 'operations')}",
    ]
    return "\n".join(lines)


def speed_text(speed: "Speed") -> str:
    """Tell how fast a network is."""
    number = f"{in_words(speed.pixels_per_second)} pixels a second"
    tiles = f"{speed.tiles} tile{'s' * (speed.tiles != 1)}"
    return (
        f"{number} on {speed.device}, in float32: about {_seconds(speed.seconds)} for "
        f"{sides(speed.shape)} px in {tiles}."
    )


def map_text(channels: Sequence["Channel"], number: int) -> str:
    """Tell which of some feature maps one is."""
    channel = channels[number]
    return (
        f"Map {number + 1} of {len(channels)}: channel {channel.number} of "
        f"{channel.node}, deviation {channel.strength:.3g}"
    )


def amount(value: float, unit: str) -> str:
    """Return a large number for people.

    Examples
    --------
    >>> amount(12_340_000_000, "operations"), amount(64, "B")
    ('12.3 G operations', '64 B')
    """
    size, letter = next(s for s in _SI if value >= s[0] or s[0] == 1.0)
    joined = f"{letter}{unit}" if unit == "B" else f"{letter} {unit}".strip()
    return f"{value / size:.3g} {joined}"


def in_words(value: float) -> str:
    """Return a number of three digits for a sentence.

    Examples
    --------
    >>> in_words(7_364), in_words(999_900), in_words(12_340_000)
    ('7,360', '1 million', '12.3 million')
    """
    value = float(f"{value:.3g}")
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{value / size:.3g} {word}"
    return f"{value:,.0f}"


def _seconds(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.2g} s"
    return (
        f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} h"
    )
