"""Whether a result fits into memory, and where it goes if not."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.registry import user_folder
from napari_unet_studio.layers import Source
from napari_unet_studio.tasks.memory import available_memory
from napari_unet_studio.widgets._segment.advanced import FOLDER, MEMORY

if TYPE_CHECKING:
    from napari_unet_studio.io.model import ModelCard

SHARE = 0.5  # of the free memory that a result may take
_FORBIDDEN = re.compile(r"[^\w. -]+")


def needed_bytes(source: Source, card: "ModelCard") -> int:
    """Return the memory that the result for an image, or its region, takes at most."""
    from napari_unet_studio.tasks.predict import result_bytes

    region = source.region
    shape = source.shape
    if region is not None:
        shape = tuple(part.stop - part.start for part in region)
    return result_bytes(card, shape)


def place_of(
    source: Source, card: "ModelCard", place: str, folder: Path | None
) -> Path | None:
    """Return the store that a result is written to; None if it stays in memory.

    Parameters
    ----------
    source
        The image, with its region.
    card
        Of the model.
    place
        What the user chose.
    folder
        Where, if that is a folder.

    Raises
    ------
    InputError
        If the result is that of a region and does not go into memory.
    """
    if place == MEMORY:
        return None
    needed, free = needed_bytes(source, card), available_memory()
    if place != FOLDER and needed <= SHARE * free:
        return None
    if source.region is not None:
        if place == FOLDER:
            raise InputError(
                "A region is not written to a folder; choose Whole image, or for "
                "Result under Advanced in memory."
            )
        raise InputError(
            f"The result of this region takes {needed / 1e9:.0f} GB, more than half of "
            "the free memory; choose a smaller region, or Whole image, which is "
            "written to a folder."
        )
    home = user_folder() / "results" if place != FOLDER or folder is None else folder
    return free_store(home, f"{source.title} {card.name}")


def free_store(folder: Path, title: str) -> Path:
    """Return the path of a store where no result is yet.

    An unfinished one may be there: the same prediction goes on with it.
    """
    stem = _FORBIDDEN.sub("-", title).strip(" .-")[:100] or "result"
    path, number = folder / f"{stem}.zarr", 1
    while path.exists():
        number += 1
        path = folder / f"{stem} {number}.zarr"
    return path
