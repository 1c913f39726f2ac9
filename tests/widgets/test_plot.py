"""The live plot: what it keeps, what it draws, and what it survives."""

import time

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QImage, QMouseEvent

from napari_unet_studio.widgets._axes import Curve, Panel, runs, thinned, ticks
from napari_unet_studio.widgets._plot import LivePlot

LOSS = Curve("loss", "Loss", "#ff0000")
IOU = Curve("iou", "IoU", "#0000ff", "dashed")
PANELS = (Panel((LOSS,), waiting="nothing yet"), Panel((IOU,), top=1.0))


@pytest.fixture
def plot(qtbot):
    widget = LivePlot(PANELS, "updates")
    qtbot.addWidget(widget)
    widget.resize(320, 220)
    return widget


def pixels(widget):
    """Return the widget as it is drawn, (height, width, 3)."""
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    data = image.constBits()
    if hasattr(data, "setsize"):  # PyQt does not know how much there is
        data.setsize(image.sizeInBytes())
    shape = (image.height(), image.bytesPerLine() // 4, 4)
    return (
        np.frombuffer(data, np.uint8).reshape(shape)[:, : image.width(), 2::-1].copy()
    )


def red(widget):
    """Return where the loss is drawn."""
    image = pixels(widget).astype(int)
    return (image[..., 0] > 150) & (image[..., 1] < 120) & (image[..., 2] < 120)


def hover(widget, x):
    at = QPointF(x, 50)
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        at,
        QPointF(widget.mapToGlobal(QPoint(int(x), 50))),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
    )
    widget.mouseMoveEvent(event)


def test_an_empty_plot_has_axes_and_says_what_it_waits_for(plot):
    assert len(np.unique(pixels(plot).reshape(-1, 3), axis=0)) > 3


def test_a_curve_is_drawn_in_its_colour(plot):
    before = red(plot).sum()
    for step in range(1, 50):
        plot.add(step, {"loss": 1 / step, "unknown": 3})
    assert red(plot).sum() > before + 100


def test_one_point_is_a_dot(plot):
    before = red(plot).sum()
    plot.add(1, {"loss": 0.5})
    assert red(plot).sum() > before + 4


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_interrupts_the_curve(plot, bad):
    for step, value in enumerate([1.0, 0.5, bad, 0.5, 1.0, bad], start=1):
        plot.add(step, {"loss": value, "iou": bad})
    assert red(plot).any()
    assert len(plot.values("loss")[0]) == 6


def test_the_values_under_the_mouse_are_shown(plot):
    for step in range(1, 50):
        plot.add(step, {"loss": 1 / step, "iou": step / 50})
    before = pixels(plot)
    hover(plot, 120)
    shown = pixels(plot)
    assert (shown != before).any()
    hover(plot, -500)
    pixels(plot)
    hover(plot, 5000)
    pixels(plot)
    plot.leaveEvent(None)
    assert (pixels(plot) == before).all()


def test_it_follows_the_colours_of_the_theme(plot):
    plot.extend([{"step": 1, "loss": 1.0}, {"step": 9, "loss": 0.5}])
    plot.setStyleSheet("background-color: #101010; color: #f0f0f0;")
    dark = pixels(plot)
    plot.setStyleSheet("background-color: #fafafa; color: #202020;")
    light = pixels(plot)
    assert dark.mean() < light.mean()
    # Axes and text stand out from either background.
    assert dark.max() > 150
    assert light.min() < 110


def test_a_mark_and_clearing(plot):
    plot.extend([{"step": 1, "loss": 1.0}, {"step": 9, "loss": 0.5}])
    before = pixels(plot)
    plot.mark(5, "best")
    assert (pixels(plot) != before).any()
    plot.clear()
    assert plot.values("loss") == ([], [])
    pixels(plot)


@pytest.mark.parametrize("size", [(1, 1), (40, 20), (2000, 900)])
def test_any_size_can_be_drawn(plot, size):
    plot.extend({"step": n, "loss": n, "iou": 0.5} for n in range(1, 300))
    plot.resize(*size)
    assert pixels(plot).size


def test_constant_zero_and_huge_values_can_be_drawn(plot):
    for value in (0.0, 0.0, 1e12, 1e-12):
        plot.add(1, {"loss": value, "iou": value})
        pixels(plot)


def test_ticks_are_round_and_within_the_axis():
    for top in (1e-6, 0.37, 1.0, 12.5, 99999.0):
        for count in (1, 3, 8):
            found = ticks(top, count)
            assert found[0] == 0
            assert all(0 <= value <= top * (1 + 1e-9) for value in found)
            assert len(found) <= 3 * count + 3


def test_runs_of_nothing_are_none():
    assert runs(np.array([])) == []
    assert runs(np.array([np.nan, np.inf])) == []


def test_thinning_keeps_the_extremes_and_the_ends():
    xs = np.arange(10_000.0)
    ys = np.zeros(10_000)
    ys[1234], ys[7777] = 5, -5
    few_x, few_y = thinned(xs, ys, 100)
    assert len(few_x) < 300
    assert few_y.max() == 5
    assert few_y.min() == -5
    assert (few_x[0], few_x[-1]) == (0, 9999)


def test_a_long_training_is_drawn_quickly(plot):
    plot.extend({"step": n, "loss": 1 / n} for n in range(1, 200_001))
    pixels(plot)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        pixels(plot)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.2  # a busy computer delays some, not all
