"""One look into a network, independent of what the user does meanwhile."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_unet_studio.core import shell
from napari_unet_studio.io.model_file import load_model_file
from napari_unet_studio.layers import Source
from napari_unet_studio.tasks.inspect_config import InspectConfig
from napari_unet_studio.tasks.progress import Progress, ShouldStop
from napari_unet_studio.widgets._code import Files
from napari_unet_studio.widgets._segment.code import (
    brief,
    image_options,
    region_text,
)

Nodes = str | tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Look:
    """One look, as it was when it began.

    Parameters
    ----------
    layers
        Names of the image layers, one or one for each channel.
    source
        The image, with the region.
    axes
        Names of its axes, channels included.
    path, reference
        The model: its file, and how a script names it.
    nodes
        What is looked at.
    title
        In words.
    config
        The settings.
    """

    layers: tuple[str, ...]
    source: Source
    axes: str
    path: Path
    reference: str
    nodes: Nodes
    title: str
    config: InspectConfig

    @property
    def key(self) -> Any:
        """What tells layers apart: one of the same key takes the place of another."""
        return (self.layers, self.path, self.nodes, self.source.where)

    def maps(self, should_stop: ShouldStop) -> Generator[Progress, None, Any]:
        """Compute feature maps."""
        from napari_unet_studio.tasks.inspect import feature_maps

        yield Progress(0, 0, "Loading the model")
        return (
            yield from feature_maps(
                self.source.data,
                load_model_file(self.path),
                self.nodes,
                self.config,
                region=self.source.region,
                should_stop=should_stop,
                **self._image,
            )
        )

    def saliency(
        self, pixel: Sequence[int], should_stop: ShouldStop
    ) -> Generator[Progress, None, Any]:
        """Compute the saliency of a pixel."""
        from napari_unet_studio.tasks.saliency import saliency

        yield Progress(0, 0, "Loading the model")
        return (
            yield from saliency(
                self.source.data,
                load_model_file(self.path),
                pixel,
                self.config,
                should_stop=should_stop,
                **self._image,
            )
        )

    @property
    def _image(self) -> dict[str, Any]:
        source = self.source
        return {
            "axes": source.axes,
            "channel_axis": source.channel_axis,
            "spacing": source.spacing,
        }

    # -- code -------------------------------------------------------------------------

    def command(self, layers: Sequence[Any], pixel: Sequence[int] | None = None) -> str:
        """Return shell commands that compute the same of the files of the layers.

        Parameters
        ----------
        layers
            Those of the image, one or one for each channel.
        pixel
            As for :meth:`code`.
        """
        files, source = Files(), self.source
        if source.layers:
            file = files.joined(self.layers, source.level)
        else:
            single = source.channel is None
            file = files.of(layers[0], level=source.level, channels=single)
        first = ["unet-studio", "inspect", file.path, "--model", self.reference]
        how = image_options(file, source)
        how += shell.options(self.config, InspectConfig())
        nodes = [self.nodes] if isinstance(self.nodes, str) else self.nodes
        words = [*first, "--out", f"{file.path.stem} maps.tif"]
        for node in nodes:
            words += ["--node", node]
        if source.region is not None:
            words += ["--region", shell.slices(source.region)]
        text = files.command([*words, *how])
        if pixel is not None:
            place = ",".join(str(int(p)) for p in pixel)
            words = [*first, "--out", f"{file.path.stem} saliency.tif"]
            text += shell.line([*words, "--pixel", place, *how]) + "\n"
        return text

    def code(self, pixel: Sequence[int] | None = None) -> str:
        """Return Python that shows the same in napari's console.

        Parameters
        ----------
        pixel
            Of the saliency map that is on display, if one is.
        """
        nodes = self.nodes if isinstance(self.nodes, str) else list(self.nodes)
        where = []
        if self.source.region is not None:
            where.append(f"region={region_text(self.source.region)}")
        text = "import napari_unet_studio as us\n\n"
        text += _call("us.feature_layer", [*self._words(repr(nodes)), *where])
        return text if pixel is None else text + self.saliency_code(pixel)

    def saliency_code(self, pixel: Sequence[int]) -> str:
        """Return the call that shows the saliency of a pixel."""
        place = repr(tuple(int(p) for p in pixel))
        return _call("us.saliency_layer", self._words(place))

    def _words(self, what: str) -> list[str]:
        """Return the arguments that say of what image, and how."""
        source = self.source
        image = repr(self.layers[0]) if not source.layers else repr(list(self.layers))
        words = [image, repr(self.reference), what, f"us.{brief(self.config)}"]
        words.append(f"axes={self.axes!r}")
        if source.channel is not None:
            words.append(f"channel={source.channel!r}")
        if source.level:
            words.append(f"level={source.level}")
        return words


def _call(function: str, arguments: Sequence[str]) -> str:
    body = "".join(f"    {line},\n" for line in ["viewer", *arguments])
    return f"{function}(\n{body})\n"
