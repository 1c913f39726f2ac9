"""``unet-studio inspect``: what it writes is what the functions return."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_unet_studio as us
from napari_unet_studio.cli.app import app
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.images import read_image, write_tiff
from napari_unet_studio.sample_data import nuclei_2d

SAMPLE = nuclei_2d((96, 90), seed=2)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_tiff(tmp_path / "a.tif", SAMPLE.image, "YX", (0.5, 0.25))


def run(*words: object) -> dict:
    result = CliRunner().invoke(app, ["inspect", *map(str, words), "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_feature_maps_are_channels_at_their_resolution(image: Path) -> None:
    out = image.with_name("maps.tif")
    said = run(
        image, "--node", "encoder.1", "--count", 3, "--region", "0:64,8:72", "-o", out
    )
    region = (slice(0, 64), slice(8, 72))
    found = us.feature_maps(
        SAMPLE.image, "nuclei", "encoder.1", {"count": 3}, region=region
    )
    read = read_image(out)
    np.testing.assert_array_equal(read.array, found.maps)
    assert read.channel_axis == 0
    assert read.spacing == pytest.approx((1.0, 0.5))
    assert said["channels"] == [f"encoder.1 {c.number}" for c in found.channels]


def test_saliency_of_a_pixel(image: Path) -> None:
    out = image.with_name("saliency.tif")
    said = run(image, "--pixel", "40,30", "-o", out)
    found = us.saliency(SAMPLE.image, "nuclei", (40, 30))
    np.testing.assert_array_equal(read_image(out).array, found.map)
    assert said["logit"] == pytest.approx(found.logit)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--pixel", "a"), "The pixel is 'a'"),
        (("--region", "3"), "The region is '3'"),
        (("--axes", "TYX"), "cannot have the axes 'TYX'"),
        (("--spacing", "1,2,3"), "3 numbers for the spatial axes of YX"),
    ],
)
def test_what_cannot_be_is_refused(
    image: Path, words: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        run(image, *words, "-o", image.with_name("b.tif"))
