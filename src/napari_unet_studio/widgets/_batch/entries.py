"""What a batch works on: files, or image layers of the viewer."""

import re
from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ref

from napari_unet_studio.core.errors import StorageError
from napari_unet_studio.io.folders import batch_items
from napari_unet_studio.io.record import results_in

if TYPE_CHECKING:
    from weakref import ReferenceType

    from napari.layers import Image

    from napari_unet_studio.io.folders import BatchItem

_FORBIDDEN = re.compile(r"[^\w. ()-]+")


@dataclass(frozen=True, eq=False)
class Entry:
    """An image of a batch.

    Parameters
    ----------
    name
        Of its row, and of its result; no two have the same.
    item
        The file; None for a layer.
    layer
        The layer, which may be gone by now; None for a file.
    """

    name: str
    item: "BatchItem | None" = None
    layer: "ReferenceType[Image] | None" = None

    @property
    def key(self) -> Hashable:
        """What tells it from others, whatever its name is."""
        # No id of the layer, because that of one that is gone may come again.
        return self.layer if self.path is None else self.path

    @property
    def path(self) -> Path | None:
        """The file."""
        image = None if self.item is None else self.item.image
        return image if isinstance(image, Path) else None

    @property
    def tip(self) -> str:
        """Where the image is."""
        return "A layer of the viewer." if self.path is None else str(self.path)


def file_entries(paths: Sequence[Path], out: Path | None) -> list[Entry]:
    """Return the images among files and in folders.

    Parameters
    ----------
    paths
        The files and folders.
    out
        Folder for the results: what is there of an earlier run is no image.

    Raises
    ------
    InputError
        If there is none, or a path does not exist.
    """
    results: list[Path] = []
    if out is not None:
        with suppress(StorageError):  # a broken record is told when the batch runs
            results = results_in(out)
    return [Entry(item.name, item) for item in batch_items(paths, results)]


def layer_entries(layers: Sequence[Any]) -> list[Entry]:
    """Return layers, each under its name."""
    return [Entry(layer.name, layer=ref(layer)) for layer in layers]


def file_names(names: Sequence[str]) -> list[str]:
    """Return names that files can have, no two alike, for layers.

    Examples
    --------
    >>> file_names(["day 1", "a/b", "a:b", "A-b"])
    ['day 1', 'a-b', 'a-b 2', 'A-b 3']
    """
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        stem = _FORBIDDEN.sub("-", name).strip(" .-")[:100] or "layer"
        free, number = stem, 1
        while free.casefold() in taken:
            number += 1
            free = f"{stem} {number}"
        taken.add(free.casefold())
        found.append(free)
    return found
