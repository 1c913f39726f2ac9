import numpy as np
import pytest

from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.core.weights import WeightConfig
from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.dataset import prepare
from napari_unet_studio.tasks.training.holding_out import judged_part
from napari_unet_studio.tasks.training.items import Item
from napari_unet_studio.tasks.training.pairs import Pair, check_pairs
from napari_unet_studio.tasks.training.survey import class_values, survey

SPEC = UNetSpec(channels=(4, 8))
FIELD = SPEC.receptive_field[0]


def dataset(pairs, spec=SPEC, **options):
    config = TrainConfig(**options)
    used = check_pairs(pairs)
    found = run(survey(used, config))
    values = class_values(found, config)
    return run(prepare(used, found, spec, Normalisation(), config, values))


def labels_of(item):
    return item.truth.ids(item.whole)


def target_of(item):
    return item.read(item.whole).target


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
    assert {held.name for held in result.held_out} == set(names(result.validate))
    assert all(pairs[held.pair].name == held.name for held in result.held_out)
    for held in result.held_out:
        assert held.region == (slice(0, 64), slice(0, 64))
        assert held.gap is None


def test_at_least_one_of_five_pairs_is_held_out(squares) -> None:
    pairs = [Pair(*squares(), name=str(i)) for i in range(5)]
    assert len(dataset(pairs, hold_out=0.01).validate) == 1


@pytest.mark.parametrize(
    ("count", "share", "held"), [(5, 0.2, 1), (5, 0.5, 2), (6, 0.5, 3), (10, 0.2, 2)]
)
def test_the_last_frames_of_a_stack_are_held_out_beyond_one(
    squares, count, share, held
) -> None:
    image, labels = squares((count, 64, 64))
    pair = Pair(image, labels, axes="TYX", name="film")
    result = dataset([pair], hold_out=share)
    start = count - held
    assert names(result.train) == [f"film [{i}]" for i in range(start - 1)]
    assert names(result.validate) == [f"film [{i}]" for i in range(start, count)]
    frame = slice(0, 64), slice(0, 64)
    region, gap = (slice(start, count), *frame), (slice(start - 1, start), *frame)
    assert result.held_out == ((0, "film", region, gap, "TYX"),)
    assert not result.notes


def test_frames_with_nothing_to_find_are_not_held_out_alone(squares) -> None:
    image, labels = squares((10, 64, 64))
    labels[5:] = 0
    result = dataset([Pair(image, labels, axes="TYX", name="film")])
    assert names(result.validate) == ["film [0]", "film [1]"]
    assert names(result.train) == [f"film [{i}]" for i in range(3, 10)]
    (held,) = result.held_out
    assert (held.region[0], held.gap[0]) == (slice(0, 2), slice(2, 3))
    labels[1:] = 0
    result = dataset([Pair(image, labels, axes="TYX", name="film")])
    assert len(result.train) == 10
    assert "nothing could be held out" in result.notes[0]


def test_where_only_middle_frames_show_something_all_are_cut(squares) -> None:
    image, labels = squares((10, 128, 96))
    labels[:3] = labels[6:] = 0
    result = dataset([Pair(image, labels, axes="TYX", name="film")])
    (held,) = result.held_out
    assert held.region == (slice(0, 10), slice(102, 128), slice(0, 96))
    assert len(result.train) == len(result.validate) == 10


@pytest.mark.parametrize(
    ("leading", "axis", "held"),
    [
        ((6, 3), 0, slice(5, 6)),
        ((3, 10), 1, slice(8, 10)),
        ((4, 3), 2, slice(102, 128)),
    ],
)
def test_no_slice_is_trained_on_beside_one_that_is_judged(
    squares, leading, axis, held
) -> None:
    image, labels = squares((*leading, 128, 96))
    result = dataset([Pair(image, labels, axes="TZYX", name="film")])
    (record,) = result.held_out
    assert record.region[axis] == held
    others = [a for a in range(4) if a != axis]
    assert all(record.region[a] == slice(0, labels.shape[a]) for a in others)
    for one in result.train:
        for other in result.validate:
            apart = np.abs(np.subtract(one.index, other.index)).sum()
            assert apart > 1 or axis == 2


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
    assert gap == FIELD
    (held,) = result.held_out
    assert held.region == (slice(0, 40), slice(160, 200))
    assert held.gap == (slice(0, 40), slice(160 - FIELD, 160))
    assert not result.notes
    for item in (first, second):
        columns = item.image[0, 0].astype(int)
        np.testing.assert_array_equal(labels_of(item), labels[:, columns])
        assert target_of(item).shape == labels_of(item).shape == item.shape
        assert target_of(item)[tuple(item.foreground.T)].all()


