"""Key figures of a network, as the list and the page of the networks tell them."""

from typing import Any

from napari_unet_studio.core.networks.spec import NetworkSpec


def facts(name: str, spec: NetworkSpec) -> dict[str, Any]:
    """Return what distinguishes a network for those who choose one."""
    return {
        "network": name,
        "axes": f"{spec.ndim}D",
        "parameters": spec.parameters,
        "flops_per_pixel": round(spec.flops_per_pixel()),
        "receptive_field": spec.receptive_field,
        "divisor": spec.divisor,
        "heads": spec.num_heads,
        "tiles": tiling(spec),
    }


def tiling(spec: NetworkSpec) -> str:
    """Return whether tiles are exact, or the network looks at the whole image."""
    return "local" if spec.local else "whole image"


def millions(value: float) -> str:
    """Return a number of parameters as people write it."""
    return f"{value / 1e6:.2f} M"


def thousands(value: float) -> str:
    """Return operations per pixel as people write it."""
    return f"{value / 1e3:,.0f} k"
