"""napari with a sample, the four widgets and a finished segmentation.

Started in a process of its own by ``unet-studio demo``, because the command line knows
nothing of napari: ``python -m napari_unet_studio.widgets.demo --help``.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import napari
from napari.layers import Layer
from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtGui import QGuiApplication

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.sample_data import SAMPLES, layer_tuples
from napari_unet_studio.tasks.demo import (
    FOREIGN,
    KNOWN,
    MODEL,
    UPDATES,
    check_sample,
    training_of,
)
from napari_unet_studio.widgets._base import StudioWidget
from napari_unet_studio.widgets._docks import in_front
from napari_unet_studio.widgets.deform import DeformWidget
from napari_unet_studio.widgets.segment import SegmentWidget
from napari_unet_studio.widgets.train import TrainWidget
from napari_unet_studio.widgets.weights import WeightsWidget

WIDGETS: dict[str, type[StudioWidget]] = {
    "Segment": SegmentWidget,
    "Train": TrainWidget,
    "Separation weights": WeightsWidget,
    "Elastic deformation": DeformWidget,
}
_WIDTH = 400  # of the docks, in pixels
# Time for the canvas to draw what was added, in milliseconds.
_SETTLE = 800


class Demo(QObject):
    """Fills a viewer and walks through the widgets as a user would.

    Parameters
    ----------
    viewer
        An empty viewer.
    sample
        Name of a sample.
    updates
        Train first, for so many updates; 0 takes the model that comes with the package.
    screenshot
        Where to write a picture of the window, after which it closes; None leaves it.
    """

    def __init__(
        self,
        viewer: "napari.viewer.Viewer",
        sample: str,
        updates: int,
        screenshot: Path | None,
    ) -> None:
        super().__init__()
        self.viewer = viewer
        self.updates = updates
        self.screenshot = screenshot
        self.failed = True
        self.sample = sample
        made = SAMPLES[sample]()
        self.axes = made.axes
        layers = [Layer.create(*data) for data in layer_tuples(made)]
        for layer in layers:
            viewer.add_layer(layer)
        self.image, self.truth = layers
        self.widgets: dict[str, Any] = {}
        for name, kind in WIDGETS.items():
            widget = in_front(viewer, kind, name, tabify=bool(self.widgets))
            dock: Any = widget.parent()
            dock.setWindowTitle(name)  # short, for the tabs
            self.widgets[name] = (dock, widget)
        # Wide enough for the names on the tabs.
        dock.window().resizeDocks([dock], [_WIDTH], Qt.Orientation.Horizontal)

    def start(self) -> None:
        """Train if wanted, then segment."""
        if not self.updates:
            self._segment(MODEL)
            return
        train = self._front("Train")
        train.set_pairs([(self.image, self.truth, "train")])
        train.form.set(training_of(self.axes, self.updates))
        train.name.setText(f"demo {self.sample}")
        names: list[str] = []
        train.trained.connect(names.append)
        self._run(train, lambda: self._segment(names[0]) if names else self._end())

    def _segment(self, model: str) -> None:
        segment: SegmentWidget = self._front("Segment")
        try:
            segment.models.refresh()
            segment.models.choose(model)
        except StudioError as error:
            segment.complain(error)
            self._end()
            return
        segment.image.value = self.image
        segment.segmented.connect(self._on_segmented)
        self._run(segment, self._end)

    def _on_segmented(self, _: Layer) -> None:
        self.truth.visible = False
        self.failed = False

    def _end(self) -> None:
        if self.screenshot is not None:
            QTimer.singleShot(_SETTLE, self._picture)

    def _picture(self) -> None:
        self.viewer.window.screenshot(str(self.screenshot), flash=False)
        self.viewer.close()

    def _front(self, name: str) -> Any:
        """Bring a widget to the front and return it."""
        dock, widget = self.widgets[name]
        dock.show()
        dock.raise_()
        return widget

    def _run(self, widget: StudioWidget, then: Callable[[], None]) -> None:
        """Press a widget's main button, and go on when it is done."""
        widget.run()
        job = widget.job
        if job is None:
            then()
        else:
            job.finished.connect(lambda: QTimer.singleShot(0, then))


def resize(
    viewer: "napari.viewer.Viewer", width: int = 1600, height: int = 1000
) -> None:
    """Give the window a size, or the size of the screen if that is less."""
    screen = QGuiApplication.primaryScreen()
    if screen is not None:
        room = screen.availableSize()
        width, height = min(width, room.width()), min(height, room.height())
    viewer.window.resize(width, height)


def main(argv: Sequence[str] | None = None) -> int:
    """Open the demonstration; returns 0, or 1 if there is no segmentation to show."""
    parser = argparse.ArgumentParser(
        prog="python -m napari_unet_studio.widgets.demo",
        description="Open napari with a sample, the widgets and a segmentation.",
    )
    parser.add_argument(
        "--sample",
        choices=(*KNOWN, *FOREIGN),
        default=KNOWN[0],
        help=f"with --train any, else {' or '.join(KNOWN)}",
    )
    parser.add_argument(
        "--train", action="store_true", help="train on the sample's labels first"
    )
    parser.add_argument(
        "--updates", type=int, default=UPDATES, help="updates of that training"
    )
    parser.add_argument(
        "--screenshot",
        type=Path,
        metavar="PNG",
        help="write a picture of the window and close it",
    )
    options = parser.parse_args(argv)
    if options.updates < 1:
        parser.error(f"--updates is {options.updates}; give 1 or more")
    try:
        check_sample(options.sample, options.train)
    except StudioError as error:
        parser.error(str(error))
    viewer = napari.Viewer(title="U-Net Studio")
    resize(viewer)
    updates = options.updates if options.train else 0
    demo = Demo(viewer, options.sample, updates, options.screenshot)
    QTimer.singleShot(0, demo.start)
    napari.run()
    return int(demo.failed and options.screenshot is not None)


if __name__ == "__main__":
    raise SystemExit(main())
