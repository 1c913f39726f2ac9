"""Draws napari with each of the widgets at work, on a synthetic sample.

Run ``python docs/windows.py`` on a screen of 1600 x 1000 or more, with names of
pictures to draw only those; they go to ``docs/images``.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QScrollArea

from napari_unet_studio.sample_data import SAMPLES

IMAGES = Path(__file__).parent / "images"
_SETTLE = 3000  # ms: napari draws, and thumbnails come later
_COMPILED = 6000  # ms: with what is compiled at the first use


def with_dock(title: str, labels_visible: bool = False) -> tuple[Any, Any]:
    """Return a viewer with the sample, and a dock of ours by its title."""
    sample = SAMPLES["nuclei_2d"]()
    viewer = napari.Viewer()
    viewer.window.resize(1280, 800)
    viewer.add_image(sample.image, name="nuclei")
    viewer.add_labels(sample.labels, name="truth", opacity=0.4, visible=labels_visible)
    viewer.layers.selection.active = viewer.layers["nuclei"]
    dock = viewer.window.add_plugin_dock_widget("napari-unet-studio", title)
    QTest.qWait(_SETTLE)
    return viewer, dock[1]


def finish(widget: Any) -> None:
    """Wait until a dock has done its work and is drawn."""
    while widget.running:
        QTest.qWait(100)
    QTest.qWait(_SETTLE)


def segment() -> Any:
    """A segmentation, with the settings of objects."""
    viewer, widget = with_dock("Segment")
    widget.run()
    finish(widget)
    return viewer


def train() -> Any:
    """In the middle of a training of some minutes."""
    from napari_unet_studio.tasks.train_config import TrainConfig

    viewer, widget = with_dock("Train")
    widget.name.setText("my nuclei")
    small = {"network": "unet++-16", "patch": 96, "batch": 2, "learning_rate": 2e-3}
    widget.form.set(TrainConfig(updates=300, **small))
    QTest.qWait(_SETTLE)
    widget.run()
    # The bar counts what is checked and prepared before it counts updates.
    while widget.course.empty or widget.progress.value() < 240:
        QTest.qWait(200)
    widget.findChild(QScrollArea).verticalScrollBar().setValue(0)
    QTest.qWait(500)
    return viewer


def weights() -> Any:
    """The weight map of the sample's labels."""
    viewer, widget = with_dock("Separation weights", labels_visible=True)
    QTest.qWait(_COMPILED)
    viewer.layers["truth"].visible = False
    widget.run()
    QTest.qWait(_COMPILED)
    return viewer


def deformation() -> Any:
    """A preview of the sample and its labels, with grid and vectors."""
    viewer, widget = with_dock("Elastic deformation", labels_visible=True)
    QTest.qWait(_COMPILED)
    widget.labels.value = viewer.layers["truth"]
    widget.preview.setChecked(True)
    widget.form.bent.setChecked(True)
    widget.draws.shown.setChecked(True)
    QTest.qWait(_COMPILED)
    return viewer


def table() -> Any:
    """The objects of the sample, one of them chosen."""
    viewer, widget = with_dock("Object table", labels_visible=True)
    widget.choose(viewer.layers["truth"])
    finish(widget)
    widget.view.selectRow(20)
    QTest.qWait(_SETTLE)
    return viewer


def models() -> Any:
    """What is known of the bundled model."""
    viewer, widget = with_dock("Models")
    widget.details.more.expand(animate=False)
    QTest.qWait(_SETTLE)
    return viewer


def compare() -> Any:
    """The bundled model and a threshold against the truth."""
    from skimage.filters import threshold_otsu
    from skimage.measure import label

    viewer, widget = with_dock("Compare")
    image = np.asarray(viewer.layers["nuclei"].data)
    viewer.add_labels(label(image > threshold_otsu(image)), name="Otsu", visible=False)
    widget.form.reference.value = viewer.layers["truth"]
    widget.form.add_button.click()
    QTest.qWait(_SETTLE)
    widget.run()
    finish(widget)
    widget.results.selectRow(1)
    QTest.qWait(_SETTLE)
    return viewer


def inspect() -> Any:
    """Feature maps of the bundled model."""
    viewer, widget = with_dock("Inspect")
    widget.diagram.choose("encoder.1")
    widget.run()
    finish(widget)
    return viewer


PICTURES: dict[str, Callable[[], Any]] = {
    each.__name__: each
    for each in (segment, train, weights, deformation, table, compare, inspect, models)
}


def save(picture: NDArray[np.uint8], name: str) -> None:
    """Save the picture of a window in few colours."""
    # Without the second pass thin curves take the colours of what there is more of.
    window = Image.fromarray(picture).quantize(255, kmeans=1)
    window.save(IMAGES / f"{name}.png", optimize=True)


def main() -> None:
    """Draw the windows that were asked for, or all."""
    for name in sys.argv[1:] or PICTURES:
        viewer = PICTURES[name]()
        save(viewer.screenshot(canvas_only=False, flash=False)[..., :3], name)
        viewer.close()
        QTest.qWait(_SETTLE)


if __name__ == "__main__":
    main()
