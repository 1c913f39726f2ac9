"""What a network is shown when it is looked into: prepared as a prediction does it."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_unet_studio.core.axes import Frames
from napari_unet_studio.core.blocks import Region
from napari_unet_studio.core.canvas import Canvas
from napari_unet_studio.core.geometry import checked_region
from napari_unet_studio.core.networks.foreign import check_drawn
from napari_unet_studio.core.networks.spec import Shape
from napari_unet_studio.io.model import Model
from napari_unet_studio.tasks.checks import check_channels, check_spacing
from napari_unet_studio.tasks.device import autocast, choose_device, enough_memory
from napari_unet_studio.tasks.executors import inference_layout
from napari_unet_studio.tasks.frames import Looks
from napari_unet_studio.tasks.inspect_config import InspectConfig
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.reading import Windows

if TYPE_CHECKING:
    from napari_unet_studio.core.networks.network import Network


class Sight:
    """An image as a network sees it: frames, pixel size, normalisation.

    Parameters
    ----------
    image, axes, channel_axis, spacing
        As for :func:`.tasks.predict.predict`.
    model
        Whose network looks.
    config
        The pixel size.
    region
        A slice for each image axis but the channels; all by default.

    Attributes
    ----------
    axes
        Names of the image axes but the channels.
    region
        With whole numbers.

    Raises
    ------
    InputError
        If the image does not suit the model.
    """

    def __init__(
        self,
        image: Any,
        model: Model,
        config: InspectConfig,
        axes: str | None,
        channel_axis: int | None,
        spacing: Sequence[float] | None,
        region: Sequence[slice] | None = None,
    ) -> None:
        card = model.card
        self._frames = Frames.of(image, card.spec.ndim, axes, channel_axis)
        check_channels(self._frames, card)
        check_spacing(spacing, self._frames.axes)
        self.axes = self._frames.axes
        shape = (*self._frames.leading, *self._frames.shape)
        self.region = checked_region(region, shape)
        asked = PredictConfig(pixel_size=config.pixel_size)
        self._looks = Looks.of(asked, card, spacing)
        data = self._frames.channels_first()
        self._offset, self._scale = card.normalisation.fit(data)

    @property
    def lead(self) -> int:
        """Number of axes that are looped over."""
        return len(self._frames.leading)

    @property
    def leading(self) -> Shape:
        """Frames of the region along each of these axes."""
        return tuple(part.stop - part.start for part in self.region[: self.lead])

    def indices(self) -> Iterator[tuple[Shape, Shape]]:
        """Yield the place of each frame in the region, and in the image."""
        for place in np.ndindex(*self.leading):
            starts = (part.start for part in self.region[: self.lead])
            yield place, tuple(i + s for i, s in zip(place, starts, strict=True))

    def windows(self, index: Shape) -> Windows:
        """Return what reads windows of a frame of the image."""
        frame = self._frames.array[index]
        canvas = self._canvas(frame)
        seen = frame if canvas is None else canvas
        return Windows(seen, self._offset, self._scale)

    @property
    def size(self) -> Shape:
        """Spatial shape that the network sees of a frame."""
        return self._looks.shape(self._frames.shape)

    @property
    def part(self) -> Region:
        """The region's spatial part in pixels that the network sees."""
        part = self.region[self.lead :]
        canvas = self._canvas(self._nothing())
        return part if canvas is None else canvas.bring_back(part)

    def seen_pixel(self, pixel: Sequence[float]) -> Shape:
        """Return the pixel that the network sees at one of the image's."""
        canvas = self._canvas(self._nothing())
        place = np.asarray(pixel, float)
        if canvas is not None:
            place = np.linalg.solve(canvas.matrix, place - canvas.offset)
        nearest = np.clip(np.rint(place), 0, np.array(self.size) - 1)
        return tuple(int(p) for p in nearest)

    def on_image(
        self, start: Sequence[float], step: Sequence[float]
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return where pixels lie on the image, in its pixels.

        Parameters
        ----------
        start
            Centre of the first one, in pixels that the network sees.
        step
            Their size, likewise.
        """
        canvas = self._canvas(self._nothing())
        if canvas is None:
            return tuple(map(float, start)), tuple(map(float, step))
        first = canvas.matrix @ np.asarray(start, float) + canvas.offset
        size = np.diag(canvas.matrix) * np.asarray(step, float)
        return tuple(first.tolist()), tuple(size.tolist())

    def _canvas(self, frame: Any) -> Canvas | None:
        (chain,) = self._looks.chains(frame)
        return chain[-1] if chain else None

    def _nothing(self) -> NDArray[np.float32]:
        return np.broadcast_to(np.float32(0), (1, *self._frames.shape))


class Looker:
    """A copy of a model's network on a device, in float32, nothing fused.

    Parameters
    ----------
    model
        Its network stays as it is.
    device
        "auto" or a device.

    Raises
    ------
    DeviceError
        If the device is absent, or its memory too small for the weights.
    ConfigError
        If the network is a foreign one.
    """

    def __init__(self, model: Model, device: str) -> None:
        check_drawn(model.card.spec, "cannot be looked into")
        self.device = choose_device(device)
        with enough_memory(
            f"The memory of {self.device} does not suffice for the weights of "
            f"{model.name!r}. Choose the device cpu or a smaller network."
        ):
            self.network: Network = copy.deepcopy(model.drawn).eval()
            self.network.requires_grad_(False)
            self._layout = inference_layout(self.device, model.card.spec.ndim)
            self.network.to(device=self.device, memory_format=self._layout)  # type: ignore[call-overload]

    def given(self, window: NDArray[np.float32]) -> torch.Tensor:
        """Return a window (C, *S) as a batch of one on the device."""
        batch = torch.from_numpy(np.ascontiguousarray(window)[np.newaxis])
        return batch.to(self.device).contiguous(memory_format=self._layout)

    def exact(self) -> AbstractContextManager[Any]:
        """Return the context in which all 24 bits count."""
        return autocast(self.device, "float32")
