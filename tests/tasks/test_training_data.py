import dask.array as da
import numpy as np
import pytest

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.core.weights import WeightConfig, separation_weights
from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.training_data import (
    Pair,
    channels_of,
    check_pairs,
    class_values,
    digest,
    prepare,
)

SPEC = UNetSpec(channels=(4, 8))


def dataset(
    pairs, spec=SPEC, target="objects", weights=None, hold_out=0.2, seed=0, report=None
):
    used = check_pairs(pairs)
    task = prepare(
        used,
        spec,
        Normalisation(),
        weights or WeightConfig(),
        target,
        class_values(used, target),
        hold_out,
        seed,
    )
    return run(task, report)


def refused(image, labels, message, **options):
    with pytest.raises(InputError, match=message):
        dataset([Pair(image, labels, **options)])


# -- what cannot be trained on -------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, complex])
def test_labels_that_are_no_whole_numbers_are_refused(squares, dtype) -> None:
    image, labels = squares()
    refused(
        image,
        labels.astype(dtype),
        r"'cells' have values of type .*astype",
        name="cells",
    )


def test_negative_labels_are_refused(squares) -> None:
    image, labels = squares()
    refused(image, labels - 1, "'pair 1' contain -1; ids must be 0 or more")


def test_labels_of_another_shape_are_refused(squares) -> None:
    image, labels = squares()
    refused(image, labels[:-1], r"\(64, 64\) pixels but its labels have \(63, 64\)")


def test_channels_do_not_count_when_shapes_are_compared(squares) -> None:
    image, labels = squares()
    colour = np.stack([image] * 3, axis=0)
    assert check_pairs([Pair(colour, labels, channel_axis=0)])
    refused(colour, labels, "but its labels have")
    refused(colour, labels, "no axis 3 for channels", channel_axis=3)


def test_labels_without_any_object_are_refused(squares) -> None:
    image, labels = squares()
    refused(image, labels * 0, "background .0. everywhere; paint some objects")


def test_labels_of_one_object_everywhere_are_refused(squares) -> None:
    image, labels = squares()
    refused(image, labels * 0 + 1, "one class everywhere; label some pixels")


def test_objects_to_judge_by_do_not_replace_objects_to_train_on(squares) -> None:
    image, labels = squares()
    with pytest.raises(InputError, match="paint some objects"):
        dataset([Pair(image, labels * 0), Pair(image, labels, "validate")])


@pytest.mark.parametrize("dtype", [np.uint8, np.float64, bool])
def test_a_constant_image_is_refused(squares, dtype) -> None:
    image, labels = squares()
    refused(
        (image * 0 + 1).astype(dtype), labels, "'pair 1' is constant, every pixel is 1"
    )


def test_a_mask_as_image_is_not_constant(squares) -> None:
    _, labels = squares()
    assert len(dataset([Pair(labels > 0, labels)]).train) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_image_with_a_value_that_is_no_number_is_refused_at_once(
    squares, bad
) -> None:
    image, labels = squares((5, 64, 64))
    image = image.astype(np.float32)
    image[4, 63, 63] = bad
    refused(image, labels, "'pair 1' contains 1 NaN or infinite", axes="TYX")
    refused(da.from_array(image, chunks=32), labels, "contains 1 NaN", axes="TYX")


def test_an_empty_image_is_refused() -> None:
    refused(np.zeros((0, 4)), np.zeros((0, 4), int), "empty")


def test_a_role_that_does_not_exist_is_named(squares) -> None:
    refused(
        *squares(),
        "role of 'pair 1' is 'test'; choose one of train, validate",
        role="test",
    )


@pytest.mark.parametrize("spacing", [(1.0,), (1.0, 1.0, 1.0), (0.0, 1.0), (np.nan, 1)])
def test_a_pixel_size_that_does_not_fit_is_refused(squares, spacing) -> None:
    refused(*squares(), "does not fit its axes YX: give 2 numbers", spacing=spacing)


@pytest.mark.parametrize("role", [None, "off", "validate"])
def test_nothing_to_train_on_is_said(squares, role) -> None:
    pairs = [] if role is None else [Pair(*squares(), role)]
    with pytest.raises(
        InputError, match="at least one image with labels the role train"
    ):
        check_pairs(pairs)


