"""TorchScript files: a network with its card, for programs with PyTorch alone."""

import io
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from napari_unet_studio.core.networks.architecture import CLASS, architecture_source
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.scratch import scratch_folder

# Where each line came from: folders of this computer, which are nobody's business.
_PLACES = ".debug_pkl"
# Tensors begin at multiples of this, as torch has them in memory.
_ALIGNMENT = 64


class _Answer(nn.Module):
    """A network whose answers are probabilities."""

    def __init__(self, network: nn.Module, single: bool) -> None:
        super().__init__()
        self.network = network
        self.single = single

    def forward(self, x: Tensor) -> Tensor:
        """Return probabilities (N, K, *S') of normalised images (N, C, *S)."""
        logits = self.network(x)
        if self.single:
            return torch.sigmoid(logits)
        return torch.softmax(logits, 1)


def torchscript_bytes(
    model: Model, probabilities: bool, about: Mapping[str, str]
) -> bytes:
    """Return the TorchScript file of a model.

    It takes images (N, C, *S), float32 and normalised, of any size on the grid of the
    network, and returns probabilities (or logits) (N, K, *S').

    Parameters
    ----------
    model
        Its network, in single precision.
    probabilities
        Whether the sigmoid or softmax is part of the file.
    about
        Further files inside it, by name.
    """
    source = architecture_source(model.card.spec)
    state = model.network.state_dict()
    buffer = io.BytesIO()
    # The compiler reads the source of what it compiles from its file.
    with scratch_folder() as folder, _deprecated():
        path = folder / "network.py"
        path.write_text(source, encoding="utf-8")
        network = network_from_text(source, str(path))
        network.load_state_dict({k: _single(v) for k, v in state.items()})
        if probabilities:
            network = _Answer(network, model.card.spec.num_classes == 1)
        script: Any = torch.jit.script(network.eval().requires_grad_(False))
        torch.jit.save(script, buffer, _extra_files=dict(about))
    return _without_places(buffer.getvalue())


def _without_places(data: bytes) -> bytes:
    """Return a TorchScript file that does not say where its sources lay.

    They are needed for messages about errors only.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for entry in old.infolist():
            if entry.filename.endswith(_PLACES):
                continue
            kept = zipfile.ZipInfo(entry.filename)  # no date either
            begin = buffer.tell() + 30 + len(kept.filename.encode()) + 4
            padding = -begin % _ALIGNMENT
            kept.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
            new.writestr(kept, old.read(entry))
    return buffer.getvalue()


def network_from_text(source: str, name: str = "network.py") -> nn.Module:
    """Build the network of a source of ours; `name` is the file it is in."""
    namespace: dict[str, Any] = {"__name__": "network"}
    exec(compile(source, name, "exec"), namespace)  # our own words
    network: nn.Module = namespace[CLASS]()
    return network


def read_torchscript(data: bytes) -> Callable[[Tensor], Tensor]:
    """Return the network in a file that was just written, to compare it."""
    jit: Any = torch.jit  # untyped
    with _deprecated():
        network = jit.load(io.BytesIO(data), map_location="cpu")

    def answer(image: Tensor) -> Tensor:
        # Optimising takes longer than the few answers.
        with torch.inference_mode(), jit.optimized_execution(False):
            found: Tensor = network(image)
        return found

    return answer


def _single(tensor: Tensor) -> Tensor:
    found = tensor.detach().cpu()
    return found.float() if found.is_floating_point() else found


@contextmanager
def _deprecated() -> Iterator[None]:
    """Use torch's scripts although torch would rather have others use something else.

    Programs that read bioimage.io packages know no other form.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        yield
