"""Every sample is what it says: dtype, axes, touching objects, seeds, napari layers."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import label

from napari_unet_studio import sample_data
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.sample_data import SAMPLES, Sample, layer_tuples

# image dtype, sign of (objects - background), fewest objects in the whole sample
EXPECTED = {
    "nuclei_2d": (np.uint16, 1, 100),
    "phase_cells_2d": (np.uint8, -1, 50),
    "membranes_2d": (np.uint8, 1, 80),
    "nuclei_3d": (np.uint16, 1, 60),
    "nuclei_timelapse": (np.uint16, 1, 40),
    "tissue_rgb": (np.uint8, -1, 100),
}
SMALL = {
    "nuclei_2d": (96, 80),
    "phase_cells_2d": (96, 80),
    "membranes_2d": (96, 80),
    "nuclei_3d": (6, 64, 56),
    "nuclei_timelapse": (3, 96, 80),
    "tissue_rgb": (96, 80),
}
OPENERS = {
    "nuclei_2d": "open_nuclei_2d",
    "phase_cells_2d": "open_phase_cells",
    "membranes_2d": "open_membranes",
    "nuclei_3d": "open_nuclei_3d",
    "nuclei_timelapse": "open_timelapse",
    "tissue_rgb": "open_tissue",
}


@cache
def sample_of(name: str, seed: int = 0) -> Sample:
    return SAMPLES[name](seed=seed)


def grey(sample: Sample) -> np.ndarray:
    image = sample.image.astype(float)
    return image.mean(axis=-1) if sample.rgb else image


def touching_pairs(labels: np.ndarray) -> set[tuple[int, int]]:
    pairs: set[tuple[int, int]] = set()
    for axis in range(labels.ndim):
        n = labels.shape[axis]
        one = labels.take(range(n - 1), axis)
        two = labels.take(range(1, n), axis)
        meet = (one != two) & (one > 0) & (two > 0)
        sides = np.sort(np.column_stack([one[meet], two[meet]]), axis=1)
        pairs.update(map(tuple, np.unique(sides, axis=0).tolist()))
    return pairs


def frames(sample: Sample) -> list[np.ndarray]:
    return list(sample.labels) if "T" in sample.axes else [sample.labels]


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        SAMPLES["other"] = SAMPLES["nuclei_2d"]
    assert set(SAMPLES) == set(EXPECTED)


@pytest.mark.parametrize("name", SAMPLES)
def test_arrays_agree_with_their_description(name):
    sample = sample_of(name)
    dtype, _, _ = EXPECTED[name]
    assert sample.image.dtype == dtype
    assert sample.labels.dtype == np.int32
    assert sample.labels.ndim == len(sample.axes) == len(sample.spacing)
    assert sample.image.shape == sample.labels.shape + (3,) * sample.rgb
    assert all(step > 0 for step in sample.spacing)


@pytest.mark.parametrize("name", SAMPLES)
def test_same_seed_same_sample_and_other_seed_other_sample(name):
    first, again, other = (SAMPLES[name](shape=SMALL[name], seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert np.any(first.image != other.image)
    assert np.any(first.labels != other.labels)


@pytest.mark.parametrize("name", SAMPLES)
def test_shapes_are_as_asked_for(name):
    sample = SAMPLES[name](shape=SMALL[name], seed=0)
    assert sample.labels.shape == SMALL[name]
    assert sample.labels.max() >= 2


@pytest.mark.parametrize("name", SAMPLES)
def test_many_objects_touch_each_other(name):
    sample = sample_of(name)
    for plane in frames(sample):
        ids = np.unique(plane[plane > 0])
        pairs = touching_pairs(plane)
        assert len(ids) >= EXPECTED[name][2]
        assert len({number for pair in pairs for number in pair}) >= 0.5 * len(ids)


@pytest.mark.parametrize("name", SAMPLES)
def test_each_object_is_one_piece(name):
    for plane in frames(sample_of(name)):
        pieces = label(plane, background=0, connectivity=plane.ndim)
        assert pieces.max() == len(np.unique(plane[plane > 0]))


@pytest.mark.parametrize("name", SAMPLES)
def test_objects_differ_from_background_as_the_modality_says(name):
    sample = sample_of(name)
    values, inside = grey(sample), sample.labels > 0
    difference = values[inside].mean() - values[~inside].mean()
    assert np.sign(difference) == EXPECTED[name][1]
    assert abs(difference) > 0.5 * values[~inside].std()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_threshold_does_not_separate_the_objects(name):
    sample = sample_of(name)
    plane = frames(sample)[0]
    values = grey(sample)[0] if "T" in sample.axes else grey(sample)
    values = ndimage.gaussian_filter(values, 1) * EXPECTED[name][1]
    found = label(values > threshold_otsu(values))
    right = 0
    for number, box in enumerate(ndimage.find_objects(plane), start=1):
        if box is not None:
            own = plane[box] == number
            best = np.bincount(found[box][own]).argmax()
            overlap = np.sum(own & (found[box] == best))
            union = own.sum() + np.sum(found == best) - overlap
            right += best > 0 and overlap / union > 0.7
    assert right < 0.5 * len(np.unique(plane))


def test_image_does_not_saturate():
    for name in ("nuclei_2d", "nuclei_3d", "nuclei_timelapse"):
        image = sample_of(name).image
        assert image.min() > 0
        assert image.max() < 65535


def test_ids_persist_over_time():
    labels = sample_of("nuclei_timelapse").labels
    seen = [set(np.unique(plane[plane > 0]).tolist()) for plane in labels]
    for number in set.union(*seen):
        times = [t for t, ids in enumerate(seen) if number in ids]
        assert times == list(range(times[0], times[-1] + 1))
    kept = seen[0] & seen[-1]
    assert len(kept) > 0.7 * len(seen[0])
    for before, after in pairwise(labels):
        ids = sorted(kept)
        moved = np.subtract(
            ndimage.center_of_mass(before > 0, before, ids),
            ndimage.center_of_mass(after > 0, after, ids),
        )
        assert np.linalg.norm(moved, axis=1).max() < 12


def test_some_cells_divide_into_two_new_ids():
    labels = sample_of("nuclei_timelapse").labels
    seen = [set(np.unique(plane).tolist()) for plane in labels]
    divisions = 0
    for before, after in pairwise(seen):
        born = {number for number in after - before if number > max(seen[0])}
        assert len(born) % 2 == 0
        assert len(before - after) >= len(born) // 2
        divisions += len(born) // 2
    assert divisions >= 2


@pytest.mark.parametrize("name", SAMPLES)
def test_a_shape_without_room_is_refused(name):
    with pytest.raises(InputError, match="larger shape"):
        SAMPLES[name](shape=(8,) * len(SMALL[name]))
    with pytest.raises(InputError, match="axes"):
        SAMPLES[name](shape=(64,))


@pytest.mark.parametrize("name", SAMPLES)
def test_layers_are_valid_in_napari(name):
    components = pytest.importorskip("napari.components")
    layers = pytest.importorskip("napari.layers")
    viewer = components.ViewerModel()
    sample = sample_of(name)
    for data, kwargs, kind in layer_tuples(sample):
        viewer.add_layer(layers.Layer.create(data, kwargs, kind))
    image, labels = viewer.layers
    assert (type(image).__name__, type(labels).__name__) == ("Image", "Labels")
    for layer in (image, labels):
        np.testing.assert_allclose(layer.scale, sample.spacing)
        assert layer.axis_labels == tuple(sample.axes.lower())
        assert [str(unit) for unit in layer.units] == [
            "second" if axis == "T" else "micrometer" for axis in sample.axes
        ]
    assert image.rgb == sample.rgb
    np.testing.assert_allclose(image.extent.world, labels.extent.world)


@pytest.mark.parametrize(("name", "opener"), OPENERS.items())
def test_each_sample_has_a_command(name, opener, monkeypatch):
    small = SAMPLES[name](shape=SMALL[name])
    monkeypatch.setattr(sample_data, name, lambda: small)
    (image, _, first), (labels, _, second) = getattr(sample_data, opener)()
    assert (first, second) == ("image", "labels")
    assert image is small.image
    assert labels is small.labels
