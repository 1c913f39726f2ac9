"""What the table of objects is made of: layers as they were when work began."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.measure import MeasureConfig
from napari_unet_studio.layers import source_of
from napari_unet_studio.layers.source import Source
from napari_unet_studio.layers.tables import unit_of_source
from napari_unet_studio.tasks.measure import ObjectTable, measure
from napari_unet_studio.tasks.progress import Progress, ShouldStop
from napari_unet_studio.widgets._table.images import Choice


@dataclass(frozen=True, eq=False)
class Work:
    """Labels and what is measured of them.

    Parameters
    ----------
    layer
        The labels layer.
    source
        The layer as it is read.
    images
        Intensities by name.
    classes
        Class of each pixel, or None.
    config
        What is measured.
    choices, kinds
        The channels and the layer of classes that these were read from.
    """

    layer: Any
    source: Source
    images: Mapping[str, Any]
    classes: Any
    config: MeasureConfig
    choices: Sequence[Choice] = ()
    kinds: Any = None

    @classmethod
    def of(
        cls, layer: Any, images: Sequence[Choice], classes: Any, config: MeasureConfig
    ) -> "Work":
        """Read the layers.

        Raises
        ------
        InputError
            If there are no labels, or an image does not fit them.
        """
        if layer is None:
            raise InputError("There are no labels; add a Labels layer, or run Segment.")
        arrays = {choice.name: choice.source().data for choice in images}
        pixels = None if classes is None else source_of(classes).data
        source = source_of(layer)
        return cls(layer, source, arrays, pixels, config, tuple(images), classes)

    @property
    def beside(self) -> list[Any]:
        """The layers that are read beside the labels."""
        layers = [choice.layer for choice in self.choices]
        layers += [] if self.kinds is None else [self.kinds]
        return list(dict.fromkeys(layers))

    @property
    def settings(self) -> tuple[Sequence[Choice], Any, MeasureConfig]:
        """What was chosen."""
        return self.choices, self.kinds, self.config

    @property
    def unit(self) -> str:
        """Unit of lengths; empty where the layer has a pixel size but no unit."""
        return unit_of_source(self.source)

    def task(
        self, should_stop: ShouldStop
    ) -> Generator[Progress, None, ObjectTable | None]:
        """Measure; the task of a job."""
        return measure(
            self.source.data,
            self.images,
            self.config,
            axes=self.source.axes,
            spacing=self.source.spacing,
            unit=self.unit,
            classes=self.classes,
            should_stop=should_stop,
        )
