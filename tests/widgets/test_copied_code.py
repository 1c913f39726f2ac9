"""What the docks copy for a shell does, on saved layers, what they show."""

import csv
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from napari_unet_studio.cli.app import app
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.images import read_image, write_tiff
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.layers import full_axes_of, source_of
from napari_unet_studio.sample_data import nuclei_2d
from napari_unet_studio.widgets._segment.region import WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from pytestqt.qtbot import QtBot

PLUGIN = "napari-unet-studio"
WAIT = 120_000  # milliseconds
MICRONS = {"scale": (0.5, 0.4), "units": ("um", "um"), "axis_labels": ("y", "x")}
SAMPLE = nuclei_2d((96, 90), seed=1)

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def shell(
    viewer: "Viewer", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> "Callable[[str], Path]":
    """Save the layers that a command asks for, run it, and return the folder."""

    def run(command: str, plain: bool = False) -> Path:
        assert command, "nothing was copied"
        monkeypatch.chdir(tmp_path)
        notes = [line for line in command.splitlines() if line.startswith("# Save")]
        for note in notes:
            save(viewer, note, plain)
        commands = [x for x in command.splitlines() if x.startswith("unet-studio")]
        before = command[: command.index(commands[0])]
        subprocess.run(["bash", "-c", before], check=True, cwd=tmp_path)
        for each in commands:
            result = CliRunner().invoke(app, shlex.split(each)[1:])
            assert result.exit_code == 0, (result.output, result.exception)
        return tmp_path

    return run


def save(viewer: "Viewer", note: str, plain: bool) -> None:
    """Save layers as a comment says: with axes and pixel size, or plain as napari."""
    listed, path = re.fullmatch(r"# Save (.*) as (.*?\.tif)", note).groups()
    names = [name or other for name, other in re.findall(r"'(.*?)'|\"(.*?)\"", listed)]
    layers = [viewer.layers[name] for name in names]
    data = np.stack([np.asarray(layer.data) for layer in layers])
    if len(layers) == 1:
        data = data[0]
    if data.dtype.kind in "iu" and data.dtype.itemsize == 8:
        data = data.astype(np.int32)
    if plain:
        import tifffile

        tifffile.imwrite(path, data)
        return
    axes = "C" * (len(layers) > 1) + full_axes_of(layers[0])
    axes += "S" * bool(getattr(layers[0], "rgb", False))
    source = source_of(layers[0])
    write_tiff(path, data, axes, source.spacing, source.unit)


def pixels(path: Path) -> Any:
    return np.asarray(read_image(path).array)


def assert_same_answer(path: Path, shown: Any) -> None:
    """Compare what networks compute: in a dock's thread torch sums in another order."""
    np.testing.assert_allclose(pixels(path), shown, rtol=1e-4, atol=1e-5)


# -- Segment ---------------------------------------------------------------------------


@pytest.mark.parametrize("plain", [False, True])
def test_a_segmentation(
    viewer: "Viewer", dock: Any, wait: Any, shell: Any, plain: bool
) -> None:
    viewer.add_image(SAMPLE.image, name="it's", **MICRONS)
    widget = dock("Segment")
    widget.models.choose("nuclei")
    wait(widget)
    result = widget.panel.result
    result.redraw(result.objects.from_dict({"threshold": 0.4, "min_size": 40}))
    wait(widget)
    command = result.as_shell()
    folder = shell(command, plain) / "predicted"
    np.testing.assert_array_equal(pixels(folder / "it-s.tif"), result.labels.data)
    assert_same_answer(folder / "probabilities" / "it-s.tif", result.layers[0].data)


def test_a_region_of_one_channel_of_a_file(
    viewer: "Viewer", dock: Any, wait: Any, shell: Any, tmp_path: Path
) -> None:
    pair = np.stack([SAMPLE.image // 2, SAMPLE.image])
    path = write_tiff(tmp_path / "two.tif", pair, "CYX", (0.5, 0.5))
    (layer,) = viewer.open(path, plugin="napari")
    layer.axis_labels = ("c", "y", "x")
    widget = dock("Segment")
    widget.models.choose("nuclei")
    widget.input.channels.one.setCurrentIndex(1)
    corner = np.array([[10, 5], [10, 80], [70, 80], [70, 5]])
    viewer.add_shapes([corner], shape_type="rectangle", name="part")
    widget.input.region.combo.setCurrentIndex(widget.input.region.combo.count() - 1)
    wait(widget)
    result = widget.panel.result
    command = result.as_shell()
    assert "Save" not in command
    assert "--channel 1" in command
    assert "--region" in command
    assert "--spacing 1,1 --unit pixel" in command
    folder = shell(command) / "predicted"
    np.testing.assert_array_equal(pixels(folder / "two.tif"), result.labels.data)


def test_a_stored_segmentation_of_a_film(
    viewer: "Viewer", dock: Any, wait: Any, shell: Any, tmp_path: Path
) -> None:
    film = np.stack([SAMPLE.image[:64, :64], SAMPLE.image[16:80, 20:84]])
    viewer.add_image(film, name="film", axis_labels=("t", "y", "x"))
    widget = dock("Segment")
    widget.models.choose("nuclei")
    widget.settings()
    widget._section().choose_folder(tmp_path / "results")
    wait(widget)
    result = widget.panel.result
    shell(result.as_shell(), plain=True)
    store = tmp_path / "results" / "film nuclei again.zarr"
    np.testing.assert_array_equal(
        pixels(store / "labels" / "nuclei"), np.asarray(result.labels.data)
    )


def test_layers_that_are_channels_of_one_image(
    viewer: "Viewer", dock: Any, wait: Any, shell: Any, home: Path
) -> None:
    torch.manual_seed(0)
    spec = UNetSpec(in_channels=2, channels=(4, 6))
    card = ModelCard(name="pair", spec=spec, threshold=0.4)
    path = Model(build(spec).eval(), card).save(home / "models" / "pair.unet")
    for name, image in (("red", SAMPLE.image), ("far red", 255 - SAMPLE.image)):
        viewer.add_image(image, name=name, **MICRONS)
    widget = dock("Segment")
    widget.models.choose(path.stem)
    wait(widget)
    result = widget.panel.result
    command = result.as_shell()
    assert command.startswith("# Save the layers ")
    folder = shell(command, plain=True) / "predicted" / "probabilities"
    (file,) = folder.glob("*.tif")
    assert_same_answer(file, result.layers[0].data)


# -- Separation weights ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["classes", "pieces", "planes", "volume"])
def test_weights(viewer: "Viewer", dock: Any, wait: Any, shell: Any, kind: str) -> None:
    labels = SAMPLE.labels.copy()
    labels[:20] = 77
    place: dict[str, Any] = MICRONS
    if kind in ("planes", "volume"):
        labels = np.stack([labels, np.roll(labels, 3, 0), np.roll(labels, 5, 1)])
        place = {"scale": (3.0, 1.0, 1.0), "axis_labels": ("z", "y", "x")}
    layer = viewer.add_labels(labels, name="cells", **place)
    widget = dock("Separation weights")
    form = widget.form
    form.ignore.set_id(77)
    form.balance.setCurrentIndex(form.balance.findData("global"))
    form.sigma.set_value(7.5)
    if kind == "classes":
        ids = np.unique(labels)[1:]
        layer.features = {"index": ids, "kind": ["b" if i % 3 else "a" for i in ids]}
        form.classes.setCurrentIndex(form.classes.findData("kind"))
    form.pieces.setChecked(kind == "pieces")
    form.frames.setCurrentIndex(form.frames.findData(2 if kind == "planes" else 3))
    wait(widget)
    shown = viewer.layers["cells weights"].data
    names: dict[str, Any] = {"viewer": viewer}
    exec(widget.as_python(), names)
    np.testing.assert_array_equal(names["weights"], shown)
    folder = shell(widget.as_shell())
    np.testing.assert_array_equal(pixels(folder / "cells weights.tif"), shown)
    assert (folder / "cells classes.json").exists() == (kind == "classes")


# -- Elastic deformation ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plane", "colours", "planes", "volume"])
def test_a_deformation(
    viewer: "Viewer", dock: Any, wait: Any, shell: Any, kind: str
) -> None:
    image, labels = SAMPLE.image, SAMPLE.labels
    place: dict[str, Any] = MICRONS
    if kind == "colours":
        image = np.stack([image, image // 2, 255 - image], axis=-1)
    elif kind != "plane":
        image, labels = (np.stack([x, x[::-1], x[:, ::-1]]) for x in (image, labels))
        place = {"scale": (3.0, 1.0, 1.0), "axis_labels": ("z", "y", "x")}
    viewer.add_image(image, name="cells", rgb=kind == "colours", **place)
    viewer.add_labels(labels, name="truth", **place)
    weights = np.linspace(0, 1, labels.size, dtype=np.float32).reshape(labels.shape)
    viewer.add_image(weights, name="map", **place)
    widget = dock("Elastic deformation")
    widget.form.preview.setChecked(False)
    widget.image.value = viewer.layers["cells"]
    widget.labels.value = viewer.layers["truth"]
    if kind != "colours":
        widget.weights.value = viewer.layers["map"]
    widget.form.frames.setCurrentIndex(
        widget.form.frames.findData(2 if kind == "planes" else 3)
    )
    wait(widget)
    folder = shell(widget.as_shell())
    for name, file in (("cells", ""), ("truth", "-labels"), ("map", "-weights")):
        if f"{name} deformed" in viewer.layers:
            shown = viewer.layers[f"{name} deformed"].data
            found = pixels(folder / f"cells deformed{file}.tif")
            np.testing.assert_array_equal(found, shown, name)
    assert ("map deformed" in viewer.layers) == (kind != "colours")


# -- Object table ----------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["um", "pixel", "nothing"])
def test_a_table(
    viewer: "Viewer", dock: Any, wait: Any, shell: Any, tmp_path: Path, unit: str
) -> None:
    place: dict[str, Any] = {"um": MICRONS, "pixel": {}, "nothing": {"scale": (2, 3)}}
    path = write_tiff(tmp_path / "a.tif", SAMPLE.image, "YX", (0.7, 0.7))
    (layer,) = viewer.open(path, plugin="napari", name="dapi")
    layer.scale = place[unit].get("scale", (1, 1))
    pair = np.stack([SAMPLE.image * 2.5, SAMPLE.image + 1.0]).astype(np.float32)
    viewer.add_image(pair, name="two")
    viewer.add_labels(SAMPLE.labels % 3, name="kinds", **place[unit])
    labels = viewer.add_labels(SAMPLE.labels, name="cells", **place[unit])
    widget = dock("Object table")
    widget.labels.value = labels
    widget.classes.value = viewer.layers["kinds"]
    widget.form.editor("neighbours").value = False
    wait(widget)
    command = widget.as_shell()
    assert f"--image {path}" in command
    folder = shell(command, plain=unit == "nothing")
    with (folder / "cells objects.csv").open(encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    widget.table.to_csv(tmp_path / "shown.csv")
    with (tmp_path / "shown.csv").open(encoding="utf-8") as file:
        shown, *expected = csv.reader(file)
    assert head == shown
    assert rows == expected


# -- Compare ---------------------------------------------------------------------------


def test_a_comparison(viewer: "Viewer", dock: Any, wait: Any, shell: Any) -> None:
    viewer.add_image(SAMPLE.image, name="nuclei", **MICRONS)
    truth = viewer.add_labels(SAMPLE.labels, name="truth", **MICRONS)
    worse = np.where(SAMPLE.labels == 2, 0, SAMPLE.labels)
    viewer.add_labels(worse, name="worse", **MICRONS)
    widget = dock("Compare")
    widget.form.reference.value = truth
    first = widget.as_shell()
    assert first.count("# Save") == 2
    widget.form.add_model()
    wait(widget)
    shown = {row.name: dict(row.scores) for row in widget.comparison()}
    for command in (first, widget.as_shell()):
        folder = shell(f"{command.rstrip()} --csv scores.csv --overwrite")
        with (folder / "scores.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                assert float(row["f1"]) == shown[row["name"]]["f1"]
                assert float(row["seg"]) == shown[row["name"]]["seg"]


# -- Inspect ---------------------------------------------------------------------------


def test_feature_maps_and_saliency(
    viewer: "Viewer", dock: Any, wait: Any, shell: Any, qtbot: "QtBot"
) -> None:
    viewer.add_image(SAMPLE.image, name="cells", **MICRONS)
    widget = dock("Inspect")
    widget.models.choose("nuclei")
    widget.input.region.choose(WHOLE)
    widget.diagram.choose("encoder.1")
    widget.panel.form.editor("count").value = 3
    wait(widget)
    widget._on_clicked((20.0, 18.0))
    qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)
    command = widget.as_shell()
    maps, gradient = viewer.layers[-2:]
    folder = shell(command)
    assert_same_answer(folder / "cells maps.tif", maps.data)
    assert_same_answer(folder / "cells saliency.tif", gradient.data)
    size = read_image(folder / "cells maps.tif").spacing
    np.testing.assert_allclose(size, maps.scale[1:])
