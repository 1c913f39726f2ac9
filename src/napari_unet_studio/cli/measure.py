"""How long the real networks take on this machine's processor."""

import platform
import statistics
import time
from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from math import prod
from typing import TYPE_CHECKING, Any

from napari_unet_studio.benchmark.machine import processor
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape
from napari_unet_studio.core.networks.unetpp import prune

if TYPE_CHECKING:
    from napari_unet_studio.core.networks.network import Network

# Sides of the output, and how many operations a pass may have; a larger one is
# measured on a smaller output.
_SIDES = {2: (512, 256, 128, 64), 3: (64, 44, 32, 16)}
_MOST_FLOPS = 7e11
_WARM_UP, _REPEATS = 1, 3
PRUNED_SHAPE = (1024, 1024)


def measure(
    networks: Mapping[str, NetworkSpec], pruned: bool = False
) -> Generator[str, None, dict[str, Any]]:
    """Time one inference pass of each network; yields names, returns the document.

    Parameters
    ----------
    networks
        They get random weights; the time of a pass does not depend on them.
    pruned
        Also time the pruned forms of "unet++".
    """
    found: dict[str, Any] = {"machine": machine(), "networks": {}}
    for name, spec in networks.items():
        yield name
        found["networks"][name] = time_pass(build(spec), measured_shape(spec))
    if pruned:
        found["pruned"] = {}
        whole = build("unet++")
        for level in range(1, whole.spec.num_heads + 1):
            yield f"unet++ L{level}"
            found["pruned"][f"L{level}"] = time_pass(prune(whole, level), PRUNED_SHAPE)
    return found


def measured_shape(spec: NetworkSpec) -> Shape:
    """Return the output on which a network is timed."""
    sides = _SIDES[spec.ndim]
    for side in sides:
        flops = spec.flops_per_pixel(side) * side**spec.ndim
        if flops <= _MOST_FLOPS:
            return (side,) * spec.ndim
    return (sides[-1],) * spec.ndim


def time_pass(network: "Network", shape: Shape) -> dict[str, Any]:
    """Return the median times of a float32 pass whose output covers `shape`.

    The layout in memory is that of prediction. Seconds of the clock are what a user
    waits. Seconds of the processor, summed over its threads, do not count what other
    programs take meanwhile, so they compare networks even on a machine that is not
    idle.
    """
    import torch

    from napari_unet_studio.tasks.device import memory_format

    spec = network.eval().spec
    layout = memory_format("cpu", spec.ndim)
    given = spec.input_shape(shape)
    image = torch.randn(1, spec.in_channels, *given).to(memory_format=layout)
    network = network.to(memory_format=layout)  # type: ignore[call-overload]
    clock, processor = [], []
    with torch.inference_mode():
        for number in range(_WARM_UP + _REPEATS):
            begin = time.perf_counter(), time.process_time()
            network(image)
            if number >= _WARM_UP:
                clock.append(time.perf_counter() - begin[0])
                processor.append(time.process_time() - begin[1])
    output = spec.output_shape(given)
    used = statistics.median(processor)
    return {
        "output": list(output),
        "seconds": round(statistics.median(clock), 4),
        "cpu_seconds": round(used, 4),
        "cpu_seconds_per_megapixel": round(used / prod(output) * 1e6, 3),
    }


def machine() -> dict[str, Any]:
    """Return what times depend on."""
    import torch

    return {
        "date": datetime.now(UTC).date().isoformat(),
        "device": "CPU",
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "warm_up": _WARM_UP,
        "repeats": _REPEATS,
    }
