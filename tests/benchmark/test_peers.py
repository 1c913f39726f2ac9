"""The peers do the same work, or the comparison would mean nothing."""

import numpy as np
import pytest

from napari_unet_studio.benchmark import elastic, elastic_peers, weight_peers, weights
from napari_unet_studio.benchmark.machine import installed
from napari_unet_studio.benchmark.method import Case
from napari_unet_studio.benchmark.samples import blobs, texture
from napari_unet_studio.core.displacement import dense_displacement

SHAPES = ((40, 60), (6, 20, 24))


def _brute_force(labels):
    """Eq. 2 from the distances of every pixel to every pixel of every object."""
    pixels = np.argwhere(np.ones(labels.shape, bool))
    ids = np.unique(labels[labels > 0])
    distances = []
    for i in ids:
        own = np.argwhere(labels == i)
        squared = ((pixels[:, None] - own[None]) ** 2).sum(-1)
        distances.append(np.sqrt(squared.min(1)))
    d1, d2 = np.sort(distances, axis=0)[:2]
    share = np.mean(labels > 0)
    balance = np.where(labels.ravel() > 0, 0.5 / share, 0.5 / (1 - share))
    return (balance + 10 * np.exp(-((d1 + d2) ** 2) / 50)).reshape(labels.shape)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    "method", weights.methods(), ids=lambda m: f"{m.name}, {m.threads}"
)
def test_a_method_equals_brute_force(method, shape) -> None:
    if method.library and not installed(method.library):
        pytest.skip(f"{method.library} is not installed")
    if len(shape) not in method.axes:
        pytest.skip("it works in a plane only")
    labels = blobs(shape, 9, seed=2)
    found = method.prepare(labels)()
    assert found.shape == shape
    if method.exact:
        assert found.dtype == np.float32
        assert np.abs(found - _brute_force(labels)).max() < 1e-5
    elif "OpenCV" in method.name:
        assert np.abs(found - _brute_force(labels)).max() < 0.5


@pytest.mark.parametrize("shape", [(60, 60), (6, 40, 40)], ids=str)
def test_near_objects_have_different_colours(shape) -> None:
    labels = blobs(shape, 40, seed=5)
    reach = 8
    colours = weight_peers.colour(labels, reach)
    assert colours[0] == 0
    assert colours[1:].min() == 1
    assert len(np.unique(colours)) < 41  # some are far apart
    places = [np.argwhere(labels == i) for i in range(1, 41)]
    for i, first in enumerate(places):
        for j, second in enumerate(places[:i]):
            if colours[1 + i] == colours[1 + j]:
                squared = ((first[:, None] - second[None]) ** 2).sum(-1)
                assert squared.min() >= reach**2


def test_large_ids_fit_the_window() -> None:
    labels = blobs((40, 60), 9, seed=2)
    large = np.where(labels > 0, labels + 2**22, 0)
    found = weight_peers.two_label_window(large)
    assert np.array_equal(found, weight_peers.two_label_window(labels))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_field_by_products_is_that_of_this_package(shape) -> None:
    sample = elastic_peers.Sample(texture(shape), blobs(shape, 9))
    field = elastic_peers.matrix_field(sample.vectors(), shape)
    field -= np.indices(shape)
    assert np.allclose(field, dense_displacement(sample.vectors(), shape), atol=1e-4)


@pytest.mark.parametrize("shape", [(96, 120), (16, 48, 56)], ids=str)
@pytest.mark.parametrize(
    "method", elastic.methods(), ids=lambda m: f"{m.name}, {m.threads}"
)
def test_a_method_deforms(method, shape) -> None:
    if method.library and not installed(method.library):
        pytest.skip(f"{method.library} is not installed")
    if len(shape) not in method.axes:
        pytest.skip("it works in a plane only")
    sample = elastic_peers.Sample(texture(shape), blobs(shape, 30))
    found = method.prepare(sample)()
    image, labels = np.asarray(found.image), np.asarray(found.labels)
    assert image.shape == labels.shape == shape
    assert image.dtype == np.float32
    assert set(np.unique(labels)) <= set(range(31))
    assert np.abs(image - sample.image).max() > 0.1
    reference = elastic.own(sample)()
    compared = elastic.difference(found, reference)
    if not found.alike:
        assert compared == {}
        return
    assert compared["labels_differ"] < 0.01
    smooth = "scipy" in method.name and len(shape) == 2  # splines, not Keys' cubic
    assert compared["difference"] < (0.05 if smooth else 1e-3)


def test_the_full_plan_goes_from_small_to_large() -> None:
    plan = weights.cases(quick=False)
    assert len(plan) == 20
    assert plan[0] == Case((512, 512), 50)
    assert plan[-1] == Case((64, 512, 512), 20_000)
    assert [case.shape for case in elastic.cases(quick=False)] == list(elastic.SHAPES)


@pytest.mark.cuda
def test_a_batch_on_the_device_equals_the_processor() -> None:
    sample = elastic_peers.Sample(texture((96, 120)), blobs((96, 120), 30))
    reference = elastic.own(sample)()
    for method in elastic.methods("cuda"):
        if method.device == "cuda":
            found = elastic.difference(method.prepare(sample)(), reference)
            assert found["difference"] < 1e-3
            assert found["labels_differ"] < 0.01
