"""Layers as the files of a shell command: where they come from, or are to be saved."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_unet_studio.core import shell
from napari_unet_studio.core.errors import StudioError

if TYPE_CHECKING:  # at run time these load file formats: not for opening
    from napari_unet_studio.io.images import ImageFile
    from napari_unet_studio.layers import Source

_COMPARED = 1 << 28  # bytes up to which each pixel is compared with the file
_PROBE = 48  # side of the blocks that are, of larger ones
_FORBIDDEN = re.compile(r"[^\w. ()-]+")


class File(NamedTuple):
    """The file of a layer.

    Parameters
    ----------
    path
        Where it is, or what it is to be saved as.
    found
        The image in it; None if it is to be saved first.
    channel
        Which of its channels the layer is, if the layer is one of several.
    level
        Its resolution that the layer's chosen level is; of a file to be saved, 0.
    """

    path: Path
    found: "ImageFile | None" = None
    channel: int | None = None
    level: int = 0


class Files:
    """Finds the files of layers, and says which layers have to be saved to some.

    A layer counts as its file only while it has the pixels that are in the file.

    Attributes
    ----------
    notes
        A comment for each layer that is to be saved.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._known: dict[Any, File] = {}

    def of(
        self, layer: Any, name: str = "", level: int = 0, channels: bool = False
    ) -> File:
        """Return the file of a layer.

        Parameters
        ----------
        layer
            The layer; None if it is gone by now.
        name
            Of one that is gone.
        level
            Which resolution of it is meant.
        channels
            Whether the command can take one channel of a file.
        """
        name = name or layer.name
        key = (name if layer is None else id(layer), level, channels)
        if key not in self._known:
            found = None if layer is None else _stored(layer, channels)
            if found is None or not _has_level(found, layer, level):
                what = f"level {level} of the layer" if level else "the layer"
                self._known[key] = self._saved(name, f"{what} {name!r}")
            else:
                self._known[key] = found._replace(level=level)
        return self._known[key]

    def joined(self, names: Sequence[str], level: int = 0) -> File:
        """Return the file to which several layers are to be saved as channels."""
        key = (tuple(names), level)
        if key not in self._known:
            listed = ", ".join(map(repr, names))
            what = f"level {level} of the layers" if level else "the layers"
            text = f"{what} {listed}, as channels before the other axes,"
            self._known[key] = self._saved(names[0], text)
        return self._known[key]

    def command(self, words: Sequence[object], before: str = "") -> str:
        """Return a command, what comes before it, and above them what is to be saved.

        Parameters
        ----------
        words
            The command.
        before
            Other commands that it needs, ending in a newline.
        """
        return f"{self.comments}{before}{shell.line(words)}\n"

    @property
    def comments(self) -> str:
        """The notes as the first lines of a script."""
        return "".join(f"# {note}\n" for note in self.notes)

    def _saved(self, name: str, what: str) -> File:
        stem = _FORBIDDEN.sub("-", name).strip(" .-")[:100] or "layer"
        taken = {str(file.path).casefold() for file in self._known.values()}
        path, number = Path(f"{stem}.tif"), 1
        while str(path).casefold() in taken:
            number += 1
            path = Path(f"{stem} {number}.tif")
        self.notes.append(f"Save {what} as {path}".replace("\n", " "))
        return File(path)


def place_of(file: File, source: "Source", unit: str | None = None) -> dict[str, Any]:
    """Return what is to be said of an image because its file does not.

    Parameters
    ----------
    file, source
        The file, and the layer as it is read.
    unit
        Of lengths, where it is not that of the source.

    Returns
    -------
    dict
        "axes" and "spacing" as far as needed, and "unit" if there is a spacing.
    """
    place: dict[str, Any] = {}
    found, unit = file.found, source.unit if unit is None else unit
    axes = f"C{source.axes}" if source.layers else source.letters
    if found is None:
        if axes not in ("YX", "ZYX", "TZYX"):
            place["axes"] = axes
    elif found.axes != source.axes or (
        "C" in axes and axes.index("C") != _positive(found.channel_axis, found.array)
    ):
        place["axes"] = axes
    stated = None if found is None else found.spacing
    plain = unit == "pixel" and set(source.spacing) <= {1.0}
    if stated is None and plain:
        return place
    if stated != source.spacing or unit != "um":
        place |= {"spacing": source.spacing, "unit": unit or "none"}
    return place


