"""Truth that is computed window by window equals that of the whole frame."""

import numpy as np
import pytest
from skimage.measure import label as connected_components

from napari_unet_studio.core.mirror import read_mirrored
from napari_unet_studio.core.weights import WeightConfig, separation_weights
from napari_unet_studio.tasks.progress import Progress, run
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training import parts, truths
from napari_unet_studio.tasks.training.computed import ComputedTruth
from napari_unet_studio.tasks.training.items import Item, KeptTruth
from napari_unet_studio.tasks.training.parts import reading_grid
from napari_unet_studio.tasks.training.targets import Targets
from napari_unet_studio.tasks.training.truths import Labelled, Painted, Truths


class Recorder:
    """An array in a file that remembers what was read of it."""

    def __init__(self, array, chunk=16):
        self.array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.chunks = (chunk,) * array.ndim
        self.reads = []

    def __getitem__(self, key):
        found = self.array[key]
        self.reads.append(found.size)
        return found


@pytest.fixture
def small_parts(monkeypatch):
    """Let arrays be large from a few pixels on."""
    monkeypatch.setattr(parts, "_PART", 2**10)
    monkeypatch.setattr(parts, "_CHUNK", 2**12)
    monkeypatch.setattr(truths, "_SMALL", 2**10)
    monkeypatch.setattr(truths, "_PIECES", 2**10)


