"""From torch's networks to OpenVINO's; the only place that imports its libraries.

OpenVINO is optional, and so is NNCF, its tool for integers: the extra "openvino" of
this package.
"""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import TYPE_CHECKING, Any, cast

import rich
import torch
from numpy.typing import NDArray

from napari_unet_studio.core.errors import ConfigError, DeviceError, StudioError
from napari_unet_studio.core.networks.network import digest
from napari_unet_studio.io.plain_json import dumps
from napari_unet_studio.tasks.device import is_out_of_memory

if TYPE_CHECKING:
    from napari_unet_studio.core.networks.network import Network


_FORM = 1  # to be raised when integers are made in another way


def import_openvino() -> Any:
    """Return the library, or raise a ConfigError that says how to install it."""
    with _importing("openvino"):
        import openvino
    return openvino


def import_nncf() -> Any:
    """Return the library, or raise a ConfigError that says how to install it."""
    kind = logging.getLoggerClass()
    with _importing("nncf"):
        try:
            import nncf
        finally:
            logging.setLoggerClass(kind)  # NNCF sets its own for everybody
    return nncf


@contextmanager
def _importing(name: str) -> Iterator[None]:
    """Import without telemetry, and explain what to do if there is nothing to import.

    Without the package openvino-telemetry both libraries are content, send nothing and
    write nothing into the user's home. If the program has imported them before with
    telemetry, that remains as it is.
    """
    modules, telemetry = cast("dict[str, Any]", sys.modules), "openvino_telemetry"
    known, before = telemetry in modules, modules.get(telemetry)
    modules[telemetry] = None  # importing it says that it is not installed
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"The library {name} cannot be imported: {error}. Install it with: "
            "pip install 'napari-unet-studio[openvino]'"
        ) from error
    finally:
        del modules[telemetry]
        if known:
            modules[telemetry] = before


def convert(openvino: Any, network: "Network") -> Any:
    """Return OpenVINO's form of a network, recorded with a small image of zeros.

    It may be reshaped to any window on the network's grid, where all sizes that the
    recording holds fast are the same.
    """
    spec = network.spec
    # Two pixels at the coarsest level: instance normalisation refuses a single one.
    window = spec.input_shape([2 * step for step in spec.divisor])
    image = torch.zeros(1, spec.in_channels, *window)
    with warnings.catch_warnings():
        # OpenVINO records in a way that torch calls deprecated.
        tracer = torch.jit.TracerWarning  # type: ignore[attr-defined]
        warnings.filterwarnings("ignore", category=tracer)
        warnings.filterwarnings("ignore", r"`torch\.jit\.", DeprecationWarning)
        return openvino.convert_model(network, example_input=image)


def quantise(nncf: Any, model: Any, blocks: NDArray[Any]) -> Any:
    """Return the model in integers of 8 bits.

    Parameters
    ----------
    nncf
        The library.
    model
        Of OpenVINO, reshaped to the blocks.
    blocks
        Normalised images (B, C, *S), which set the ranges of the integers.
    """
    console, logger = rich.get_console(), logging.getLogger("nncf")
    before = console.quiet, logger.level
    # Its progress bars and messages go to the standard output.
    console.quiet = True
    logger.setLevel(logging.ERROR)
    try:
        # "Mixed": activations need not be symmetric about zero. It costs nothing on
        # CPUs, and less is lost in networks without ReLU.
        return nncf.quantize(
            model,
            nncf.Dataset([block[None] for block in blocks]),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(blocks),
        )
    finally:
        console.quiet = before[0]
        logger.setLevel(before[1])


def key_of(network: "Network", version: str) -> str:
    """Return as one word what integers are made of, and by which libraries."""
    try:
        makers = f"{version} {metadata.version('nncf')} {_FORM}"
    except metadata.PackageNotFoundError:
        makers = version
    return digest(network, f"{makers} {dumps(network.spec.to_dict())}")[:24]


@contextmanager
def explained(task: str) -> Iterator[None]:
    """Turn errors of the libraries, which share no base class, into sentences.

    Parameters
    ----------
    task
        What cannot be done, such as "this network on 64 x 64 pixels".

    Raises
    ------
    DeviceError
        Where memory ran out.
    ConfigError
        Where anything else failed.
    """
    try:
        yield
    except StudioError:
        raise
    except Exception as error:
        if _lacks_memory(error):
            raise DeviceError(
                f"The CPU ran out of memory for {task}; choose smaller tiles or a "
                "smaller network."
            ) from error
        raise ConfigError(
            f"OpenVINO cannot compute {task}: {_reason(error)}. Choose the engine "
            "torch."
        ) from error


def _lacks_memory(error: BaseException) -> bool:
    words = "failed to allocate", "bad_alloc", "bad allocation"
    text = str(error).lower()
    return is_out_of_memory(error) or any(word in text for word in words)


def _reason(error: BaseException) -> str:
    """Return the last line of a report; those before name the libraries' sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
