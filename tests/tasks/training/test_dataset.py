import dask.array as da
import numpy as np
import pytest
from skimage.measure import label as connected_components

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.core.weights import WeightConfig, separation_weights
from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training import dataset as preparing
from napari_unet_studio.tasks.training import parts, truths
from napari_unet_studio.tasks.training.computed import ComputedTruth
from napari_unet_studio.tasks.training.dataset import digest, prepare
from napari_unet_studio.tasks.training.pairs import Pair, channels_of, check_pairs
from napari_unet_studio.tasks.training.survey import class_values, survey

SPEC = UNetSpec(channels=(4, 8))


def dataset(pairs, spec=SPEC, report=None, **options):
    config = TrainConfig(**options)
    used = check_pairs(pairs)
    found = run(survey(used, config))
    values = class_values(found, config)
    return run(prepare(used, found, spec, Normalisation(), config, values), report)


def target_of(item):
    return item.read(item.whole).target


def weights_of(item):
    return item.read(item.whole).weight_map


def labels_of(item):
    return item.truth.ids(item.whole)


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


def test_labels_of_another_shape_are_refused(squares) -> None:
    image, labels = squares()
    refused(image, labels[:-1], "64 × 64 pixels but its labels have 63 × 64")


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


# -- targets and weights -------------------------------------------------------------


def test_every_value_is_a_class_of_its_own_and_remembers_its_number(squares) -> None:
    image, labels = squares()
    codes = np.array([0, 255, 64])[labels % 3]
    (item,) = dataset([Pair(image, codes)], target="classes", hold_out=0).train
    np.testing.assert_array_equal(np.array([0, 64, 255])[target_of(item)], codes)


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
    assert not target_of(item)[20:40, 31:33].any()
    assert target_of(item)[20:40, 20:30].all()
    np.testing.assert_array_equal(labels_of(item), touching()[1])


def test_no_gap_leaves_touching_objects_touching() -> None:
    weights = WeightConfig(gap=0)
    (item,) = dataset([Pair(*touching())], weights=weights, hold_out=0).train
    np.testing.assert_array_equal(target_of(item), touching()[1] > 0)


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
    np.testing.assert_array_equal(weights_of(item), shown)


def test_without_weights_there_is_no_map() -> None:
    weights = WeightConfig(preset="none", balance="none")
    (item,) = dataset([Pair(*touching())], weights=weights, hold_out=0).train
    assert weights_of(item) is None


def test_frames_to_judge_by_are_not_weighed() -> None:
    pairs = [Pair(*touching()), Pair(*touching(), "validate")]
    result = dataset(pairs, weights=WeightConfig(preset="2015"))
    assert weights_of(result.train[0]) is not None
    assert weights_of(result.validate[0]) is None


@pytest.mark.parametrize("value", [1, 255])
def test_the_components_of_a_mask_stand_for_its_objects(squares, value) -> None:
    image, labels = squares()
    (of_mask,) = dataset([Pair(image, (labels > 0) * value)], hold_out=0).train
    (of_ids,) = dataset([Pair(image, labels)], hold_out=0).train
    assert labels_of(of_mask).max() == labels.max()
    np.testing.assert_array_equal(weights_of(of_mask), weights_of(of_ids))


def dumbbells():
    """Return an image and labels of pairs of discs that a bridge joins."""
    y, x = np.mgrid[:64, :96]
    labels = np.zeros((64, 96), np.uint8)
    for row in (15, 45):
        for column in (16, 38, 70):
            labels[(y - row) ** 2 + (x - column) ** 2 <= 100] = 1
        labels[row, 26:28] = 1
    return labels * np.uint8(200), labels


@pytest.mark.parametrize(("depth", "objects"), [(0.0, 4), (4.0, 6)])
def test_objects_of_a_mask_that_hang_together_are_split_at_necks(
    depth, objects
) -> None:
    (item,) = dataset([Pair(*dumbbells())], hold_out=0, split_masks=depth).train
    assert labels_of(item).max() == objects
    target = item.read(item.whole).target
    assert (connected_components(target, connectivity=1).max() == 6) == bool(depth)


def test_a_mask_too_large_for_memory_is_not_split(monkeypatch) -> None:
    monkeypatch.setattr(truths, "available_memory", lambda: 0)
    with pytest.raises(InputError, match="64 x 96 pixels is too large to be split"):
        dataset([Pair(*dumbbells())], hold_out=0, split_masks=4.0)


def test_a_boolean_mask_will_do(squares) -> None:
    image, labels = squares()
    (item,) = dataset([Pair(image, labels > 0)], hold_out=0).train
    assert labels_of(item).max() == labels.max()


