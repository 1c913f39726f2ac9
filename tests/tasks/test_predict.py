import copy
import re

import dask.array as da
import numpy as np
import pytest
import torch
from torch import nn

from napari_unet_studio.core.errors import DeviceError, InputError
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unetpp import UNetPlusPlusSpec
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks.predict import PredictConfig, interpret, predict
from napari_unet_studio.tasks.progress import run

EXACT = PredictConfig(device="cpu", precision="float32")
EVERY_PIXEL = ObjectConfig(min_size=0, fill_holes=0)


def found(image, model, config=EXACT, **options):
    return run(predict(image, model, config, **options))


def noise(shape, seed=0):
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def tiles_of(side):
    return PredictConfig(device="cpu", precision="float32", tile=side)


# -- tiles ---------------------------------------------------------------------------


def test_progress_rises_from_nothing_to_the_total(tiny_model) -> None:
    records = []
    run(predict(noise((2, 100, 90)), tiny_model(), tiles_of(64)), records.append)
    steps = [record.step for record in records]
    assert steps[0] == 0
    assert steps == sorted(steps)
    assert len(steps) > 10
    assert {record.total for record in records} == {steps[-1]}


@pytest.mark.parametrize(
    ("padding", "side"), [("same", 1), ("same", 56), ("valid", 60), ("valid", 90)]
)
def test_tiles_give_what_the_whole_image_gives(tiny_model, padding, side) -> None:
    model, image = tiny_model(padding=padding), noise((101, 74))
    whole, tiled = [], []
    expected = run(predict(image, model, EXACT), whole.append)
    result = run(predict(image, model, tiles_of(side)), tiled.append)
    assert len(whole) == 3
    assert len(tiled) > 5
    np.testing.assert_allclose(
        result.probabilities, expected.probabilities, atol=1e-5, rtol=0
    )
    assert np.ptp(expected.probabilities) > 0.05


def test_tiles_of_a_network_that_looks_further_are_told_of(tiny_model) -> None:
    model, image = tiny_model(norm="instance"), noise((101, 74))
    assert found(image, model).notes == ()
    result = found(np.stack([image, image]), model, tiles_of(56))
    (note,) = result.notes
    assert re.search(r"tiles were blended; .* differ by up to 0\.\d+, 0\.\d+ on", note)
    assert found(image, tiny_model(), tiles_of(56)).notes == ()


def test_tiles_of_a_volume_give_what_the_whole_volume_gives(tiny_model) -> None:
    model, image = tiny_model(ndim=3, channels=(2, 4)), noise((20, 31, 44))
    whole, tiled = found(image, model), found(image, model, tiles_of(20))
    np.testing.assert_allclose(
        tiled.probabilities, whole.probabilities, atol=1e-5, rtol=0
    )


def test_tiles_of_a_unet_plus_plus_give_what_the_whole_image_gives() -> None:
    spec = UNetPlusPlusSpec(channels=(4, 6, 8))
    model = Model(build(spec).eval(), ModelCard(name="pp", spec=spec))
    image = noise((90, 70))
    whole, tiled = found(image, model), found(image, model, tiles_of(1))
    np.testing.assert_allclose(
        tiled.probabilities, whole.probabilities, atol=1e-5, rtol=0
    )


def test_a_prediction_stopped_after_some_tiles_returns_nothing(tiny_model) -> None:
    asked, records = [], []

    def stop():
        asked.append(True)
        return len(asked) > 3

    task = predict(noise((100, 90)), tiny_model(), tiles_of(64), should_stop=stop)
    assert run(task, records.append) is None
    assert len(records) == 3


def test_a_prediction_can_be_stopped_before_its_objects_are_sought(tiny_model) -> None:
    records = []

    def stop():
        return len(records) == 2

    task = predict(noise((20, 20)), tiny_model(), EXACT, should_stop=stop)
    assert run(task, records.append) is None
    assert records[-1].message == "Finding objects"


# -- axes and channels ---------------------------------------------------------------