def test_a_large_network_costs_an_eighth_of_an_image_as_gap_at_most(squares) -> None:
    _, labels = squares((160, 160))
    image = np.broadcast_to(np.arange(160.0), (160, 160)).T
    spec = UNetSpec(channels=(2, 2, 2, 2, 2))
    result = dataset([Pair(image, labels)], spec=spec)
    assert result.validate[0].image.min() - result.train[0].image.max() - 1 == 20
    (note,) = result.notes
    assert f"lie 20 pixels, fewer than the {spec.receptive_field[0]} from" in note


@pytest.mark.parametrize("shape", [(64, 64), (70, 70), (3, 64, 64)])
def test_of_too_small_an_image_nothing_is_held_out(squares, shape) -> None:
    result = dataset([Pair(*squares(shape), axes="TZYX"[-len(shape) :])])
    assert not result.validate
    assert target_of(result.train[0]).shape == shape[-2:]
    assert len(result.notes) == 1
    assert "nothing could be held out, so the last weights" in result.notes[0]


@pytest.mark.parametrize("where", [slice(60, 100), slice(170, 200)])
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
    assert not result.held_out
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
    assert [target_of(item).shape for item in result.train] == [(16, 32, 32)] * 2


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("far", [False, True])
def test_the_end_that_shows_most_classes_is_held_out(axis, far) -> None:
    labels = np.zeros((120, 120), int)
    labels[::6] = 1
    # The second class lies at one end and in the middle, the others have it too late.
    labels = labels if axis == 0 else labels.T
    box = [slice(50, 70), slice(50, 70)]
    labels[tuple(box)] = 2
    box[axis] = slice(105, 120) if far else slice(0, 15)
    labels[tuple(box)] = 2
    image = np.random.default_rng(0).random((120, 120))
    result = dataset([Pair(image, labels)], target="classes")
    (held,) = result.held_out
    side = slice(96, 120) if far else slice(0, 24)
    assert held.region[axis] == side
    assert held.region[1 - axis] == slice(0, 120)
    assert len(np.unique(target_of(result.train[0]))) == 3
    assert len(np.unique(target_of(result.validate[0]))) == 3


def test_no_class_is_held_out_as_a_whole_if_it_can_be_helped() -> None:
    labels = np.zeros((160, 40), int)
    labels[::4] = 1
    labels[150:] = 2
    image = np.random.default_rng(0).random(labels.shape)
    result = dataset([Pair(image, labels)], target="classes")
    assert result.held_out[0].region[0] == slice(0, 32)
    assert set(np.unique(target_of(result.train[0]))) == {0, 1, 2}


def test_an_image_that_alone_shows_a_class_is_not_held_out() -> None:
    pairs = []
    for number in range(5):
        labels = np.zeros((32, 32), int)
        labels[8:16, 8:16] = 1
        if number == 2:
            labels[20:28, 20:28] = 2
        image = np.random.default_rng(number).random(labels.shape)
        pairs.append(Pair(image, labels, name=str(number)))
    for seed in range(6):
        result = dataset(pairs, target="classes", hold_out=0.5, seed=seed)
        assert len(result.validate) == 2
        assert "2" in names(result.train)
        assert not result.notes
    judge = [Pair(p.image, p.labels, "validate", p.name) for p in pairs[2:]]
    (note,) = dataset([*pairs[:2], *judge], target="classes").notes
    assert note.startswith("The class 2 is labelled in the data to judge by only")


def test_the_only_painted_background_is_not_held_out() -> None:
    pairs = []
    for number in range(5):
        labels = np.zeros((64, 96), int)
        labels[8:56, 8:40:4] = 2
        if number == 2:
            labels[8:56, 60:90] = 1
        image = np.random.default_rng(number).random(labels.shape)
        pairs.append(Pair(image, labels, name=str(number)))
    for seed in range(4):
        result = dataset(pairs, zero="unlabelled", background=1, seed=seed)
        assert "2" in names(result.train)
        assert len(result.validate) == 1


