"""Packages of the BioImage Model Zoo, in format 0.5, by the zoo's own library."""

import json
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.networks.architecture import CLASS
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.bioimageio_cover import draw_cover
from napari_unet_studio.io.bioimageio_names import clean_name
from napari_unet_studio.io.bioimageio_tensors import describe_input, describe_output
from napari_unet_studio.io.extras import require
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.io.model_facts import KEY, Reference, card_json, readme
from napari_unet_studio.io.scratch import scratch_folder

STATE, SOURCE = "weights.pt", "network.py"
SCRIPT, ONNX = "weights-torchscript.pt", "weights.onnx"
INPUT, OUTPUT = "test_input.npy", "test_output.npy"

# Letters of the library's complaint, which may list all that is allowed.
_LONGEST_REASON = 300


@dataclass(frozen=True, eq=False)
class Package:
    """What a package is made of.

    Parameters
    ----------
    card
        With authors and licence.
    references
        What to cite, each with a DOI or an address.
    documentation
        For the beginning of the documentation.
    answer
        "probabilities" or "logits": what comes after postprocessing.
    files
        The weights and the source, by their names in the package.
    opset
        Of the ONNX file.
    image
        The test image (C, *S), float32, as it comes from a microscope.
    output
        What the network makes of it, (K, *S').
    """

    card: ModelCard
    references: Sequence[Reference]
    documentation: str
    answer: str
    files: Mapping[str, bytes]
    opset: int
    image: NDArray[np.float32]
    output: NDArray[np.float32]


def check_licence(text: str) -> None:
    """Raise a ConfigError unless the zoo knows a licence by this identifier."""
    from bioimageio.spec.model.v0_5 import LicenseId

    try:
        LicenseId(text)
    except ValueError as error:
        raise ConfigError(
            f"The licence {text!r:.80} is none that the model zoo knows; choose an "
            "identifier from https://spdx.org/licenses, spelled as it is there, such "
            "as CC-BY-4.0, MIT or GPL-3.0-or-later."
        ) from error


def write_package(path: Path, package: Package) -> None:
    """Write a package as a zip, whole or not at all.

    Raises
    ------
    ConfigError
        If the library of the zoo is missing, or refuses what is said of the model.
    StorageError
        If the file cannot be written.
    """
    spec_library = require("bioimageio.spec", "bioimageio")
    urls = [reference.url for reference in package.references if reference.url]
    # It would ask the web for addresses that it does not know.
    known = dict.fromkeys([*urls, *(f"{url}/" for url in urls)])
    context = spec_library.ValidationContext
    with scratch_folder() as folder, _quiet():
        _lay_out(folder, package)
        try:
            with context(known_files=known, log_warnings=False):
                described = _describe(folder, package)
            made = folder / "package.zip"
            with context(perform_io_checks=False, log_warnings=False):
                spec_library.save_bioimageio_package(described, output_path=made)
        except ValueError as error:  # pydantic's
            raise ConfigError(
                f"The library bioimageio.spec does not accept the package "
                f"({_first(error)}); change what the model or the settings say there."
            ) from error
        with atomic_write(path) as target, made.open("rb") as source:
            shutil.copyfileobj(source, target)


def _lay_out(folder: Path, package: Package) -> None:
    """Write the files of a package into a folder."""
    for name, data in package.files.items():
        (folder / name).write_bytes(data)
    np.save(folder / INPUT, package.image[np.newaxis])
    np.save(folder / OUTPUT, package.output[np.newaxis])
    (folder / "cover.png").write_bytes(draw_cover(package.image, package.output))
    source = SOURCE if SOURCE in package.files else None
    text = readme(
        package.card, package.references, package.answer, package.documentation, source
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _describe(folder: Path, package: Package) -> Any:
    """Return the description of a package in the classes of the format."""
    from bioimageio.spec.common import FileDescr
    from bioimageio.spec.model import v0_5 as zoo

    card = package.card
    document = json.loads(card_json(card, "logits"))
    return zoo.ModelDescr(
        name=clean_name(card.name),
        description=(card.purpose or f"{card.spec.family} for segmentation")[:1024],
        authors=[zoo.Author(name=name.replace("/", " ")) for name in card.authors],
        cite=[
            zoo.CiteEntry(
                text=reference.text,
                doi=None if reference.doi is None else zoo.Doi(reference.doi),
                url=zoo.HttpUrl(reference.url) if not reference.doi else None,
            )
            for reference in package.references
        ],
        license=zoo.LicenseId(card.licence),
        documentation=FileDescr(source=folder / "README.md"),
        covers=[FileDescr(source=folder / "cover.png")],
        tags=_tags(card),
        inputs=[describe_input(zoo, folder / INPUT, card)],
        outputs=[describe_output(zoo, folder / OUTPUT, card, package.answer)],
        weights=_weights(zoo, folder, package),
        config=zoo.Config(**{KEY: document}),
    )


def _tags(card: ModelCard) -> list[str]:
    found = ["segmentation", "pytorch", f"{card.spec.ndim}d", card.spec.family]
    if card.target == "objects":
        found.append("instance-segmentation")
    return [*found, "napari-unet-studio"]


def _weights(zoo: Any, folder: Path, package: Package) -> Any:
    import torch

    version = zoo.Version(torch.__version__.split("+")[0])
    network = zoo.ArchitectureFromFileDescr(
        source=folder / SOURCE, callable=zoo.Identifier(CLASS)
    )
    entries = {
        "pytorch_state_dict": zoo.PytorchStateDictWeightsDescr(
            source=folder / STATE, architecture=network, pytorch_version=version
        ),
        "torchscript": zoo.TorchscriptWeightsDescr(
            source=folder / SCRIPT,
            pytorch_version=version,
            parent="pytorch_state_dict",
        ),
    }
    if ONNX in package.files:
        entries["onnx"] = zoo.OnnxWeightsDescr(
            source=folder / ONNX,
            opset_version=package.opset,
            parent="pytorch_state_dict",
        )
    return zoo.WeightsDescr(**entries)


def _first(error: ValueError) -> str:
    """Return the first complaint of pydantic, in one line."""
    found: list[Any] = getattr(error, "errors", list)()
    if not found:
        return " ".join(str(error).split())[:_LONGEST_REASON]
    place = ".".join(str(part) for part in found[0]["loc"])
    message = str(found[0]["msg"]).rstrip(".")[:_LONGEST_REASON]
    return f"{place}: {message}" if place else message


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library from writing to the screen.

    It leaves it to Python to close the files that it has read.
    """
    from loguru import logger

    logger.disable("bioimageio.spec")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            yield
    finally:
        logger.enable("bioimageio.spec")
