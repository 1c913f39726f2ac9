"""The layers of a preview: what is deformed, the bent grid, the arrows."""

from typing import Any

import numpy as np

from napari_unet_studio.core.deform import DeformConfig
from napari_unet_studio.layers import METADATA_KEY
from napari_unet_studio.widgets._controls import position_in
from napari_unet_studio.widgets._deform.array import DeformedArray
from napari_unet_studio.widgets._deform.chosen import Chosen, position_of
from napari_unet_studio.widgets._deform.lines import (
    Plane,
    Points,
    arrows,
    fold_text,
    folded,
    grid_lines,
    largest,
)
from napari_unet_studio.widgets._viewing import add_quietly, remove_layers


class PreviewLayers:
    """The layers that a preview consists of; none of them is the user's.

    Parameters
    ----------
    viewer
        The viewer.
    chosen
        What is deformed.
    """

    def __init__(self, viewer: Any, chosen: Chosen) -> None:
        self.viewer = viewer
        self.of = chosen.layers
        self.deformation = chosen.deformation
        self.templates = chosen.templates
        self.shown: list[Any] = []
        self.lines: dict[str, Any] = {}
        self._measured: tuple[DeformConfig, str] | None = None
        self._drawn: dict[str, tuple[Any, ...] | None] = {}

    @property
    def alive(self) -> bool:
        """Whether the preview of the image is in the viewer."""
        return bool(self.shown) and self.shown[0] in self.viewer.layers

    def add(self, config: DeformConfig) -> None:
        """Bring the preview into the viewer."""
        self.deformation.set(config)
        for template in self.templates:
            data = DeformedArray(self.deformation, template.part)
            name = f"{template.source.name} deformed (preview)"
            made = template.tuple(data, name, config, self.deformation.ndim)
            self.shown += add_quietly(self.viewer, [made])
            if template.kind == "labels":
                self.shown[-1].editable = False

    def redraw(self, config: DeformConfig) -> None:
        """Show the pixels with these settings; thumbnails are left for :meth:`finish`.

        Parameters
        ----------
        config
            The settings.
        """
        self.deformation.set(config)
        for layer in self._present(self.shown):
            facts = layer.metadata.setdefault(METADATA_KEY, {})
            facts["deform"] = config.to_dict()
            layer.refresh(thumbnail=False, highlight=False, extent=False)

    def draw_lines(self, wanted: dict[str, bool]) -> bool:
        """Draw the grid or the arrows anew, whichever is out of date.

        One at a time, because napari takes a while for each.

        Parameters
        ----------
        wanted
            Which lines to show: "grid", "arrows".

        Returns
        -------
        bool
            Whether something was out of date; then there may be more.
        """
        plane = self.plane()
        for name, draw in (("grid", grid_lines), ("arrows", arrows)):
            state = None
            if wanted[name]:
                state = (plane.vectors.tobytes(), self._position())
            if self._drawn.get(name) == state:
                continue
            self._drawn[name] = state
            pieces = self._placed(draw(plane)) if wanted[name] else None
            self._write(name, pieces)
            return True
        return False

    def _write(self, name: str, pieces: Points | None) -> None:
        """Show lines in their layer, which the first ones bring; None hides them."""
        there = self._present([self.lines.get(name)])
        if pieces is not None and not there:
            self.lines[name] = self._add_lines(name, pieces)
        for layer in there:
            if pieces is not None:
                layer.data = pieces
            if layer.visible != (pieces is not None):
                layer.visible = pieces is not None

    def finish(self) -> None:
        """Bring thumbnails up to date."""
        for layer in self._present(self.shown):
            layer.refresh()

    def swaps(self) -> list[tuple[Any, Any]]:
        """Return each layer in the viewer with the user's layer that it stands for."""
        lines = [(layer, None) for layer in self._present([*self.lines.values()])]
        shown = zip(self.shown, self.of, strict=True)
        return [pair for pair in shown if pair[0] in self.viewer.layers] + lines

    def forget(self) -> None:
        """Read the source anew."""
        self.deformation.forget()

    def remove(self) -> None:
        """Take all of it out of the viewer."""
        remove_layers(self.viewer, [*self.shown, *self.lines.values()])

    def owns(self, layer: Any) -> bool:
        """Whether a layer is part of the preview."""
        return any(layer == own for own in (*self.shown, *self.lines.values()))

    @property
    def refused(self) -> bool:
        """Whether the view is too large to be computed between two redraws."""
        shown = [layer.data for layer in self._present(self.shown)]
        # The user may have given a layer another array.
        return any(isinstance(x, DeformedArray) and x.refused for x in shown)

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
            text += "\nThis view is too large for a preview"
            single = len(self.deformation.frames.shape) == 2
            text += "." if single else "; look at single XY slices."
            text += " Apply deforms all of it."
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
        return position_of(self.viewer, self.shown[0], self.deformation)[0]

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
            "edge_width": size / (240 if name == "grid" else 300),
        }
        return add_quietly(self.viewer, [(pieces, options, "vectors")])[0]