@pytest.mark.parametrize("shape", [(200, 80), (80, 200), (150, 150), (40, 100, 90)])
@pytest.mark.parametrize("share", [0.2, 0.3, 0.5])
def test_no_pixel_is_both_trained_and_judged(shape, share) -> None:
    ndim = len(shape)
    spec = UNetSpec(ndim=ndim, channels=(4, 8))
    number = np.arange(np.prod(shape), dtype=float).reshape(shape)
    labels = (number.astype(int) // 7) % 2
    result = dataset([Pair(number, labels)], spec, hold_out=share)
    (item,), (judged,), (held,) = result.train, result.validate, result.held_out
    trained, kept = set(item.image.ravel()), set(judged.image.ravel())
    assert not trained & kept
    assert kept == set(number[held.region].ravel())
    assert not (trained | kept) & set(number[held.gap].ravel())
    assert len(trained) + len(kept) + number[held.gap].size == number.size
    axis = next(a for a in range(ndim) if held.region[a] != slice(0, shape[a]))
    gap = held.gap[axis].stop - held.gap[axis].start
    assert gap == min(spec.receptive_field[axis], shape[axis] // 8)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_of_few_frames_the_same_part_is_held_out(squares, count) -> None:
    image, labels = squares((count, 128, 96))
    # Alone, the first frame would be cut at its far end, the second at its near one.
    labels[0, :40] = labels[1, 90:] = 0
    image = np.broadcast_to(np.arange(128.0)[:, None], labels.shape)
    alone = [dataset([Pair(image[i], labels[i])]).held_out[0] for i in (0, 1)]
    assert alone[0].region != alone[1].region
    result = dataset([Pair(image, labels, axes="TYX", name="film")])
    assert names(result.train) == names(result.validate)
    (held,) = result.held_out
    assert held.region == (slice(0, count), slice(102, 128), slice(0, 96))
    assert held.gap == (slice(0, count), slice(86, 102), slice(0, 96))
    trained = {float(row) for item in result.train for row in np.unique(item.image)}
    judged = {float(row) for item in result.validate for row in np.unique(item.image)}
    assert trained == set(range(86))
    assert judged == set(range(102, 128))


def test_the_end_that_shows_most_in_all_frames_together_is_held_out() -> None:
    labels = np.zeros((2, 160, 40), int)
    labels[:, ::4] = 1
    labels[0, 70:80] = labels[0, 150:] = 2  # the far end, if it were alone
    labels[1, 70:80] = labels[1, :10] = 3  # the near end
    labels[1, :4] = 2
    image = np.random.default_rng(0).random(labels.shape)
    pair = Pair(image, labels, axes="TYX")
    (held,) = dataset([pair], target="classes").held_out
    # There all four classes are seen, on the other side three of them.
    assert held.region[1] == slice(0, 32)


def test_pairs_without_anything_to_find_are_not_held_out(squares) -> None:
    image, labels = squares()
    pairs = [Pair(image, labels * 0, name=str(n)) for n in range(8)]
    pairs += [Pair(image, labels, name=name) for name in "ab"]
    for seed in range(4):
        result = dataset(pairs, seed=seed)
        assert len(result.validate) == 1
        assert result.validate[0].name in "ab"


def crowded(shape, seed=0):
    """Touching objects, more of them at one end."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int32)
    for number in range(1, 60):
        corner = [int(n * rng.random() ** 0.5) for n in shape[-2:]]
        box = tuple(slice(c, c + int(rng.integers(4, 12))) for c in corner)
        labels[..., box[0], box[1]] = number
    return rng.random(shape), labels


@pytest.mark.parametrize("preset", ["2015", "2019", "none"])
@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("target", ["objects", "classes"])
def test_what_is_learned_does_not_know_what_is_held_out(preset, mask, target) -> None:
    image, labels = crowded((160, 96))
    labels = (labels > 0) * 1 if mask else labels
    if target == "classes":
        labels %= 3
    options = {
        "weights": WeightConfig(preset=preset, balance="image", sigma=20.0),
        "target": target,
    }
    result = dataset([Pair(image, labels)], **options)
    region = result.held_out[0].region
    assert region[0] == slice(128, 160)
    (part,), (judged,) = result.train, result.validate
    rows = slice(0, part.shape[0])
    assert rows.stop == 160 - 32 - FIELD
    (alone,) = dataset([Pair(image[rows], labels[rows])], hold_out=0, **options).train
    for found, expected in zip(
        part.read(part.whole)[1:], alone.read(alone.whole)[1:], strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(part.foreground, alone.foreground)
    assert judged.read(judged.whole)[2] is None


@pytest.mark.parametrize("frames", [1, 3, 6])
def test_classes_are_balanced_over_what_is_trained_on_alone(frames) -> None:
    image, labels = crowded((frames, 160, 96))
    image = image + np.arange(frames)[:, None, None]
    labels[-1, 60:100] = 0
    weights = WeightConfig(preset="none", balance="global", gap=0)
    result = dataset([Pair(image, labels, axes="TYX")], weights=weights)
    assert result.validate
    targets = [target_of(item) for item in result.train]
    inside = sum(int((target == 1).sum()) for target in targets)
    total = sum(target.size for target in targets)
    assert total < labels.size
    for item, target in zip(result.train, targets, strict=True):
        expected = np.where(target == 1, inside, total - inside)
        found = item.read(item.whole).weight_map
        np.testing.assert_allclose(found, total / (2 * expected), rtol=1e-6)


def test_unlabelled_ends_are_not_held_out() -> None:
    labels = np.zeros((200, 200), int)
    labels[90:110, 120:195] = 2
    labels[120:125, 5:195] = 1
    image = np.random.default_rng(0).random(labels.shape)
    result = dataset([Pair(image, labels)], zero="unlabelled")
    assert result.held_out[0].region == (slice(0, 200), slice(160, 200))
    assert {-1, 0, 1} == set(np.unique(target_of(result.validate[0])))


@pytest.mark.parametrize("shape", [(50, 60), (500, 60), (9, 300, 400), (1000, 1000)])
def test_what_is_judged_of_a_frame_is_as_large_as_it_may_be(shape) -> None:
    item = Item.of(np.zeros((1, *shape)), np.zeros(shape, np.int16))
    part = judged_part(item, 10_000)
    size = np.prod(part.shape)
    assert size <= 10_000
    assert all(p <= n for p, n in zip(part.shape, shape, strict=True))
    assert size > 9_000 or part is item


def test_an_end_with_hardly_anything_to_find_is_not_held_out() -> None:
    labels = np.zeros((64, 160), int)
    for number, column in enumerate(range(2, 118, 10), start=1):
        labels[10:50, column : column + 8] = number
    labels[30:32, 150:152] = 99
    image = np.random.default_rng(0).random(labels.shape)
    (held,) = dataset([Pair(image, labels)]).held_out
    assert held.region[1] == slice(0, 32)
    labels[10:50, 130:148] = 100
    (held,) = dataset([Pair(image, labels)]).held_out
    assert held.region[1] == slice(128, 160)


def test_ends_with_hardly_anything_to_find_are_noted() -> None:
    labels = np.zeros((160, 160), int)
    labels[60:100, 60:100] = np.arange(1, 1601).reshape(40, 40) // 100 + 1
    labels[2, 70:74] = 20
    image = np.random.default_rng(0).random(labels.shape)
    found = dataset([Pair(image, labels)])
    assert any("its scores say little" in note for note in found.notes)
    labels[4:20, 10:150] = 21
    found = dataset([Pair(image, labels)])
    assert not any("its scores say little" in note for note in found.notes)


def test_a_part_without_labelled_background_is_noted() -> None:
    labels = np.zeros((64, 160), int)
    labels[10:50, 2:158:20] = 2
    options = {"zero": "unlabelled", "background": 1}
    image = np.random.default_rng(0).random(labels.shape)
    labels[10:50, 64:80] = 1
    (note,) = [
        n for n in dataset([Pair(image, labels)], **options).notes if "no b" in n
    ]
    assert "finds objects everywhere scores well" in note
    labels[10:12, [5, 155]] = 1
    found = dataset([Pair(image, labels)], **options)
    assert not any("no background" in n for n in found.notes)
