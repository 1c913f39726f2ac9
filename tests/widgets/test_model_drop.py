"""Models that are dropped onto napari or opened in it."""

import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from napari.utils.notifications import notification_manager

from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.images import write_tiff
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.recent import recent_files
from napari_unet_studio.widgets._docks import docked
from napari_unet_studio.widgets.model_reader import get_reader, open_models
from napari_unet_studio.widgets.models import ModelsWidget
from napari_unet_studio.widgets.segment import SegmentWidget

PLUGIN = "napari-unet-studio"
WAIT = 60_000
SPEC = UNetSpec(channels=(4, 6))


@pytest.fixture
def file(tmp_path, home):
    torch.manual_seed(0)
    made = Model(build(SPEC).eval(), ModelCard(name="cells", spec=SPEC))
    return made.save(tmp_path / "cells.unet")


def package(path: Path, names=("rdf.yaml", "weights.onnx")) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "format_version: 0.5.3\nweights:\n")
    return path


def test_models_and_packages_are_claimed_and_nothing_else(file, tmp_path) -> None:
    assert get_reader(str(file)) is open_models
    assert get_reader([file, str(file)]) is open_models
    assert get_reader(package(tmp_path / "a.zip")) is open_models
    assert get_reader(package(tmp_path / "b.zip", ["cells/rdf.yaml"])) is open_models
    assert get_reader(package(tmp_path / "c.bioimageio.yaml.zip")) is open_models
    other = package(tmp_path / "photos.zip", ["a.jpg", "deep/er/rdf.yaml"])
    assert get_reader(other) is None
    assert get_reader([file, other]) is None
    text = tmp_path / "rdf.yaml"
    text.write_text("format_version: 0.5.3\nname: cells\nweights:\n  onnx: {}\n")
    assert get_reader(text) is open_models
    text.write_text("key: value\n")
    assert get_reader(text) is None
    for nothing in ([], None, 3, "", tmp_path, tmp_path / "none.unet", "\0.unet"):
        assert get_reader(nothing) is None


def test_whatever_a_file_holds_asking_does_not_fail(tmp_path) -> None:
    draw = random.Random(0)
    whole = package(tmp_path / "whole.zip").read_bytes()
    for number in range(500):
        data = bytearray(whole[: draw.randrange(len(whole) + 1)])
        for _ in range(draw.randrange(12)):
            if data:
                data[draw.randrange(len(data))] = draw.randrange(256)
        path = tmp_path / f"mutated.{'zip' if number % 2 else 'rdf.yaml'}"
        path.write_bytes(data)
        get_reader(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "mutated.rdf.yaml",
        "mutated.zip",
        "whole.zip",
    ]


def test_a_model_opens_segment_and_is_offered_everywhere(viewer, file, qtbot) -> None:
    _, inspect = viewer.window.add_plugin_dock_widget(PLUGIN, "Inspect")
    assert viewer.open(str(file), plugin=None) == []
    segment = docked(viewer, SegmentWidget)
    assert segment.models.path == file
    assert not viewer.layers
    assert recent_files() == [file]
    combo = inspect.models.combo
    qtbot.waitUntil(lambda: combo.findText("cells") >= 0, timeout=WAIT)
    viewer.open(str(file), plugin=PLUGIN)
    assert docked(viewer, SegmentWidget) is segment


def test_a_broken_model_is_explained(viewer, tmp_path, home) -> None:
    (tmp_path / "broken.unet").write_bytes(b"no zip")
    said = len(notification_manager.records)
    assert viewer.open(str(tmp_path / "broken.unet"), plugin=PLUGIN) == []
    assert len(notification_manager.records) == said + 1
    assert "not a zip archive" in notification_manager.records[said].message
    assert recent_files() == []


def test_a_package_opens_its_import(viewer, tmp_path, home) -> None:
    path = package(tmp_path / "theirs.zip")
    assert viewer.open(str(path), plugin=None) == []
    models = docked(viewer, ModelsWidget)
    assert models.importing.path == path
    assert not models.importing.isHidden()
    assert not models.running  # the user decides


def test_images_are_opened_as_ever(viewer, tmp_path) -> None:
    write_tiff(tmp_path / "image.tif", np.zeros((9, 9), np.uint8), "YX")
    assert len(viewer.open(str(tmp_path / "image.tif"))) == 1


def test_without_a_window_a_model_is_still_remembered(file, monkeypatch) -> None:
    import napari

    monkeypatch.setattr(napari, "current_viewer", lambda: None)
    assert open_models(str(file)) == [(None,)]
    assert recent_files() == [file]


def test_a_real_package_is_imported_and_segments_nuclei(
    viewer, home, data_dir, qtbot
) -> None:
    """The ONNX package of the BioImage Model Zoo, from the drop to the labels."""
    pytest.importorskip("onnxruntime")
    folder = data_dir / "bioimageio_unet2d_nuclei_broad"
    path = next(p for p in sorted(folder.iterdir()) if p.suffix in (".zip", ".yaml"))
    assert get_reader(path) is open_models
    viewer.open(str(path), plugin=PLUGIN)
    models = docked(viewer, ModelsWidget)
    models.importing.take.click()
    qtbot.waitUntil(lambda: not models.running, timeout=WAIT)
    assert models.entry.source == "yours", models.status.text()
    assert "differs by at most" in models.importing.report.text()
    models.run()
    segment = docked(viewer, SegmentWidget)
    assert segment.models.path == models.entry.path
    from napari_unet_studio.io.images import read_image

    image = next(iter(sorted((data_dir / "nuclei_dsb2018").rglob("*.tif"))), None)
    if image is None:
        image = next(iter(sorted((data_dir / "nuclei_dsb2018").rglob("*.png"))))
    viewer.add_image(read_image(image).array, name="nuclei")
    segment.run()
    qtbot.waitUntil(lambda: not segment.running, timeout=5 * WAIT)
    labels = [layer for layer in viewer.layers if layer._type_string == "labels"]
    assert labels, segment.status.text()
    assert 2 <= len(np.unique(labels[0].data)) < 500
