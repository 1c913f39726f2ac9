import os
import subprocess
import sys

import numpy as np
import pytest

from napari_unet_studio.widgets._viewing import remove_layers

DRAWN_AFTER = """
import napari, numpy
from qtpy.QtTest import QTest
from napari_unet_studio.widgets._viewing import remove_layers

shape = (512, 512)
viewer = napari.Viewer()
viewer.window.resize(1280, 800)
image = viewer.add_image(numpy.random.default_rng(0).integers(0, 500, shape, "u2"))
QTest.qWait(800)
labels = viewer.add_labels(numpy.ones(shape, "u1"))
QTest.qWait(500)
preview = viewer.add_image(numpy.zeros(shape, "f4"))
QTest.qWait(500)
viewer.layers.selection.active = image
QTest.qWait(500)
remove_layers(viewer, [labels, preview])
QTest.qWait(400)
viewer.screenshot(flash=False)
viewer.close()
print("drawn")
"""


def test_layers_go_together_and_the_selection_stays(viewer) -> None:
    image, other, labels = (
        viewer.add_image(np.zeros((8, 8))),
        viewer.add_image(np.zeros((8, 8))),
        viewer.add_labels(np.ones((8, 8), int)),
    )
    viewer.layers.selection.active = image
    remove_layers(viewer, [labels, other, labels])
    remove_layers(viewer, [labels])
    assert list(viewer.layers) == [image]
    assert viewer.layers.selection.active is image


@pytest.mark.gui
@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("DISPLAY"), reason="draws in a real window")
def test_what_is_left_is_drawn() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DRAWN_AFTER], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "drawn" in done.stdout
