"""Other ways to run the same network over an image, as they are written elsewhere.

Each function takes a sample and returns the function to measure, which returns the
probabilities (C, *S) of all pixels. Images are normalised and networks loaded before.
"""

import copy
import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core._compiled import core_count
from napari_unet_studio.core.geometry import TilePlan, plan_tiles
from napari_unet_studio.core.mirror import read_mirrored
from napari_unet_studio.core.networks.spec import NetworkSpec, Shape

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from napari_unet_studio.io.model import Model
    from napari_unet_studio.tasks.setup import Setup

Probabilities = NDArray[np.float32]
Work = Callable[[], Probabilities | None]

MONAI = "MONAI, overlap 0.25"
BARE = "bare forwards of our tiles"
SIDES = {2: 256, 3: 128}  # of the tiles of the peers


@dataclass(frozen=True, eq=False)
class Sample:
    """What is predicted: an image of shape (Y, X) or (Z, Y, X), and by which model."""

    image: NDArray[np.float32]
    model: "Model"

    @property
    def spec(self) -> NetworkSpec:
        """The network."""
        return self.model.card.spec

    @property
    def shape(self) -> Shape:
        """Shape of the image."""
        return self.image.shape

    def normalised(self) -> NDArray[np.float32]:
        """Return what the network is given, (1, *shape)."""
        rule = self.model.card.normalisation
        pixels = self.image[np.newaxis]
        return rule.apply(pixels, *rule.fit(pixels))

    def tensor(self, device: str) -> "Tensor":
        """Return the same as a batch of one image on a device."""
        import torch

        return torch.from_numpy(self.normalised()[np.newaxis]).to(device)

    def network(self, device: str) -> "nn.Module":
        """Return the network on a device."""
        if device == "cpu":
            return self.model.network
        return copy.deepcopy(self.model.network).to(device)


def planned(sample: Sample, settings: Mapping[str, Any], device: str) -> "Setup":
    """Return what this package chooses for a sample: precision and tiles.

    Parameters
    ----------
    sample
        What is predicted.
    settings
        Of :class:`.PredictConfig`, but for the device.
    device
        Where it runs.
    """
    from napari_unet_studio.tasks.predict_config import PredictConfig
    from napari_unet_studio.tasks.progress import run
    from napari_unet_studio.tasks.setup import set_up

    config = PredictConfig.from_dict({**settings, "device": device})
    pixels = sample.normalised()

    def windows(shape: Shape, count: int) -> list[NDArray[np.float32]]:
        window = [slice(0, size) for size in shape]
        return [np.ascontiguousarray(read_mirrored(pixels, window))] * count

    return run(set_up(sample.model, config, sample.shape, 1, windows))


def tiles_of(sample: Sample, setup: "Setup") -> TilePlan:
    """Return the tiles that this package reads with what it chose."""
    return plan_tiles(sample.shape, setup.spec, setup.cap, margin=setup.margin)


def exact_tiles(sample: Sample) -> TilePlan:
    """Return the tiles of this package in float32 on the processor."""
    return tiles_of(sample, planned(sample, {"precision": "float32"}, "cpu"))


def monai(sample: Sample, device: str, overlap: float, batch: int) -> Work:
    """Blend overlapping tiles by MONAI's sliding window with a Gaussian."""
    import torch
    from monai.inferers.utils import sliding_window_inference

    network, image = sample.network(device), sample.tensor(device)
    side = SIDES[len(sample.shape)]
    roi = [min(side, size) for size in sample.shape]  # larger ones would be padded

    def work() -> Probabilities:
        with torch.inference_mode():
            logits: Any = sliding_window_inference(
                image, roi, batch, network, overlap=overlap, mode="gaussian"
            )
            return _on_host(torch.sigmoid(logits))

    return work


