"""A prediction cut into calls that any process can do: plain data, and its worker.

A job has stages; each is a set of numbered calls that do not depend on one another.
What a call writes and what it found is on disk before the call is marked as done, so a
job that was killed goes on where it was, and several processes can share it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.core.stitch_links import LINKING
from napari_unet_studio.core.stitching import passes
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.ledger import Ledger
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.io.ome_zarr import ResultStore
from napari_unet_studio.io.plain_json import dumps
from napari_unet_studio.tasks.predict_config import PredictConfig

PREDICT, CLASSES = "predict", "classes"
_RESOLVED = "resolved.json"


class Step(NamedTuple):
    """How far a call is: the share of it that is done; 1 at its end."""

    number: int
    share: float


@dataclass(frozen=True, eq=False)
class Job:
    """All that a process has to know of a prediction into a store.

    Parameters
    ----------
    out
        Path of the result; what is unfinished lies beside it.
    source
        The image, as a path with a resolution level that every process can read; or
        None, and the array is in `image`.
    image
        The array, for a job of this process alone.
    axes, channel_axis, channel, spacing
        Of the image, and the channel that is taken of it, None for all.
    config
        Settings of the network, without "auto".
    objects
        How probabilities become objects.
    offset, scale
        Normalisation of each channel.
    """

    out: Path
    source: tuple[Path, int] | None
    image: Any
    axes: str
    channel_axis: int | None
    channel: Channel | None
    spacing: tuple[float, ...] | None
    config: PredictConfig
    objects: ObjectConfig
    offset: tuple[float, ...]
    scale: tuple[float, ...]

    @property
    def store(self) -> ResultStore:
        """The unfinished result."""
        return ResultStore.open(self.out)

    @property
    def ledger(self) -> Ledger:
        """What is done."""
        return ledger_of(self.out)

    @property
    def links(self) -> bool:
        """Whether objects keep their ids over time."""
        return self.objects.link > 0 and "T" in self.axes

    def save(self) -> None:
        """Write what other processes read; not the array."""
        source = self.source
        values = {
            "source": None if source is None else [str(source[0]), source[1]],
            "axes": self.axes,
            "channel_axis": self.channel_axis,
            "channel": self.channel,
            "spacing": self.spacing,
            "config": self.config.to_dict(),
            "objects": self.objects.to_dict(),
            "offset": self.offset,
            "scale": self.scale,
        }
        with atomic_write(_folder(self.out) / _RESOLVED) as file:
            file.write(dumps(values).encode())

    @classmethod
    def load(cls, out: Path, image: Any = None) -> Self:
        """Read a job back."""
        values = json.loads((_folder(out) / _RESOLVED).read_text(encoding="utf-8"))
        source = values["source"]
        spacing = values["spacing"]
        return cls(
            out,
            None if source is None else (Path(source[0]), source[1]),
            image,
            values["axes"],
            values["channel_axis"],
            values["channel"],
            None if spacing is None else tuple(spacing),
            PredictConfig.from_dict(values["config"]),
            ObjectConfig.from_dict(values["objects"]),
            tuple(values["offset"]),
            tuple(values["scale"]),
        )

    def stages(self, card: ModelCard) -> tuple[str, ...]:
        """Return the names of the stages before the pyramid, in order."""
        if card.target == "classes":
            return (PREDICT, CLASSES)
        return (PREDICT, *passes(self.objects), *(LINKING if self.links else ()))


def ledger_of(out: Path) -> Ledger:
    """Return the notes about an unfinished result."""
    return Ledger(_folder(out) / "ledger")


def model_of(out: Path) -> Path:
    """Return where the model of an unfinished result is kept."""
    return _folder(out) / "model.unet"


def _folder(out: Path) -> Path:
    return out.with_name(out.name + ".part")
