"""What the table of objects is made of: layers as they were when work began."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.measure import MeasureConfig
from napari_unet_studio.layers import source_of
from napari_unet_studio.layers.source import Source
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
    """

    layer: Any
    source: Source
    images: Mapping[str, Any]
    classes: Any
    config: MeasureConfig

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
        kinds = None if classes is None else source_of(classes).data
        return cls(layer, source_of(layer), arrays, kinds, config)

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


def unit_of_source(source: Source) -> str:
    """Return the unit of lengths of a layer.

    A pixel size without a unit is of one that nobody stated.
    """
    if source.unit == "pixel" and set(source.spacing) != {1.0}:
        return ""
    return source.unit
