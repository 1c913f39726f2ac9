"""Unfinished trainings: network, optimiser and progress in one archive, without pickle."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet_studio.io.archive import Archive, write_archive
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.model_file import build_with

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
    """

    model: Model
    best: dict[str, "Tensor"] | None
    optimiser: dict[str, Any]
    state: dict[str, Any]


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
    }
    tensors = {"weights": checkpoint.model.network.state_dict(), "moments": moments}
    if checkpoint.best is not None:
        tensors["best"] = checkpoint.best
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
        card = ModelCard.from_dict(archive.document("card"))
        network = build_with(card, archive.tensors("weights"), archive)
        best = archive.tensors("best") if "best.safetensors" in archive else None
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in archive.tensors("moments").items():
            index, _, name = key.partition(".")
            state.setdefault(int(index), {})[name] = tensor
        groups = archive.document("optimiser").get("param_groups")
        optimiser = {"state": state, "param_groups": groups}
        return Checkpoint(
            Model(network, card), best, optimiser, archive.document("state")
        )
