"""Taking in models that were made elsewhere, step by step."""

from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

from napari_unet_studio.core.errors import ModelFileError, StorageError
from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.io.bioimageio_package import is_package
from napari_unet_studio.io.bioimageio_read import import_package
from napari_unet_studio.io.exported import import_exported, is_torchscript
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.model_file import SUFFIX, load_model_file
from napari_unet_studio.io.state_dict import SUFFIXES, StateReport, complete_model
from napari_unet_studio.tasks.progress import Progress


@dataclass(frozen=True, eq=False)
class ImportedModel:
    """A model that was taken in, and what is to be said about it.

    Parameters
    ----------
    model
        The model.
    notes
        What was decided on the way; also at the end of ``model.card.notes``.
    difference
        How far its answer is from that of its own test at most; None without one.
    report
        What became of the tensors of a state dict.
    """

    model: Model
    notes: tuple[str, ...] = ()
    difference: float | None = None
    report: StateReport | None = None


def import_file(
    path: str | Path,
    *,
    trust: bool = False,
    network: str | NetworkSpec | None = None,
    name: str | None = None,
) -> Generator[Progress, None, ImportedModel]:
    """Read a model of any kind; see :func:`.api.importing.import_model`.

    Yields
    ------
    Progress
        Before each step.

    Returns
    -------
    ImportedModel
        The model with notes and report.
    """
    path = Path(path)
    yield Progress(0, 2, f"Reading {path.name}")
    if not path.exists():
        raise StorageError(f"{path} does not exist; check the path.")
    if path.suffix == SUFFIX:
        found = ImportedModel(load_model_file(path, trust=trust))
    elif network is not None:
        made, report = complete_model(path, network)
        found = ImportedModel(made, tuple(made.card.notes.splitlines()), report=report)
    elif is_package(path) or path.suffix == ".zip" or path.is_dir():
        package = import_package(path, trust)
        found = ImportedModel(package.model, package.notes, package.difference)
    else:
        _check_kind(path)
        found = ImportedModel(import_exported(path, trust))
    yield Progress(1, 2, "Done")
    if name is None:
        return found
    return replace(found, model=found.model.renamed(name))


def _check_kind(path: Path) -> None:
    """Raise a ModelFileError for what is no file of a network alone."""
    if path.suffix == ".onnx" or is_torchscript(path):
        return
    if path.suffix in SUFFIXES:
        raise ModelFileError(
            f"{path} holds weights alone, so the network that they are for must be "
            "chosen (network='unet', or another name of us.NETWORKS)."
        )
    raise ModelFileError(
        f"{path} is no model that can be imported; choose a bioimage.io package, a "
        ".unet or .onnx file, TorchScript, or a state dict."
    )