def test_lazy_labels_will_do(squares) -> None:
    image, labels = squares()
    (item,) = dataset([Pair(image, da.from_array(labels))], hold_out=0).train
    np.testing.assert_array_equal(labels_of(item), labels)


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
    said = list(dict.fromkeys(record.message for record in records))
    names = ["Preparing a", "Preparing b", "Weighing a", "Weighing b"]
    assert [text for text in said if "Reading" not in text] == names
    prepared = [record for record in records if "Reading" not in record.message]
    assert sorted({r.step for r in prepared}) == [0, 1, 2, 3, 4]
    assert [r.step for r in prepared] == sorted(r.step for r in prepared)
    assert {r.total for r in prepared} == {4}


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
        expected = np.where(target_of(item) > 0, inside, total - inside)
        np.testing.assert_allclose(weights_of(item), total / (2 * expected), rtol=1e-6)


@pytest.mark.parametrize("balance", ["image", "global"])
def test_every_class_gets_the_same_total_weight(balance) -> None:
    image, labels = touching()
    labels[:4] = 7
    weights = WeightConfig(balance=balance)
    (item,) = dataset(
        [Pair(image, labels)], target="classes", weights=weights, hold_out=0
    ).train
    sums = [weights_of(item)[labels == value].sum() for value in (0, 1, 2, 7)]
    np.testing.assert_allclose(sums, labels.size / 4, rtol=1e-5)


# -- pixels that neither teach nor count ---------------------------------------------


def speckled(seed=0):
    """Touching squares, a frame of debris (9), and strokes of background (5)."""
    image, labels = touching()
    labels[50:60, 50:60] = 3
    labels[:, :4] = 9
    labels[44:48] = 5
    return image, labels


@pytest.mark.parametrize("preset", ["2015", "2019", "none"])
@pytest.mark.parametrize("zero", ["background", "unlabelled"])
def test_what_is_ignored_neither_teaches_nor_weighs(preset, zero) -> None:
    image, labels = speckled()
    weights = WeightConfig(preset=preset, balance="image", gap=2)
    (item,) = dataset(
        [Pair(image, labels)],
        weights=weights,
        ignore=9,
        zero=zero,
        background=5,
        hold_out=0,
    ).train
    target, found = target_of(item), weights_of(item)
    ignored = labels == 9
    if zero == "unlabelled":
        ignored |= labels == 0
    np.testing.assert_array_equal(target == -1, ignored)
    assert not found[ignored].any()
    assert (found[~ignored] > 0).all()
    assert not labels_of(item)[ignored].any()
    # The rest is what it would be if all else were background of no annotation.
    painted = labels.astype(np.int32)
    if zero == "unlabelled":
        painted[labels == 5] = 0
    painted[ignored] = 77
    shown = separation_weights(
        painted, preset, 10.0, 5.0, balance="image", ignore=77, gap=2, inside=False
    )
    np.testing.assert_array_equal(found, shown)
    objects = [1, 2, 3] if zero == "unlabelled" else [1, 2, 3, 5]
    assert set(np.unique(labels_of(item))) == {0, *objects}


def test_what_is_ignored_may_hold_anything() -> None:
    image, labels = speckled()
    weights = WeightConfig(balance="global")
    found = []
    for debris in (9, 40000):
        painted = np.where(labels == 9, debris, labels)
        (item,) = dataset(
            [Pair(image, painted)], weights=weights, ignore=debris, hold_out=0
        ).train
        found.append((target_of(item), weights_of(item), labels_of(item)))
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("balance", ["image", "global"])
def test_classes_are_balanced_by_what_is_labelled(balance) -> None:
    image, labels = speckled()
    weights = WeightConfig(balance=balance)
    (item,) = dataset(
        [Pair(image, labels)],
        target="classes",
        zero="unlabelled",
        ignore=9,
        weights=weights,
        hold_out=0,
    ).train
    sums = [weights_of(item)[labels == value].sum() for value in (1, 2, 3, 5)]
    known = np.isin(labels, (1, 2, 3, 5))
    np.testing.assert_allclose(sums, known.sum() / 4, rtol=1e-5)
    assert not weights_of(item)[~known].any()
    codes = np.array([1, 2, 3, 5])
    np.testing.assert_array_equal(codes[target_of(item)[known]], labels[known])


def test_patches_can_be_drawn_where_there_are_labels() -> None:
    (item,) = dataset(
        [Pair(*speckled())], zero="unlabelled", background=5, hold_out=0
    ).train
    target = target_of(item)
    assert (target[tuple(item.foreground.T)] == 1).all()
    assert set(target[tuple(item.known.T)].tolist()) == {0, 1}
    (full,) = dataset([Pair(*speckled())], hold_out=0).train
    assert full.known is None


def test_painted_objects_without_background_are_one_class() -> None:
    image, labels = touching()
    with pytest.raises(InputError, match="one class everywhere"):
        dataset([Pair(image, labels > 0)], zero="unlabelled", background=5)


