"""One run of the Segment widget, independent of what the user does meanwhile."""

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image

from napari_unet_studio.io.model_file import load_model_file
from napari_unet_studio.layers import Source
from napari_unet_studio.tasks.progress import Progress, ShouldStop

if TYPE_CHECKING:
    from napari_unet_studio.core.instances import ObjectConfig
    from napari_unet_studio.tasks.predict import PredictConfig, Prediction


@dataclass(frozen=True, eq=False)
class Run:
    """One run, as it was when it began.

    Parameters
    ----------
    layer, source
        The image.
    path, reference
        The model: its file, and how a script names it.
    config, objects
        The settings.
    started
        When, in seconds of the monotonic clock.
    """

    layer: Image
    source: Source
    path: Path
    reference: str
    config: "PredictConfig"
    objects: "ObjectConfig"
    started: float = field(default_factory=time.monotonic)

    def task(
        self, should_stop: ShouldStop
    ) -> Generator[Progress, None, "Prediction | None"]:
        """Load the model and predict."""
        from napari_unet_studio.tasks.predict import predict

        yield Progress(0, 0, "Loading the model")
        return (
            yield from predict(
                self.source.data,
                load_model_file(self.path),
                self.config,
                objects=self.objects,
                axes=self.source.axes,
                channel_axis=self.source.channel_axis,
                spacing=self.source.spacing,
                should_stop=should_stop,
            )
        )
