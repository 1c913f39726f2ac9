"""``unet-studio export``."""

import json
import zipfile

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_unet_studio.cli.app import app
from napari_unet_studio.core.errors import InputError

runner = CliRunner()


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """Draw blobs, which takes less time than the sample does."""
    y, x = np.mgrid[:256, :256] / 10
    path = tmp_path_factory.mktemp("images") / "blobs.tif"
    tifffile.imwrite(path, (100 * (np.sin(y) * np.sin(x) > 0.2)).astype(np.uint8))
    return path


def exported(*words):
    return runner.invoke(app, ["export", *map(str, words)], catch_exceptions=False)


def test_a_model_becomes_an_onnx_file(tmp_path, picture) -> None:
    words = ("--format", "onnx", "--json", "--image", picture)
    result = exported("nuclei", "-o", tmp_path / "nuclei", *words)
    told = json.loads(result.stdout)
    assert told["file"] == str(tmp_path / "nuclei.onnx")
    assert told["difference"] < 1e-4
    assert (tmp_path / "nuclei.onnx").stat().st_size > 1e6


@pytest.mark.slow
def test_a_package_holds_what_the_options_say(tmp_path, picture) -> None:
    out = tmp_path / "nuclei.zip"
    words = ("--authors", "Ada; Charles", "--licence", "CC-BY-4.0", "--opset", "17")
    result = exported("nuclei", "-o", out, *words, "--image", picture)
    assert result.exit_code == 0
    with zipfile.ZipFile(out) as package:
        text = package.read("rdf.yaml").decode()
    assert "license: CC-BY-4.0" in text
    assert "opset_version: 17" in text
    assert "name: Charles" in text


def test_a_file_is_not_replaced_unless_that_is_allowed(tmp_path, picture) -> None:
    out = tmp_path / "nuclei.pth"
    out.write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        exported("nuclei", "-o", out, "--format", "state_dict")
    assert out.read_text() == "mine"
    words = ("--format", "state_dict", "--overwrite", "--image", picture)
    exported("nuclei", "-o", out, *words)
    assert out.stat().st_size > 1e6
    assert (tmp_path / "nuclei.py").exists()


def test_it_is_compared_on_a_channel_of_an_image(tmp_path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (64, 80, 3), np.uint8)
    tifffile.imwrite(tmp_path / "rgb.tif", image, photometric="rgb")
    out = tmp_path / "nuclei"
    words = ("--format", "onnx", "--image", tmp_path / "rgb.tif")
    with pytest.raises(InputError, match="1 channel"):
        exported("nuclei", "-o", out, *words)
    assert exported("nuclei", "-o", out, *words, "--channel", "1").exit_code == 0
