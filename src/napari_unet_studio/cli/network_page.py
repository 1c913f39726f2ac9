"""The page of the documentation on networks, written from their specs."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from napari_unet_studio.cli.measure import PRUNED_SHAPE
from napari_unet_studio.cli.network_facts import tiling
from napari_unet_studio.core.networks.catalog import NETWORKS, build
from napari_unet_studio.core.networks.figure import draw_figure
from napari_unet_studio.core.networks.papers import REMARKS, SECTIONS, Section
from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.core.networks.unetpp import prune
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.markdown import markdown_table, wrapped

FIGURES = Path("images", "networks")
TIMES = FIGURES / "times.json"

_INTRODUCTION = """\
# Networks

A network is a row of `napari_unet_studio.NETWORKS`: a frozen spec with all that
distinguishes it. Any field can be changed when building: `us.build("unet-16",
in_channels=3)`. Networks return logits; a network with one class returns one logit
per pixel (sigmoid), others one per class (softmax). `unet-studio networks` lists
them, `unet-studio networks unet --shape 1024` tells sizes and costs of one.

Start with `unet-16`. Take `unet` or `unet++` if there is a GPU and plenty of labels,
`mobile-unet` if prediction must be quick, `unet-3d` for stacks. How they learn is
on the page on [training](training.md).

In the figures a box is a group of convolutions with their widths; "3 × 512" means
three of 512 channels. Rows are resolutions. All figures and numbers of this page are
made from the specs.
"""
_SHARED = """\
## What all share

ReLU follows the normalisation, and normalisation the convolution; residual units turn
this around. Mobile U-Net has ReLU6 instead, the encoder of Eff-UNet SiLU, and neither
follows the last convolution of an inverted residual. Group normalisation, where it is
chosen, takes 16 channels a group.

Weights begin as normal noise. `he`: with standard deviation √(2/N), N the number of
incoming nodes of a neuron, as the U-Net paper asks. `he-fan-out`: N is the number of
outgoing nodes, as in EfficientNet's code. `he-bilinear`: as `he`, but transposed
convolutions begin as linear interpolation. No network comes with weights from ImageNet.

A spec knows, without building the network: the output shape of any input, the
smallest input for any output, the receptive field, operations and memory, and the
halo that a tile needs so that tiles put together equal the whole image.

Images are mirrored where a network must see beyond their border: for valid networks
by what their convolutions lose, for padded ones up to the next multiple of their
grid. Any size is taken. Tiles overlap by the halo and keep only the core that is
exact. In float32 the tiled result equals that of the whole image to about 1e-6; in
bfloat16, which is used where the device is faster with it, probabilities move by
about 1e-3. Networks that look at the whole image (gates, instance or group
normalisation, presence) are not the same tile by tile; for them the halo covers the
convolutions.
"""
_COMPARISON = """\
## Costs

FLOPs are operations of the convolutions for one output pixel (a voxel in 3D), two per
multiplication, on outputs of about 512 pixels a side. The receptive field is that of
the convolutions, at its largest. Inputs whose sizes are multiples of the grid (for
valid networks: offset by their border) need no mirroring.
"""
_PRUNING = """\
## Pruning U-Net++

