import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training import parts
from napari_unet_studio.tasks.training.pairs import Pair, check_pairs
from napari_unet_studio.tasks.training.parts import reading_grid, sampled
from napari_unet_studio.tasks.training.survey import carved_gap, class_values, survey

UNLABELLED = TrainConfig(zero="unlabelled", background=1)
CLASSES = TrainConfig(target="classes")


def surveyed(*labels, config=None, role="train", report=None):
    pairs = [Pair(np.arange(a.size).reshape(a.shape), a, role) for a in labels]
    return run(survey(check_pairs(pairs), config or TrainConfig()), report)


def grid(*values):
    return np.resize(np.array(values), (12, 10))


# -- counting ------------------------------------------------------------------------


@given(
    arrays(
        st.sampled_from([np.uint8, np.int32, np.uint64, np.int64]),
        (7, 9),
        elements=st.integers(0, 200),
    )
)
def test_every_value_is_counted(labels) -> None:
    labels[0, 0] = 7
    (found,) = surveyed(labels)
    values, counts = np.unique(labels, return_counts=True)
    np.testing.assert_array_equal(found.values, values)
    np.testing.assert_array_equal(found.counts, counts)
    assert found.pixels([0, 7]) == np.isin(labels, (0, 7)).sum()


@pytest.mark.parametrize("most", [50, 2**22, 2**40])
@pytest.mark.parametrize("lazy", [False, True])
def test_parts_are_counted_together(monkeypatch, most, lazy) -> None:
    monkeypatch.setattr(parts, "_PART", 256)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, most, (3, 40, 50))
    labels[0] = rng.integers(0, 9, (40, 50))
    given = da.from_array(labels, chunks=(1, 16, 16)) if lazy else labels
    records = []
    (found,) = surveyed(given, report=records.append)
    values, counts = np.unique(labels, return_counts=True)
    np.testing.assert_array_equal(found.values, values)
    np.testing.assert_array_equal(found.counts, counts)
    assert len(records) > 10
    assert [record.step for record in records] == list(range(len(records)))
    assert {record.total for record in records} == {len(records)}


def test_the_parts_of_a_stored_array_are_whole_chunks() -> None:
    array = da.zeros((50, 3000, 4000), chunks=(1, 512, 512), dtype=np.uint8)
    grid = reading_grid(array)
    assert all(b % c == 0 for b, c in zip(grid.block, (1, 512, 512), strict=True))
    assert np.prod(grid.block) <= 2**22
    assert reading_grid(np.zeros((30, 40))).block == (30, 40)
    huge = reading_grid(da.zeros((2**15, 2**15), chunks=-1))
    assert np.prod(huge.block) <= 2**26


@pytest.mark.parametrize("shape", [(10, 10), (3, 300, 400), (2, 9, 5000, 70)])
def test_a_sample_is_small_and_all_over(shape) -> None:
    found = list(sampled(shape, 16))
    assert 1 <= len(found) <= 16
    assert found == list(sampled(shape, 16))
    for part in found:
        assert all(0 <= s.start < s.stop <= n for s, n in zip(part, shape, strict=True))


# -- what stands for nothing ---------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "config", "mask"),
    [
        ((0, 255), TrainConfig(), True),
        ((0, 1, 2), TrainConfig(), False),
        ((0, 1, 9), TrainConfig(ignore=9), True),
        ((0, 1, 2, 9), TrainConfig(ignore=9), False),
        ((0, 1, 2), UNLABELLED, True),
        ((0, 1, 2, 3), UNLABELLED, False),
        ((0, 1, 2, 3), TrainConfig(zero="unlabelled", background=3, ignore=2), True),
    ],
)
def test_one_value_besides_those_without_objects_is_a_mask(
    values, config, mask
) -> None:
    (found,) = surveyed(grid(*values), config=config)
    assert found.mask == mask
    assert carved_gap([found], config) == (0 if mask else 2)


