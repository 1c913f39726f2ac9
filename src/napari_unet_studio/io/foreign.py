"""Networks of other programs, computed by onnxruntime or as TorchScript.

Both answer in the convention of :class:`.Network`: images (N, C, *S) in, logits
(N, num_classes, *S) out, whatever axes and activation the file has.
"""

import hashlib
import io
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from napari_unet_studio.core.errors import (
    ConfigError,
    ModelFileError,
    StudioError,
)
from napari_unet_studio.core.networks.foreign import KIND_NAMES, ForeignSpec
from napari_unet_studio.core.networks.network import Heads, mirrored
from napari_unet_studio.io.extras import require
from napari_unet_studio.io.onnx_check import check_onnx
from napari_unet_studio.io.trust import check_trusted

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Types of input that grey values can be given as.
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}
# Probabilities nearer to 0 and 1 than this make logits of the same size.
_EPS = 1e-7


class ForeignNetwork(nn.Module):
    """A network in a file, in the shape of ours.

    Parameters
    ----------
    spec
        What was declared of it.
    payload
        The file.

    Attributes
    ----------
    payload
        The file, as it is stored with a model.

    Raises
    ------
    ModelFileError
        If the file does not have the digest of the spec, is damaged, or computes
        something else than the spec says.
    UntrustedError
        If it is TorchScript and this user has not said to trust it.
    ConfigError
        If onnxruntime is not installed.
    """

    digest: Tensor

    def __init__(self, spec: ForeignSpec, payload: bytes) -> None:
        super().__init__()
        found = hashlib.sha256(payload).hexdigest()
        if found != spec.digest:
            raise ModelFileError(
                f"The {KIND_NAMES[spec.kind]} network is not the one that its card "
                f"describes: its SHA-256 is {found[:12]}…, not {spec.digest[:12]}…. "
                "The file was damaged or changed; take it from its source again."
            )
        self.spec = spec
        self.payload = payload
        # What tells it from other networks, in place of weights.
        word = np.frombuffer(bytes.fromhex(found), np.uint8).copy()
        self.register_buffer("digest", torch.from_numpy(word))
        if spec.kind == "onnx":
            self.engine: _Onnx | nn.Module = _Onnx(payload)
        else:
            check_trusted(found, "The model")
            self.engine = load_torchscript(payload)

    def forward(
        self,
        x: Tensor,
        every_head: bool = False,
        part: Sequence[slice] | None = None,
    ) -> Tensor | Heads:
        """Return the logits (N, num_classes, *spec.output_shape(S)) of x (N, C, *S).

        Parameters are those of :meth:`.Network.forward`; of a `part`, the whole is
        computed.

        Raises
        ------
        ModelFileError
            If the answer is not one of the shape that the spec says.
        """
        wanted = self.spec.output_shape(x.shape[2:])
        inner = self.spec.input_shape(wanted)
        left = tuple(i - 2 * t for i, t in zip(inner, self.spec.trim, strict=True))
        if any(w > size for w, size in zip(wanted, left, strict=True)):
            raise ConfigError(
                f"This network takes inputs of {inner} pixels, not of "
                f"{tuple(x.shape[2:])}; give it windows of that size."
            )
        logits = self.logits(self.output(mirrored(x, inner)))
        logits = logits[:, :, *(slice(0, w) for w in wanted)]
        if every_head:
            return Heads((logits,))
        return logits if part is None else logits[:, :, *part]

    def output(self, x: Tensor) -> Tensor:
        """Return the file's output (N, outputs, *S') of x (N, C, *S) on its grid."""
        if self.spec.clip is not None:
            x = x.clamp(*self.spec.clip)
        return torch.stack([self._answer(image) for image in x]).to(x)

    def logits(self, output: Tensor) -> Tensor:
        """Return logits in our convention of the file's output (N, outputs, *S)."""
        spec = self.spec
        if spec.activation == "none":
            chosen = output if spec.channel < 0 else _one(output, spec.channel)
            if spec.num_classes > 1:
                return chosen.clamp_min(_EPS).log()
            return torch.logit(chosen, _EPS)
        if spec.channel < 0:
            return output
        if spec.activation == "softmax" and spec.outputs > 1:
            # The logit of one class against all others.
            others = [c for c in range(spec.outputs) if c != spec.channel]
            rest = output[:, others].logsumexp(1, keepdim=True)
            return _one(output, spec.channel) - rest
        return _one(output, spec.channel)

    def _answer(self, image: Tensor) -> Tensor:
        """Return the file's output (outputs, *S), trimmed, for an image (C, *S)."""
        spec = self.spec
        ours = "bc" + "zyx"[-spec.ndim :]
        given = _arranged(image[None], ours, spec.input_axes)
        output: Any = self._run(given)
        if isinstance(output, list | tuple) and output:
            output = output[0]
        fits = isinstance(output, Tensor) and output.ndim == len(spec.output_axes)
        if fits:
            output = _arranged(output, spec.output_axes, ours)
            shape = tuple(output.shape)
            sizes = [
                size - 2 * trim
                for size, trim in zip(image.shape[1:], spec.trim, strict=True)
            ]
            off = [have - size for have, size in zip(shape[2:], sizes, strict=True)]
            fits = shape[:2] == (1, spec.outputs) and min(off) >= 0
        if not fits:
            shape = tuple(getattr(output, "shape", ()))
            raise ModelFileError(
                f"The imported network answers {tuple(given.shape)} with {shape}, not "
                "as its description says; import it anew with a right one."
            )
        parts = [slice(o // 2, o // 2 + s) for o, s in zip(off, sizes, strict=True)]
        answer: Tensor = output[0][:, *parts].float()
        return answer

    def _run(self, given: Tensor) -> Any:
        """Return what the file answers; programs can raise whatever they like."""
        try:
            return self.engine(given)
        except (StudioError, MemoryError, torch.OutOfMemoryError):
            raise
        except RuntimeError as error:
            reason = _reason(error, line=-1)
            if "alloc" in reason.lower() or "out of memory" in reason.lower():
                raise MemoryError(reason) from error
            raise ModelFileError(
                f"The TorchScript network cannot compute {tuple(given.shape)}: "
                f"{reason}. Import it anew, or ask its authors."
            ) from error


def onnx_sizes(payload: bytes) -> list[int | None]:
    """Return the size of each axis of an ONNX network's input, None for any."""
    (given,) = _Onnx(payload).session.get_inputs()
    return [size if isinstance(size, int) else None for size in given.shape]


class _Onnx:
    """A session of onnxruntime, shared by all copies of its network."""

    def __init__(self, payload: bytes) -> None:
        check_onnx(payload, "The ONNX network")
        ort: Any = require("onnxruntime", "onnx")
        options = ort.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # Windows differ in shape, so memory by shape would only grow.
        options.enable_mem_pattern = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self.session: Any = ort.InferenceSession(
                payload,
                options,
                providers=["CPUExecutionProvider"],
                enable_fallback=0,  # to the same provider, with a print
            )
        except Exception as error:  # onnxruntime has a kind for each status
            raise ModelFileError(
                f"onnxruntime cannot load the ONNX network: {_reason(error)}. It may "
                "be damaged, or newer than the onnxruntime installed."
            ) from error
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        if len(inputs) != 1 or inputs[0].type not in _TYPES or not outputs:
            kinds = ", ".join(each.type for each in inputs)
            raise ModelFileError(
                f"The ONNX network takes {len(inputs)} inputs ({kinds}); one tensor of "
                "floating-point numbers is expected."
            )
        self.dtype = _TYPES[inputs[0].type]
        self.names = inputs[0].name, outputs[0].name

    def __deepcopy__(self, memo: Mapping[int, Any]) -> Self:
        return self

    def __call__(self, x: Tensor) -> Tensor:
        given: NDArray[Any] = np.ascontiguousarray(x.cpu().numpy(), self.dtype)
        try:
            (found,) = self.session.run([self.names[1]], {self.names[0]: given})
        except Exception as error:
            reason = _reason(error)
            if "alloc" in reason.lower():
                raise MemoryError(reason) from error
            raise ModelFileError(
                f"onnxruntime cannot compute the network on {given.shape}: {reason}."
            ) from error
        if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiub":
            raise ModelFileError(
                "The ONNX network answers with something else than an array of numbers."
            )
        return torch.from_numpy(np.ascontiguousarray(found, np.float32))


def load_torchscript(payload: bytes) -> nn.Module:
    """Load a TorchScript program, which this user trusts, in evaluation mode.

    Raises
    ------
    ModelFileError
        If it cannot be loaded.
    """
    try:
        with warnings.catch_warnings():
            # Programs of others come in no other form.
            warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
            program: nn.Module = torch.jit.load(  # type: ignore[no-untyped-call]
                io.BytesIO(payload), map_location="cpu"
            )
    except Exception as error:
        raise ModelFileError(
            f"torch cannot load the TorchScript network: {_reason(error)}. It may be "
            "damaged, or made by a newer version of torch."
        ) from error
    # Its copies would otherwise hold what gradients are computed through.
    program.eval()
    for parameter in program.parameters():
        parameter.requires_grad_(False)
    return program


def _arranged(x: Tensor, axes: str, wanted: str) -> Tensor:
    """Return a tensor with axes in another order; "b" and "c" may be absent in both."""
    for axis in "bc":
        if axis in axes and axis not in wanted and x.shape[axes.index(axis)] == 1:
            x, axes = x.squeeze(axes.index(axis)), axes.replace(axis, "")
    for axis in wanted:
        if axis not in axes:
            x, axes = x.unsqueeze(0), axis + axes
    if len(axes) != len(wanted):
        raise ModelFileError(
            f"A tensor with axes {axes} of {tuple(x.shape)} cannot become {wanted}."
        )
    return x.permute([axes.index(axis) for axis in wanted])


def _one(output: Tensor, channel: int) -> Tensor:
    return output[:, channel : channel + 1]


def _reason(error: Exception, line: int = 0) -> str:
    """Return a line of a library's message, the first, without its last full stop."""
    text = (str(error).strip() or type(error).__name__).splitlines()[line]
    return text[:200].rstrip(". ")
