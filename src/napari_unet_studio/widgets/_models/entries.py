"""What the list of models is made of."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.io.model_file import read_card
from napari_unet_studio.io.model_list import ListedModel
from napari_unet_studio.io.registry import known_models

if TYPE_CHECKING:
    from napari_unet_studio.io.model import ModelCard

Source = Literal["bundled", "yours", "file", "list"]


@dataclass(frozen=True)
class Entry:
    """A model at hand, or one that can be downloaded.

    Parameters
    ----------
    name
        Of the model.
    source
        "bundled" with the package, "yours" in your models folder, a "file" elsewhere,
        or on a "list" on the web.
    path
        The file; None if it is to be downloaded first.
    changed
        When the file was changed, in seconds.
    card
        What the file says about itself; None if it cannot be read.
    trouble
        Why not.
    offer
        Of one to be downloaded: what its list says about it.
    """

    name: str
    source: Source
    path: Path | None = None
    changed: float = 0.0
    card: "ModelCard | None" = None
    trouble: str = ""
    offer: ListedModel | None = None

    @property
    def key(self) -> Hashable:
        """What tells it from other entries, whatever its name is."""
        return self.path or (None if self.offer is None else self.offer.sha256)

    @property
    def can_change(self) -> bool:
        """Whether it can be renamed, annotated and deleted."""
        return self.source in ("yours", "file")


def entries_at_hand(before: Iterable[Entry] = ()) -> list[Entry]:
    """Return the models at hand; cards that were read before are not read again.

    Parameters
    ----------
    before
        What was returned last time.
    """
    known = {(entry.path, entry.changed): entry for entry in before if entry.path}
    found = []
    for name, (path, source) in known_models().items():
        try:
            changed = path.stat().st_mtime
        except OSError:  # deleted in between
            continue
        entry = known.get((path, changed))
        if entry is None:
            entry = _read(name, source, path, changed)
        found.append(replace(entry, name=name, source=source))
    return found


def entries_of_lists(
    offers: Iterable[ListedModel], there: Iterable[Entry]
) -> list[Entry]:
    """Return what can be downloaded and was not yet, by the digests of files."""
    got = {e.card.origin.get("sha256") for e in there if e.card is not None}
    fresh = {o.sha256: o for o in offers if o.sha256 not in got}
    return [Entry(offer.name, "list", offer=offer) for offer in fresh.values()]


def _read(name: str, source: Source, path: Path, changed: float) -> Entry:
    try:
        return Entry(name, source, path, changed, read_card(path))
    except StudioError as error:
        return Entry(name, source, path, changed, trouble=str(error))