def test_axes_beyond_those_of_the_network_are_looped_over(tiny_model) -> None:
    model, image = tiny_model(), noise((2, 3, 24, 20))
    result = found(image, model)
    assert result.axes == "TZYX"
    assert result.probabilities.shape == (1, 2, 3, 24, 20)
    for index in np.ndindex(2, 3):
        single = found(image[index], model)
        np.testing.assert_array_equal(
            result.probabilities[(0, *index)], single.probabilities[0]
        )


def two_frames():
    """One square per frame, in different places."""
    image = np.zeros((2, 32, 32), np.float32)
    image[0, 4:12, 4:12] = 1
    image[1, 20:28, 20:28] = 1
    return image


def test_time_points_are_labelled_one_by_one(threshold_model) -> None:
    labels = found(two_frames(), threshold_model(), axes="TYX").labels
    assert labels[0].max() == labels[1].max() == 1


def test_slices_are_labelled_jointly(threshold_model) -> None:
    labels = found(two_frames(), threshold_model(), axes="ZYX").labels
    assert labels[0].max() == 1
    assert labels[1].max() == 2
    column = np.broadcast_to(two_frames()[0], (3, 32, 32))
    assert found(column, threshold_model()).labels.max() == 1


def test_channels_may_lie_on_any_axis(tiny_model) -> None:
    model, image = tiny_model(in_channels=3), noise((20, 24, 3))
    last = found(image, model, channel_axis=-1)
    first = found(np.moveaxis(image, -1, 0), model, channel_axis=0)
    assert last.probabilities.shape == (1, 20, 24)
    np.testing.assert_array_equal(last.probabilities, first.probabilities)


def test_each_channel_counts(tiny_model) -> None:
    model, image = tiny_model(in_channels=2), noise((2, 20, 24))
    there = found(image, model, channel_axis=0).probabilities
    swapped = found(image[::-1], model, channel_axis=0).probabilities
    assert np.abs(there - swapped).max() > 1e-3


@pytest.mark.parametrize(
    ("channels", "image", "message"),
    [
        (1, (20, 24, 3), "takes 1 channel but the image has 3; convert .* to grey"),
        (3, (20, 24, 2), "takes 3 channels but the image has 2; choose another"),
    ],
)
def test_a_wrong_number_of_channels_is_named(
    tiny_model, channels, image, message
) -> None:
    with pytest.raises(InputError, match=message):
        found(noise(image), tiny_model(in_channels=channels), channel_axis=-1)


def test_a_channel_axis_that_is_not_there_is_named(tiny_model) -> None:
    with pytest.raises(InputError, match="axis 3"):
        found(noise((20, 24, 3)), tiny_model(in_channels=3), channel_axis=3)


def test_a_plane_is_too_little_for_a_network_of_volumes(tiny_model) -> None:
    with pytest.raises(InputError, match="the network is 3D"):
        found(noise((20, 24)), tiny_model(ndim=3))


@pytest.mark.parametrize("spacing", [(1.0,), (1.0, 1.0, 1.0), (1.0, 0.0), (1, np.nan)])
def test_a_pixel_size_that_does_not_fit_is_refused(tiny_model, spacing) -> None:
    with pytest.raises(InputError, match=r"spacing .* does not fit the axes YX"):
        found(noise((20, 24)), tiny_model(), spacing=spacing)


# -- pixels --------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (99, 99)])
def test_a_value_that_is_no_number_is_found_anywhere(tiny_model, bad, place) -> None:
    image = noise((100, 100))
    image[place] = bad
    with pytest.raises(InputError, match="contains 1 NaN or infinite"):
        found(image, tiny_model(), tiles_of(80))


def test_a_value_that_the_normalisation_did_not_look_at_is_found(tiny_model) -> None:
    image = np.zeros((2100, 2100), np.float32)
    image[1, 1] = np.nan
    image[::2, ::2] = noise((1050, 1050))
    model = tiny_model(normalisation=Normalisation())
    with pytest.raises(InputError, match="contains 1 NaN"):
        found(image, model, tiles_of(64))


