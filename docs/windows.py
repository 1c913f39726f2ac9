"""Draws napari with each of the widgets at work, on a synthetic sample.

Run ``python docs/windows.py`` on a screen of 1600 x 1000 or more, with names of
pictures to draw only those; they go to ``docs/images``. To look at, for the pages show
1280 x 800 in the dark theme: ``--light`` takes the light one, ``--size 2560 1440``
another window (on a larger screen), ``--out FOLDER`` another folder.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.settings import get_settings
from numpy.typing import NDArray
from PIL import Image
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QScrollArea

from napari_unet_studio.sample_data import SAMPLES

IMAGES = Path(__file__).parent / "images"
_SETTLE = 3000  # ms: napari draws, and thumbnails come later
_COMPILED = 6000  # ms: with what is compiled at the first use
DOCKS = {
    "segment": "Segment",
    "batch": "Batch",
    "train": "Train",
    "weights": "Separation weights",
    "deformation": "Elastic deformation",
    "table": "Object table",
    "compare": "Compare",
    "inspect": "Inspect",
    "models": "Models",
}
"""Picture of each dock."""


def empty_viewer() -> napari.Viewer:
    """Return a viewer of the size that was asked for."""
    viewer = napari.Viewer()
    viewer.window.resize(*arguments().size)
    return viewer


def with_dock(title: str, labels_visible: bool = False) -> tuple[Any, Any]:
    """Return a viewer with the sample, and a dock of ours by its title."""
    sample = SAMPLES["nuclei_2d"]()
    viewer = empty_viewer()
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
    viewer, widget = with_dock(DOCKS["segment"])
    widget.run()
    finish(widget)
    return viewer


def batch() -> Any:
    """Four images and a file that is none, and what became of them."""
    import tifffile

    folder = Path("plate 3")  # in an empty folder, see main
    folder.mkdir()
    for number, seed in enumerate((3, 4, 5, 6), 1):
        image = SAMPLES["nuclei_2d"](seed=seed).image[:384, :384]
        tifffile.imwrite(
            folder / f"well B{number}.tif", image, photometric="minisblack"
        )
    (folder / "well B5.tif").write_text("No image at all.")
    viewer = empty_viewer()
    widget = viewer.window.add_plugin_dock_widget("napari-unet-studio", DOCKS["batch"])[
        1
    ]
    widget.form.set_paths([folder.resolve()])
    QTest.qWait(_SETTLE)
    widget.run()
    finish(widget)
    done = next(e for e in widget.form.entries if "B2" in str(e.key))
    widget.table.choose(done.key)
    widget.show_result(done.key)
    QTest.qWait(_SETTLE)
    return viewer


def train() -> Any:
    """In the middle of a training of some minutes."""
    from napari_unet_studio.tasks.train_config import TrainConfig

    viewer, widget = with_dock(DOCKS["train"])
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
    viewer, widget = with_dock(DOCKS["weights"], labels_visible=True)
    QTest.qWait(_COMPILED)
    viewer.layers["truth"].visible = False
    widget.run()
    QTest.qWait(_COMPILED)
    return viewer


def deformation() -> Any:
    """A preview of the sample and its labels, with grid and vectors."""
    viewer, widget = with_dock(DOCKS["deformation"], labels_visible=True)
    QTest.qWait(_COMPILED)
    widget.labels.value = viewer.layers["truth"]
    widget.preview.setChecked(True)
    widget.form.bent.setChecked(True)
    widget.draws.shown.setChecked(True)
    QTest.qWait(_COMPILED)
    return viewer


def table() -> Any:
    """The objects of the sample, one of them chosen."""
    viewer, widget = with_dock(DOCKS["table"], labels_visible=True)
    widget.choose(viewer.layers["truth"])
    finish(widget)
    widget.view.selectRow(20)
    QTest.qWait(_SETTLE)
    return viewer


def models() -> Any:
    """What is known of the bundled model."""
    viewer, widget = with_dock(DOCKS["models"])
    widget.details.more.expand(animate=False)
    QTest.qWait(_SETTLE)
    return viewer


def compare() -> Any:
    """The bundled model and a threshold against the truth."""
    from skimage.filters import threshold_otsu
    from skimage.measure import label

    viewer, widget = with_dock(DOCKS["compare"])
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
    viewer, widget = with_dock(DOCKS["inspect"])
    widget.diagram.choose("encoder.1")
    widget.run()
    finish(widget)
    return viewer


PICTURES: dict[str, Callable[[], Any]] = {
    each.__name__: each
    for each in (
        segment,
        batch,
        train,
        weights,
        deformation,
        table,
        compare,
        inspect,
        models,
    )
}


def save(picture: NDArray[np.uint8], path: Path) -> None:
    """Save the picture of a window in few colours."""
    # Without the second pass thin curves take the colours of what there is more of.
    window = Image.fromarray(picture).quantize(255, kmeans=1)
    window.save(path, optimize=True)


@cache
def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of pictures; default: all")
    parser.add_argument("--light", action="store_true", help="in the light theme")
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 800))
    parser.add_argument("--out", type=Path, default=IMAGES)
    return parser.parse_args()


def main() -> None:
    """Draw the windows that were asked for, or all."""
    given = arguments()
    out = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    # None: in memory alone, so that whoever draws keeps the settings of their napari.
    get_settings(None).appearance.theme = "light" if given.light else "dark"
    # Neither models nor settings of whoever draws are in the pictures, and their paths
    # are always the same.
    folder = Path(tempfile.gettempdir(), "unet-studio-pictures")
    folder.mkdir()
    try:
        os.environ["UNET_STUDIO_HOME"] = str(folder / "home")
        os.chdir(folder)
        for name in given.names or PICTURES:
            viewer = PICTURES[name]()
            picture = viewer.screenshot(canvas_only=False, flash=False)[..., :3]
            save(picture, out / f"{name}.png")
            viewer.close()
            QTest.qWait(_SETTLE)
    finally:
        os.chdir(out)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
