"""Handing models to other programs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from napari_unet_studio.io.model import Model
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.tasks.export import Exported
from napari_unet_studio.tasks.export import export as export_task
from napari_unet_studio.tasks.export_config import ExportConfig, ExportFormat
from napari_unet_studio.tasks.progress import Progress, run


def export(
    model: Model | str | Path,
    path: str | Path,
    format: ExportFormat = "bioimageio",  # noqa: A002
    *,
    authors: str | Sequence[str] = "",
    licence: str = "",
    cite: str | Sequence[str] = "",
    description: str = "",
    documentation: str = "",
    answer: Literal["probabilities", "logits"] = "probabilities",
    opset: int = 18,
    image: Any = None,
    axes: str | None = None,
    channel_axis: int | None = None,
    callback: Callable[[Progress], object] | None = None,
) -> Exported:
    """Write a model for other programs, and check that it computes the same there.

    Parameters
    ----------
    model
        A model, the name of one, or a ``.unet`` file.
    path
        The file; the usual suffix is added where there is none. One that is there is
        replaced.
    format
        "bioimageio": a package for the BioImage Model Zoo and the programs that read
        it. "onnx" and "torchscript": one file that runs without this package.
        "state_dict": weights of PyTorch (``.pth``, ``.pt`` or ``.safetensors``), and
        beside them a Python file with the network.
    authors, licence, cite, description
        What is said of the model; what it says of itself by default. A package needs
        authors and the SPDX identifier of a licence, and references with a DOI or an
        address. Several authors or references may be a sequence, or one text with
        semicolons between.
    documentation
        Markdown for the beginning of a package's documentation.
    answer
        "probabilities" or "logits", see :class:`.ExportConfig`.
    opset
        Version of ONNX's operators.
    image
        What the network is compared on, and the test image of a package; a synthetic
        sample by default.
    axes, channel_axis
        Of the image, as in :func:`predict`.
    callback
        Called with a progress record for each step.

    Returns
    -------
    Exported
        Where it is, and the largest difference that was found.

    Raises
    ------
    StudioError
        If something is missing or cannot be used, with the remedy; or if the file would
        compute something else, in which case nothing is written.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> found = export("nuclei", folder / "nuclei", "torchscript")
    >>> found.path.name, found.difference < 1e-4
    ('nuclei.pt', True)
    """
    config = ExportConfig(
        format,
        _joined(authors),
        licence,
        _joined(cite),
        description,
        documentation,
        answer,
        opset,
    )
    task = export_task(
        load_model(model), path, config, image, axes=axes, channel_axis=channel_axis
    )
    exported = run(task, callback)
    assert exported is not None  # only a stopped task returns nothing
    return exported


def _joined(words: str | Sequence[str]) -> str:
    return words if isinstance(words, str) else "; ".join(words)
