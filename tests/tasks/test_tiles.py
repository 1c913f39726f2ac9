"""Running out of memory, at every rung of the ladder, with the same result."""

import numpy as np
import pytest
import torch

from napari_unet_studio.core.errors import DeviceError
from napari_unet_studio.tasks.executors import TorchExecutor
from napari_unet_studio.tasks.reading import Windows
from napari_unet_studio.tasks.tiles import TileRunner

OFFSET, SCALE = np.zeros(1), np.ones(1)


class Small(TorchExecutor):
    """A device that has room for so many pixels at once."""

    def __init__(self, model, pixels, ahead=0, late=False) -> None:
        super().__init__(model, "cpu", "float32")
        self.pixels, self.ahead, self.late = pixels, ahead, late
        self.closed = False

    def submit(self, blocks, crops):
        fits = blocks[:, 0].size <= self.pixels
        pending = super().submit(blocks, crops) if fits else None

        def wait():
            if pending is None:
                raise torch.OutOfMemoryError("out of memory")
            return pending()

        if not (fits or self.late):
            raise torch.OutOfMemoryError("out of memory")
        return wait

    def close(self) -> None:
        super().close()
        self.closed = True


def noise(shape=(1, 120, 100)):
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def filled(model, make, device="gpu", cap=64 * 64, batch=4, **options):
    image = noise()
    result = np.zeros(image.shape, np.float32)
    with TileRunner(model.card.spec, 1, make, device, cap, batch) as runner:
        steps = list(runner.fill(result, Windows(image, OFFSET, SCALE), **options))
    return result, runner, steps


@pytest.fixture
def expected(tiny_model):
    return filled(
        tiny_model(), lambda _: TorchExecutor(tiny_model(), "cpu", "float32")
    )[0]


@pytest.mark.parametrize(
    "late", [False, True], ids=["at once", "when it is waited for"]
)
@pytest.mark.parametrize("ahead", [0, 2])
@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (3 * 4096, ["4 tiles at once became 2"]),
        (4096, ["4 tiles at once became 2", "2 tiles at once became 1"]),
        (3600, ["became 2", "became 1", "tiles reduced from"]),
    ],
)
def test_fewer_then_smaller_tiles_give_the_same_result(
    tiny_model, expected, pixels, said, ahead, late
) -> None:
    model = tiny_model()
    result, runner, steps = filled(model, lambda _: Small(model, pixels, ahead, late))
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert len(runner.notes) == len(said)
    for note, words in zip(runner.notes, said, strict=True):
        assert "Memory ran out" in note
        assert words in note
    assert steps == sorted(steps)


def test_the_processor_computes_the_rest_where_no_tile_fits(
    tiny_model, expected
) -> None:
    model, made = tiny_model(), []

    def make(device):
        pixels = 10**9 if device == "cpu" else 10
        made.append(Small(model, pixels, ahead=2))
        return made[-1]

    result, runner, _ = filled(model, make)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert runner.device == "cpu"
    assert len(made) == 2
    assert "the rest was computed on cpu" in runner.notes[-1]
    assert all(executor.closed for executor in made)


def test_a_processor_without_memory_is_an_error(tiny_model) -> None:
    model = tiny_model()
    with pytest.raises(DeviceError, match="cpu does not suffice for a tile of"):
        filled(model, lambda _: Small(model, 10), device="cpu")


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_cap_below_the_smallest_tile_ends_on_the_processor_too(
    tiny_model, padding
) -> None:
    model = tiny_model(padding=padding)

    def make(device):
        return Small(model, 10**9 if device == "cpu" else 10)

    result, runner, _ = filled(model, make, cap=1, batch=1)
    whole, _, _ = filled(model, lambda _: Small(model, 10**9), cap=10**9)
    np.testing.assert_allclose(result, whole, atol=1e-5)
    assert runner.device == "cpu"
    with pytest.raises(DeviceError, match="the smallest possible"):
        filled(model, lambda _: Small(model, 10), device="cpu", cap=1)


def test_what_did_not_fit_once_is_not_tried_again(tiny_model) -> None:
    model, tried = tiny_model(), []

    class Counting(Small):
        def submit(self, blocks, crops):
            tried.append(blocks[:, 0].size)
            return super().submit(blocks, crops)

    filled(model, lambda _: Counting(model, 3600), batch=1)
    assert sum(size > 3600 for size in tried) == 1


@pytest.mark.parametrize("norm", ["none", "instance"])
def test_tiles_around_a_place_come_first(tiny_model, norm) -> None:
    model, image = tiny_model(norm=norm), noise((1, 200, 180))
    result = np.zeros(image.shape, np.float32)
    first = (slice(150, 160), slice(100, 110))

    def make(_):
        return TorchExecutor(model, "cpu", "float32")

    with TileRunner(model.card.spec, 1, make, "cpu", 64 * 64) as runner:
        steps = runner.fill(result, Windows(image, OFFSET, SCALE), None, first)
        needed = sum(
            all(
                c.start < f.stop and f.start < c.stop
                for c, f in zip(tile.core, first, strict=True)
            )
            for tile in runner.plan(image.shape[1:])
        )
        for begun, _ in steps:
            if begun == needed:
                break
        early = result[:, *first].copy()
        list(steps)
    assert early.all()
    np.testing.assert_array_equal(early, result[:, *first])


def test_a_reader_that_fails_ends_the_work(tiny_model) -> None:
    class Broken:
        shape = (1, 200, 180)

        def __getitem__(self, index):
            if index[1].start > 60:
                raise OSError("unreadable chunk")
            return np.zeros((1, *(p.stop - p.start for p in index[1:])), np.float32)

    model = tiny_model()
    result = np.zeros(Broken.shape, np.float32)

    def make(_):
        return TorchExecutor(model, "cpu", "float32")

    with (
        TileRunner(model.card.spec, 1, make, "cpu", 64 * 64) as runner,
        pytest.raises(OSError, match="unreadable chunk"),
    ):
        list(runner.fill(result, Windows(Broken(), OFFSET, SCALE)))
