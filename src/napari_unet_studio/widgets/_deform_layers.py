"""The layers of a deformation: preview, bent grid, arrows, and the result."""

from typing import Any

import numpy as np

from napari_unet_studio.core.deform import DeformConfig
from napari_unet_studio.layers import (
    METADATA_KEY,
    SPATIAL,
    LayerTuple,
    Source,
    add_tuples,
)
from napari_unet_studio.widgets._controls import position_in
from napari_unet_studio.widgets._deform_lines import (
    Plane,
    Points,
    arrows,
    fold_text,
    folded,
    grid_lines,
    largest,
)
from napari_unet_studio.widgets._deform_preview import Deformation, DeformedArray, Pair

_LOOKS = {
    "image": ("colormap", "contrast_limits", "gamma", "interpolation2d"),
    "labels": ("colormap", "opacity"),
}


class Template:
    """What layers that show the pixels of a layer in the same place are made with.

    Parameters
    ----------
    layer
        The layer; it may be removed later.
    source
        The layer as arrays.
    """

    def __init__(self, layer: Any, source: Source) -> None:
        self.source = source
        self.kind = layer.__class__.__name__.lower()
        self.rgb = bool(getattr(layer, "rgb", False))
        self.place = {name: getattr(layer, name) for name in SPATIAL}
        self.looks = {name: getattr(layer, name) for name in _LOOKS[self.kind]}
        if self.rgb:
            self.looks = {"rgb": True}

    def tuple(
        self, data: Any, name: str, config: DeformConfig, ndim: int
    ) -> LayerTuple:
        """Return a layer of deformed pixels."""
        return (
            data,
            {
                "name": name,
                **self.place,
                **self.looks,
                "metadata": {
                    METADATA_KEY: {
                        "source": self.source.name,
                        "deform": config.to_dict(),
                        "spatial_axes": ndim,
                    }
                },
            },
            self.kind,
        )


class PreviewLayers:
    """The layers that a preview consists of; none of them is the user's.

    Parameters
    ----------
    viewer
        The viewer.
    layers
        The image layer and, if chosen, the labels layer; they are only read.
    sources
        The same as arrays.
    ndim
        Axes that are deformed together.
    """

    def __init__(
        self, viewer: Any, layers: list[Any], sources: list[Source], ndim: int
    ) -> None:
        self.viewer = viewer
        self.of = layers
        self.deformation = Deformation(
            sources[0], sources[1] if len(sources) > 1 else None, ndim
        )
        self.templates = [Template(*pair) for pair in zip(layers, sources, strict=True)]
        self.shown: list[Any] = []
        self.lines: dict[str, Any] = {}
        self._measured: tuple[DeformConfig, str] | None = None

    @property
    def alive(self) -> bool:
        """Whether the preview of the image is in the viewer."""
        return bool(self.shown) and self.shown[0] in self.viewer.layers

    def add(self, config: DeformConfig) -> None:
        """Bring the preview into the viewer."""
        self.deformation.set(config)
        for template in self.templates:
            data = DeformedArray(self.deformation, template.kind == "labels")
            name = f"{template.source.name} deformed (preview)"
            made = template.tuple(data, name, config, self.deformation.ndim)
            self.shown += self._add([made])
            if template.kind == "labels":
                self.shown[-1].editable = False

    def redraw(
        self, config: DeformConfig, wanted: dict[str, bool], draft: bool
    ) -> None:
        """Show these settings.

        Parameters
        ----------
        config
            The settings.
        wanted
            Which lines to show: "grid", "arrows".
        draft
            Draw large planes coarsely, because a slider moves.
        """
        self.deformation.set(config)
        self.deformation.draft = draft
        for layer in self._present(self.shown):
            layer.metadata[METADATA_KEY]["deform"] = config.to_dict()
            layer.refresh(thumbnail=False, highlight=False, extent=False)
        self.deformation.draft = False
        for name, draw in (("grid", grid_lines), ("arrows", arrows)):
            there = self._present([self.lines.get(name)])
            pieces = self._placed(draw(self.plane())) if wanted[name] else None
            if pieces is not None and not there:
                self.lines[name] = self._add_lines(name, pieces)
            for layer in there:
                if pieces is not None:
                    layer.data = pieces
                if layer.visible != wanted[name]:
                    layer.visible = wanted[name]

    def finish(self) -> None:
        """Bring thumbnails up to date."""
        for layer in self._present(self.shown):
            layer.refresh()

    def forget(self) -> None:
        """Read the source anew."""
        self.deformation.forget()

    def remove(self) -> None:
        """Take all of it out of the viewer."""
        for layer in self._present([*self.shown, *self.lines.values()]):
            self.viewer.layers.remove(layer)

    def owns(self, layer: Any) -> bool:
        """Whether a layer is part of the preview."""
        return any(layer == own for own in (*self.shown, *self.lines.values()))

    @property
    def refused(self) -> bool:
        """Whether the view is too large to be computed between two redraws."""
        return any(layer.data.refused for layer in self._present(self.shown))

    def summary(self) -> str:
        """Return how strong the deformation is, and what is not shown."""
        if self._measured is None or self._measured[0] != self.deformation.config:
            coarse, shape = self.deformation.coarse(), self.deformation.frames.shape
            text = (
                f"{fold_text(folded(coarse, shape))}\n"
                f"Pixels move by up to {largest(coarse, shape):.1f} px."
            )
            self._measured = (self.deformation.config, text)
        text = self._measured[1]
        if self.refused:
            text += "\nThis view is too large for a preview; look at single XY slices."
        return text

    def plane(self) -> Plane:
        """Return the displacement in the plane at the viewer's position."""
        frames = self.deformation.frames
        place = 0
        if self.deformation.ndim == 3:
            place = self._position()[len(frames.leading)]
        return Plane.of(self.deformation.coarse(), frames.shape, place)

    # -- inside -----------------------------------------------------------------------

    def _present(self, layers: list[Any]) -> list[Any]:
        there = self.viewer.layers
        return [layer for layer in layers if layer is not None and layer in there]

    def _position(self) -> tuple[int, ...]:
        """Return the position in the axes of the image but the channels."""
        place = position_in(self.viewer, self.shown[0])
        channel = self.deformation.image.channel_axis
        if channel is None or channel >= len(place):
            return place
        return place[:channel] + place[channel + 1 :]

    def _placed(self, pieces: Points) -> Points:
        """Give pieces of lines in a plane the other coordinates of the position."""
        place = position_in(self.viewer, self.shown[0])
        placed = np.zeros((len(pieces), 2, len(place)))
        placed[:, 0] = place
        axes = list(range(len(place)))
        channel = self.deformation.image.channel_axis
        if channel is not None and channel < len(place):
            axes.remove(channel)
        placed[:, :, axes[-2:]] = pieces
        return placed

    def _add_lines(self, name: str, pieces: Points) -> Any:
        size = max(self.deformation.frames.shape[-2:])
        looks = {
            "grid": {"edge_color": "#00e5ff", "vector_style": "line", "opacity": 0.8},
            "arrows": {
                "edge_color": "#ffd54f",
                "vector_style": "arrow",
                "opacity": 0.9,
            },
        }[name]
        options = {
            "name": f"{self.deformation.image.name} deformation {name}",
            **self.templates[0].place,
            **looks,
            "edge_width": size / (500 if name == "grid" else 300),
        }
        return self._add([(pieces, options, "vectors")])[0]

    def _add(self, layers: list[LayerTuple]) -> list[Any]:
        """Add layers and leave the selection alone."""
        selection = self.viewer.layers.selection
        selected, active = list(selection), selection.active
        added = add_tuples(self.viewer, layers)
        selection.clear()
        selection.update(selected)
        selection.active = active
        return added


