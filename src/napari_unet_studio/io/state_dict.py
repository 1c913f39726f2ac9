"""Weights from other programs: a plain state dict for a network of the catalog."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet_studio.core.errors import ConfigError, ModelFileError
from napari_unet_studio.core.networks.catalog import build, get_spec
from napari_unet_studio.core.networks.foreign import check_drawn
from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.names import as_name
from napari_unet_studio.io.state_report import IncompleteStateError, StateReport
from napari_unet_studio.io.state_tensors import file_bytes, read_tensors

if TYPE_CHECKING:
    from torch import Tensor

    from napari_unet_studio.core.networks.network import Network

__all__ = [
    "SUFFIXES",
    "IncompleteStateError",
    "StateReport",
    "complete_model",
    "load_state_dict_file",
    "model_around",
    "network_with",
    "read_tensors",
]

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".torch", ".safetensors")

# What may precede the names of tensors.
_PREFIXES = ("module.", "_orig_mod.", "model.", "network.", "net.")
_COUNTER = "num_batches_tracked"


def load_state_dict_file(
    path: str | Path, spec: NetworkSpec | str
) -> tuple["Network", StateReport]:
    """Load a state dict into a network of ours.

    Only tensors are read: a file that holds anything else is refused, and nothing in it
    is executed.

    Parameters
    ----------
    path
        What ``torch.save(network.state_dict(), path)`` wrote (``.pt``, ``.pth``), or
        ``.safetensors``. A checkpoint that holds it as "state_dict", "model" or the
        like will do, and so will names that begin with "module.".
    spec
        The network. Of one in the catalog, given by its name, the numbers of channels
        and classes follow the file.

    Returns
    -------
    tuple
        The network in evaluation mode, and what became of each tensor. Look at
        :attr:`StateReport.complete` before the network is used.

    Raises
    ------
    StorageError
        If the file cannot be read.
    ModelFileError
        If it is no state dict, or holds NaN.
    """
    path = Path(path)
    tensors = read_tensors(file_bytes(path), str(path))
    specs = [get_spec(spec)]
    check_drawn(specs[0], "cannot be given other weights")
    if isinstance(spec, str):
        specs += _adapted(specs[0], tensors)
    return min(
        (_loaded(each, tensors, str(path)) for each in specs),
        key=lambda found: len(found[1].missing) + len(found[1].reshaped),
    )


def model_around(network: "Network", report: StateReport, path: str | Path) -> Model:
    """Return a model with weights from a file, whose card states what is assumed."""
    path, spec = Path(path), network.spec
    digest = hashlib.sha256(file_bytes(path)).hexdigest()
    target: Any = "objects" if spec.num_classes <= 2 else "classes"
    card = ModelCard(
        name=as_name(path.stem),
        spec=spec,
        target=target,
        class_values=tuple(range(max(2, spec.num_classes))),
        notes=f"The usual normalisation is assumed: percentiles 1 to 99.8.\n{report}",
        origin={"format": "state dict", "file": path.name, "sha256": digest},
    )
    return Model(network, card)


def complete_model(
    path: str | Path, spec: NetworkSpec | str
) -> tuple[Model, StateReport]:
    """Return a model of a state dict that fills a network.

    Raises
    ------
    IncompleteStateError
        If it does not, with the report.
    """
    network, report = load_state_dict_file(path, spec)
    if not report.complete:
        raise IncompleteStateError(
            f"{Path(path).name} does not fill the network that was chosen; choose "
            f"another one, or change its widths.\n{report}",
            report,
        )
    return model_around(network, report, path), report


def network_with(
    spec: NetworkSpec, tensors: Mapping[str, "Tensor"], name: str
) -> "Network":
    """Return a network of ours with exactly these weights, in evaluation mode.

    Raises
    ------
    ModelFileError
        If they do not fit.
    """
    network, report = _loaded(spec, tensors, name)
    if not report.complete or report.renamed or report.unexpected:
        raise ModelFileError(f"{name}: its weights do not fit its network. {report}")
    return network


def _bare(names: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, str]:
    """Return names in the file by what they are without a beginning common to all."""
    bare = {name: name for name in names}
    while not set(bare) & set(wanted):
        prefix = next(
            (p for p in _PREFIXES if all(name.startswith(p) for name in bare)), None
        )
        if prefix is None:
            break
        bare = {name.removeprefix(prefix): full for name, full in bare.items()}
    return bare


def _loaded(
    spec: NetworkSpec, tensors: Mapping[str, "Tensor"], name: str
) -> tuple["Network", StateReport]:
    """Return a network with the tensors that fit, and the report."""
    import torch

    with torch.device("meta"):
        wanted = build(spec).state_dict()
    bare = _bare(tensors, wanted)
    pairs = {key: bare[key] for key in wanted if key in bare}
    renamed = _by_order(
        {k: v for k, v in wanted.items() if k not in pairs},
        {k: tensors[full] for k, full in bare.items() if k not in wanted},
    )
    pairs |= {ours: bare[theirs] for theirs, ours in renamed}
    state, missing, reshaped = {}, [], []
    for key, like in wanted.items():
        found = tensors.get(pairs.get(key, ""))
        if found is None:
            # Older versions of torch did not count.
            if key.endswith(_COUNTER):
                state[key] = torch.zeros((), dtype=torch.long)
            else:
                missing.append(key)
        elif found.shape != like.shape or not _alike(found, like):
            reshaped.append((key, tuple(found.shape), tuple(like.shape)))
        else:
            state[key] = _finite(found.to(like.dtype), pairs[key], name)
    network = build(spec)
    network.load_state_dict(state, strict=False)
    used = set(pairs.values())
    report = StateReport(
        tuple(state),
        tuple((theirs, ours) for theirs, ours in renamed if ours in state),
        tuple(missing),
        tuple(key for key in tensors if key not in used),
        tuple(reshaped),
    )
    if not any(not key.endswith(_COUNTER) for key in state):
        raise IncompleteStateError(
            f"{name} fits nothing of this {spec.family} network; choose the network "
            f"that it was made with.\n{report}",
            report,
        )
    return network.eval(), report


def _alike(found: "Tensor", like: "Tensor") -> bool:
    return found.is_floating_point() == like.is_floating_point()


def _finite(tensor: "Tensor", key: str, name: str) -> "Tensor":
    if not bool(tensor.isfinite().all()):
        raise ModelFileError(
            f"{name}: the tensor {key!r:.80} contains NaN or infinity, so no network "
            "can be made of it."
        )
    return tensor.contiguous().clone()


def _by_order(
    ours: Mapping[str, "Tensor"], theirs: Mapping[str, "Tensor"]
) -> list[tuple[str, str]]:
    """Return pairs of names, theirs and ours, of tensors that only differ in names.

    Either all that is left on both sides has the same shapes and kinds in the same
    order; or a shape and kind comes once on each side.
    """

    def kind(name: str, tensor: "Tensor") -> tuple[Any, ...]:
        return name.rpartition(".")[2], tuple(tensor.shape)

    first = {k: kind(k, t) for k, t in ours.items() if not k.endswith(_COUNTER)}
    second = {k: kind(k, t) for k, t in theirs.items() if not k.endswith(_COUNTER)}
    if list(first.values()) == list(second.values()):
        return list(zip(second, first, strict=True))
    counts = Counter(first.values()), Counter(second.values())
    places = {value: name for name, value in first.items()}
    return [
        (name, places[value])
        for name, value in second.items()
        if counts[0][value] == counts[1][value] == 1
    ]


def _adapted(spec: NetworkSpec, tensors: Mapping[str, "Tensor"]) -> list[NetworkSpec]:
    """Return the spec with as many channels and classes as the file seems to have."""
    kernels = [t for t in tensors.values() if t.ndim == spec.ndim + 2]
    if not kernels:
        return []
    channels, classes = int(kernels[0].shape[1]), int(kernels[-1].shape[0])
    try:
        found = replace(spec, in_channels=channels, num_classes=classes)
    except ConfigError:
        return []
    return [] if found == spec else [found]
