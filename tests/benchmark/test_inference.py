"""Every way to run the network answers the same question; targets follow the rows."""

import numpy as np
import pytest

from napari_unet_studio import api
from napari_unet_studio.benchmark import inference, inference_peers
from napari_unet_studio.benchmark.inference_network import model_of
from napari_unet_studio.benchmark.inference_targets import inference_targets
from napari_unet_studio.benchmark.machine import installed
from napari_unet_studio.benchmark.method import OWN
from napari_unet_studio.benchmark.samples import picture, write_mosaic
from napari_unet_studio.benchmark.tables import target
from napari_unet_studio.benchmark.variants import AUTO, INT8, VARIANTS

SHAPES = ((96, 112), (16, 32, 48))
METHODS = [m for m in inference.methods(quick=True) if m.name != INT8]


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def sample(request):
    """An image and the small network of a quick run."""
    image = picture(request.param)[0].astype(np.float32)
    return inference_peers.Sample(image, model_of(len(request.param), quick=True))


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_a_method_answers_as_the_whole_image(method, sample) -> None:
    if method.library and not installed(method.library):
        pytest.skip(f"{method.library} is not installed")
    found = method.prepare(sample)()
    if method.name == inference_peers.BARE:
        assert found is None
        return
    exact = inference_peers.whole(sample)()
    assert exact.std() > 0.1  # it has learned something
    assert found.shape == (1, *sample.shape)
    assert found.dtype == np.float32
    # One tile covers the image: nobody has seams yet.
    assert np.abs(found - exact).max() < (0.1 if method.name == AUTO else 1e-4)


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_check_compares_several_tiles(ndim) -> None:
    found = inference.check(ndim, quick=True, device="cpu")
    assert found["difference"] < 1e-4


def test_the_first_way_is_exact_and_names_are_unlike() -> None:
    assert VARIANTS[0].name == OWN
    assert VARIANTS[0].settings["precision"] == "float32"
    names = [method.name for method in inference.methods(compiled=True)]
    assert len(set(names)) == len(names)


def _document(rows, **facts):
    rows = [{"device": "cpu", **row} for row in rows]
    case = {"shape": [2048, 2048], "objects": 0, "rows": rows}
    checks = [{"shape": [640, 640], "difference": 1e-6}]
    told = {"quick": False, "device": "cpu", "bfloat16_wins": False, "streamed": []}
    return {**told, "checks": checks, "cases": [case], **facts}


def test_targets_that_do_not_apply_are_not_met() -> None:
    rows = [
        {"method": OWN, "ms": 100.0, "bytes_per_pixel": 256.0},
        {"method": AUTO, "ms": 50.0},
        {"method": INT8, "note": "not installed"},
        {"method": inference_peers.MONAI, "ms": 300.0},
        {"method": inference_peers.BARE, "ms": 80.0},
    ]
    found = list(inference_targets(_document(rows)))
    assert [(aim.wanted, aim.reached, aim.met) for aim in found] == [
        (2, 3, True),
        (4.5, 0, False),
        (6, 0, False),
        (1.1, 1.25, False),
        (2048, 1024, True),
        (1e-5, 1e-6, True),
    ]
    assert target(found[1])[2:] == ("–", "not applicable: no bfloat16 gain here")
    assert "not installed" in target(found[2])[3]
    assert (
        next(
            aim
            for aim in inference_targets(_document(rows, bfloat16_wins=True))
            if aim.wanted == 4.5
        ).reached
        == 6
    )
    rows[2]["note"] = "failed: RuntimeError"
    broken = list(inference_targets(_document(rows)))[2]
    assert target(broken)[3] == "missed"
    assert list(inference_targets(_document(rows, quick=True))) == []


def test_a_mosaic_is_written_chunk_by_chunk(tmp_path) -> None:
    import zarr

    write_mosaic(tmp_path / "image.zarr", 100, chunk=64)
    array = zarr.open(str(tmp_path / "image.zarr"), mode="r")
    assert (array.shape, array.chunks, array.dtype) == ((100, 100), (64, 64), np.uint8)
    pixels = array[:]
    assert pixels[:36, 64:].std() > 10
    assert pixels[64:, 64:].std() > 10
    assert not np.array_equal(pixels[:36, :36], pixels[:36, 64:])


@pytest.mark.slow
def test_an_image_is_predicted_from_file_to_file() -> None:
    if not hasattr(api, "predict_zarr"):
        pytest.skip("predict_zarr is not there yet")
    running = inference.stream(200, "cpu")
    while True:
        try:
            next(running)
        except StopIteration as done:
            found = done.value
            break
    assert found["side"] == 200
    assert found["seconds"] > 0
    assert found["peak_mib"] is None or found["peak_mib"] > 0
