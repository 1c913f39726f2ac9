"""What scores are of: the state of layers and files, and what was asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import ref

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.tasks.comparison import CandidateScores
from napari_unet_studio.widgets._compare.versions import Versions

if TYPE_CHECKING:
    from napari_unet_studio.tasks.evaluate import Kind


class Asked(NamedTuple):
    """What candidates are measured against, and how.

    Parameters
    ----------
    reference
        A weak reference to the layer; None without one.
    kind
        What the labels are.
    axes
        Names of the axes of the reference.
    image
        A weak reference to the image for the models; None without models.
    channel
        What models of one channel are given of it.
    """

    reference: Any
    kind: "Kind"
    axes: str
    image: Any = None
    channel: Channel | None = None

    @classmethod
    def of(cls, form: Any) -> "Asked":
        """Return what is chosen in a :class:`.CompareForm`."""
        layer = form.reference.value
        if layer is None:
            return cls(None, form.kind.currentData(), "")
        image = form.image.value if form.candidates.models else None
        given = (None, None) if image is None else (ref(image), form.taken)
        return cls(ref(layer), form.kind.currentData(), form.axes_name, *given)

    def beside(self, other: "Asked") -> bool:
        """Whether scores of both belong in one table, be it of several images."""
        return self[:3] == other[:3]


class Stamp(NamedTuple):
    """Which state of layers and files scores are of.

    Parameters
    ----------
    versions
        Of each layer, with a weak reference to it.
    file
        Of a model, with the time of its last change.
    """

    versions: tuple[tuple[Any, int], ...]
    file: tuple[Path, float] | None = None

    @classmethod
    def of(cls, versions: Versions, layers: Any, path: Path | None = None) -> "Stamp":
        """Return the present state."""
        each = tuple((ref(layer), versions.of(layer)) for layer in layers)
        return cls(each, None if path is None else (path, _changed(path)))

    def gone(self, present: Any) -> bool:
        """Whether one of the layers is not among those present."""
        there = {id(layer) for layer in present}
        return any(id(layer()) not in there for layer, _ in self.versions)

    def edited(self, versions: Versions) -> list[str]:
        """Return the names of the layers, or of the file, that were changed since."""
        names = []
        for layer, version in self.versions:
            found = layer()
            if found is not None and versions.of(found) != version:
                names.append(found.name)
        if self.file is not None and _changed(self.file[0]) != self.file[1]:
            names.append(self.file[0].name)
        return names


@dataclass(frozen=True, eq=False)
class Known:
    """What a model predicted before, of the same image in the same way.

    Parameters
    ----------
    how
        What it depends on.
    row
        Its scores, with the labels.
    """

    how: tuple[Any, ...]
    row: CandidateScores


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
