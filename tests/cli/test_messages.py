"""Messages of the shell speak of options, not of arguments of Python."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_unet_studio.core.shell import spoken
from napari_unet_studio.io.images import write_tiff
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.sample_data import nuclei_2d

PYTHON = re.compile(r"\w=['\"TF]|\bus\.|None\b")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Write files that need a word more."""
    network = load_model("nuclei").network
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    sample = nuclei_2d((64, 64), seed=1)
    write_tiff(tmp_path / "a.tif", sample.image, "YX")
    write_tiff(tmp_path / "l.tif", sample.labels.astype(np.uint16), "YX")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (("models", "add", "weights.pth"), ("--network unet",)),
        (("train", "a.tif", "l.tif", "--weights-sigma=0"), ("--weights-sigma is 0",)),
        (("train", "a.tif", "l.tif", "--hold-out=7"), ("--hold-out is 7",)),
        (("predict", "a.tif", "--min-size=-1"), ("--min-size is -1",)),
        (("deform", "a.tif", "--grid=1"), ("--grid is 1",)),
        (("weights", "l.tif", "--gap=-1"), ("--gap is -1",)),
        (("export", "nuclei", "-o", "a.onnx", "--axes=YX"), ("--axes", "--image")),
    ],
)
def test_a_remedy_is_an_option(
    call: Any, files: Path, words: tuple[str, ...], options: tuple[str, ...]
) -> None:
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert all(option in err for option in options), err
    assert not PYTHON.search(err), err


def test_a_program_in_a_file_is_trusted_by_an_option(call: Any, files: Path) -> None:
    assert call("export", "nuclei", "-o", "program.pt", "--image", "a.tif")[0] == 0
    code, _, err = call("models", "add", "program.pt")
    assert code == 2
    assert "import it with --trust." in err
    assert "in napari" not in err


def test_what_a_package_needs_is_said_in_options() -> None:
    text = "does not; give both, such as authors='Ada Lovelace' and licence='MIT'."
    told = "does not; give both, such as --authors 'Ada Lovelace' and --licence MIT."
    assert spoken(text) == told


@pytest.mark.parametrize(
    "text",
    [
        "a.tif does not exist; check the path.",
        "The file x=1.tif exists already; choose another place with --out.",
        "https://example.org/a?b=c&d=e could not be read.",
        "update 5: iou 0.5",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert spoken(text) == text


def test_an_image_for_an_export_may_be_called_a_stack(call: Any, files: Path) -> None:
    stack = np.stack([nuclei_2d((64, 64), seed=1).image] * 2)
    write_tiff(files / "s.tif", stack, "ZYX")
    words = ("export", "nuclei", "-o", "n.pth", "--image", "s.tif")
    code, _, err = call(*words, "--axes", "TYX")
    assert code == 0, err
    assert call(*words, "--axes", "YX", "--overwrite")[0] == 2


def test_a_name_that_is_not_known_is_answered_with_the_nearest(call: Any) -> None:
    code, _, err = call("train", "a", "b", "--network", "unett")
    assert code == 2
    assert "Did you mean 'unet'?" in err
    assert "Value error" not in err


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (("evaluate",), "labels"),
        (("evaluate", "predicted"), "reference"),
        (("compare", "images"), "labels"),
    ],
)
def test_the_argument_that_is_missing_is_named(
    call: Any, words: tuple[str, ...], missing: str
) -> None:
    code, _, err = call(*words)
    assert code == 2
    assert f"Missing argument '{missing}'" in err
