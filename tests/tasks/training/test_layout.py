import numpy as np
import pytest

from napari_unet_studio.core.blocks import BlockGrid
from napari_unet_studio.tasks.training.items import POSITIONS
from napari_unet_studio.tasks.training.layout import LayoutScan


def scanned(target, block, classes=3):
    scan = LayoutScan(target.shape, classes)
    for region in BlockGrid(target.shape, block):
        scan.add(region, target[region])
    return scan.result()


@pytest.mark.parametrize("block", [(50, 60), (16, 60), (7, 13)])
@pytest.mark.parametrize("lowest", [-1, 0])
def test_pixels_of_each_class_are_counted_along_each_axis(block, lowest) -> None:
    target = np.random.default_rng(0).integers(lowest, 3, (50, 60)).astype(np.int16)
    found = scanned(target, block)
    for number in range(3):
        marked = target == number
        np.testing.assert_array_equal(found.profiles[0][number], marked.sum(axis=1))
        np.testing.assert_array_equal(found.profiles[1][number], marked.sum(axis=0))
        assert found.counts[number] == marked.sum()
        assert found.within(1, 10, 25)[number] == marked[:, 10:25].sum()
    assert (found.known is None) == (lowest == 0)
    places = {tuple(place) for place in found.foreground.tolist()}
    assert places == {tuple(place) for place in np.argwhere(target > 0).tolist()}
    if found.known is not None:
        assert (target[tuple(found.known.T)] >= 0).all()
        assert len(found.known) == (target >= 0).sum()


@pytest.mark.parametrize("block", [(400, 500), (64, 64), (3, 500)])
def test_positions_are_few_evenly_chosen_and_different(block) -> None:
    target = np.ones((400, 500), np.int16)
    target[:10] = 0
    found = scanned(target, block).foreground
    assert POSITIONS <= len(found) <= 2 * POSITIONS
    assert len(np.unique(found, axis=0)) == len(found)
    assert (target[tuple(found.T)] == 1).all()
    quarters = np.histogramdd(found, bins=(2, 2), range=((10, 400), (0, 500)))[0]
    assert quarters.min() > 0.2 * len(found)


def test_volumes_have_three_profiles() -> None:
    target = np.random.default_rng(0).integers(0, 2, (6, 20, 30)).astype(np.int16)
    found = scanned(target, (4, 16, 16), 2)
    assert [profile.shape for profile in found.profiles] == [(2, 6), (2, 20), (2, 30)]
    np.testing.assert_array_equal(found.profiles[0][1], target.sum(axis=(1, 2)))