def cells(shape, count=25, seed=0):
    """Boxes side by side and over one another, with ids in no order."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint16)
    for number in rng.permutation(count) + 1:
        corner = [rng.integers(0, n - 4) for n in shape]
        box = tuple(slice(c, c + int(rng.integers(3, 14))) for c in corner)
        labels[box] = number
    return labels


def both(labels, config, mask=False, spacing=None, balance=(0.5, 2.0), chunk=16):
    """Return the truth of a frame, kept and computed, with the layouts."""
    values = tuple(
        v
        for v in np.unique(labels).tolist()
        if v not in Targets(config, ()).ignored and config.target == "classes"
    )
    targets = Targets(config, values)
    if config.target == "classes" and balance is not None:
        balance = tuple(np.linspace(0.5, 3, len(values)).tolist())
    recorder = Recorder(labels, chunk)
    found = []
    for source, budget in ((labels, 2**40), (recorder, 2**40)):
        maker = Truths(targets, budget)
        painted = Painted(source, mask, spacing)
        truth, layout = run(maker.look(painted, Progress(1, 1)))
        found.append((maker.weigh(truth, painted, balance), layout))
    (kept, layout), (computed, other) = found
    assert isinstance(kept, KeptTruth)
    assert isinstance(computed, ComputedTruth)
    for a, b in zip(layout.profiles, other.profiles, strict=True):
        np.testing.assert_array_equal(a, b)
    return kept, computed, recorder, layout


def compare(kept, computed, rng, count=20):
    """Compare windows within the frame and beyond."""
    shape = kept.shape
    for _ in range(count):
        box = []
        for n in shape:
            start = int(rng.integers(-n // 2, n))
            box.append(slice(start, start + int(rng.integers(1, n))))
        for one, other in zip(kept.read(box), computed.read(box), strict=True):
            assert (one is None) == (other is None)
            if one is not None:
                np.testing.assert_array_equal(one, other)
                assert one.dtype == other.dtype
    whole = [slice(0, n) for n in shape]
    for one, other in zip(kept.read(whole), computed.read(whole), strict=True):
        if one is not None:
            np.testing.assert_array_equal(one, other)


def same_objects(one, other):
    """Compare ids but for their order."""
    np.testing.assert_array_equal(one > 0, other > 0)
    pairs = np.unique(np.stack((one.ravel(), other.ravel())), axis=1)
    assert len(np.unique(pairs[0])) == pairs.shape[1] == len(np.unique(pairs[1]))


def weighted(preset="2015", **options):
    changes = {"w0": 7.0, "sigma": 2.5, "balance": "image", "gap": 3, **options}
    return WeightConfig(preset=preset, **changes)


MEANINGS = [
    {},
    {"ignore": 5},
    {"zero": "unlabelled", "background": 3},
    {"zero": "unlabelled", "background": 3, "ignore": 5},
]


@pytest.mark.parametrize("preset", ["2015", "2019", "none"])
@pytest.mark.parametrize("meaning", MEANINGS)
@pytest.mark.parametrize("spacing", [None, (2.0, 0.7)])
def test_windows_of_a_plane_are_those_of_the_whole(
    small_parts, preset, meaning, spacing
) -> None:
    config = TrainConfig(weights=weighted(preset), **meaning)
    labels = cells((90, 70))
    kept, computed, _, _ = both(labels, config, spacing=spacing)
    compare(kept, computed, np.random.default_rng(1))
    same_objects(kept.labels, computed.ids([slice(0, 90), slice(0, 70)]))


@pytest.mark.parametrize("preset", ["2015", "2019"])
@pytest.mark.parametrize("meaning", [MEANINGS[0], MEANINGS[3]])
def test_windows_of_a_volume_are_those_of_the_whole(
    small_parts, preset, meaning
) -> None:
    config = TrainConfig(weights=weighted(preset, sigma=1.5, inside=True), **meaning)
    labels = cells((14, 40, 36))
    kept, computed, _, _ = both(labels, config, spacing=(3.0, 1.0, 1.0))
    compare(kept, computed, np.random.default_rng(1), 8)


@pytest.mark.parametrize("shape", [(90, 70), (12, 40, 36)])
@pytest.mark.parametrize("meaning", MEANINGS)
def test_pieces_of_a_mask_are_found_across_all_blocks(
    small_parts, shape, meaning
) -> None:
    rng = np.random.default_rng(0)
    labels = np.where(cells(shape, 60) > 0, 9, 0).astype(np.uint8)
    if meaning.get("zero"):
        labels[labels == 0] = 3
        labels[rng.random(shape) < 0.05] = 0
    if meaning.get("ignore"):
        labels[rng.random(shape) < 0.05] = 5
    config = TrainConfig(weights=weighted(), **meaning)
    kept, computed, _, _ = both(labels, config, mask=True)
    compare(kept, computed, rng, 8)
    whole = computed.ids([slice(0, n) for n in shape])
    same_objects(kept.labels, whole)
    same_objects(connected_components(labels == 9, connectivity=1), whole)


@pytest.mark.parametrize("meaning", MEANINGS)
@pytest.mark.parametrize("balance", ["image", "none"])
def test_windows_of_classes_are_those_of_the_whole(
    small_parts, meaning, balance
) -> None:
    labels = np.array([0, 3, 5, 64, 255], np.uint8)[cells((80, 60)) % 5]
    config = TrainConfig(target="classes", weights=weighted(balance=balance), **meaning)
    table = None if balance == "none" else (1.0,)
    kept, computed, _, _ = both(labels, config, balance=table)
    assert (kept.weight_map is None) == (balance == "none")
    compare(kept, computed, np.random.default_rng(1))


def test_a_part_is_a_window_of_the_whole_map(small_parts) -> None:
    kept, computed, _, _ = both(cells((90, 70)), TrainConfig(weights=weighted()))
    box = (slice(20, 60), slice(7, 65))
    kept, computed = kept.part(box), computed.part(box)
    assert kept.shape == computed.shape == (40, 58)
    compare(kept, computed, np.random.default_rng(1))
    inner = (slice(3, 30), slice(2, 9))
    compare(kept.part(inner), computed.part(inner), np.random.default_rng(1))
    np.testing.assert_array_equal(kept.ids(inner), computed.ids(inner))
    assert computed.unweighted().read(inner)[1] is None


def test_the_map_of_the_whole_is_the_one_that_is_shown(small_parts) -> None:
    labels = cells((90, 70))
    config = TrainConfig(weights=weighted(inside=True), ignore=5)
    _, computed, _, _ = both(labels, config)
    shown = separation_weights(
        labels, "2015", 7.0, 2.5, balance=(0.5, 2.0), ignore=5, gap=3
    )
    box = [slice(-10, 40), slice(30, 80)]
    np.testing.assert_array_equal(computed.read(box)[1], read_mirrored(shown, box))


def test_only_what_a_window_depends_on_is_read(small_parts) -> None:
    labels = cells((300, 400), 200)
    config = TrainConfig(weights=weighted(sigma=1.0))
    _, computed, recorder, _ = both(labels, config)
    # Whole blocks, each once, with the little around it that a gap depends on.
    block = np.prod(reading_grid(recorder).block)
    assert max(recorder.reads) <= (np.sqrt(block) + 2 * 4) ** 2
    assert sum(recorder.reads) < 2 * labels.size
    recorder.reads.clear()
    computed.read([slice(100, 120), slice(200, 220)])
    assert sum(recorder.reads) == (20 + 2 * 6) ** 2


def test_of_a_mask_the_blocks_under_a_window_are_read(small_parts) -> None:
    labels = (cells((300, 400), 200) > 0).astype(np.uint8)
    _, computed, recorder, _ = both(labels, TrainConfig(), mask=True)
    assert max(recorder.reads) <= 2**12
    recorder.reads.clear()
    computed.read([slice(100, 120), slice(200, 220)])
    assert sum(recorder.reads) < labels.size / 5


@pytest.mark.parametrize("mask", [False, True])
def test_what_does_not_fit_in_memory_is_computed(mask) -> None:
    labels = cells((60, 60))
    painted = Painted(labels, mask)
    room = 60 * 60 * (6 + 4 * mask)
    maker = Truths(Targets(TrainConfig(), ()), 2 * room)
    kinds = [type(run(maker.look(painted, Progress(1, 1)))[0]) for _ in range(3)]
    assert kinds == [KeptTruth, KeptTruth, ComputedTruth]


def test_what_is_forgotten_makes_room() -> None:
    labels = cells((60, 60))
    painted = Painted(labels)
    maker = Truths(Targets(TrainConfig(), ()), 60 * 60 * 6)
    truth, layout = run(maker.look(painted, Progress(1, 1)))
    item = Item(
        labels[None], np.zeros(1), np.ones(1), truth, layout.foreground, layout.known
    )
    frame = Labelled(item, layout, painted)
    box = (slice(0, 30), slice(0, 60))
    part = run(maker.part(frame, box, True, Progress(1, 1)))
    assert isinstance(part.item.truth, ComputedTruth)
    maker.forget(frame)
    part = run(maker.part(frame, box, True, Progress(1, 1)))
    assert isinstance(part.item.truth, KeptTruth)
    np.testing.assert_array_equal(part.item.image[0], labels[:30])


def test_processes_of_one_machine_share_the_memory(monkeypatch) -> None:
    targets = Targets(TrainConfig(), ())
    alone = Truths(targets).left
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert 4 < alone / Truths(targets).left < 16  # what is free changes meanwhile
