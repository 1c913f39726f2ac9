"""Objects in the viewer and rows of the table: one leads to the other."""

from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from napari_unet_studio.tasks.measure import ObjectTable
from napari_unet_studio.widgets._clicks import clicked
from napari_unet_studio.widgets._controls import position_in

_SMALL, _SEEN = 12, 60  # pixels on screen: what is smaller is enlarged to this
_LOOKING = ("pan_zoom", "pick")


class Link:
    """Goes to objects in the viewer, and notices which one the user points at.

    Parameters
    ----------
    viewer
        The viewer.
    on_pointed
        Called with the row of the table that the user chose in the viewer.
    """

    def __init__(self, viewer: Any, on_pointed: Callable[[int], None]) -> None:
        self._viewer = viewer
        self._on_pointed = on_pointed
        self.layer: Any = None
        self._table: ObjectTable | None = None
        self._axes = ""
        self._spacing: tuple[float, ...] = ()
        self._going = False

    def follow(
        self, layer: Any, table: ObjectTable, axes: str, spacing: tuple[float, ...]
    ) -> None:
        """Follow a layer from now on, of which this is the table."""
        self.release()
        self.layer, self._table = layer, table
        self._axes, self._spacing = axes, spacing
        layer.events.selected_label.connect(self._on_label)
        self._viewer.mouse_drag_callbacks.append(self._on_mouse)

    def release(self) -> None:
        """Follow nothing."""
        if self.layer is not None:
            self.layer.events.selected_label.disconnect(self._on_label)
            self._viewer.mouse_drag_callbacks.remove(self._on_mouse)
        self.layer = self._table = None

    def go_to(self, row: int) -> None:
        """Select the object of a row, and move the view to it.

        The layer becomes active only if no layer is: the user may be at work in one.
        """
        if self.layer is None or self._table is None:
            return
        selection = self._viewer.layers.selection
        if not selection:
            selection.active = self.layer
        self._going = True
        try:
            self.layer.selected_label = int(self._table["label"][row])
            self._move_to(row)
        finally:
            self._going = False

    def show_alone(self) -> int | None:
        """Make the layer visible and active; another one would hide what happens.

        Returns
        -------
        int or None
            The row of its selected object; the first one if the table has no such.
        """
        if self.layer is None or self._table is None:
            return None
        self.layer.visible = True
        self._viewer.layers.selection.active = self.layer
        row = self.row_of(int(self.layer.selected_label))
        return 0 if row is None and len(self._table) else row

    def row_of(self, label: int) -> int | None:
        """Return the row of an object, at the time in view if it has several."""
        if self._table is None:
            return None
        rows = np.flatnonzero(self._table["label"] == label)
        if len(rows) > 1 and "t" in self._table:
            now = position_in(self._viewer, self.layer)[self._axes.index("T")]
            at = np.flatnonzero(self._table["t"][rows] == now)
            rows = rows[at] if len(at) else rows
        return int(rows[0]) if len(rows) else None

    def _move_to(self, row: int) -> None:
        table, layer = self._table, self.layer
        assert table is not None  # go_to has seen to it
        spatial = self._axes.replace("T", "")
        steps = dict(zip(spatial, self._spacing, strict=True))
        pixel, size = [], []
        for axis in self._axes.lower():
            if axis == "t":
                pixel.append(float(table["t"][row]))
                size.append(0.0)
            else:
                pixel.append(float(table[axis][row]) / steps[axis.upper()])
                size.append(
                    float(table[f"{axis} stop"][row] - table[f"{axis} start"][row])
                )
        world = np.asarray(layer.data_to_world(tuple(pixel)), float)
        sides = np.asarray(size) * np.abs(layer.scale)
        dims = self._viewer.dims
        shift = dims.ndim - layer.ndim
        hidden = [a for a in range(shift, dims.ndim) if a not in dims.displayed]
        if hidden:
            dims.set_point(hidden, [float(world[a - shift]) for a in hidden])
        # napari 0.9 moved it; the old place warns.
        camera = getattr(self._viewer, "scene", self._viewer).camera
        centre, shown = list(camera.center), list(dims.displayed)
        for place, axis in zip(range(-len(shown), 0), shown, strict=True):
            if axis >= shift:
                centre[place] = float(world[axis - shift])
        camera.center = tuple(centre)
        longest = max((sides[a - shift] for a in shown if a >= shift), default=0.0)
        if 0 < longest * camera.zoom < _SMALL:
            camera.zoom = _SEEN / longest

    def _on_label(self, event: Any = None) -> None:
        if not self._going:
            self._point_at(int(self.layer.selected_label))

    def _point_at(self, label: int) -> None:
        row = self.row_of(label)
        if row is not None:
            self._on_pointed(row)

    def _on_mouse(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        """Notice a click on an object, unless another tool is at work."""
        layer = self.layer
        if layer is None or not layer.visible:
            return
        if not (yield from clicked(viewer, event, _LOOKING)) or self.layer is not layer:
            return
        value = layer.get_value(
            tuple(event.position),
            view_direction=event.view_direction,
            dims_displayed=list(event.dims_displayed),
            world=True,
        )
        if isinstance(value, tuple):  # with the level of a multiscale layer
            value = value[1]
        if value:
            self._going = True
            try:
                layer.selected_label = int(value)
            finally:
                self._going = False
            self._point_at(int(value))
