"""A row of the table of pairs: an image, its labels, and what they are used for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from napari.layers import Image, Labels

from napari_unet_studio.tasks.training.pairs import Role
from napari_unet_studio.widgets._fitting import pixel_shape

RowTuple = tuple[Image | Path, Labels | Path, Role]
"""An Image layer or a file, a Labels layer or a file, and a role."""

ROLES: tuple[Role, ...] = get_args(Role)
FIELDS = ("image", "labels", "role")
_TIPS = {
    "image": "The image. Click to choose another one.",
    "labels": "The labels painted on it. Click to choose others.",
    "role": "train: to learn from; validate: to measure the quality on, never learnt "
    "from; off: not used. Without any row to validate a part is held out "
    "automatically.",
    "": "Remove this row; layers and files stay.",
}


@dataclass(frozen=True, eq=False)
class Row:
    """An image and labels, each a layer or a file that is opened when it is needed.

    Parameters
    ----------
    image, labels
        Layers or files.
    role
        "train", "validate" or "off".
    """

    image: Image | Path
    labels: Labels | Path
    role: Role = "train"

    @property
    def layers(self) -> list[Any]:
        """Those of the two that are layers."""
        return [
            part for part in (self.image, self.labels) if not isinstance(part, Path)
        ]

    @property
    def files(self) -> list[Path]:
        """Those of the two that are files."""
        return [part for part in (self.image, self.labels) if isinstance(part, Path)]

    @property
    def complaint(self) -> str:
        """Why this row cannot be trained on as far as can be seen, or nothing."""
        if self.files:  # they are opened by the check
            return ""
        sizes = [pixel_shape(self.image), pixel_shape(self.labels)]
        if sizes[0] == sizes[1]:
            return ""
        shown = [" × ".join(map(str, size)) for size in sizes]
        return f"The image has {shown[0]} pixels but the labels have {shown[1]}."

    def text(self, field: str) -> str:
        """Return what a cell shows."""
        return shown(getattr(self, field, "✕"))

    def tip(self, field: str) -> str:
        """Return what a cell says under the mouse."""
        if field not in ("image", "labels"):
            return _TIPS[field]
        value = getattr(self, field)
        name = str(value) if isinstance(value, Path) else value.name
        wrong = self.complaint if self.role != "off" else ""
        return f"{name}\n{wrong or _TIPS[field]}"


def shown(value: Any) -> str:
    """Return what a cell shows for a layer, a file or a word; files without suffix.

    Examples
    --------
    >>> shown(Path("/data/field 7.tif")), shown("train")
    ('field 7', 'train')
    """
    if isinstance(value, str):
        return value
    return str(value.stem if isinstance(value, Path) else value.name)