def test_grey_values_beyond_all_measure_are_named(tiny_model) -> None:
    image = noise((40, 40))
    image[20, 20] = np.finfo(np.float32).max
    with pytest.raises(InputError, match=r"answer is not a number.*Clip"):
        found(image, tiny_model())


@pytest.mark.parametrize("value", [0, 7])
def test_a_constant_image_is_predicted_with_a_note(tiny_model, value) -> None:
    model = tiny_model(normalisation=Normalisation())
    result = found(np.full((20, 24), value, np.uint8), model)
    assert result.notes == (
        f"The image is constant, every pixel is {value}: nothing to segment.",
    )


def test_an_image_of_one_colour_is_constant(tiny_model) -> None:
    image = np.broadcast_to(np.uint8([10, 20, 30]), (20, 24, 3))
    notes = found(image, tiny_model(in_channels=3), channel_axis=2).notes
    assert "every pixel is 10, 20, 30" in notes[0]


@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_a_mask_is_not_constant(tiny_model, dtype) -> None:
    model = tiny_model(normalisation=Normalisation())
    assert found(np.eye(20, dtype=dtype), model).notes == ()


def test_an_image_that_is_constant_in_each_tile_only_is_not_constant(
    tiny_model,
) -> None:
    image = np.zeros((256, 16), np.float32)
    image[128:] = 1
    assert found(image, tiny_model(channels=(4, 8)), tiles_of(32)).notes == ()


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 8, 8)])
def test_an_empty_image_is_refused(tiny_model, shape) -> None:
    with pytest.raises(InputError, match="empty"):
        found(np.zeros(shape), tiny_model())


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2), (5, 33)])
def test_images_smaller_than_the_network_needs_are_predicted(
    tiny_model, shape, padding
) -> None:
    result = found(noise(shape), tiny_model(padding=padding))
    assert result.labels.shape == shape
    assert result.probabilities.shape == (1, *shape)
    assert np.isfinite(result.probabilities).all()


def test_a_single_voxel_is_predicted(tiny_model) -> None:
    assert found(np.ones((1, 1, 1)), tiny_model(ndim=3)).labels.shape == (1, 1, 1)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (bool, False, True),
        (np.uint8, 0, 1),
        (np.uint16, 1000, 65535),
        (np.int16, -3000, 3000),
        (np.uint32, 2**32 - 200, 2**32 - 1),
        (np.int64, -(2**40), 2**40),
        (np.float16, 0.0, 0.5),
        (np.float32, -1e-6, 1e-6),
        (np.float64, 1e9, 1e9 + 1),
        (np.float64, -1e200, 1e200),
    ],
)
def test_images_of_all_types_are_brought_to_the_same_range(
    threshold_model, dtype, low, high
) -> None:
    mask = np.zeros((32, 32), bool)
    mask[8:20, 8:20] = True
    image = np.where(mask, np.array(high, dtype), np.array(low, dtype))
    model = threshold_model(normalisation=Normalisation())
    result = found(image, model)
    assert image.dtype == dtype
    np.testing.assert_array_equal(result.labels, mask)


@pytest.mark.parametrize("dtype", [complex, object, "U3"])
def test_values_that_are_no_real_numbers_are_refused(tiny_model, dtype) -> None:
    with pytest.raises(InputError, match="values of type"):
        found(np.zeros((20, 24), dtype), tiny_model())


def test_a_list_of_lists_is_an_image(threshold_model) -> None:
    result = found([[0, 1], [0, 1]], threshold_model(), objects=EVERY_PIXEL)
    assert result.labels.tolist() == [[0, 1], [0, 1]]


# -- lazy arrays ---------------------------------------------------------------------


class Stored:
    """An array on disk, as dask sees it, that remembers what was read."""

    def __init__(self, array, chunks):
        self.array, self.chunks = array, chunks
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.read = 0

    def __getitem__(self, index):
        part = self.array[index]
        self.read += part.size
        return part


