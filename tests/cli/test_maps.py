"""``unet-studio weights`` and ``deform`` on stacks, masks and bare files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_unet_studio as us
from napari_unet_studio.cli.app import app
from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.io.images import read_image, write_tiff
from napari_unet_studio.sample_data import nuclei_2d

SAMPLE = nuclei_2d((64, 72), seed=4)
LABELS = np.stack([SAMPLE.labels, SAMPLE.labels[::-1]]).astype(np.int32)


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_tiff("image.tif", np.stack([SAMPLE.image, SAMPLE.image[::-1]]), "ZYX")
    return write_tiff("labels.tif", LABELS, "ZYX", (2.0, 0.5, 0.5))


def run(*words: object) -> Any:
    result = CliRunner().invoke(app, list(map(str, words)))
    if result.exception is not None:
        raise result.exception
    return np.asarray(read_image(str(words[words.index("-o") + 1])).array)


def test_planes_are_weighed_and_deformed_one_by_one(stack: Path) -> None:
    found = run("weights", stack, "--planes", "--gap", 1, "-o", "w.tif")
    moved = run("deform", "image.tif", "--planes", "--seed", 3, "-o", "d.tif")
    for labels, weights, plane, image in zip(
        LABELS, found, moved, read_image("image.tif").array, strict=True
    ):
        expected = us.separation_weights(labels, gap=1, spacing=(0.5, 0.5))
        np.testing.assert_array_equal(weights, expected)
        np.testing.assert_array_equal(plane, us.elastic_deform(image, seed=3))
    whole = run("weights", stack, "--gap", 1, "-o", "v.tif")
    assert not np.array_equal(whole, found)


def test_a_stack_may_be_called_a_film(stack: Path) -> None:
    place = ("--axes", "TYX", "--spacing", "0.5,0.5")
    film = run("weights", stack, *place, "-o", "f.tif")
    np.testing.assert_array_equal(
        film, run("weights", stack, "--planes", "-o", "p.tif")
    )
    assert read_image("f.tif").axes == "TYX"


def test_pieces_of_a_mask_are_objects(stack: Path) -> None:
    from skimage.measure import label

    mask = (LABELS[0] > 0).astype(np.uint8)
    mask[:9] = 200
    write_tiff("mask.tif", mask, "YX")
    found = run("weights", "mask.tif", "--connected", "--ignore", 200, "-o", "w.tif")
    pieces = label(np.where(mask == 200, 0, mask), connectivity=1)
    pieces[mask == 200] = -1
    expected = us.separation_weights(pieces, ignore=-1)
    np.testing.assert_array_equal(found, expected)


def test_classes_are_balanced(stack: Path) -> None:
    classes = {int(i): 1 + int(i) % 2 for i in np.unique(LABELS[0])[1:]}
    Path("classes.json").write_text(json.dumps(classes), encoding="utf-8")
    options = ("--planes", "--classes", "classes.json", "--balance", "image")
    found = run("weights", stack, *options, "-o", "w.tif")
    expected = us.separation_weights(LABELS[0], spacing=(0.5, 0.5), classes=classes)
    np.testing.assert_array_equal(found[0], expected)


@pytest.mark.parametrize("text", ["[1]", '{"a": 1}', "{", '{"1": [2]}'])
def test_a_file_that_holds_no_classes_is_refused(stack: Path, text: str) -> None:
    Path("classes.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="does not hold the classes of objects"):
        run("weights", stack, "--classes", "classes.json", "-o", "w.tif")


def test_what_contradicts_itself_is_refused(stack: Path) -> None:
    with pytest.raises(InputError, match="leave one of"):
        run("weights", stack, "--connected", "--classes", "a.json", "-o", "w.tif")
    with pytest.raises(StudioError, match=r"b\.json cannot be read"):
        run("weights", stack, "--classes", "b.json", "-o", "w.tif")
    with pytest.raises(InputError, match="cannot have the axes 'YX'"):
        run("weights", "labels.tif", "--axes", "YX", "-o", "w.tif")


def test_an_image_and_its_labels_are_written_both_or_none(stack: Path) -> None:
    wide = np.full(LABELS.shape, 2**40)
    np.save("wide.npy", wide)  # which no TIFF holds
    words = ("deform", "wide.npy", "--labels", stack, "-o", "d.tif")
    with pytest.raises(InputError, match="32 bits"):
        run(*words)
    assert not list(stack.parent.glob("*d*.tif"))
    write_tiff("d.tif", LABELS, "ZYX")
    run(*("deform", "image.tif", "--labels", stack, "--overwrite", "-o", "d.tif"))
    before = Path("d-labels.tif").read_bytes()
    with pytest.raises(InputError, match="32 bits"):
        run(*words[:-2], "--seed", 9, "--overwrite", "-o", "d.tif")
    assert Path("d-labels.tif").read_bytes() == before
    assert not [path for path in stack.parent.iterdir() if path.name[0] == "."]
