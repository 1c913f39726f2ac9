"""``unet-studio networks``: the catalog, one network, its figure, the page of docs."""

from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_unet_studio.cli import completion, console
from napari_unet_studio.cli.files import (
    AsJson,
    Overwrite,
    check_writable,
    refuse_existing,
)
from napari_unet_studio.cli.network_facts import facts, millions, thousands, tiling
from napari_unet_studio.cli.panels import COMPUTING, OUTPUT
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.networks.catalog import NETWORKS, get_spec
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape

_PLAIN_SHAPE = {2: (512, 512), 3: (64, 64, 64)}
_COLUMNS = (
    "network",
    "axes",
    "parameters",
    "FLOPs/pixel",
    "sees",
    "grid",
    "heads",
    "tiles",
)
_SECONDS = "CPU s/megapixel"


def networks(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A network to describe; default: list all.",
            autocompletion=completion.networks,
        ),
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(
            help='Image of which to tell the costs, such as "64x512x512".',
            rich_help_panel=COMPUTING,
        ),
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, help="Images at once.", rich_help_panel=COMPUTING)
    ] = 1,
    width: Annotated[
        float | None,
        typer.Option(
            help="Multiply all widths by this factor, as training can.",
            rich_help_panel=COMPUTING,
        ),
    ] = None,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="Also time the real networks here.",
            rich_help_panel=COMPUTING,
        ),
    ] = False,
    figure: Annotated[
        Path | None,
        typer.Option(
            help="Write the network's figure, an SVG.", rich_help_panel=OUTPUT
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            help="Write the page on all networks and its figures into this folder.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """List the networks that can be trained, or tell all about one.

    A pixel is a voxel in 3D. "sees" is the receptive field, "grid" the step of sizes
    that need no mirroring, and networks without exact "tiles" look at whole images.
    """
    if page is not None:
        if name is not None:
            raise InputError("The page is about all networks; leave out the name.")
        console.show(_page(page, measure, overwrite), json)
    elif name is not None:
        spec = _spec(name, width)
        console.show(
            _one(name, spec, shape, batch, measure, figure, overwrite, json), json
        )
    elif figure is not None:
        raise InputError(
            "A figure shows one network; give its name, such as: unet-studio networks "
            f"unet --figure {figure}."
        )
    elif shape is not None or width is not None:
        option = "--width" if shape is None else "--shape"
        raise InputError(
            f"{option} asks for the costs of one network; give its name, such as: "
            f"unet-studio networks unet {option} {width if shape is None else shape}."
        )
    else:
        _table(measure, json)


def _table(measured: bool, as_json: bool) -> None:
    times = _measure(NETWORKS) if measured else {}
    if as_json:
        rows: list[Mapping[str, Any]] = [
            {**facts(key, spec), **times.get("networks", {}).get(key, {})}
            for key, spec in NETWORKS.items()
        ]
        if times:
            rows = [{**row, "machine": times["machine"]} for row in rows]
        console.show_table(rows, (), as_json)
        return
    rows = []
    for key, spec in NETWORKS.items():
        row = {
            "network": key,
            "axes": f"{spec.ndim}D",
            "parameters": millions(spec.parameters),
            "FLOPs/pixel": thousands(spec.flops_per_pixel()),
            "sees": max(spec.receptive_field),
            "grid": max(spec.divisor),
            "heads": spec.num_heads,
            "tiles": tiling(spec),
        }
        if times:
            row[_SECONDS] = f"{times['networks'][key]['cpu_seconds_per_megapixel']:.2f}"
        rows.append(row)
    columns = (*_COLUMNS, _SECONDS) if times else _COLUMNS
    console.show_table(rows, columns, as_json)
    if times:
        console.err.print(", ".join(f"{k} {v}" for k, v in times["machine"].items()))


def _spec(name: str, width: float | None) -> NetworkSpec:
    spec = get_spec(name)
    if width is None:
        return spec
    if not 0 < width < inf:
        raise InputError(f"The width factor is {width}; give a number above 0.")
    return spec.scaled(width)


def _one(
    name: str,
    spec: NetworkSpec,
    shape: str | None,
    batch: int,
    measured: bool,
    figure: Path | None,
    overwrite: bool,
    as_json: bool,
) -> dict[str, Any]:
    size = _shape(shape, spec)
    costs = spec.costs(size, batch)
    memory = {
        "inference_bytes": costs.inference_bytes,
        "training_bytes": costs.training_bytes,
    }
    info: dict[str, Any] = {**facts(name, spec), **spec.to_dict()}
    info |= {
        "answer": "mean of the heads" if spec.graph.average else "last head",
        "presence": spec.graph.presence is not None,
        "smallest_input": spec.input_shape((1,) * spec.ndim),
        "halo": spec.halo,
        "trim": spec.trim,
        "shape": size,
        "output_shape": spec.output_shape(size),
        "batch": batch,
        "flops": costs.flops,
        **memory,
    }
    if measured:
        times = _measure({name: spec})
        info |= {**times["networks"][name], "machine": times["machine"]}
    if figure is not None:
        from napari_unet_studio.core.networks.figure import draw_figure
        from napari_unet_studio.io.atomic import atomic_write

        refuse_existing(figure, overwrite, option="--figure")
        check_writable(figure, "--figure")
        with atomic_write(figure) as file:
            file.write(draw_figure(spec, name).encode())
        info["figure"] = str(figure)
    if not as_json:
        info |= {key: f"{value / 2**20:,.0f} MiB" for key, value in memory.items()}
        info |= {key: f"{info[key]:,}" for key in ("parameters", "flops")}
        info = {key.replace("_", " "): value for key, value in info.items()}
    return info


def _page(folder: Path, measured: bool, overwrite: bool) -> dict[str, Any]:
    from napari_unet_studio.cli.network_page import write_page

    refuse_existing(folder / "networks.md", overwrite, option="--page")
    check_writable(folder / "networks.md", "--page")
    times = _measure(NETWORKS, pruned=True) if measured else None
    return {"files": [str(path) for path in write_page(folder, times)]}


def _measure(specs: Mapping[str, NetworkSpec], pruned: bool = False) -> dict[str, Any]:
    """Time networks, naming each on stderr when it begins."""
    from napari_unet_studio.cli.measure import measure

    running = measure(specs, pruned)
    while True:
        try:
            console.err.print(f"measuring {next(running)}")
        except StopIteration as done:
            result: dict[str, Any] = done.value
            return result


def _shape(text: str | None, spec: NetworkSpec) -> Shape:
    if text is None:
        return _PLAIN_SHAPE[spec.ndim]
    try:
        sizes = tuple(int(part) for part in text.lower().replace(",", "x").split("x"))
    except ValueError as error:
        example = "x".join(map(str, _PLAIN_SHAPE[spec.ndim]))
        raise InputError(
            f"The shape {text!r} is not understood; write it like {example}."
        ) from error
    return sizes * spec.ndim if len(sizes) == 1 else sizes
