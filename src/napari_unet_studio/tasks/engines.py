"""The executor of a configuration: torch on a device, or OpenVINO."""

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.networks.foreign import (
    KIND_NAMES,
    ForeignSpec,
    check_drawn,
)
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.io.model import Model
from napari_unet_studio.tasks.cuda import CudaExecutor
from napari_unet_studio.tasks.executors import Executor, TorchExecutor
from napari_unet_studio.tasks.predict_config import PredictConfig

# Windows that set the ranges of 8-bit integers, and their longest side.
_CALIBRATION, _SIDE = 8, {2: 256, 3: 128}

Sample = Callable[[Shape, int], list[NDArray[np.float32]]]
"""Returns some normalised windows (C, *window) of the image."""


def executor_of(model: Model, config: PredictConfig, sample: Sample) -> Executor:
    """Return the executor of a configuration without "auto"."""
    if config.engine == "openvino":
        check_drawn(model.card.spec, "cannot be computed by OpenVINO")
        from napari_unet_studio.tasks.openvino import OpenVinoExecutor

        calibration = []
        if config.precision == "int8":
            spec = model.card.spec
            side = min(config.tile, _SIDE[spec.ndim])
            window = spec.input_shape((side,) * spec.ndim)
            calibration = sample(window, _CALIBRATION)
        network = copy.deepcopy(model.network).eval()
        return OpenVinoExecutor(network, model.card, config.precision, calibration)  # type: ignore[arg-type]
    drawn = not isinstance(model.card.spec, ForeignSpec)
    records = drawn and config.device.startswith("cuda")
    kind = CudaExecutor if records else TorchExecutor
    return kind(model, config.device, config.precision, config.compile)


def suited(model: Model, config: PredictConfig) -> tuple[PredictConfig, list[str]]:
    """Return a configuration in which a model can be computed, and what was changed.

    Foreign networks are computed in single precision and are not compiled, and those of
    ONNX on the processor.

    Raises
    ------
    ConfigError
        If another engine is asked for than the network has.
    """
    spec = model.card.spec
    if not isinstance(spec, ForeignSpec):
        return config, []
    if config.engine == "openvino":
        check_drawn(spec, "cannot be computed by OpenVINO")
    device = "cpu" if spec.kind == "onnx" else config.device
    changed = {"device": device, "precision": "float32", "compile": False}
    asked = [
        str(getattr(config, name)).replace("True", name)
        for name, value in changed.items()
        if getattr(config, name) not in (value, "auto")
    ]
    notes = []
    if asked:
        where = "on the processor in" if spec.kind == "onnx" else "in"
        notes.append(
            f"Networks imported as {KIND_NAMES[spec.kind]} are computed {where} single "
            f"precision, so {' and '.join(asked)} did not apply."
        )
    return replace(config, **changed), notes  # type: ignore[arg-type]


def cuts(config: PredictConfig) -> bool:
    """Whether of a tile no more is computed than its core needs.

    OpenVINO and networks compiled by torch compute windows whole: each part would have
    to be compiled by itself.
    """
    return config.engine == "torch" and not config.compile


def checked_executor(
    model: Model, config: PredictConfig, sample: Sample, said: list[str]
) -> Executor:
    """Return the executor of a configuration, or float32 where integers are too rough.

    What was measured of 8-bit integers is added to `said`.
    """
    if config.precision != "int8":
        return executor_of(model, config, sample)
    from napari_unet_studio.tasks.openvino import InaccurateError, OpenVinoExecutor

    try:
        made = executor_of(model, config, sample)
    except InaccurateError as error:
        said.append(f"{error} It was computed in float32.")
        return executor_of(model, replace(config, precision="float32"), sample)
    assert isinstance(made, OpenVinoExecutor)
    said.append(made.check)
    return made
