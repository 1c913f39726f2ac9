"""Unfinished trainings: network, optimiser and progress in one file, no pickle."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet_studio.io.archive import Archive, write_archive
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.model_file import build_with, fitting, read_card_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything a training needs to go on as if it had never stopped.

    Parameters
    ----------
    model
        The network as it was at `step`, with its card.
    best
        State of the best network so far, or None.
    optimiser
        ``optimiser.state_dict()``.
    state
        Step, scores and history, as plain JSON types.
    average
        Moving average of the weights, or None.
    scaler
        State of the gradient scaler.
    """

    model: Model
    best: Mapping[str, "Tensor"] | None
    optimiser: Mapping[str, Any]
    state: dict[str, Any]
    average: Mapping[str, "Tensor"] | None = None
    scaler: Mapping[str, Any] = field(default_factory=dict)


def save_checkpoint(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write a checkpoint, whole or not at all."""
    moments = {
        f"{index}.{name}": value
        for index, values in checkpoint.optimiser["state"].items()
        for name, value in values.items()
        if value is not None
    }
    documents = {
        "card": checkpoint.model.card.to_dict(),
        "state": checkpoint.state,
        "optimiser": {"param_groups": checkpoint.optimiser["param_groups"]},
        "scaler": dict(checkpoint.scaler),
    }
    tensors: dict[str, Mapping[str, Tensor]] = {
        "weights": checkpoint.model.network.state_dict(),
        "moments": moments,
    }
    for name, weights in (("best", checkpoint.best), ("average", checkpoint.average)):
        if weights is not None:
            tensors[name] = weights
    write_archive(Path(path), documents, tensors, {})


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    StorageError
        If the file does not exist or cannot be read.
    ModelFileError
        If it is not a whole checkpoint.
    """
    with Archive(path, "checkpoint") as archive:
        card = read_card_of(archive)
        network = build_with(card, archive.tensors("weights"), archive)
        best, average = (
            fitting(network.state_dict(), archive.tensors(name), archive)
            if f"{name}.safetensors" in archive
            else None
            for name in ("best", "average")
        )
        parameters = list(network.parameters())
        numbers = {str(number): number for number in range(len(parameters))}
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in archive.tensors("moments").items():
            index, _, name = key.partition(".")
            number = numbers.get(index)
            # A moment is as large as its parameter, a counter is one number.
            if number is None or (
                tensor.ndim and tensor.shape != parameters[number].shape
            ):
                raise archive.broken(f"its optimiser does not fit (first: {key:.80})")
            state.setdefault(number, {})[name] = tensor
        groups = archive.document("optimiser").get("param_groups")
        if _numbers(groups) != list(range(len(parameters))):
            raise archive.broken("its optimiser has other parameters than its network")
        optimiser = {"state": state, "param_groups": groups}
        scaler = archive.document("scaler") if "scaler.json" in archive else {}
        return Checkpoint(
            Model(network, card),
            best,
            optimiser,
            archive.document("state"),
            average,
            scaler,
        )


def last_model(path: str | Path, name: str) -> Model:
    """Return the last network of a checkpoint, which may not have been the best.

    Parameters
    ----------
    path
        The checkpoint.
    name
        Of the model. It has no scores: those of its card are the best network's.
    """
    checkpoint = load_checkpoint(path)
    network = checkpoint.model.network.eval()
    if checkpoint.average is not None:
        network.load_state_dict(dict(checkpoint.average))
    card = replace(checkpoint.model.card, name=name, scores={}, threshold=0.5)
    return Model(network, card)


def _numbers(groups: Any) -> list[Any]:
    """Return the numbers of the parameters in the groups of an optimiser."""
    found: list[Any] = []
    for group in groups if isinstance(groups, list) else ():
        members = group.get("params") if isinstance(group, dict) else None
        found.extend(members if isinstance(members, list) else ())
    return found
