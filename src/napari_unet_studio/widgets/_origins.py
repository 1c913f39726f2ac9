"""Where the layers came from that no dock has made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np

from napari_unet_studio.widgets._code import Files

_PLUGIN = "napari-unet-studio"
_STATED = ("scale", "translate", "units", "axis_labels")

_SHORT = {"micrometer": "um", "µm": "um"}  # one name, whoever gave it

Place = dict[str, tuple[Any, ...]]


class Origin:
    """Where a layer came from, as far as it tells; the layer is not kept alive.

    Parameters
    ----------
    layer
        The layer, as it is when it is first used.
    """

    def __init__(self, layer: Any) -> None:
        self.of = ref(layer)
        self.name = str(layer.name)
        self.kind = layer.__class__.__name__.lower()
        self.sample = layer.source.sample
        self.path = layer.source.path
        self.plugin = layer.source.reader_plugin
        self.place = place_of(layer)

    def lines(self, files: Files) -> list[str]:
        """Return Python that opens the layer if it is not there.

        Parameters
        ----------
        files
            Told of what is to be saved first, as the layer came from nowhere or was
            changed since.
        """
        if self.sample is not None:
            drawn = self._drawn()
            if drawn is not None:
                return self._opened_sample(*drawn)
        layer = self.of()
        if layer is None and self.path:
            path, opened = Path(self.path), True
        else:
            file = files.of(layer, self.name)
            path, opened = file.path, file.found is not None
        words = [f"viewer, {self.name!r}, {str(path)!r}"]
        if opened and self.plugin:
            words.append(f"plugin={self.plugin!r}")
        if self.kind == "labels" and not (opened and self.plugin == _PLUGIN):
            words.append("kind='labels'")
        ndim = len(self.place["scale"])
        usual: Place = {
            "scale": (1.0,) * ndim,
            "translate": (0.0,) * ndim,
            "units": ("pixel",) * ndim,
            "axis_labels": tuple(str(axis - ndim) for axis in range(ndim)),
        }
        return _call([*words, *self._beside(usual)])

    def _opened_sample(self, name: str, place: Mapping[str, Any]) -> list[str]:
        plugin, key = self.sample
        sample = repr(key) if plugin == _PLUGIN else repr((plugin, key))
        words = [f"viewer, {name!r}, sample={sample}"]
        lines = _call([*words, *self._beside(_place(place))])
        if name != self.name:
            lines[-1] += f".name = {self.name!r}"
        return lines

    def _drawn(self) -> tuple[str, Mapping[str, Any]] | None:
        """Return name and place of the layer in its sample; None if it was changed."""
        layer = self.of()
        if layer is None or self.sample[0] != _PLUGIN:
            painted = len(getattr(layer, "_undo_history", ()))
            return None if painted else (self.name, self.place)
        from napari_unet_studio import sample_data

        for data, options, kind in getattr(sample_data, f"open_{self.sample[1]}")():
            if kind == self.kind and np.array_equal(data, layer.data):
                return options["name"], options
        return None

    def _beside(self, stated: Place) -> list[str]:
        """Return what is to be said of its place beside what is stated already."""
        return [
            f"{name}={value!r}"
            for name, value in self.place.items()
            if value != stated.get(name)
        ]


def place_of(layer: Any) -> Place:
    """Return where a layer is: its pixel size, shift, units and names of its axes."""
    return _place({name: getattr(layer, name) for name in _STATED})


def _place(options: Mapping[str, Any]) -> Place:
    """Return the place of a layer as plain types, to 12 digits."""
    found: Place = {}
    for name in _STATED:
        if name in options:
            values = tuple(options[name])
            found[name] = (
                tuple(float(f"{step:.12g}") for step in values)
                if name in ("scale", "translate")
                else tuple(_SHORT.get(str(word), str(word)) for word in values)
            )
    found.setdefault("translate", (0.0,) * len(found["scale"]))
    return found


def _call(words: list[str]) -> list[str]:
    if len(words) == 1:
        return [f"us.open_layer({words[0]})"]
    body = [f"    {word}," for word in words]
    return ["us.open_layer(", *body, ")"]