def test_a_dask_array_gives_what_numpy_gives(tiny_model) -> None:
    image = noise((3, 70, 50))
    model = tiny_model(normalisation=Normalisation())
    lazy = da.from_array(image, chunks=(1, 32, 32))
    np.testing.assert_array_equal(
        found(lazy, model, tiles_of(64)).probabilities,
        found(image, model, tiles_of(64)).probabilities,
    )


@pytest.mark.parametrize("as_dask", [True, False])
def test_a_lazy_array_is_read_tile_by_tile(tiny_model, as_dask) -> None:
    stored = Stored(noise((4, 256, 256)), (1, 32, 32))
    image = da.from_array(stored, chunks=stored.chunks) if as_dask else stored
    task = predict(image, tiny_model(), tiles_of(64))
    for _ in range(3):
        next(task)  # two tiles are done
    task.close()
    assert 0 < stored.read < 0.1 * stored.array.size


def test_an_image_too_large_to_hold_its_answer_is_refused(tiny_model) -> None:
    image = da.zeros((10**9, 10**9), chunks=10**9, dtype=np.uint8)
    with pytest.raises(DeviceError, match=r"takes 2\d{10}\.0 GB.*\.zarr"):
        found(image, tiny_model())


# -- classes and objects -------------------------------------------------------------


def test_several_classes_share_the_probability_and_name_their_values(
    tiny_model,
) -> None:
    values = (3, 0, 200)
    model = tiny_model(num_classes=3, target="classes", class_values=values)
    result = found(noise((40, 44)), model)
    assert result.probabilities.shape == (3, 40, 44)
    np.testing.assert_allclose(result.probabilities.sum(axis=0), 1, atol=1e-6)
    expected = np.array(values)[result.probabilities.argmax(axis=0)]
    np.testing.assert_array_equal(result.classes, expected)
    np.testing.assert_array_equal(result.labels, expected)
    assert len(np.unique(expected)) > 1


def test_one_logit_can_tell_two_classes(threshold_model) -> None:
    model = threshold_model(target="classes", class_values=(5, 9))
    result = found(two_frames()[0], model)
    np.testing.assert_array_equal(result.classes, np.where(two_frames()[0], 9, 5))


def test_two_logits_for_objects_give_the_foreground_alone(threshold_model) -> None:
    model = threshold_model(num_classes=2)
    result = found(two_frames()[0], model)
    assert result.probabilities.shape == (1, 32, 32)
    np.testing.assert_array_equal(result.labels, two_frames()[0] > 0)
    np.testing.assert_array_equal(result.classes, two_frames()[0] > 0)


def test_the_threshold_of_the_model_holds_unless_another_is_given(tiny_model) -> None:
    image = noise((40, 44))
    probability = found(image, tiny_model()).probabilities[0]
    low, high = (float(np.quantile(probability, q)) for q in (0.3, 0.8))
    model = tiny_model(threshold=low)
    result = found(image, model)
    assert result.objects.threshold == low
    np.testing.assert_array_equal(result.classes, probability >= low)
    other = found(image, model, objects=ObjectConfig(threshold=high))
    np.testing.assert_array_equal(other.classes, probability >= high)


def test_objects_are_split_in_physical_distances(threshold_model) -> None:
    image = np.zeros((24, 60), np.float32)
    image[4:20, 4:20] = image[4:20, 28:44] = image[10:13, 20:28] = 1
    split = ObjectConfig(split=2.0)
    whole = found(image, threshold_model(), objects=ObjectConfig())
    parts = found(image, threshold_model(), objects=split, spacing=(1.0, 1.0))
    assert whole.labels.max() == 1
    assert parts.labels.max() == 2


def test_labels_can_be_made_again_from_probabilities(threshold_model) -> None:
    result = found(two_frames(), threshold_model(), axes="TYX")
    classes, labels = interpret(
        result.probabilities.astype(np.float16), result.card, result.objects, "TYX"
    )
    np.testing.assert_array_equal(classes, result.classes)
    np.testing.assert_array_equal(labels, result.labels)