def result_tuples(
    templates: list[Template], result: Pair, config: DeformConfig, ndim: int
) -> list[LayerTuple]:
    """Return the deformed image and labels as layers of their own."""
    return [
        template.tuple(data, f"{template.source.name} deformed", config, ndim)
        for template, data in zip(templates, result, strict=False)
    ]


def as_python(deformation: Deformation | None, config: DeformConfig) -> str:
    """Return code that deforms the layers anew."""
    lines = ["import numpy as np", "import napari_unet_studio as us", ""]
    settings = f"grid={config.grid}, sigma={config.sigma:g}, seed={config.seed}"
    if deformation is None:
        lines += [
            'image = viewer.layers["image"].data',
            f"deformed = us.elastic_deform(image, {settings})",
        ]
        return "\n".join(lines) + "\n"
    lines.append(f"settings = dict({settings}, spacing={deformation.spacing})")
    channel = deformation.image.channel_axis
    for source, name in ((deformation.image, "image"), (deformation.labels, "labels")):
        if source is None:
            continue
        ndim, axis = source.data.ndim, channel if name == "image" else None
        spatial = [a for a in range(ndim) if a != axis][-deformation.ndim :]
        lead = spatial[0] if axis is None or axis > spatial[0] else ndim - len(spatial)
        within = (
            f", channel_axis={axis - lead}" if axis is not None and axis >= lead else ""
        )
        call = f"us.elastic_deform(frame, **settings{within})"
        if name == "labels":
            call = "us.elastic_deform(frame, frame, **settings)[1]"
        lines += [
            "",
            f"{name} = {source.expression}",
            f"deformed_{name} = np.empty({name}.shape, {name}.dtype)",
            f"for index in np.ndindex({name}.shape[:{lead}]):",
            f"    frame = np.asarray({name}[index])",
            f"    deformed_{name}[index] = {call}",
        ]
    return "\n".join(lines) + "\n"