def test_pairs_that_are_off_are_not_looked_at(squares) -> None:
    image, labels = squares()
    broken = Pair(image, labels.astype(float), "off")
    used = check_pairs([broken, Pair(image, labels)])
    assert [pair.name for pair in used] == ["pair 2"]


def test_images_with_different_channels_are_refused(squares) -> None:
    image, labels = squares()
    colour = np.stack([image] * 3, axis=-1)
    pairs = [Pair(image, labels), Pair(colour, labels, channel_axis=-1)]
    with pytest.raises(InputError, match=r"different numbers of channels, \[1, 3\]"):
        channels_of(pairs, 2)
    assert channels_of(pairs[1:], 2) == 3


def test_too_many_classes_point_to_objects(squares) -> None:
    image, _ = squares()
    many = np.arange(64 * 64).reshape(64, 64)
    with pytest.raises(InputError, match=r"4096 different values.*target \"objects\""):
        class_values([Pair(image, many)], "classes")


def test_one_class_is_too_few(squares) -> None:
    image, labels = squares()
    with pytest.raises(InputError, match="only the value 4; two classes"):
        class_values([Pair(image, labels * 0 + 4)], "classes")


def test_a_class_number_that_no_labels_layer_holds_is_refused(squares) -> None:
    image, labels = squares()
    huge = (labels > 0) * np.uint64(2**40)
    with pytest.raises(InputError, match="1099511627776, too large for a class"):
        class_values([Pair(image, huge)], "classes")


# -- targets and weights -------------------------------------------------------------


def test_every_value_is_a_class_of_its_own_and_remembers_its_number(squares) -> None:
    image, labels = squares()
    codes = np.array([0, 255, 64])[labels % 3]
    pairs = [Pair(image, codes)]
    assert class_values(pairs, "classes") == (0, 64, 255)
    (item,) = dataset(pairs, target="classes", hold_out=0).train
    np.testing.assert_array_equal(np.array([0, 64, 255])[item.target], codes)


def test_classes_of_all_images_count(squares) -> None:
    image, labels = squares()
    pairs = [Pair(image, (labels > 0) * 3), Pair(image, (labels > 0) * 9)]
    assert class_values(pairs, "classes") == (0, 3, 9)
    assert class_values(pairs, "objects") == (0, 1)


def touching():
    """Two squares side by side."""
    labels = np.zeros((64, 64), np.uint16)
    labels[20:40, 20:32] = 1
    labels[20:40, 32:44] = 2
    image = np.where(labels > 0, 200, 10).astype(np.uint8)
    return image, labels


def test_touching_objects_get_background_between_them_to_learn() -> None:
    weights = WeightConfig(gap=2)
    (item,) = dataset([Pair(*touching())], weights=weights, hold_out=0).train
    assert not item.target[20:40, 31:33].any()
    assert item.target[20:40, 20:30].all()
    np.testing.assert_array_equal(item.labels, touching()[1])


def test_no_gap_leaves_touching_objects_touching() -> None:
    weights = WeightConfig(gap=0)
    (item,) = dataset([Pair(*touching())], weights=weights, hold_out=0).train
    np.testing.assert_array_equal(item.target, touching()[1] > 0)


@pytest.mark.parametrize("preset", ["2015", "2019", "none"])
def test_training_weighs_with_the_map_that_is_shown(preset) -> None:
    weights = WeightConfig(preset=preset, w0=7.0, sigma=3.0, balance="image", gap=1)
    image, labels = touching()
    pair = Pair(image, labels, spacing=(2.0, 1.0))
    (item,) = dataset([pair], weights=weights, hold_out=0).train
    shown = separation_weights(
        labels,
        preset,
        7.0,
        3.0,
        spacing=(2.0, 1.0),
        balance="image",
        gap=1,
        inside=weights.inside,
    )
    np.testing.assert_array_equal(item.weight_map, shown)


def test_without_weights_there_is_no_map() -> None:
    weights = WeightConfig(preset="none", balance="none")
    (item,) = dataset([Pair(*touching())], weights=weights, hold_out=0).train
    assert item.weight_map is None


