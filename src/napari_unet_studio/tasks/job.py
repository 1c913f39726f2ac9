"""A prediction cut into calls that any process can do: plain data, and its worker.

A job has stages; each is a set of numbered calls that do not depend on one another.
What a call writes and what it found is on disk before the call is marked as done, so a
job that was killed goes on where it was, and several processes can share it.
"""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import Frames, spatial_ndim
from napari_unet_studio.core.blocks import BlockGrid, Region
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.core.stitching import Arrays, Pass, make_pass, passes
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.images import read_image
from napari_unet_studio.io.ledger import Ledger
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.model_file import load_model_file
from napari_unet_studio.io.ome_zarr import ResultStore
from napari_unet_studio.io.plain_json import dumps
from napari_unet_studio.io.zarr_pixels import Pixels
from napari_unet_studio.tasks.device import freed
from napari_unet_studio.tasks.frames import FramePredictor, Looks, sampler
from napari_unet_studio.tasks.memory import kept_buffers
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.progress import ShouldStop, never
from napari_unet_studio.tasks.setup import Setup, part_of

if TYPE_CHECKING:
    from napari_unet_studio.tasks.tiles import TileRunner

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
    axes, channel_axis, spacing
        Of the image.
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

    def save(self) -> None:
        """Write what other processes read; not the array."""
        source = self.source
        values = {
            "source": None if source is None else [str(source[0]), source[1]],
            "axes": self.axes,
            "channel_axis": self.channel_axis,
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
        return (PREDICT, *passes(self.objects))


def ledger_of(out: Path) -> Ledger:
    """Return the notes about an unfinished result."""
    return Ledger(_folder(out) / "ledger")


def model_of(out: Path) -> Path:
    """Return where the model of an unfinished result is kept."""
    return _folder(out) / "model.unet"


def _folder(out: Path) -> Path:
    return out.with_name(out.name + ".part")


class Worker:
    """Does the calls of a job; a context manager that lets go of the network.

    Parameters
    ----------
    job
        The job.
    model
        Its model, if it is loaded already.
    """

    def __init__(self, job: Job, model: Model | None = None) -> None:
        self.job = job
        self.notes: list[str] = []
        self._model = model
        self._opened: dict[str, Pixels] = {}
        self._runner: TileRunner | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the network."""
        if self._runner is not None:
            with freed(self._runner.device):
                self._runner.__exit__(None, None, None)
                self.notes += self._runner.notes
            self._runner = None

    def call(
        self, stage: str, number: int, should_stop: ShouldStop = never
    ) -> Iterator[Step]:
        """Do one call; a stop leaves it undone.

        Yields
        ------
        Step
            The last one has a share of 1, once the call is marked.
        """
        if stage == PREDICT:
            for share in self._predict(number):
                if should_stop():
                    return
                yield Step(number, share)
            self.job.ledger.mark(stage, number)
        elif stage == CLASSES:
            self._classify(number)
            self.job.ledger.mark(stage, number)
        elif stage.startswith("level-"):
            self.store.fill(int(stage.removeprefix("level-")), number)
            self.job.ledger.mark(stage, number)
        else:
            time, inner = divmod(number, self.calls(stage) // self.times)
            summary = self.object_pass(stage, time).block(inner)
            self.job.ledger.mark(stage, number, pack(summary))
        yield Step(number, 1.0)

    def calls(self, stage: str) -> int:
        """Return the number of calls of a stage."""
        if stage in (PREDICT, CLASSES):
            return len(self.store.grid)
        if stage.startswith("level-"):
            return len(self.store.pyramid_grid(int(stage.removeprefix("level-"))))
        return self.times * len(self._pass(stage, 0, {}))

    # -- probabilities ----------------------------------------------------------------

    @cached_property
    def store(self) -> ResultStore:
        """Where the result goes."""
        return self.job.store

    @cached_property
    def model(self) -> Model:
        """The model."""
        return self._model or load_model_file(model_of(self.job.out))

    @cached_property
    def frames(self) -> Frames:
        """The image."""
        job, image, channel = self.job, self.job.image, self.job.channel_axis
        if job.source is not None:
            path, level = job.source
            image = read_image(path, level).array
        return Frames.of(image, self.model.card.spec.ndim, job.axes, channel)

    def _predict(self, number: int) -> Iterator[float]:
        region = self.store.grid.region(number)
        count = len(self.frames.leading)
        sizes = [part.stop - part.start for part in region]
        block = np.zeros((self.store.layout.channels, *sizes), np.float32)
        offset, scale = np.array(self.job.offset), np.array(self.job.scale)
        looks = Looks.of(self.job.config, self.model.card, self.job.spacing)
        indices = list(np.ndindex(*sizes[:count]))
        with kept_buffers():
            if self._runner is None:
                part = part_of(self.model, self.job.config)
                sample = sampler(self.frames, looks, offset, scale)
                self._runner = Setup(part, self.job.config).runner(sample)
            filler = FramePredictor(self._runner, looks, offset, scale)
            for done, index in enumerate(indices):
                place = tuple(i + p.start for i, p in zip(index, region, strict=False))
                frame = self.frames.array[place]
                tiles = filler.tiles(frame, region[count:])
                result = block[(slice(None), *index)]
                for begun in filler.fill(result, frame, region[count:]):
                    yield (done + begun / tiles) / len(indices)
        self.store.probabilities[(slice(None), *region)] = block

    # -- objects ----------------------------------------------------------------------

    def _classify(self, number: int) -> None:
        card, region = self.model.card, self.store.grid.region(number)
        found = self.store.probabilities[(slice(None), *region)]
        if len(found) > 1:
            winners = found.argmax(axis=0)
        else:
            winners = (found[0] >= self.job.objects.threshold).astype(np.intp)
        self.store.labels[region] = np.asarray(card.class_values, np.int32)[winners]

    @property
    def times(self) -> int:
        """Number of time points: objects live in one."""
        return self.store.layout.shape[0] if "T" in self.job.axes else 1

    def object_pass(self, stage: str, time: int) -> Pass:
        """Return one pass over one time point."""
        names = passes(self.job.objects)
        place = names.index(stage)
        state = self.state(names[place - 1], time) if place else {}
        return self._pass(stage, time, state)

    def _pass(self, stage: str, time: int, state: Mapping[str, NDArray[Any]]) -> Pass:
        layout = self.store.layout
        lead = len(layout.shape) - spatial_ndim(self.job.axes)
        at = (time,) * lead
        grid = BlockGrid(layout.shape[lead:], layout.block[lead:])
        arrays = Arrays(
            _Part(self.store.probabilities, (0, *at), grid.shape),
            _Part(self.store.labels, at, grid.shape),
            lambda name, dtype: _Part(self._scratch(name, dtype), at, grid.shape),
        )
        objects, spacing = self.job.objects, self.job.spacing
        return make_pass(stage, objects, grid, spacing, arrays, state)

    def _scratch(self, name: str, dtype: Any) -> Pixels:
        if name not in self._opened:
            # The pass that writes it has a single call, which need not keep to blocks.
            single = name == "wide"
            self._opened[name] = self.store.scratch(name, dtype, shared=not single)
        return self._opened[name]

    def state(self, stage: str, time: int) -> dict[str, NDArray[Any]]:
        """Return what a pass over a time point came to."""
        return unpack(self._state(stage, time).read_bytes())

    def merge(self, stage: str) -> None:
        """Merge what the calls of a pass found, if that was not done before."""
        summaries: dict[int, bytes] | None = None
        for time in range(self.times):
            file = self._state(stage, time)
            if file.exists():
                continue
            if summaries is None:
                summaries = self.job.ledger.summaries(stage)
            each = self.calls(stage) // self.times
            found = [unpack(summaries[time * each + i]) for i in range(each)]
            merged = self.object_pass(stage, time).merge(found)
            with atomic_write(file) as out:
                out.write(pack(merged))

    def _state(self, stage: str, time: int) -> Path:
        return self.store.folder / "states" / f"{stage}-{time}.npz"


class _Part:
    """One time point of an array, or one channel of it."""

    def __init__(self, array: Any, at: tuple[int, ...], shape: Shape) -> None:
        self._array, self._at, self.shape = array, at, shape

    def __getitem__(self, region: Region) -> Any:
        return self._array[(*self._at, *region)]

    def __setitem__(self, region: Region, values: Any) -> None:
        self._array[(*self._at, *region)] = values


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays as the bytes of an npz file.

    Examples
    --------
    >>> unpack(pack({"size": np.array([3, 4])}))["size"].tolist()
    [3, 4]
    """
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def unpack(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of :func:`pack`."""
    with np.load(io.BytesIO(data), allow_pickle=False) as found:
        return dict(found)
