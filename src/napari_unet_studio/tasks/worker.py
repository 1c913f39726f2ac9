"""What does the calls of a job, in whichever process."""

import io
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import Frames, spatial_ndim
from napari_unet_studio.core.blocks import BlockGrid, Region
from napari_unet_studio.core.channels import pick_channel
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.core.stitch_links import LINK, LINKING, OVERLAP, Link, Overlap
from napari_unet_studio.core.stitching import (
    SCRATCH,
    Arrays,
    Pass,
    make_pass,
    passes,
)
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.images import read_image
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.model_file import load_model_file
from napari_unet_studio.io.ome_zarr import ResultStore
from napari_unet_studio.io.zarr_pixels import Pixels
from napari_unet_studio.tasks.device import freed
from napari_unet_studio.tasks.frames import FramePredictor, Looks, sampler
from napari_unet_studio.tasks.job import CLASSES, PREDICT, Job, Step, model_of
from napari_unet_studio.tasks.memory import kept_buffers
from napari_unet_studio.tasks.progress import ShouldStop, never
from napari_unet_studio.tasks.setup import Setup, part_of

if TYPE_CHECKING:
    from napari_unet_studio.tasks.tiles import TileRunner

# Share of the tiles that is done at most before a block is written.
_ALL_BUT = 0.99


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
        self._last: tuple[Path, dict[str, NDArray[Any]]] | None = None
        self._runner: TileRunner | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the network."""
        self._last = None
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
        if stage in LINKING:
            return self.times * len(self._frame_grid)
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
        job, image, axis = self.job, self.job.image, self.job.channel_axis
        if job.source is not None:
            path, level = job.source
            image = read_image(path, level).array
        if job.channel is not None:
            assert axis is not None  # it was picked from there
            image, axis = pick_channel(image, axis, job.channel), None
        return Frames.of(image, self.model.card.spec.ndim, job.axes, axis)

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
                    # There are more tiles than foreseen where memory ran out.
                    yield (done + min(begun / tiles, _ALL_BUT)) / len(indices)
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
        if stage in LINKING:
            return self._linking(stage, time, names[-1])
        place = names.index(stage)
        state = self.state(names[place - 1], time) if place else {}
        return self._pass(stage, time, state)

    def _pass(self, stage: str, time: int, state: Mapping[str, NDArray[Any]]) -> Pass:
        grid = self._frame_grid
        arrays = Arrays(
            self._at_time(self.store.probabilities, time, 0),
            self._unlinked(time) if self.job.links else self._final(time),
            lambda name, dtype: self._at_time(self._scratch(name, dtype), time),
        )
        objects, spacing = self.job.objects, self.job.spacing
        return make_pass(stage, objects, grid, spacing, arrays, state)

    def _linking(self, stage: str, time: int, last: str) -> Pass:
        """Return a pass that follows objects over time, after the pass `last`."""
        grid, after = self._frame_grid, self._unlinked(time)
        if stage == LINK:
            return Link(grid, after, self._final(time), self.state(OVERLAP, time))
        before = self._unlinked(time - 1) if time else None
        earlier = (
            self.state(OVERLAP, time - 1) if time and self._is_merged(time) else {}
        )
        state = self.state(last, time)
        return Overlap(grid, before, after, state, earlier, self.job.objects.link)

    def _is_merged(self, time: int) -> bool:
        """Whether the time point before has its ids, as it has when this gets them."""
        return self._state(OVERLAP, time - 1).exists()

    @cached_property
    def _frame_grid(self) -> BlockGrid:
        """The blocks of one time point."""
        layout = self.store.layout
        return BlockGrid(layout.shape[self._lead :], layout.block[self._lead :])

    @property
    def _lead(self) -> int:
        """1 if there is a time axis, else 0."""
        return len(self.store.layout.shape) - spatial_ndim(self.job.axes)

    def _at_time(self, array: Any, time: int, *channel: int) -> "_Part":
        place = (*channel, *((time,) * self._lead))
        return _Part(array, place, self._frame_grid.shape)

    def _final(self, time: int) -> "_Part":
        return self._at_time(self.store.labels, time)

    def _unlinked(self, time: int) -> "_Part":
        return self._at_time(self._scratch("unlinked", SCRATCH["unlinked"]), time)

    def _scratch(self, name: str, dtype: Any) -> Pixels:
        if name not in self._opened:
            # The pass that writes it has a single call, which need not keep to blocks.
            single = name == "wide"
            self._opened[name] = self.store.scratch(name, dtype, shared=not single)
        return self._opened[name]

    def state(self, stage: str, time: int) -> dict[str, NDArray[Any]]:
        """Return what a pass over a time point came to; not to be changed."""
        file = self._state(stage, time)
        # Of many objects it is large, and each block asks for it.
        if self._last is None or self._last[0] != file:
            self._last = file, unpack(file.read_bytes())
        return self._last[1]

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
    named: Mapping[str, Any] = arrays
    np.savez(file, **named)
    return file.getvalue()


def unpack(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of :func:`pack`."""
    with np.load(io.BytesIO(data), allow_pickle=False) as found:
        return dict(found)