def test_frames_to_judge_by_are_not_weighed() -> None:
    pairs = [Pair(*touching()), Pair(*touching(), "validate")]
    result = dataset(pairs, weights=WeightConfig(preset="2015"))
    assert result.train[0].weight_map is not None
    assert result.validate[0].weight_map is None


@pytest.mark.parametrize("value", [1, 255])
def test_the_components_of_a_mask_stand_for_its_objects(squares, value) -> None:
    image, labels = squares()
    (of_mask,) = dataset([Pair(image, (labels > 0) * value)], hold_out=0).train
    (of_ids,) = dataset([Pair(image, labels)], hold_out=0).train
    assert of_mask.labels.max() == labels.max()
    np.testing.assert_array_equal(of_mask.weight_map, of_ids.weight_map)


def test_a_boolean_mask_will_do(squares) -> None:
    image, labels = squares()
    (item,) = dataset([Pair(image, labels > 0)], hold_out=0).train
    assert item.labels.max() == labels.max()


def test_lazy_labels_will_do(squares) -> None:
    image, labels = squares()
    (item,) = dataset([Pair(image, da.from_array(labels))], hold_out=0).train
    np.testing.assert_array_equal(item.labels, labels)


def test_each_channel_is_normalised_by_itself(squares) -> None:
    image, labels = squares()
    both = np.stack([image, image.astype(np.uint16) * 100])
    (item,) = dataset([Pair(both, labels, channel_axis=0)], hold_out=0).train
    np.testing.assert_allclose(item.scale[1], 100 * item.scale[0], rtol=1e-6)
    np.testing.assert_allclose(item.offset[1], 100 * item.offset[0], rtol=1e-6)


def test_preparing_reports_each_pair(squares) -> None:
    records = []
    pairs = [Pair(*squares(), name=name) for name in ("a", "b")]
    dataset(pairs, report=records.append)
    assert [record.message for record in records] == ["Preparing a", "Preparing b"]
    assert [(r.step, r.total) for r in records] == [(1, 2), (2, 2)]


# -- holding out ---------------------------------------------------------------------


def names(items):
    return [item.name for item in items]


def test_of_many_pairs_whole_ones_are_held_out_at_random(squares) -> None:
    pairs = [Pair(*squares(), name=str(i)) for i in range(10)]
    held = [names(dataset(pairs, seed=seed).validate) for seed in (0, 0, 1, 2)]
    assert held[0] == held[1]
    assert len({tuple(h) for h in held}) > 1
    assert all(len(h) == 2 for h in held)
    result = dataset(pairs)
    assert sorted(names(result.train) + names(result.validate)) == list("0123456789")


def test_at_least_one_of_five_pairs_is_held_out(squares) -> None:
    pairs = [Pair(*squares(), name=str(i)) for i in range(5)]
    assert len(dataset(pairs, hold_out=0.01).validate) == 1


def test_the_last_frames_of_a_stack_are_held_out(squares) -> None:
    image, labels = squares((10, 64, 64))
    result = dataset([Pair(image, labels, axes="TYX", name="film")])
    assert names(result.validate) == ["film [8]", "film [9]"]
    assert len(result.train) == 8


def test_the_end_of_an_image_is_held_out_beyond_a_gap() -> None:
    labels = np.zeros((40, 200), int)
    labels[10:30, 5:195:10] = np.arange(1, 20)
    position = np.broadcast_to(np.arange(200.0), (40, 200))
    result = dataset([Pair(position, labels)])
    (first,), (second,) = result.train, result.validate
    assert first.image.min() == 0
    assert second.image.max() == 199
    assert second.image.shape == (1, 40, 40)
    gap = second.image.min() - first.image.max() - 1
    assert gap == SPEC.receptive_field[1] // 2
    for item in (first, second):
        columns = item.image[0, 0].astype(int)
        np.testing.assert_array_equal(item.labels, labels[:, columns])
        assert item.target.shape == item.weight_map.shape == item.labels.shape
        assert item.target[tuple(item.foreground.T)].all()


def test_a_large_network_costs_an_eighth_of_an_image_as_gap_at_most(squares) -> None:
    _, labels = squares((160, 160))
    image = np.broadcast_to(np.arange(160.0), (160, 160)).T
    spec = UNetSpec(channels=(2, 2, 2, 2, 2))
    result = dataset([Pair(image, labels)], spec=spec)
    assert result.validate[0].image.min() - result.train[0].image.max() - 1 == 20


