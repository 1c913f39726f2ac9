"""What is segmented: an image, its axes, channels, resolution and region."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import napari.viewer
from napari.layers import Image
from qtpy.QtCore import QObject, QSignalBlocker, Signal
from qtpy.QtWidgets import QFormLayout

from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.layers import METADATA_KEY, Source, level_shapes
from napari_unet_studio.widgets._segment.axes import AxesField
from napari_unet_studio.widgets._segment.channels import ChannelChoice
from napari_unet_studio.widgets._segment.region import RegionChoice
from napari_unet_studio.widgets._segment.rows import (
    Row,
    combo_box,
    remark,
    small_label,
)

if TYPE_CHECKING:
    from napari_unet_studio.io.model import ModelCard


def image_layers(viewer: "napari.viewer.Viewer") -> list[Image]:
    """Return the image layers but those that models made."""
    return [
        layer
        for layer in viewer.layers
        if isinstance(layer, Image)
        and "model" not in layer.metadata.get(METADATA_KEY, {})
    ]


class ImageChoice(QObject):
    """The rows of the form that say which pixels a model is given.

    Parameters
    ----------
    form
        Where the rows go.
    image
        The combo box of the image layers.
    viewer
        The viewer.
    """

    changed = Signal()
    """When other pixels, or the same in another way, are meant."""

    def __init__(
        self, form: QFormLayout, image: Any, viewer: "napari.viewer.Viewer"
    ) -> None:
        super().__init__()
        self.image = image
        self._card: ModelCard | None = None
        self._levels: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        form.addRow("Image", image.native)
        self.axes = AxesField()
        self._axes_row = Row(form, "Axes", self.axes)
        self.channels = ChannelChoice(form, viewer, lambda: image.choices)
        self.level = combo_box(
            "Which resolution of the image to work on: the finest knows most, another "
            "is faster. Take the one whose pixels are as large as those that the "
            "model was trained on."
        )
        self._level_row = Row(form, "Level", self.level)
        self.region = RegionChoice(viewer)
        self._region_row = Row(form, "Region", self.region.combo)
        self.note = small_label()
        form.addRow(self.note)
        self.axes.changed.connect(self._on_axes)
        self.channels.changed.connect(self._on_part)
        self.level.currentIndexChanged.connect(self._on_level)
        self.region.combo.currentIndexChanged.connect(lambda _: self.changed.emit())

    @property
    def layer(self) -> Any:
        """The image layer, or None."""
        return self.image.value

    @property
    def key(self) -> Any:
        """What tells apart the results of one image and one model."""
        layers = tuple(map(ref, self.channels.joined))
        return (self.region.key, self.level_number, self.channels.channel, layers)

    @property
    def level_number(self) -> int:
        """The chosen resolution, 0 for the finest."""
        return max(0, int(self.level.currentIndex()))

    @property
    def unit(self) -> str:
        """Unit of the image's pixel size, "um" or "pixel", as far as it is known."""
        try:
            return "pixel" if self.layer is None else self.read(whole=True).unit
        except StudioError:  # told beside the choice that is wrong
            return "pixel"

    def refresh(self, card: "ModelCard | None") -> None:
        """Show what there is to choose for the image, as it is now, and a model."""
        self._card = card
        self.axes.show_layer(self.layer, self._ndim)
        self._axes_row.show(self.axes.useful)
        self._show_levels()
        self.region.refresh()
        self._show_channels()

    def read(self, whole: bool = False) -> Source:
        """Return the image as it is to be segmented.

        Parameters
        ----------
        whole
            Leave the region out.

        Raises
        ------
        InputError
            If something is missing or does not fit.
        """
        if self.layer is None:
            raise InputError(
                "There is no image to segment; open or choose one, or take one from "
                "File ▸ Open Sample ▸ U-Net Studio."
            )
        axes = self.axes.read()
        source = self.channels.read(axes, self.level_number, self._expected)
        if 0 in source.shape:
            raise InputError(
                f"The image {source.name!r} is empty: its shape is {source.shape}. "
                "Choose a layer that holds pixels."
            )
        if whole:
            return source
        region = self.region.read(source, self._ndim)
        return replace(source, region=region, where=self.region.where)

    # -- rows -------------------------------------------------------------------------

    @property
    def _ndim(self) -> int:
        return 2 if self._card is None else self._card.spec.ndim

    @property
    def _expected(self) -> int:
        return 1 if self._card is None else self._card.spec.in_channels

    def _show_levels(self) -> None:
        layer = self.layer
        shapes = [] if layer is None else level_shapes(layer)
        with QSignalBlocker(self.level):
            self.level.clear()
            for number, shape in enumerate(shapes):
                sides = shape[: layer.ndim]
                self.level.addItem(f"{number} – {' × '.join(map(str, sides))}")
            if shapes:
                chosen = self._levels.get(layer, 0)
                self.level.setCurrentIndex(chosen if chosen < len(shapes) else 0)
        self._level_row.show(len(shapes) > 1)

    def _show_channels(self) -> None:
        axes = self.axes.text if self.layer is not None and self._axes_fit() else None
        self.channels.show_layer(self.layer, axes, self._expected)
        self._show_note()

    def _axes_fit(self) -> bool:
        return self.axes.check()

    def _show_note(self) -> None:
        """Say what is used, or what does not fit."""
        if self.layer is None or self._card is None or not self._axes_fit():
            remark(self.note, "" if self.axes.useful else self.axes.reason.text(), True)
            return
        try:
            source = self.read(whole=True)
        except StudioError as error:
            remark(self.note, str(error), error=True)
        else:
            remark(self.note, self.channels.describe(source))

    def _on_axes(self) -> None:
        self._show_channels()
        self.changed.emit()

    def _on_part(self) -> None:
        self._show_note()
        self.changed.emit()

    def _on_level(self, index: int) -> None:
        if self.layer is not None and index >= 0:
            self._levels[self.layer] = index
            self._show_note()
            self.changed.emit()
