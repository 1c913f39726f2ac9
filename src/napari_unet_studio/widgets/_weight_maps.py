"""Weight maps of a layer, frame by frame, with the distances kept for the sliders."""

import threading
from collections import OrderedDict
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.axes import spatial_ndim
from napari_unet_studio.core.carve import carve_gap
from napari_unet_studio.core.distances import nearest_two
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.weights import WeightConfig
from napari_unet_studio.layers import Source, source_of
from napari_unet_studio.tasks.progress import Progress, ShouldStop
from napari_unet_studio.widgets._weight_frame import SLAB, Frame

Index = tuple[int, ...]

KEPT = 1 << 25  # pixels whose distances are kept, about 600 MB

_compiled = threading.Event()


@dataclass(frozen=True, eq=False)
class FrameDone(Progress):
    """The weights of one frame.

    Parameters
    ----------
    index
        Of the frame along the leading axes.
    weights
        Shape of the frame, float32.
    target
        The labels with the gap carved, or None if not asked for.
    """

    index: Index = ()
    weights: NDArray[np.float32] = field(
        default_factory=lambda: np.empty(0, np.float32)
    )
    target: NDArray[Any] | None = None

    @property
    def routine(self) -> bool:
        """Return False: no frame may be skipped."""
        return False


class WeightMaps:
    """The frames of a labels layer.

    Parameters
    ----------
    source
        The layer.
    ndim
        Axes of a frame; the others are looped over.
    pieces
        Whether connected pieces are the objects instead of ids.
    data
        The layer's `data`, to recognise it by.
    """

    def __init__(self, source: Source, ndim: int, pieces: bool, data: Any) -> None:
        self.source = source
        self.data = data
        self.ndim = ndim
        self.pieces = pieces
        steps = source.spacing[-ndim:]
        self.spacing = tuple(step / min(steps) for step in steps)
        self.shape: tuple[int, ...] = tuple(source.data.shape)
        self.leading = self.shape[: len(self.shape) - ndim]
        self.count = int(np.prod(self.leading))
        self.pixels = int(np.prod(self.shape))
        self.frame_pixels = int(np.prod(self.shape[len(self.leading) :]))
        self._frames: OrderedDict[Index, Frame] = OrderedDict()

    def kept(self, index: Index) -> Frame | None:
        """Return a frame if it was measured and is still kept."""
        return self._frames.get(index)

    def read(self, index: Index) -> Frame:
        """Return a frame as the layer is now; it may have been painted since."""
        frame = self._frames.get(index)
        raw = np.asarray(self.source.data[index])
        if frame is None or not np.array_equal(frame.raw, raw):
            frame = Frame(raw, self.pieces, self.spacing)
        self._frames[index] = frame
        self._frames.move_to_end(index)
        while len(self._frames) > max(1, KEPT // max(1, self.frame_pixels)):
            self._frames.popitem(last=False)
        return frame

    def describes(self, other: "WeightMaps") -> bool:
        """Whether the others are of the same layer, its data not replaced."""
        return (
            self.data is other.data
            and (self.ndim, self.pieces) == (other.ndim, other.pieces)
            and _plain(self.source.spatial) == _plain(other.source.spatial)
        )

    def now(self, config: WeightConfig, index: Index, with_target: bool) -> FrameDone:
        """Compute a frame at once: for small ones."""
        frame = self.read(index)
        for _ in frame.measure(config):
            pass
        frame.count_pairs()
        target = frame.target(config.gap) if with_target else None
        return FrameDone(1, 1, "", index, frame.weights(config), target)

    def task(
        self,
        config: WeightConfig,
        first: Index,
        with_target: bool,
        should_stop: ShouldStop,
    ) -> Generator[Progress, None, bool]:
        """Compute all frames, the displayed one first.

        Yields
        ------
        FrameDone
            For each frame.

        Returns
        -------
        bool
            Whether all frames were computed.

        Raises
        ------
        InputError
            If there is no object at all.
        """
        order = sorted(np.ndindex(*self.leading), key=lambda index: index != first)
        total = 100 * len(order)
        yield Progress(
            0, total if total > 100 or self.pixels > SLAB else 0, "Measuring"
        )
        if not any(np.any(self.source.data[index]) for index in order):
            raise InputError(
                f"The labels layer {self.source.name!r} holds no objects; paint some, "
                "or choose another layer."
            )
        for number, index in enumerate(order):
            if should_stop():
                return False
            frame = self.read(index)
            for share in frame.measure(config):
                yield Progress(100 * number + int(90 * share), total, "Measuring")
                if should_stop():
                    return False
            target = frame.target(config.gap) if with_target else None
            weights = frame.weights(config)
            if should_stop():
                return False
            step = 100 * (number + 1)
            yield FrameDone(step, total, "Weights", index, weights, target)
            frame.count_pairs()
        return True


def maps_of(layer: Any, ndim: int, pieces: bool) -> WeightMaps:
    """Return the frames of a labels layer.

    Parameters
    ----------
    layer
        The layer, or None where there is none to choose.
    ndim
        Axes of a frame in a layer with depth, 2 or 3.
    pieces
        Whether connected pieces are the objects instead of ids.

    Raises
    ------
    InputError
        If there is no layer, or its axes do not suit.
    """
    if layer is None:
        raise InputError(
            "No labels are chosen; add or choose a layer with an id for each object."
        )
    source = source_of(layer)
    if source.channel_axis is not None:
        raise InputError(
            f"The labels layer {layer.name!r} has an axis of channels; choose labels "
            "without one."
        )
    if spatial_ndim(source.axes) < 3:
        ndim = 2
    return WeightMaps(source, ndim, pieces, layer.data)


def as_python(maps: WeightMaps | None, config: WeightConfig) -> str:
    """Return code that computes a weight map anew.

    Parameters
    ----------
    maps
        Of the layer; None gives code for labels of that name.
    config
        The settings.
    """
    spacing = None if maps is None else maps.source.spacing[-maps.ndim :]
    data = 'viewer.layers["labels"].data' if maps is None else maps.source.expression
    lines = [
        "import numpy as np",
        "import napari_unet_studio as us",
        "",
        f"labels = {data}",
        "settings = dict(",
        f"    preset={config.preset!r}, w0={config.w0:g}, sigma={config.sigma:g},",
        f"    balance={config.balance!r}, gap={config.gap}, inside={config.inside},",
        f"    spacing={spacing},",
        ")",
    ]
    each = "frame"
    if maps is not None and maps.pieces:
        lines.insert(1, "from skimage.measure import label")
        each = "label(frame, connectivity=1)"
    lines.append("weights = np.empty(labels.shape, np.float32)")
    lead = 0 if maps is None else len(maps.leading)
    lines += [
        f"for index in np.ndindex(labels.shape[:{lead}]):",
        "    frame = np.asarray(labels[index])",
        f"    weights[index] = us.separation_weights({each}, **settings)",
    ]
    return "\n".join(lines) + "\n"


def compiled() -> bool:
    """Whether the kernels are ready, so that small maps take milliseconds."""
    return _compiled.is_set()


def warm_up(should_stop: ShouldStop) -> Generator[Progress, None, None]:
    """Compile what the maps need, or load it from disk."""
    pixels = np.eye(6, dtype=np.int32)
    kinds = [(pixels, 1.0), (np.stack((pixels, pixels)), 1.0), (pixels, 1.1)]
    for step, (labels, uneven) in enumerate(kinds):
        yield Progress(step, len(kinds), "Compiling")
        if should_stop():
            return
        nearest_two(labels, (uneven,) + (1.0,) * (labels.ndim - 1))
    carve_gap(pixels)
    _compiled.set()


def _plain(spatial: Mapping[str, Any]) -> dict[str, str]:
    return {name: repr(value) for name, value in spatial.items()}