def test_booleans_are_a_mask() -> None:
    (found,) = surveyed(grid(False, True))
    assert found.mask
    assert found.values.tolist() == [0, 1]


def test_only_masks_alone_get_no_gap() -> None:
    found = surveyed(grid(0, 5), grid(0, 1, 2))
    assert carved_gap(found, TrainConfig()) == 2
    assert carved_gap(found[:1], TrainConfig()) == 0
    assert carved_gap(found, CLASSES) == 0


# -- classes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (TrainConfig(), (0, 1)),
        (CLASSES, (0, 64, 128, 255)),
        (TrainConfig(target="classes", ignore=128), (0, 64, 255)),
        (TrainConfig(target="classes", zero="unlabelled"), (64, 128, 255)),
        (TrainConfig(target="classes", zero="unlabelled", ignore=64), (128, 255)),
    ],
)
def test_classes_keep_their_codes_and_what_is_ignored_is_none(config, expected) -> None:
    found = surveyed(grid(0, 64, 255), grid(0, 128), config=config)
    assert class_values(found, config) == expected


def test_too_many_classes_point_to_objects() -> None:
    found = surveyed(np.arange(4096).reshape(64, 64))
    with pytest.raises(InputError, match=r"4096 different values.*target \"objects\""):
        class_values(found, CLASSES)


@pytest.mark.parametrize("values", [(4,), (0, 4)])
def test_one_class_is_too_few(values) -> None:
    config = TrainConfig(target="classes", zero="unlabelled")
    found = surveyed(grid(*values), config=config)
    with pytest.raises(InputError, match="only the value 4; two classes"):
        class_values(found, config)


def test_a_class_number_that_no_labels_layer_holds_is_refused() -> None:
    found = surveyed(grid(0, 2**40))
    with pytest.raises(InputError, match="1099511627776, too large for a class"):
        class_values(found, CLASSES)


# -- nothing to learn ----------------------------------------------------------------


@pytest.mark.parametrize("role", ["train", "validate"])
def test_negative_labels_are_refused(role) -> None:
    pairs = [Pair(grid(0, 1), grid(0, 1)), Pair(grid(0, 1), grid(0, -3), role)]
    with pytest.raises(InputError, match="'pair 2' contain -3; ids must be 0 or more"):
        run(survey(check_pairs(pairs), TrainConfig()))


def test_labels_beyond_63_bits_are_refused() -> None:
    with pytest.raises(InputError, match=f"contain {2**63}; ids must be below"):
        surveyed(np.array([[0, 2**63]], np.uint64))


@pytest.mark.parametrize(
    ("values", "config", "message"),
    [
        ((0,), TrainConfig(), "background .0. everywhere; paint some objects"),
        ((0,), CLASSES, "background .0. everywhere; paint some objects"),
        ((0, 9), TrainConfig(ignore=9), "background .0. everywhere"),
        ((9,), TrainConfig(ignore=9), "are 9 everywhere, which is to be ignored"),
        ((0,), UNLABELLED, "Nothing is labelled.*or let 0 be background"),
        ((0, 9), TrainConfig(zero="unlabelled", ignore=9), "Nothing is labelled"),
        ((0, 1), UNLABELLED, r"background \(1\) or unlabelled everywhere; paint some"),
    ],
)
def test_labels_with_nothing_to_learn_are_refused(values, config, message) -> None:
    with pytest.raises(InputError, match=message):
        surveyed(grid(*values), config=config)


def test_objects_to_judge_by_do_not_replace_objects_to_train_on() -> None:
    labels = grid(0, 1)
    pairs = [Pair(labels, labels * 0), Pair(labels, labels, "validate")]
    with pytest.raises(InputError, match="paint some objects"):
        run(survey(check_pairs(pairs), TrainConfig()))


def test_nothing_to_judge_by_is_no_reason_to_refuse() -> None:
    labels = grid(0, 1)
    pairs = [Pair(labels, labels), Pair(labels, labels * 0, "validate")]
    assert len(run(survey(check_pairs(pairs), TrainConfig()))) == 2
