"""How a training ended."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_unet_studio.core.errors import StorageError

if TYPE_CHECKING:
    from napari_unet_studio.io.model import Model

How = Literal["finished", "kept", "discarded", "interrupted", "nothing", "refused"]


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Parameters
    ----------
    how
        "finished"; "kept" or "discarded" by the user; "interrupted" by closing the
        widget; "nothing" if it was stopped before the first update; "refused" if the
        check found that it would fail.
    model
        The model under its final name, if there is one.
    path
        Its file, or None if it could not be saved.
    error
        Why not.
    """

    how: How
    model: "Model | None" = None
    path: Path | None = None
    error: StorageError | None = None
