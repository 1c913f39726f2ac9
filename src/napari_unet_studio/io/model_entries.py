"""The models at hand, and those on lists that can be downloaded, as they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.io.model_file import read_card
from napari_unet_studio.io.model_list import ListedModel
from napari_unet_studio.io.registry import known_models


@dataclass(frozen=True)
class ModelEntry:
    """A model that is at hand, or can be downloaded.

    Parameters
    ----------
    name
        What it is chosen by.
    path
        Its file; None before it is downloaded.
    source
        "bundled" with the package, "yours" in your models folder, a "file" elsewhere
        that was opened lately, or on a "list" on the web.
    card
        What the file says; None if it is broken, or not downloaded yet.
    error
        Why the file cannot be used, or "".
    listed
        What the list on the web says of it.

    Examples
    --------
    >>> import napari_unet_studio as us
    >>> [entry.name for entry in us.models() if entry.source == "bundled"]
    ['nuclei', 'stained-nuclei']
    """

    name: str
    path: Path | None
    source: Literal["bundled", "yours", "file", "list"]
    card: ModelCard | None = None
    error: str = ""
    listed: ListedModel | None = None

    @property
    def is_here(self) -> bool:
        """Whether it can be used without a download."""
        return self.card is not None

    @property
    def can_change(self) -> bool:
        """Whether it can be renamed, annotated and deleted."""
        return self.source in ("yours", "file")

    @property
    def purpose(self) -> str:
        """What it is for, in one line; empty where nothing is known."""
        if self.card is not None:
            return self.card.purpose
        return self.listed.purpose if self.listed is not None else ""


def list_models() -> list[ModelEntry]:
    """Return the models at hand, those with broken files too."""
    entries = []
    for name, known in known_models().items():
        try:
            card, error = read_card(known.path), ""
        except StudioError as problem:
            card, error = None, str(problem)
        entries.append(ModelEntry(name, known.path, known.source, card, error))
    return entries


def with_listed(
    here: Sequence[ModelEntry], listed: Sequence[ListedModel]
) -> list[ModelEntry]:
    """Return the models at hand, then those of lists that are not here yet."""
    got = {entry.card.origin.get("sha256") for entry in here if entry.card is not None}
    return [
        *here,
        *(
            ModelEntry(model.name, None, "list", listed=model)
            for model in listed
            if model.sha256 not in got
        ),
    ]
