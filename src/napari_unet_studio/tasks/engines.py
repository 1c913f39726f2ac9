"""The executor of a configuration: torch on a device, or OpenVINO."""

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

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
        from napari_unet_studio.tasks.openvino import OpenVinoExecutor

        calibration = []
        if config.precision == "int8":
            spec = model.card.spec
            side = min(config.tile, _SIDE[spec.ndim])
            window = spec.input_shape((side,) * spec.ndim)
            calibration = sample(window, _CALIBRATION)
        network = copy.deepcopy(model.network).eval()
        return OpenVinoExecutor(network, model.card, config.precision, calibration)  # type: ignore[arg-type]
    kind = CudaExecutor if config.device.startswith("cuda") else TorchExecutor
    return kind(model, config.device, config.precision, config.compile)


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