def naive(sample: Sample, device: str) -> Work:
    """Put tiles side by side, without any overlap."""
    import torch

    network, image = sample.network(device), sample.tensor(device)
    side = SIDES[len(sample.shape)]
    starts = list(product(*(range(0, size, side) for size in sample.shape)))

    def work() -> Probabilities:
        result = torch.empty_like(image)
        with torch.inference_mode():
            for start in starts:
                place: Any = (..., *(slice(low, low + side) for low in start))
                result[place] = torch.sigmoid(network(image[place]))
        return _on_host(result)

    return work


def whole(sample: Sample) -> Work:
    """Give the whole image to the network at once: the exact answer."""
    import torch

    network, image = sample.network("cpu"), sample.tensor("cpu")

    def work() -> Probabilities:
        with torch.inference_mode():
            return _on_host(torch.sigmoid(network(image)))

    return work


def onnxruntime(sample: Sample) -> Work:
    """Run the planned tiles by ONNX Runtime."""
    runtime = import_module("onnxruntime")
    plan = exact_tiles(sample)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = core_count()
    options.log_severity_level = 3
    session = runtime.InferenceSession(
        _as_onnx(sample, plan.window), options, ["CPUExecutionProvider"]
    )
    return _over(sample, plan, lambda x: session.run(None, {"image": x})[0])


def openvino(sample: Sample) -> Work:
    """Run the planned tiles by OpenVINO."""
    library = import_module("openvino")
    plan = exact_tiles(sample)
    example = _example(sample, plan.window)
    with _quiet():
        graph = library.convert_model(_with_sigmoid(sample), example_input=example)
    graph.reshape(list(example.shape))
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": core_count(),
        "PERFORMANCE_HINT": "LATENCY",
    }
    network = library.compile_model(graph, "CPU", settings)
    return _over(sample, plan, lambda x: network(x)[0])


def bare_forwards(sample: Sample) -> Work:
    """Run the network over the windows of the plan, and nothing else.

    The network is prepared by the function that this package's engine uses, and freed
    memory is kept for the next layer as it is there.
    """
    import torch

    from napari_unet_studio.tasks.executors import inference_layout, prepared
    from napari_unet_studio.tasks.memory import kept_buffers

    layout = inference_layout("cpu", len(sample.shape))
    network = prepared(sample.model, "cpu", "float32", fast=False)
    pixels = sample.normalised()
    windows = [
        (
            torch.from_numpy(read_mirrored(pixels, tile.read)[np.newaxis]).to(
                memory_format=layout, copy=True
            ),
            tile.crop,
        )
        for tile in exact_tiles(sample)
    ]

    def work() -> None:
        with torch.inference_mode(), kept_buffers():
            for window, crop in windows:
                network(window, part=crop)

    return work


def _over(
    sample: Sample, plan: TilePlan, forward: Callable[[NDArray[Any]], NDArray[Any]]
) -> Work:
    """Return a function that reads, runs and puts together the tiles of a plan."""
    pixels = sample.normalised()

    def work() -> Probabilities:
        result = np.empty_like(pixels)
        for tile in plan:
            block = np.ascontiguousarray(read_mirrored(pixels, tile.read))
            answer = forward(block[np.newaxis])[0]
            result[:, *tile.core] = answer[:, *tile.crop]
        return result

    return work


def _as_onnx(sample: Sample, window: Shape) -> bytes:
    import torch

    buffer: Any = io.BytesIO()  # which torch takes, though its hints do not say so
    with _quiet():
        torch.onnx.export(
            _with_sigmoid(sample),
            (_example(sample, window),),
            buffer,
            input_names=["image"],
            output_names=["probabilities"],
            dynamo=False,
        )
    exported: bytes = buffer.getvalue()
    return exported


def _with_sigmoid(sample: Sample) -> "nn.Module":
    from torch import nn

    return nn.Sequential(sample.model.network, nn.Sigmoid()).eval()


def _example(sample: Sample, window: Shape) -> "torch.Tensor":
    import torch

    return torch.zeros(1, sample.spec.in_channels, *window)


def _on_host(probabilities: "Tensor") -> Probabilities:
    """Return the answer of one image as an array; a device is waited for."""
    found: Probabilities = probabilities[0].cpu().numpy()
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Tracing warns of every size that it takes for a constant, and of its age."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