def test_results_have_the_promised_types(tiny_model) -> None:
    result = found(noise((20, 24)), tiny_model())
    assert result.probabilities.dtype == np.float32
    assert result.classes.dtype == result.labels.dtype == np.int32
    assert 0 <= result.probabilities.min() <= result.probabilities.max() <= 1


# -- devices -------------------------------------------------------------------------


class SmallMemory(nn.Module):
    """A network on a device that has room for so many pixels."""

    def __init__(self, network, pixels, error=torch.OutOfMemoryError):
        super().__init__()
        self.network, self.pixels, self.error = network, pixels, error

    def forward(self, x, part):
        if x.shape[-1] * x.shape[-2] > self.pixels:
            raise self.error("can't allocate memory")
        return self.network(x, part=part)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError, MemoryError])
def test_tiles_shrink_until_they_fit_into_the_memory(tiny_model, error) -> None:
    model, image = tiny_model(), noise((120, 100))
    expected = found(image, model)
    small = Model(SmallMemory(model.network, 6000, error), model.card)
    records = []
    result = run(predict(image, small, EXACT), records.append)
    np.testing.assert_allclose(
        result.probabilities, expected.probabilities, atol=1e-5, rtol=0
    )
    assert len(result.notes) == 1
    assert "tiles reduced from 120 x 100 to" in result.notes[0]
    assert records[-1].step == records[-1].total


def test_too_little_memory_for_any_tile_is_said(tiny_model) -> None:
    small = tiny_model()
    small = Model(SmallMemory(small.network, 0), small.card)
    with pytest.raises(DeviceError, match=r"cpu does not suffice for a tile of \d+ x"):
        found(noise((120, 100)), small)


def test_other_errors_of_a_network_are_not_taken_for_lack_of_memory(
    tiny_model,
) -> None:
    class Broken(nn.Module):
        def forward(self, x, part):
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        found(noise((20, 24)), Model(Broken(), tiny_model().card))


def test_the_model_of_the_caller_is_left_as_it_was(tiny_model) -> None:
    model = tiny_model(dropout=0.5, norm="batch")
    model.network.train()
    before = copy.deepcopy(model.network.state_dict())
    first = found(noise((40, 44)), model).probabilities
    second = found(noise((40, 44)), model).probabilities
    np.testing.assert_array_equal(first, second)  # neither dropout nor batch statistics
    assert all(module.training for module in model.network.modules())
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(tensor, before[name])
    for parameter in model.network.parameters():
        assert parameter.device.type == "cpu"
        assert parameter.requires_grad
        assert parameter.grad is None


def test_predicting_draws_no_random_numbers(tiny_model) -> None:
    model = tiny_model()
    before = torch.get_rng_state()
    found(noise((20, 24)), model, PredictConfig(device="cpu"))
    assert torch.equal(before, torch.get_rng_state())


def test_automatic_precision_stays_near_the_exact_one(tiny_model) -> None:
    image, model = noise((64, 64)), tiny_model()
    quick = found(image, model, PredictConfig(device="cpu")).probabilities
    np.testing.assert_allclose(quick, found(image, model).probabilities, atol=0.02)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_named(tiny_model) -> None:
    with pytest.raises(DeviceError, match="'cuda' is not available; here are"):
        found(noise((20, 24)), tiny_model(), PredictConfig(device="cuda"))


@pytest.mark.cuda
@pytest.mark.parametrize("ndim", [2, 3])
def test_a_gpu_gives_what_the_cpu_gives(tiny_model, ndim) -> None:
    model, image = tiny_model(ndim=ndim, norm="batch"), noise((24, 100, 90)[-ndim:])
    on_gpu = PredictConfig(device="cuda", precision="float32")
    np.testing.assert_allclose(
        found(image, model, on_gpu).probabilities,
        found(image, model).probabilities,
        atol=1e-4,
    )
    assert torch.cuda.memory_reserved() == 0
