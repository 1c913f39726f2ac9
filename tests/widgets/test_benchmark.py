import json
import os
import sys

import numpy as np
import pytest

from napari_unet_studio.core.metrics import touching_pairs
from napari_unet_studio.widgets._canvas_record import table
from napari_unet_studio.widgets.benchmark import measure, synthetic_labels


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform == "linux" and not os.environ.get("DISPLAY"),
    reason="nothing is drawn without an X server",
)
def test_a_small_measurement_says_all_there_is_to_know(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    record = measure(viewer, sizes=(96,), stack=(3, 96, 96), moves=4, grid=4)
    assert len(viewer.layers) == 0
    assert record["renderer"]
    assert record["platform"] != "offscreen"
    actions = {(row["data"], row["action"]) for row in record["rows"]}
    for data in ("96 x 96", "3 x 96 x 96"):
        for action in ("show weights", "w0", "sigma", "preset", "gap", "paint"):
            assert (data, action) in actions
    for action in ("deform sigma", "threshold", "min_size"):
        assert ("96 x 96", action) in actions
    assert ("16 objects", "measure into the table") in actions
    for row in record["rows"]:
        assert row["stall_ms"] >= 0
        assert row["empty_ms"] > 0
        if row["action"] in ("w0", "sigma"):
            assert row["redraws"] == 3
            assert row["worst_ms"] >= row["median_ms"] > 0
            assert row["ratio"] > 0
    assert json.loads(json.dumps(record)) == record
    text = table(record)
    assert record["renderer"] in text
    assert len(text.splitlines()) == 2 + len(record["rows"])


def test_synthetic_labels_are_the_same_for_the_same_seed_and_touch():
    labels = synthetic_labels((2, 200, 300), seed=3)
    np.testing.assert_array_equal(labels, synthetic_labels((2, 200, 300), seed=3))
    np.testing.assert_array_equal(labels[1], np.roll(labels[0], 37, axis=1))
    assert len(touching_pairs(labels[0])) > 3