A head needs only the nodes to its left and below. `prune` keeps those of the first,
second or third head, with the trained weights; L4 is the whole network in `fast`
mode. Memory is an estimate of what prediction holds at most, weights included.
"""


def write_page(folder: Path, times: Mapping[str, Any] | None = None) -> list[Path]:
    """Write the page, its figures and the measured times; return the files.

    Parameters
    ----------
    folder
        The folder of the documentation.
    times
        What :func:`.measure` returns; by default what an earlier page left there.
    """
    texts = {
        folder / FIGURES / f"{section.slug}.svg": figure(section)
        for section in SECTIONS
    }
    if times is not None:
        texts[folder / TIMES] = json.dumps(times, indent=1) + "\n"
    texts[folder / "networks.md"] = page(read_times(folder) if times is None else times)
    for path, text in texts.items():
        with atomic_write(path) as file:
            file.write(text.encode())
    return list(texts)


def read_times(folder: Path) -> dict[str, Any]:
    """Return the times that were measured for the page in a folder, if any."""
    path = folder / TIMES
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def figure(section: Section) -> str:
    """Return the figure of a section."""
    return draw_figure(NETWORKS[section.figure], section.figure)


def page(times: Mapping[str, Any]) -> str:
    """Return the page; where no time was measured, there is a dash."""
    parts = [_INTRODUCTION]
    parts += ["\n".join(_section(section)) for section in SECTIONS]
    parts += [_SHARED, _COMPARISON, *_costs(times), _PRUNING, *_pruning(times)]
    return "\n".join(parts).rstrip("\n") + "\n"


def _section(section: Section) -> Iterator[str]:
    spec = NETWORKS[section.figure]
    rows = {name: s for name, s in NETWORKS.items() if section.holds(s)}
    yield f"## {section.title}\n"
    for paper in section.papers:
        yield f"{wrapped(paper)}\n"
    yield f"{wrapped(section.idea)}\n"
    yield f"```{{figure}} {(FIGURES / section.slug).as_posix()}.svg"
    yield f":alt: {section.title}: {spec.levels} levels, drawn from the spec."
    yield ":width: 100%\n"
    yield f"`{section.figure}`\n```\n"
    yield from markdown_table(
        ("network", "what it is", "parameters", "heads", "norm", "begins", "axes"),
        "llrrlll",
        (
            (
                f"`{name}`",
                REMARKS.get(name, ""),
                f"{row.parameters:,}",
                row.num_heads,
                row.norm,
                f"`{row.init}`",
                f"{row.ndim}D",
            )
            for name, row in rows.items()
        ),
    )
    yield "Where it differs from the papers:\n"
    for deviation in section.deviations:
        yield wrapped(f"- {deviation}", "  ")
    yield ""


def _costs(times: Mapping[str, Any]) -> Iterator[str]:
    measured = times.get("networks", {})
    yield from markdown_table(
        (
            "network",
            "parameters",
            "FLOPs / pixel",
            "receptive field",
            "grid",
            "tiles",
            "CPU s / megapixel",
            "measured on",
        ),
        "lrrrrlrr",
        (
            (
                f"`{name}`",
                f"{spec.parameters / 1e6:.2f} M",
                f"{spec.flops_per_pixel() / 1e3:,.0f} k",
                max(spec.receptive_field),
                max(spec.divisor),
                tiling(spec),
                _seconds(measured.get(name), "cpu_seconds_per_megapixel"),
                _output(measured.get(name)),
            )
            for name, spec in NETWORKS.items()
        ),
    )
    if times:
        m = times["machine"]
        yield wrapped(
            "CPU seconds are those of the processor, summed over its threads, for a "
            "megapixel (megavoxel) of output and one pass with random weights in "
            f"float32: the median of {m['repeats']} after {m['warm_up']} to warm up. "
            "Valid networks compute a border that is not in their output; larger tiles "
            f"cost them less per pixel. Measured on {m['date']} with {m['threads']} "
            f"thread{'s' * (m['threads'] > 1)} of a {m['device']} ({m['processor']}), "
            f"torch {m['torch']}, Python {m['python']}."
        )
        yield ""


def _pruning(times: Mapping[str, Any]) -> Iterator[str]:
    measured = times.get("pruned", {})
    whole = build("unet++")
    rows = []
    for level in range(1, whole.spec.num_heads + 1):
        spec = prune(whole, level).spec
        costs = spec.costs(PRUNED_SHAPE)
        rows.append(
            (
                f"L{level}",
                f"{spec.parameters:,}",
                _nodes(spec),
                f"{spec.flops_per_pixel() / 1e3:,.0f} k",
                f"{costs.inference_bytes / 2**20:,.0f} MiB",
                _seconds(measured.get(f"L{level}"), "cpu_seconds"),
            )
        )
    side = " x ".join(map(str, PRUNED_SHAPE))
    yield from markdown_table(
        (
            "`unet++`",
            "parameters",
            "nodes",
            "FLOPs / pixel",
            f"memory, {side}",
            f"CPU s, {side}",
        ),
        "lrrrrr",
        rows,
    )


def _nodes(spec: NetworkSpec) -> int:
    """Return the number of nodes X^{i,j}."""
    blocks = {node.block for node in spec.graph.nodes}
    return sum(block.startswith("nodes.") for block in blocks)


def _seconds(measured: Mapping[str, Any] | None, key: str) -> str:
    return "–" if measured is None else f"{measured[key]:.2f}"


def _output(measured: Mapping[str, Any] | None) -> str:
    return "–" if measured is None else "x".join(map(str, measured["output"]))
