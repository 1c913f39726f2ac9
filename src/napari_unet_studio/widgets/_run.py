"""One run of the Segment widget, independent of what the user does meanwhile."""

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image

from napari_unet_studio.core.errors import StorageError
from napari_unet_studio.io.model_file import load_model_file
from napari_unet_studio.layers import Region, Source
from napari_unet_studio.tasks.progress import Progress, ShouldStop

if TYPE_CHECKING:
    from napari_unet_studio.core.instances import ObjectConfig
    from napari_unet_studio.io.model import ModelCard
    from napari_unet_studio.tasks.predict import PredictConfig


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run came to.

    Parameters
    ----------
    result
        A :class:`.Prediction`, or a :class:`.StoredPrediction`.
    tiles
        How many there were; 0 if that is not told.
    """

    result: Any
    tiles: int = 0


@dataclass(frozen=True, eq=False)
class Run:
    """One run, as it was when it began.

    Parameters
    ----------
    layers
        The image layer, then those that are its channels if there are several.
    source
        The image, with the region.
    axes
        Names of its axes, channels included.
    key
        What tells its results from others of the same image and model.
    card
        Of the model, as it was then.
    path, reference
        The model: its file, and how a script names it.
    config, objects
        The settings.
    first
        What is on screen, to be computed first.
    out
        Where the result is written to; None keeps it in memory.
    started
        When, in seconds of the monotonic clock.
    """

    layers: tuple[Image, ...]
    source: Source
    axes: str
    key: Any
    card: "ModelCard"
    path: Path
    reference: str
    config: "PredictConfig"
    objects: "ObjectConfig"
    first: Region | None = None
    out: Path | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def layer(self) -> Image:
        """The image layer."""
        return self.layers[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what is segmented, channels not counted."""
        if self.source.region is None:
            return self.source.shape
        return tuple(part.stop - part.start for part in self.source.region)

    def task(
        self, should_stop: ShouldStop
    ) -> Generator[Progress, None, Outcome | None]:
        """Load the model and predict; None if stopped."""
        yield Progress(0, 0, "Loading the model")
        model = load_model_file(self.path)
        source = self.source
        image: dict[str, Any] = {
            "objects": self.objects,
            "axes": source.axes,
            "channel_axis": source.channel_axis,
            "spacing": source.spacing,
            "should_stop": should_stop,
        }
        if self.out is None:
            from napari_unet_studio.tasks.predict import predict

            image |= {"region": source.region, "first": self.first}
            running = predict(source.data, model, self.config, **image)
            tiles = 0
            while True:
                try:
                    record = next(running)
                except StopIteration as stop:
                    return None if stop.value is None else Outcome(stop.value, tiles)
                tiles = record.total - 1  # the last step is that of the objects
                yield record
        from napari_unet_studio.tasks.stream import predict_zarr

        try:
            self.out.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"The folder {self.out.parent} cannot be made: {error.strerror}; "
                "choose another one."
            ) from error
        image["unit"] = source.unit
        stored = yield from predict_zarr(
            source.data, self.out, model, self.config, **image
        )
        return None if stored is None else Outcome(stored)
