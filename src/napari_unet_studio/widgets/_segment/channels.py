"""The choice of channels: one of several, or several layers as the channels of one."""

from typing import Any
from weakref import ReferenceType, WeakKeyDictionary, ref

import napari.viewer
from napari.layers import Image
from qtpy.QtCore import QObject, QSignalBlocker, Signal
from qtpy.QtWidgets import QFormLayout

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers import (
    Source,
    channels_of,
    combined_source,
    fitting_channels,
    source_of,
)
from napari_unet_studio.widgets._segment.rows import Row, combo_box

_MANY = 16  # choosers at most; a network with more channels needs one layer


class ChannelChoice(QObject):
    """Shows what has to be chosen for the channels that a model takes, if anything.

    Parameters
    ----------
    form
        Where the rows go.
    viewer
        Whose layers can be channels.
    images
        Called for the layers that are offered.
    """

    changed = Signal()

    def __init__(
        self, form: QFormLayout, viewer: "napari.viewer.Viewer", images: Any
    ) -> None:
        super().__init__()
        self.viewer = viewer
        self._form = form
        self._images = images
        self._layer: Any = None
        self._taken: WeakKeyDictionary[Any, Channel] = WeakKeyDictionary()
        # Not the layers themselves: these would keep themselves alive.
        self._joined: WeakKeyDictionary[Any, list[ReferenceType[Any]]]
        self._joined = WeakKeyDictionary()
        self._names: list[tuple[str, Channel]] = []
        self._offered: list[Any] = []
        self.one = combo_box(
            "The channel that the model, which takes one, is given: the grey of "
            "colours, or one of them."
        )
        self.one.currentIndexChanged.connect(self._on_one)
        self.many: list[Any] = []
        self._rows: list[Row] = []
        self._one_row = Row(form, "Channel", self.one)
        self._one_row.show(False)

    def show_layer(self, layer: Any, axes: str | None, expected: int) -> None:
        """Offer what goes with an image and a model.

        Parameters
        ----------
        layer
            The image, or None.
        axes
            Names of its axes; None if they do not fit it.
        expected
            Channels that the model takes.
        """
        known = layer is not None and axes is not None
        names = channels_of(layer, axes) if known and expected == 1 else []
        same = layer is self._layer and names == self._names
        shown = self.channel if same else None  # what stands there is what is taken
        self._layer, self._names = layer, names
        with QSignalBlocker(self.one):
            self.one.clear()
            self.one.addItems([name for name, _ in names])
            if names:
                first = self._on_screen(layer, axes) or 0
                taken = self._taken.get(layer, names[first][1])
                taken = taken if shown is None else shown
                found = [i for i, (_, c) in enumerate(names) if c == taken]
                self.one.setCurrentIndex(found[0] if found else 0)
        self._one_row.show(bool(names))
        single = (
            known and 1 < expected <= _MANY and source_of(layer, axes).channels == 1
        )
        self._show_many(layer, expected if single else 0)

    def read(self, axes: str, level: int, expected: int) -> Source:
        """Return the image, with the channels that were chosen.

        Raises
        ------
        InputError
            If layers do not fit each other, or the number of channels the model.
        """
        if self.joined:
            return combined_source(self.joined, axes, level=level)
        source = source_of(self._layer, axes, level=level, channel=self.channel)
        source = fitting_channels(source, self._layer, expected)
        if source.channels != expected:
            raise InputError(
                f"The model takes {expected} channel{'s' * (expected > 1)}, but the "
                f"image {source.name!r} has {source.channels}; choose another image or "
                "another model, or say in Axes which axis holds the channels."
            )
        return source

    @property
    def channel(self) -> Channel | None:
        """The one channel that is taken of several, None if there are not several."""
        index = self.one.currentIndex()
        return self._names[index][1] if 0 <= index < len(self._names) else None

    @property
    def joined(self) -> list[Any]:
        """The layers that are the channels of one image, if there have to be any."""
        return self._chosen(self._layer) if self._shown else []

    def describe(self, source: Source) -> str:
        """Say which channels are used, "" if that goes without saying."""
        if source.layers:
            return f"Channels: {', '.join(source.layers)}."
        if source.channel == "grey":
            return "The grey of the colours is used (luminance)."
        if source.channel is not None:
            index = self.one.currentIndex()
            name, count = self._names[index][0], len(self._names)
            # Numbers count from 0, which "1 of 3" would hide.
            range_ = f"of 0 to {count - 1}" if name[:1].isdigit() else f"of {count}"
            return f"Channel {name} is used, {range_}."
        return f"All {source.channels} channels are used." * (source.channels > 1)

    # -- several layers ---------------------------------------------------------------

    @property
    def _shown(self) -> int:
        return sum(not row.editor.isHidden() for row in self._rows)

    def _show_many(self, layer: Any, count: int) -> None:
        while len(self.many) < count:
            number = len(self.many)
            combo = combo_box(f"The layer that is channel {number + 1} of the image.")
            combo.currentIndexChanged.connect(
                lambda index, number=number: self._on_many(number, index)
            )
            position = self._form.getWidgetPosition(self.one)[0] + 1 + number
            title = f"Channel {number + 1}"
            self._rows.append(Row(self._form, title, combo, position))
            self.many.append(combo)
        for number, row in enumerate(self._rows):
            row.show(number < count)
        self._offered = []
        if not count:
            return
        self._offered = [x for x in self._images() if not getattr(x, "rgb", False)]
        before = self._chosen(layer)
        kept = [x for x in before if x in self._offered]
        if len(kept) != count:
            kept = self._first_choice(layer, count)
            self._joined[layer] = [ref(x) for x in kept]
        for combo, chosen in zip(self.many, kept, strict=False):
            with QSignalBlocker(combo):
                combo.clear()
                combo.addItems([x.name for x in self._offered])
                combo.setCurrentIndex(self._offered.index(chosen))

    def _chosen(self, layer: Any) -> list[Any]:
        """Return the layers that were chosen as the channels beside a layer."""
        found = [reference() for reference in self._joined.get(layer, [])]
        return [x for x in found if x is not None]

    def _first_choice(self, layer: Any, count: int) -> list[Any]:
        """Take the image and the layers of its shape after it; else it once more."""
        shape = _shape(layer)
        fitting = [x for x in self._offered if _shape(x) == shape]
        place = fitting.index(layer)
        ordered = (fitting[place:] + fitting[:place])[:count]
        return ordered + [layer] * (count - len(ordered))

    def _on_many(self, number: int, index: int) -> None:
        chosen = self._chosen(self._layer)
        if 0 <= index < len(self._offered) and number < len(chosen):
            chosen[number] = self._offered[index]
            self._joined[self._layer] = [ref(x) for x in chosen]
            self.changed.emit()

    def _on_one(self, *_: object) -> None:
        if self._layer is not None and self.channel is not None:
            self._taken[self._layer] = self.channel
            self.changed.emit()

    def _on_screen(self, layer: Any, axes: str | None) -> int | None:
        """Return the channel that the viewer shows, if there is a slider for it."""
        if getattr(layer, "rgb", False):
            return None
        source = source_of(layer, axes)
        axis = source.channel_axis
        if axis is None or axis - layer.ndim + self.viewer.dims.ndim in tuple(
            self.viewer.dims.displayed
        ):
            return None
        point = layer.world_to_data(self.viewer.dims.point)[axis]
        return min(max(round(float(point)), 0), source.channels - 1)


def _shape(layer: Image) -> tuple[int, ...]:
    data = layer.data[0] if layer.multiscale else layer.data
    return tuple(data.shape)
