"""Where an export goes, and what is said of the model in it."""

from dataclasses import replace
from pathlib import Path

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.io.model_facts import Reference, paper_of
from napari_unet_studio.tasks.export_config import (
    SUFFIXES,
    ExportConfig,
    ExportFormat,
    split_names,
)

# What else a file of a format may end in.
_ENDINGS: dict[str, tuple[str, ...]] = {
    "bioimageio": (),
    "onnx": (),
    "torchscript": (".ts", ".torchscript"),
    "state_dict": (".pt", ".safetensors"),
}


def target_of(path: str | Path, kind: ExportFormat) -> Path:
    """Return where a file of a format goes: with its suffix, if it had none of them.

    Examples
    --------
    >>> target_of("cells", "onnx").name, target_of("cells.pt", "state_dict").name
    ('cells.onnx', 'cells.pt')
    """
    path, usual = Path(path), SUFFIXES[kind]
    if path.suffix.lower() in (usual, *_ENDINGS[kind]) or not path.name:
        return path
    return path.with_name(path.name + usual)


def missing_for(card: ModelCard, config: ExportConfig) -> tuple[str, ...]:
    """Return which settings are still needed: "authors", "licence" or none.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.catalog import get_spec
    >>> card = ModelCard(name="a", spec=get_spec("unet-16"), licence="MIT")
    >>> missing_for(card, ExportConfig())
    ('authors',)
    >>> missing_for(card, ExportConfig(format="onnx"))
    ()
    """
    if config.format != "bioimageio":
        return ()
    told = filled(card, config)
    names = (("authors", told.authors), ("licence", told.licence))
    return tuple(name for name, value in names if not value)


def filled(card: ModelCard, config: ExportConfig) -> ModelCard:
    """Return the card with what the settings say of the model."""
    return replace(
        card,
        authors=split_names(config.authors) or card.authors,
        licence=config.licence.strip() or card.licence,
        cite=split_names(config.cite) or card.cite,
        description=config.description.strip() or card.description,
    )


def references_of(card: ModelCard) -> tuple[Reference, ...]:
    """Return what a package cites: what the card says, and the network's paper.

    Raises
    ------
    ConfigError
        If a reference has neither a DOI nor an address.
    """
    found = [Reference.of(text) for text in card.cite]
    for reference in found:
        if reference.doi is None and reference.url is None:
            raise ConfigError(
                f"The reference {reference.text!r} has neither a DOI nor an address, "
                "which a package for the model zoo needs; add one, such as "
                "doi:10.1007/978-3-319-24574-4_28."
            )
    paper = paper_of(card.spec)
    known = {reference.doi for reference in found}
    if paper is not None and paper.doi not in known:
        found.append(paper)
    return tuple(found)