def test_images_of_one_class_each_teach_together(squares) -> None:
    image, labels = squares()
    pairs = [Pair(image, labels * 0 + 1), Pair(image, labels * 0)]
    assert len(dataset(pairs, hold_out=0).train) == 2


# -- larger than memory --------------------------------------------------------------


class Stored:
    """An array in a file that remembers how much was read of it at once."""

    def __init__(self, array, chunk=32):
        self.array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.chunks = (chunk,) * array.ndim
        self.most = 0

    def __getitem__(self, key):
        found = self.array[key]
        self.most = max(self.most, found.size)
        return found


@pytest.fixture
def small_parts(monkeypatch):
    """Let arrays be large from a few pixels on."""
    monkeypatch.setattr(parts, "_PART", 2**12)
    monkeypatch.setattr(parts, "_CHUNK", 2**12)
    monkeypatch.setattr(truths, "_SMALL", 2**12)
    monkeypatch.setattr(preparing, "_LARGE", 2**12)


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("options", [{}, {"ignore": 3}, {"hold_out": 0}])
def test_nothing_lazy_is_read_whole_and_the_result_is_the_same(
    small_parts, squares, mask, options
) -> None:
    image, labels = squares((300, 260))
    labels = (labels > 0) * np.uint8(255) if mask else labels
    stored = Stored(image), Stored(labels)
    lazy = dataset([Pair(*stored)], weights=WeightConfig(balance="image"), **options)
    kept = dataset(
        [Pair(image, labels)], weights=WeightConfig(balance="image"), **options
    )
    assert isinstance(lazy.train[0].truth, ComputedTruth)
    assert lazy.held_out == kept.held_out
    assert lazy.notes == kept.notes
    box = (slice(-10, 60), slice(30, 90))
    pairs = zip(lazy.train + lazy.validate, kept.train + kept.validate, strict=True)
    for one, other in pairs:
        assert one.shape == other.shape
        for a, b in zip(one.read(box)[1:], other.read(box)[1:], strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(
            one.read(box).image * one.scale + one.offset,
            other.read(box).image * other.scale + other.offset,
        )
    # The grey values are measured on every n-th pixel of the whole, as always.
    assert stored[1].most <= 2**12 + 4 * 2 * 100
    assert len(lazy.train[0].foreground) > 50


def test_a_large_lazy_image_is_sampled_and_checked_where_it_is_read(
    small_parts, squares
) -> None:
    image, labels = squares((300, 260))
    refused(da.from_array(image * 0 + 7), labels, "is constant, every pixel is 7")
    image = image.astype(np.float32)
    lazy = da.from_array(image, chunks=64)
    (item,) = dataset([Pair(lazy, labels)], hold_out=0).train
    assert item.read((slice(0, 9), slice(0, 9))).image.shape == (1, 9, 9)


def test_stacks_are_frames_of_their_own_though_they_are_lazy(
    small_parts, squares
) -> None:
    image, labels = squares((6, 128, 128))
    pair = Pair(da.from_array(image), da.from_array(labels), axes="TYX")
    result = dataset([pair])
    assert [item.index for item in result.train] == [(0,), (1,), (2,), (3,)]
    np.testing.assert_array_equal(labels_of(result.validate[0]), labels[5])


def test_of_a_large_frame_the_part_around_the_labels_is_judged(
    monkeypatch, squares
) -> None:
    monkeypatch.setattr(preparing, "JUDGED", 64 * 64)
    image, labels = squares((300, 260))
    some = np.zeros_like(labels)
    some[200:240, 20:60] = labels[200:240, 20:60]
    pairs = [Pair(image, labels), Pair(image, some, "validate", "large")]
    (item,) = (result := dataset(pairs)).validate
    assert item.shape == (64, 64)
    assert (labels_of(item) > 0).sum() == (some > 0).sum()
    assert "Of 'large' only 64 x 64 pixels around the middle" in result.notes[0]
    thin = dataset([Pair(image, labels), Pair(image[:16], some[200:216], "validate")])
    assert thin.validate[0].shape == (16, 256)


def test_a_lazy_array_is_known_by_a_sample(squares) -> None:
    image, labels = squares((200, 200))
    whole = digest(Pair(image, labels))
    assert "sampled" not in whole
    lazy = digest(Pair(da.from_array(image, chunks=50), labels))
    assert lazy["sampled"] == "yes"
    again = digest(Pair(da.from_array(image, chunks=25), labels))
    assert again["sha256"] == lazy["sha256"]
    other = image.copy()
    other[:64, :64] += 1
    changed = digest(Pair(da.from_array(other, chunks=50), labels))
    assert changed["sha256"] != lazy["sha256"]
