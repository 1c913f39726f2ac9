"""Records the animated tour: half a minute of the real program, waiting left out.

Run ``python docs/tour.py`` on a screen of 1600 x 1000 or more; the tour goes to
``docs/images/tour.webp``. It takes some minutes, for what is shown is computed.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.settings import get_settings
from PIL import Image, ImageDraw, ImageFont
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QScrollArea

OUT = Path(__file__).parent / "images" / "tour.webp"
PLUGIN = "napari-unet-studio"
SIZE = (960, 600)  # of a window of 1280 x 800
STRIP = 40  # pixels of the caption below
QUALITY = 62
_SETTLE = 2500  # ms: napari draws, and thumbnails come later


class Recorder:
    """Takes pictures of a window, each with the time for which it is shown."""

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.caption = ""
        self.frames: list[Image.Image] = []
        self.times: list[int] = []
        self._font = ImageFont.load_default(22)
        self._window = Image.new("RGB", SIZE)

    def take(self, milliseconds: int) -> None:
        """Add the window as it is; a picture that equals the last one prolongs it."""
        picture = self.viewer.screenshot(canvas_only=False, flash=False)[..., :3]
        window = Image.fromarray(np.ascontiguousarray(picture))
        self._window = window.resize(SIZE, Image.Resampling.LANCZOS)
        self.hold(milliseconds)

    def hold(self, milliseconds: int) -> None:
        """Add the last picture again, perhaps with another caption."""
        frame = Image.new("RGB", (SIZE[0], SIZE[1] + STRIP), (24, 26, 32))
        frame.paste(self._window)
        ImageDraw.Draw(frame).text(
            (SIZE[0] // 2, SIZE[1] + STRIP // 2),
            self.caption,
            (240, 240, 240),
            self._font,
            anchor="mm",
        )
        if self.frames and np.array_equal(
            np.asarray(frame), np.asarray(self.frames[-1])
        ):
            self.times[-1] += milliseconds
            return
        self.frames.append(frame)
        self.times.append(milliseconds)

    def save(self, path: Path) -> None:
        """Write the tour."""
        first, *rest = self.frames
        first.save(
            path,
            save_all=True,
            append_images=rest,
            duration=self.times,
            loop=0,
            quality=QUALITY,
            method=4,
        )
        size, seconds = path.stat().st_size / 1e6, sum(self.times) / 1000
        print(f"{path}: {len(self.frames)} pictures, {seconds:.0f} s, {size:.2f} MB")


class Tour:
    """The scenes, one after the other in one napari."""

    def __init__(self) -> None:
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1280, 800)
        self.record = Recorder(self.viewer)
        self._dock: Any = None

    def dock(self, title: str) -> Any:
        """Open a dock in place of the one before."""
        if self._dock is not None:
            self.viewer.window.remove_dock_widget(self._dock)
        self._dock, widget = self.viewer.window.add_plugin_dock_widget(PLUGIN, title)
        QTest.qWait(_SETTLE)
        return widget

    def finish(self, widget: Any, every: int = 0, shown: int = 150) -> None:
        """Wait until a dock has done its work; look at it now and then if told."""
        while widget.running:
            QTest.qWait(every or 100)
            if every:
                self.record.take(shown)
        QTest.qWait(_SETTLE)

    def sample(self) -> None:
        """An empty window, and then an image."""
        self.record.caption = "napari, with U-Net Studio"
        QTest.qWait(_SETTLE)
        self.record.take(900)
        self.viewer.open_sample(PLUGIN, "nuclei_2d")
        image, labels = self.viewer.layers
        labels.visible = False
        self.viewer.layers.selection.active = image
        QTest.qWait(_SETTLE)
        self.record.caption = "Open an image: here a sample of nuclei that touch"
        self.record.take(1600)

    def segment(self) -> None:
        """A segmentation, and what a slider does to it."""
        widget = self.dock("Segment")
        self.record.caption = "Segment: a model comes with the package"
        self.record.take(1300)
        widget.run()
        self.finish(widget, every=400)
        self.record.take(1400)
        self.record.caption = "The threshold moves, the objects follow at once"
        start = widget.panel.form.value().threshold
        path = np.concatenate([np.linspace(start, 0.9, 12), np.linspace(0.9, start, 8)])
        for threshold in path:
            widget.panel.form.set_number("threshold", round(float(threshold), 2))
            QTest.qWait(500)
            self.record.take(130)
        self.record.take(700)

    def table(self) -> None:
        """The objects as rows."""
        labels = next(layer for layer in self.viewer.layers if "] labels" in layer.name)
        widget = self.dock("Object table")
        widget.choose(labels)
        self.finish(widget)
        self.record.caption = (
            "Every object has a row, and every row leads to its object"
        )
        self.record.take(1200)
        for row in (12, 47, 90):
            widget.view.selectRow(row)
            QTest.qWait(1500)
            self.record.take(900)
        self.viewer.reset_view()

    def weights(self) -> None:
        """What a training will insist on."""
        truth = next(
            layer for layer in self.viewer.layers if layer.name.endswith(" labels")
        )
        for layer in list(self.viewer.layers):
            if "[" in layer.name:
                self.viewer.layers.remove(layer)
        self.viewer.layers.selection.active = truth
        widget = self.dock("Separation weights")
        widget.run()
        QTest.qWait(3 * _SETTLE)
        self.record.caption = (
            "Separation weights: where two objects are near, pixels count more"
        )
        self.record.take(1500)
        for sigma in (6, 8, 10, 12, 14, 11, 8, 5):
            widget.form.sigma.set_value(sigma)
            QTest.qWait(700)
            self.record.take(160)
        self.record.take(700)
        for layer in list(self.viewer.layers)[2:]:
            self.viewer.layers.remove(layer)

    def train(self) -> None:
        """A network learns the sample's labels."""
        from napari_unet_studio.tasks.train_config import TrainConfig

        widget = self.dock("Train")
        widget.name.setText("my nuclei")
        small = {"network": "unet++-16", "patch": 96, "batch": 2, "learning_rate": 2e-3}
        widget.form.set(TrainConfig(updates=120, validations=8, **small))
        QTest.qWait(_SETTLE)
        self.record.caption = "Train on labels: live curves, and a live prediction"
        self.record.take(1000)
        widget.run()
        while widget.course.empty:
            QTest.qWait(200)
        widget.findChild(QScrollArea).verticalScrollBar().setValue(0)
        seen = -1
        while widget.running:
            QTest.qWait(300)
            if widget.progress.value() >= seen + 5:
                seen = widget.progress.value()
                self.record.take(200)
        self.record.caption = (
            "The model is yours: for images, folders, scripts, clusters"
        )
        self.record.hold(2500)


def main() -> None:
    """Record all scenes."""
    # None: in memory alone, so that whoever records keeps the settings of their napari.
    get_settings(None).appearance.theme = "dark"
    with tempfile.TemporaryDirectory() as home:
        os.environ["UNET_STUDIO_HOME"] = home
        tour = Tour()
        for scene in (tour.sample, tour.segment, tour.table, tour.weights, tour.train):
            scene()
        tour.record.save(OUT)
        tour.viewer.close()
        QTest.qWait(_SETTLE)


if __name__ == "__main__":
    main()
