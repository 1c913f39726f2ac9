"""A row of the table of pairs: an image, its labels, and what they are used for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from napari.layers import Image, Labels

from napari_unet_studio.core.amounts import sides
from napari_unet_studio.layers import unnamed_channels
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
        if sizes[0] == sizes[1] or unnamed_channels(self.image, self.labels):
            return ""
        shown = [sides(size) for size in sizes]
        text = f"The image has {shown[0]} pixels but the labels have {shown[1]}."
        if len(sizes[0]) == len(sizes[1]) + 1:
            text += " If one of its axes holds channels, name that axis “c”."
        return text

    @property
    def remark(self) -> str:
        """What is made of the image, where it goes not without saying."""
        image = self.image
        if isinstance(image, Path):
            return ""
        data = image.data[0] if image.multiscale else image.data
        if image.rgb:
            return "Its transparency is left out." if data.shape[-1] == 4 else ""
        axes = None if self.files else unnamed_channels(image, self.labels)
        if axes is None:
            return ""
        count = data.shape[axes.index("C")]
        return (
            f"The axis that the labels lack is taken as {count} channels, the others "
            f"as {', '.join(axes.replace('C', '').lower())}."
        )

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
        remark = self.remark if field == "image" else ""
        return "\n".join(filter(None, [name, remark, wrong or _TIPS[field]]))


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
