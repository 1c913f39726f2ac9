"""The one description of an export: form, command line, JSON and provenance."""

from dataclasses import dataclass
from typing import Annotated, Literal

from napari_unet_studio.core.config import Config

ExportFormat = Literal["bioimageio", "onnx", "torchscript", "state_dict"]

# What a file of each format is called.
SUFFIXES = {
    "bioimageio": ".zip",
    "onnx": ".onnx",
    "torchscript": ".pt",
    "state_dict": ".pth",
}


@dataclass(frozen=True)
class ExportConfig(Config):
    """What a model becomes for other programs, and what is said about it.

    Parameters
    ----------
    format
        "bioimageio": a package for the BioImage Model Zoo and the programs that read
        it. "onnx" and "torchscript": one file that runs without this package.
        "state_dict": weights of PyTorch, with a Python file that holds the network.
    authors
        Who made the model, separated by semicolons. A package needs at least one; those
        of the model if empty.
    licence
        Identifier of the SPDX list, such as MIT or CC-BY-4.0. A package needs one; that
        of the model if empty.
    cite
        What to cite: references with a DOI or an address, separated by semicolons.
        Those of the model if empty; a package also cites the paper of the network.
    description
        What the model is for, in a sentence; that of the model if empty.
    documentation
        Markdown for the first part of a package's documentation; the rest is written
        from what the model knows about itself.
    answer
        "probabilities" adds the sigmoid or softmax that turns what the network computes
        into probabilities; "logits" leaves it out. In a package it is a step after the
        network, and a state dict has logits in any case.
    opset
        Version of ONNX's operators; older programs read lower ones only.

    Examples
    --------
    >>> ExportConfig(format="onnx").to_dict()["format"]
    'onnx'
    """

    format: ExportFormat = "bioimageio"
    authors: Annotated[str, {"label": "Authors"}] = ""
    licence: Annotated[str, {"label": "Licence"}] = ""
    cite: Annotated[str, {"label": "Cite"}] = ""
    description: Annotated[str, {"label": "Description"}] = ""
    documentation: Annotated[str, {"label": "Documentation"}] = ""
    answer: Literal["probabilities", "logits"] = "probabilities"
    opset: Annotated[int, {"min": 13, "max": 21, "label": "ONNX opset"}] = 18


def split_names(text: str) -> tuple[str, ...]:
    """Return the parts of a text between semicolons.

    Examples
    --------
    >>> split_names("Ada Lovelace; Charles Babbage;")
    ('Ada Lovelace', 'Charles Babbage')
    """
    return tuple(part.strip() for part in text.split(";") if part.strip())
