"""The ways of this package to run a network that are measured: one row each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_unet_studio.benchmark.method import OWN

AUTO = f"{OWN}, auto"
FAST = f"{OWN}, fast margin"
COMPILED = f"{OWN}, compiled"
OPENVINO = f"{OWN}, OpenVINO"
OPENVINO_BF16 = f"{OWN}, OpenVINO bfloat16"
INT8 = f"{OWN}, OpenVINO int8"


@dataclass(frozen=True, eq=False)
class Variant:
    """One way to run a network.

    Parameters
    ----------
    name
        What tables call it.
    settings
        Of :class:`.PredictConfig`, but for the device.
    library
        What has to be importable, beyond what this package needs.
    devices
        Where it can run.
    bfloat16
        Whether it is only there for devices that are faster in bfloat16.
    optional
        Whether it is measured only if asked for.
    """

    name: str
    settings: Mapping[str, Any]
    library: str | None = None
    devices: tuple[str, ...] = ("cpu",)
    bfloat16: bool = False
    optional: bool = False


_EXACT = {"precision": "float32"}
_OPENVINO = {"engine": "openvino"}
_ALL = ("cpu", "cuda")

VARIANTS = (
    Variant(OWN, _EXACT, devices=_ALL),
    Variant(AUTO, {"precision": "auto"}, devices=_ALL),
    Variant(FAST, {**_EXACT, "margin": "fast"}, devices=_ALL),
    Variant(COMPILED, {**_EXACT, "compile": True}, devices=_ALL, optional=True),
    Variant(OPENVINO, {**_EXACT, **_OPENVINO}, "openvino"),
    Variant(
        OPENVINO_BF16,
        {"precision": "bfloat16", **_OPENVINO},
        "openvino",
        bfloat16=True,
    ),
    Variant(INT8, {"precision": "int8", **_OPENVINO}, "nncf"),
)
"""The first is what all else is compared with; a further way is one row here."""