def place_options(file: File, source: "Source", unit: str | None = None) -> list[str]:
    """Return :func:`place_of` as options."""
    place = place_of(file, source, unit)
    words = ["--axes", place["axes"]] if "axes" in place else []
    if "spacing" in place:
        words += ["--spacing", shell.numbers(place["spacing"])]
        if place["unit"] != "um":
            words += ["--unit", place["unit"]]
    return words


def _positive(axis: int | None, array: Any) -> int | None:
    return None if axis is None else axis % int(array.ndim)


def _stored(layer: Any, channels: bool) -> File | None:
    """Return the file that a layer was opened from, if it still has its pixels."""
    from napari_unet_studio.io.images import read_image
    from napari_unet_studio.io.label_images import label_images

    origin = getattr(layer.source, "path", None)
    data = layer.data[0] if layer.multiscale else layer.data
    if not origin or _may_be_painted(layer, data):
        return None
    path = Path(origin)
    try:
        inside = label_images(path) if path.suffix == ".zarr" else []
        for each in (path, *inside):
            try:
                found = read_image(each)
            except StudioError:
                continue
            if _same(found.array, data):
                return File(each, found)
            if channels and found.channel_axis is not None:
                for number, part in _channels(found):
                    if _same(part, data):
                        return File(each, found, number)
    except Exception:  # noqa: BLE001 - removed, or what arrays of other plugins raise
        return None
    return None


def _may_be_painted(layer: Any, data: Any) -> bool:
    """Whether labels may differ from their file where `_same` would not look."""
    labels = layer.__class__.__name__ == "Labels"
    return labels and isinstance(data, np.ndarray) and data.nbytes > _COMPARED


def _has_level(file: File, layer: Any, level: int) -> bool:
    """Whether a level of a layer is in its file: other readers make some up."""
    if not level:
        return True
    from napari_unet_studio.core.channels import pick_channel
    from napari_unet_studio.io.images import read_image

    try:
        found = read_image(file.path, level)
        pixels = found.array
        if file.channel is not None:
            assert found.channel_axis is not None
            pixels = pick_channel(pixels, found.channel_axis, file.channel)
        return _same(pixels, layer.data[level])
    except (OSError, StudioError, ValueError):
        return False


def _channels(found: "ImageFile") -> Iterator[tuple[int, Any]]:
    from napari_unet_studio.core.channels import pick_channel

    axis = found.channel_axis
    assert axis is not None
    for number in range(int(found.array.shape[axis])):
        yield number, pick_channel(found.array, axis, number)


def _same(one: Any, other: Any) -> bool:
    """Whether two images are the same, as far as can be told in a moment."""
    if tuple(one.shape) != tuple(other.shape):
        return False
    if np.dtype(one.dtype).newbyteorder("=") != np.dtype(other.dtype).newbyteorder("="):
        return False
    size = int(np.prod(one.shape)) * np.dtype(one.dtype).itemsize
    nan = np.dtype(one.dtype).kind in "fc"  # what is not known in both is the same
    if isinstance(other, np.ndarray) and size <= _COMPARED:
        return np.array_equal(np.asarray(one), other, equal_nan=nan)
    for share in (0.0, 0.5, 1.0):
        start = [int(share * max(0, n - _PROBE)) for n in one.shape]
        block = tuple(slice(s, s + _PROBE) for s in start)
        pair = np.asarray(one[block]), np.asarray(other[block])
        if not np.array_equal(*pair, equal_nan=nan):
            return False
    return True
