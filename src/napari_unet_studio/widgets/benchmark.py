"""How soon the live widgets redraw in a real napari window, and how long it stalls.

``python -m napari_unet_studio.widgets.benchmark --json redraw.json`` opens a window and
moves the sliders of the widgets as a mouse would move them.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import napari
import numpy as np
from numpy.typing import NDArray
from qtpy import API_NAME
from qtpy.QtGui import QGuiApplication
from scipy.ndimage import distance_transform_edt, gaussian_filter

from napari_unet_studio.widgets._canvas_draws import Window, at_rest
from napari_unet_studio.widgets._canvas_record import Row, table
from napari_unet_studio.widgets.deform import DeformWidget
from napari_unet_studio.widgets.segment import SegmentWidget
from napari_unet_studio.widgets.table import TableWidget
from napari_unet_studio.widgets.weights import WeightsWidget

SIZES = (1024, 2048)
STACK = (30, 1024, 1024)
MOVES = 40
PIXELS_PER_OBJECT = 3500  # 300 objects at 1024 x 1024, 1200 at 2048 x 2048
RADIUS = 28  # pixels
GRID = 142  # objects in a row of the table's labels, 20,164 in all
_PITCH = 14  # pixels from one to the next


def synthetic_labels(shape: Sequence[int], seed: int = 0) -> NDArray[np.int32]:
    """Draw discs that touch where they are close, in planes of the last two axes.

    Parameters
    ----------
    shape
        Shape of the labels; planes are shifted copies of the first.
    seed
        Of the places of the discs.
    """
    height, width = shape[-2:]
    count = max(2, height * width // PIXELS_PER_OBJECT)
    places = np.random.default_rng(seed).integers(0, (height, width), (count, 2))
    ids = np.zeros((height, width), np.int32)
    ids[tuple(places.T)] = np.arange(1, count + 1)
    away, (rows, columns) = distance_transform_edt(ids == 0, return_indices=True)
    plane = np.where(away < RADIUS, ids[rows, columns], 0).astype(np.int32)
    if len(shape) == 2:
        return plane
    planes = [np.roll(plane, 37 * number, axis=1) for number in range(shape[0])]
    return np.stack(planes)


class Bench(Window):
    """Moves sliders and waits for the canvas.

    Parameters
    ----------
    viewer
        A viewer with a window on screen.
    moves
        Steps of each slider.
    """

    def __init__(self, viewer: "napari.Viewer", moves: int = MOVES) -> None:
        super().__init__(viewer)
        self.moves = moves
        self.rows: list[Row] = []

    def slide(
        self, data: str, action: str, slider: Any, settled: Callable[[], bool]
    ) -> None:
        """Move a slider to and fro, step by step, and wait until all is settled."""
        low, high = slider.minimum(), slider.maximum()
        values = np.linspace(low, low + 0.6 * (high - low), self.moves // 2).astype(int)
        times = []
        empty = self.empty()
        with self.ticking() as busy:
            for value in (*values, *values[::-1]):
                if int(value) != slider.value():
                    took = self.drawn(lambda v=int(value): slider.setValue(v))  # type: ignore[misc]
                    times += [] if took is None else [took]
                    self.wait(10)
            self.until(settled)
        self.note(data, action, times, empty, busy[0])

    def act(
        self, data: str, action: str, widget: Any, change: Callable[[], None]
    ) -> None:
        """Do something that is computed once the user pauses."""
        empty = self.empty()
        with self.ticking() as busy:
            change()
            self.wait(400)
            self.settle(widget)
        self.note(data, action, [], empty, busy[0])

    def empty(self) -> float:
        """Return the median of redrawing the top layer unchanged."""
        layer = self.viewer.layers[-1]
        times = [self.drawn(layer.refresh) for _ in range(max(3, self.moves // 4))]
        return median([t for t in times if t is not None] or [np.nan])

    def note(
        self, data: str, action: str, times: list[float], empty: float, busy: float
    ) -> None:
        """Keep a row."""
        middle = median(times) if times else None
        self.rows.append(
            Row(
                data,
                action,
                len(times),
                None if middle is None else round(middle, 1),
                round(max(times), 1) if times else None,
                round(empty, 1),
                None if middle is None else round(middle / empty, 2),
                round(busy, 1),
            )
        )

    # -- the widgets ------------------------------------------------------------------

    def weights(self, shape: Sequence[int]) -> None:
        """Measure the widget "Separation weights"."""
        data = " x ".join(map(str, shape))
        names = ("t", "y", "x")[-len(shape) :]
        layer = self.viewer.add_labels(synthetic_labels(shape), axis_labels=names)
        widget = WeightsWidget(self.viewer)
        self.viewer.window.add_dock_widget(widget)
        self.settle_warm(widget)
        with self.ticking() as busy:  # what any new layer costs, for comparison
            plain = np.zeros(shape, np.float32)
            added = self.viewer.add_image(plain, contrast_limits=(0, 1))
            self.wait(400)
        self.note(data, "add an image", [], self.empty(), busy[0])
        self.viewer.layers.remove(added)
        self.viewer.layers.selection.active = layer
        self.wait(400)
        with self.ticking() as busy:
            widget.run_button.click()
            self.settle(widget)
        self.note(data, "show weights", [], self.empty(), busy[0])
        settled = partial(at_rest, widget)
        self.slide(data, "w0", widget.form.w0.slider, settled)
        self.slide(data, "sigma", widget.form.sigma.slider, settled)
        self.act(data, "preset", widget, lambda: widget.form.choose("2019"))
        self.act(data, "gap", widget, lambda: widget.form.gap.set_value(5))
        middle = tuple(float(n // 2) for n in shape)
        place = (0.0, *middle[1:]) if len(shape) > 2 else middle
        layer.brush_size = 40
        self.act(data, "paint", widget, lambda: layer.paint(place, 1))
        self.viewer.window.remove_dock_widget(widget)
        self.viewer.layers.clear()

    def deform(self, size: int) -> None:
        """Measure the widget "Elastic deformation"."""
        shape = (size, size)
        noise = np.random.default_rng(0).random(shape, np.float32)
        self.viewer.add_image(gaussian_filter(noise, 3), name="image")
        self.viewer.add_labels(synthetic_labels(shape), name="labels")
        widget = DeformWidget(self.viewer)
        self.viewer.window.add_dock_widget(widget)
        self.settle_warm(widget)
        widget.labels.value = self.viewer.layers["labels"]
        widget.preview.setChecked(True)
        self.settle(widget)
        data, settled = f"{size} x {size}", partial(at_rest, widget)
        self.slide(data, "deform sigma", widget.form.sigma.slider, settled)
        self.viewer.window.remove_dock_widget(widget)
        self.viewer.layers.clear()

    def segment(self, size: int) -> None:
        """Measure the settings of objects of the widget "Segment"."""
        labels = synthetic_labels((size, size))
        image = gaussian_filter((labels > 0).astype(np.float32), 1.5)
        self.viewer.add_image(image, name="image")
        widget = SegmentWidget(self.viewer)
        self.viewer.window.add_dock_widget(widget)
        self.wait(300)
        widget.run()
        self.until(lambda: not widget.running)
        panel = widget.panel
        assert panel is not None
        result = panel.result
        assert result is not None
        self.wait(1000)
        for name in ("threshold", "min_size"):
            slider = panel.form.editors[name].slider
            self.slide(f"{size} x {size}", name, slider, lambda: result.settled)
        self.viewer.window.remove_dock_widget(widget)
        self.viewer.layers.clear()

    def table(self, side: int) -> None:
        """Measure how long the objects of a grid take to be in the table."""
        ids = np.arange(1, side * side + 1, dtype=np.int32).reshape(side, side)
        labels = ids.repeat(_PITCH, axis=0).repeat(_PITCH, axis=1)
        labels[::_PITCH], labels[:, ::_PITCH] = 0, 0
        image = np.random.default_rng(0).random(labels.shape, np.float32)
        self.viewer.add_image(image, name="image")
        layer = self.viewer.add_labels(labels, name="objects")
        widget = TableWidget(self.viewer)
        self.viewer.window.add_dock_widget(widget)
        self.wait(300)
        empty = self.empty()
        times = []
        for _ in range(3):  # the first compiles what is not on disk
            with self.ticking() as busy:
                begin = time.perf_counter()
                widget.choose(layer)
                self.until(lambda: not widget.running)
                times.append(1000 * (time.perf_counter() - begin))
        data = f"{side * side:,} objects"
        self.note(data, "measure into the table", times[1:], empty, busy[0])
        self.viewer.window.remove_dock_widget(widget)
        self.viewer.layers.clear()

    def settle_warm(self, widget: Any) -> None:
        """Wait until the kernels are compiled and the window stands."""
        self.until(widget._compiled)
        self.wait(300)
        self.settle(widget)


def measure(
    viewer: "napari.Viewer",
    sizes: Sequence[int] = SIZES,
    stack: Sequence[int] | None = STACK,
    moves: int = MOVES,
    grid: int = GRID,
) -> dict[str, Any]:
    """Measure the live widgets in a viewer and return the record.

    Parameters
    ----------
    viewer
        A viewer without layers, with its window on screen.
    sizes
        Sides of square images.
    stack
        Shape of a time series, or None.
    moves
        Steps of each slider.
    grid
        Objects along each side of the labels that are measured into the table.
    """
    bench = Bench(viewer, moves)
    for size in sizes:
        bench.weights((size, size))
    if stack is not None:
        bench.weights(stack)
    for size in sizes:
        bench.deform(size)
    for size in sizes:
        bench.segment(size)
    bench.table(grid)
    return {
        "renderer": bench.renderer,
        "binding": API_NAME,
        "platform": QGuiApplication.platformName(),
        "moves": moves,
        "rows": [asdict(row) for row in bench.rows],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the shell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--moves", type=int, default=MOVES, help="steps of each slider")
    chosen = parser.parse_args(arguments)
    viewer = napari.Viewer()
    record = measure(viewer, moves=chosen.moves)
    viewer.close()
    sys.stdout.write(table(record) + "\n")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