@pytest.mark.parametrize("shape", [(64, 64), (70, 70), (3, 64, 64)])
def test_of_too_small_an_image_nothing_is_held_out(squares, shape) -> None:
    result = dataset([Pair(*squares(shape), axes="TZYX"[-len(shape) :])])
    assert not result.validate
    assert result.train[0].target.shape == shape[-2:]
    assert len(result.notes) == 1
    assert "nothing could be held out, so the last weights" in result.notes[0]


@pytest.mark.parametrize("where", [slice(0, 100), slice(170, 200)])
def test_no_part_without_anything_to_find_is_held_out(where) -> None:
    labels = np.zeros((200, 40), int)
    labels[where, 10:30] = 1
    result = dataset([Pair(np.random.default_rng(0).random((200, 40)), labels)])
    assert not result.validate
    assert len(result.notes) == 1


def test_pairs_to_judge_by_are_used_and_nothing_else_is_held_out(squares) -> None:
    pairs = [Pair(*squares(), name=str(i)) for i in range(6)]
    pairs.append(Pair(*squares(), "validate", "judge"))
    result = dataset(pairs)
    assert names(result.validate) == ["judge"]
    assert len(result.train) == 6
    assert not result.notes


def test_nothing_is_held_out_if_so_desired(squares) -> None:
    pairs = [Pair(*squares((256, 256))) for _ in range(6)]
    result = dataset(pairs, hold_out=0)
    assert not result.validate
    assert len(result.train) == 6
    assert "No validation" in result.notes[0]


def test_background_alone_is_not_judged_by(squares) -> None:
    image, labels = squares()
    result = dataset([Pair(image, labels), Pair(image, labels * 0, "validate")])
    assert not result.validate
    assert "labels to judge by are background everywhere" in result.notes[0]


def test_volumes_are_items_of_their_own(squares) -> None:
    image, labels = squares((2, 16, 32, 32), ndim=3)
    spec = UNetSpec(ndim=3, channels=(2, 4))
    pair = Pair(image, labels, axes="TZYX", spacing=(2.0, 1.0, 1.0))
    result = dataset([pair], spec=spec, hold_out=0)
    assert [item.target.shape for item in result.train] == [(16, 32, 32)] * 2


# -- provenance ----------------------------------------------------------------------


def test_a_digest_depends_on_pixels_labels_and_types(squares) -> None:
    image, labels = squares()
    other = image.copy()
    other[0, 0] += 1
    found = {
        digest(Pair(*pair))["sha256"]
        for pair in (
            (image, labels),
            (other, labels),
            (image, labels.astype(np.int64)),
            (image.reshape(32, 128), labels.reshape(32, 128)),
            (image, labels.T),
        )
    }
    assert len(found) == 5
    same = digest(Pair(np.asfortranarray(image), labels.copy(), name="b"))
    assert same["sha256"] == digest(Pair(image, labels))["sha256"]


def test_classes_are_balanced_over_all_images_together() -> None:
    image, labels = touching()
    small = np.zeros_like(labels)
    small[:8, :8] = 3
    weights = WeightConfig(preset="none", balance="global", gap=0)
    pairs = [Pair(image, labels), Pair(image, small), Pair(image, labels, "validate")]
    first, second = dataset(pairs, weights=weights, hold_out=0).train
    inside = (labels > 0).sum() + 64
    total = 2 * labels.size
    for item in (first, second):
        expected = np.where(item.target > 0, inside, total - inside)
        np.testing.assert_allclose(item.weight_map, total / (2 * expected), rtol=1e-6)


@pytest.mark.parametrize("balance", ["image", "global"])
def test_every_class_gets_the_same_total_weight(balance) -> None:
    image, labels = touching()
    labels[:4] = 7
    weights = WeightConfig(balance=balance)
    (item,) = dataset([Pair(image, labels)], SPEC, "classes", weights, 0).train
    sums = [item.weight_map[labels == value].sum() for value in (0, 1, 2, 7)]
    np.testing.assert_allclose(sums, labels.size / 4, rtol=1e-5)
