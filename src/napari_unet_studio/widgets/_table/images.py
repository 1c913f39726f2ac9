"""Which images intensities are measured in: a list of channels to tick."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from napari.layers import Image, Labels
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.layers import (
    METADATA_KEY,
    channels_of,
    source_of,
    unnamed_channels,
)
from napari_unet_studio.layers.source import Source
from napari_unet_studio.widgets._fitting import pixel_shape

_MOST = 6  # rows without a scroll bar


class Choice(NamedTuple):
    """A channel of an image layer.

    Parameters
    ----------
    name
        Of the columns.
    layer
        The layer.
    axes
        Of the layer, where an axis without a name can only be the channels.
    channel
        None if the layer has one channel only.
    """

    name: str
    layer: Any
    axes: str | None
    channel: Channel | None

    def source(self) -> Source:
        """Read the channel."""
        return source_of(self.layer, self.axes, channel=self.channel)

    def whole(self) -> Source:
        """Read the layer with all of its channels."""
        return source_of(self.layer, self.axes)


class ImageList(QListWidget):
    """Channels of the image layers on the same pixels as some labels, to tick."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._ticks: WeakKeyDictionary[Any, dict[Channel | None, bool]]
        self._ticks = WeakKeyDictionary()  # by layer, then by channel
        self._choices: list[Choice] = []
        self.setToolTip(
            "Images on the same pixels as the labels. Of those ticked, the table tells "
            "mean, least, largest, sum and standard deviation of the intensity."
        )
        self.itemChanged.connect(self._on_item)

    def offer(self, labels: Labels | None, layers: Sequence[Any]) -> None:
        """Offer the channels of those layers that fit the labels."""
        images = [layer for layer in layers if isinstance(layer, Image)]
        found: list[Choice] = []
        for layer in images if labels is not None else ():
            found += _choices_of(layer, labels)
        self._choices = _distinct(found)
        self.blockSignals(True)
        self.clear()
        for choice in self._choices:
            item = QListWidgetItem(choice.name)
            item.setFlags(Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled)
            # What this plugin made of an image, such as probabilities, is no image.
            of_user = METADATA_KEY not in choice.layer.metadata
            ticked = self._ticks.get(choice.layer, {}).get(choice.channel, of_user)
            item.setCheckState(
                Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked
            )
            self.addItem(item)
        if not self._choices:
            item = QListWidgetItem("no image on the same pixels")
            item.setFlags(Qt.ItemFlag.NoItemFlags)
            self.addItem(item)
        self.blockSignals(False)
        row = max(16, self.sizeHintForRow(0))  # before it has a style it is too small
        self.setFixedHeight(min(self.count(), _MOST) * row + 12)

    def sizeHint(self) -> QSize:
        """Return a width that any dock has."""
        return QSize(120, super().sizeHint().height())

    def chosen(self) -> list[Choice]:
        """Return what is ticked."""
        ticked = Qt.CheckState.Checked
        return [
            choice
            for row, choice in enumerate(self._choices)
            if self.item(row).checkState() == ticked
        ]

    def _on_item(self, item: QListWidgetItem) -> None:
        choice = self._choices[self.row(item)]
        ticks = self._ticks.setdefault(choice.layer, {})
        ticks[choice.channel] = item.checkState() == Qt.CheckState.Checked
        self.changed.emit()


def _distinct(choices: Sequence[Choice]) -> list[Choice]:
    """Return channels with a name of its own for each: "a red" may be a layer too."""
    found: dict[str, Choice] = {}
    for choice in choices:
        name, number = choice.name, 1
        while name in found:
            number += 1
            name = f"{choice.name} ({number})"
        found[name] = choice._replace(name=name)
    return list(found.values())


def _choices_of(layer: Any, labels: Labels) -> list[Choice]:
    axes = None
    if pixel_shape(layer) != pixel_shape(labels):
        axes = unnamed_channels(layer, labels)
        if axes is None:
            return []
    try:
        channels = channels_of(layer, axes)
    except StudioError:
        return []
    if not channels:
        return [Choice(layer.name, layer, axes, None)]
    return [
        Choice(f"{layer.name} {name.replace(' – ', ' ')}", layer, axes, channel)
        for name, channel in channels
        if channel != "grey"
    ]
