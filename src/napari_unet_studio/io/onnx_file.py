"""ONNX files: a network with its card, for programs that have no PyTorch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.io.extras import require
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.onnx_nodes import OnnxNodes

IMAGE = "image"
# Of bytes of weights: protocol buffers end at 2 GB, and the rest takes some.
_LARGEST = 2**31 - 2**24


def onnx_bytes(
    model: Model, probabilities: bool, opset: int, about: Mapping[str, str]
) -> bytes:
    """Return the ONNX file of a model.

    It takes ``image`` (N, C, *S), float32 and normalised, of any size on the grid of
    the network, and returns ``probabilities`` (or ``logits``) (N, K, *S').

    Parameters
    ----------
    model
        Its network, in single precision.
    probabilities
        Whether the sigmoid or softmax is part of the file.
    opset
        Version of ONNX's operators.
    about
        Goes into the file's metadata.

    Raises
    ------
    ConfigError
        If the package onnx is missing, or the network too large for one file.
    """
    onnx = require("onnx", "onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    spec = model.card.spec
    if 4 * spec.parameters > _LARGEST:
        raise ConfigError(
            f"The network of {model.name!r} is larger than the 2 GB that an ONNX file "
            "holds; export it as torchscript."
        )
    weights = {
        name: tensor.detach().cpu().float().numpy()
        for name, tensor in model.network.state_dict().items()
        if tensor.is_floating_point()
    }
    answer = "probabilities" if probabilities else "logits"
    writer = OnnxNodes(spec, weights, opset)
    writer.write(IMAGE, answer, probabilities)
    axes = list("ZYX"[-spec.ndim :])
    after = [f"{axis}_out" for axis in axes] if any(spec.trim) else axes
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        writer.nodes,
        spec.family,
        [helper.make_tensor_value_info(IMAGE, kind, ["N", spec.in_channels, *axes])],
        [helper.make_tensor_value_info(answer, kind, ["N", spec.num_classes, *after])],
        [numpy_helper.from_array(v, k) for k, v in writer.constants.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    proto = helper.make_model(
        graph,
        opset_imports=opsets,
        # The lowest that can hold these operators: older programs read it as well.
        ir_version=helper.find_min_ir_version_for(opsets),
        producer_name="napari-unet-studio",
    )
    helper.set_model_props(proto, dict(about))
    data: bytes = proto.SerializeToString()
    try:
        onnx.checker.check_model(data, full_check=False)
    except onnx.checker.ValidationError as error:
        raise ConfigError(
            f"The network of {model.name!r} does not go into an ONNX file ({error}); "
            "export it as torchscript."
        ) from error
    return data


class OnnxRunner:
    """Runs an ONNX file on the processor, to compare it.

    Parameters
    ----------
    data
        The file.

    Raises
    ------
    ConfigError
        If the package onnxruntime is missing.
    """

    def __init__(self, data: bytes) -> None:
        runtime = require("onnxruntime", "onnx")
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # its hints are not for the user
        providers = ["CPUExecutionProvider"]
        self._session: Any = runtime.InferenceSession(data, options, providers)

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the answer (N, K, *S') for images (N, C, *S)."""
        (answer,) = self._session.run(None, {IMAGE: image})
        return np.asarray(answer)
