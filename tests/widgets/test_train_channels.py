"""Image layers whose labels lack an axis or a transparency: what is trained on."""

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_unet_studio.layers import pair_of, unnamed_channels
from napari_unet_studio.widgets._train.reading import Taken
from napari_unet_studio.widgets._train.rows import Row

PLANE = np.ones((12, 9), int)


def stack(*shape: int, **options: object) -> Image:
    return Image(np.zeros(shape), name="img", **options)


@pytest.mark.parametrize(
    ("image", "labels", "axes"),
    [
        (stack(2, 12, 9), PLANE, "CYX"),
        (stack(12, 9, 4), PLANE, "YXC"),
        (stack(2, 5, 12, 9), np.ones((5, 12, 9), int), "CZYX"),
        (stack(5, 2, 12, 9), np.ones((5, 12, 9), int), "ZCYX"),
        (stack(2, 5, 12, 9, axis_labels=("", "t", "y", "x")), None, "CTYX"),
        # Of several axes none is taken, nor one that has a name.
        (stack(9, 9, 9), np.ones((9, 9), int), None),
        (stack(2, 12, 9, axis_labels=("z", "y", "x")), PLANE, None),
        (stack(2, 12, 9), np.ones((2, 12, 9), int), None),
        (stack(2, 12, 9), np.ones((11, 9), int), None),
        (stack(12, 9, 3, rgb=True), np.ones((9, 3), int), None),
    ],
)
def test_an_axis_that_the_labels_lack_holds_the_channels(
    image: Image, labels: np.ndarray | None, axes: str | None
) -> None:
    painted = Labels(np.ones((5, 12, 9), int) if labels is None else labels)
    assert unnamed_channels(image, painted) == axes
    row = Row(image, painted)
    if axes is None:
        assert "channels" not in row.tip("image") or row.complaint
        return
    assert row.complaint == ""
    channel = axes.index("C")
    assert f"{image.data.shape[channel]} channels" in row.tip("image")
    for pair in (Taken.of(image, painted, "train").pair(), pair_of(image, painted)):
        assert pair.channel_axis == channel
        assert pair.axes == axes.replace("C", "")
        assert pair.image.shape == image.data.shape
        assert pair.spacing is not None
        assert len(pair.spacing) == len(pair.axes) - pair.axes.count("T")


def test_where_no_axis_can_be_told_the_name_is_asked_for() -> None:
    row = Row(stack(9, 9, 9), Labels(np.ones((9, 9), int)))
    assert "name that axis “c”" in row.complaint
    assert "channels" not in Row(stack(8, 9), Labels(PLANE)).complaint


def test_transparency_is_not_trained_on() -> None:
    colours = np.random.default_rng(0).integers(0, 255, (12, 9, 4), np.uint8)
    image, painted = Image(colours, rgb=True), Labels(PLANE)
    for pair in (Taken.of(image, painted, "train").pair(), pair_of(image, painted)):
        assert (pair.image == colours[..., :3]).all()
        assert pair.channel_axis == 2
    assert "transparency" in Row(image, painted).tip("image")
    opaque = Row(Image(colours[..., :3], rgb=True), painted)
    assert "transparency" not in opaque.tip("image")
