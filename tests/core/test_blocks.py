import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_unet_studio.core.blocks import BlockGrid
from napari_unet_studio.core.errors import InputError


@given(
    sizes=st.lists(
        st.tuples(st.integers(1, 12), st.integers(1, 15)), min_size=1, max_size=3
    )
)
def test_blocks_cover_every_pixel_once_and_know_their_numbers(sizes) -> None:
    grid = BlockGrid(tuple(s for s, _ in sizes), tuple(b for _, b in sizes))
    covered = np.zeros(grid.shape, int)
    for number, region in enumerate(grid):
        covered[region] += 1
        assert grid.number(grid.position(number)) == number
    assert (covered == 1).all()
    assert number + 1 == len(grid)


@pytest.mark.parametrize(
    ("shape", "block"), [((3, 4), (2,)), ((3,), (0,)), ((0,), (1,))]
)
def test_blocks_that_do_not_fit_are_refused(shape, block) -> None:
    with pytest.raises(InputError, match="do not fit"):
        BlockGrid(shape, block)
