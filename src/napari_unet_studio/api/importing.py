"""Taking in models that were made elsewhere."""

from collections.abc import Callable
from pathlib import Path

from napari_unet_studio.core.networks.spec import NetworkSpec
from napari_unet_studio.io.model import Model
from napari_unet_studio.tasks.importing import import_file
from napari_unet_studio.tasks.progress import Progress, run


def import_model(
    path: str | Path,
    *,
    trust: bool = False,
    network: str | NetworkSpec | None = None,
    name: str | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Model:
    """Read a model that was made elsewhere.

    Parameters
    ----------
    path
        A bioimage.io package (its zip, its folder or the ``rdf.yaml`` in it) with
        weights in ONNX, TorchScript or a network of ours; a ``.unet`` file; an ONNX or
        TorchScript file that this package exported; or, with `network`, a state dict
        (``.pt``, ``.pth``, ``.safetensors``).
    trust
        TorchScript is a program, and runs with all your rights. True says that you
        trust this file; it is remembered for files of the same content.
    network
        For a state dict: a name in :data:`.NETWORKS` or a spec of your own, which the
        tensors have to fit.
    name
        What the model is called, if not by its own name.
    callback
        Called with a progress record before each step.

    Returns
    -------
    Model
        ``model.card.origin`` says where it comes from, ``model.card.notes`` what was
        decided on the way. ``model.save("cells.unet")`` keeps it.

    Raises
    ------
    UntrustedError
        If it holds nothing but a TorchScript program, and `trust` is False.
    ModelFileError
        If the file is broken, or holds something that this package cannot compute, with
        the name of it.
    StorageError
        If it cannot be read.
    ConfigError
        If `network` is unknown, or onnxruntime is not installed.

    Examples
    --------
    >>> import torch
    >>> from napari_unet_studio import build
    >>> folder = getfixture("tmp_path")
    >>> torch.save(build("unet-16").state_dict(), folder / "cells.pt")
    >>> model = import_model(folder / "cells.pt", network="unet-16")
    >>> model.name, model.card.origin["format"]
    ('cells', 'state dict')
    """
    task = import_file(path, trust=trust, network=network, name=name)
    return run(task, callback).model
