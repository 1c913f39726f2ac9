"""Real images of every kind through the Segment widget: axes, channels, place."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from napari.layers import Labels

from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.images import read_image
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.layers import METADATA_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from pytestqt.qtbot import QtBot

    from napari_unet_studio.widgets.segment import SegmentWidget

WAIT = 120_000

# Folder, file, axes of the layer, axes and channels of the result, sides of the model.
IMAGES = [
    ("nuclei_dsb2018/val/images", "YX", "YX", 1, 2),
    ("dic_hela/val/images", "YX", "YX", 1, 2),
    ("phase_u373/val/images", "YX", "YX", 1, 2),
    ("phase_psc/train/images", "YX", "YX", 1, 2),
    ("em_isbi2012/val-volume.tif", "ZYX", "ZYX", 1, 2),
    ("em_isbi2012/val-volume.tif", "ZYX", "ZYX", 1, 3),
    ("em_multiclass/train-volume.tif", "ZYX", "ZYX", 1, 2),
    ("embryo_3d/train/images", "ZYX", "ZYX", 1, 3),
    ("stained_nuclei_rgb/val/images", "YX", "YX", 3, 2),
    ("stained_nuclei_rgb/val/images", "YX", "YX", 1, 2),
    ("vessels_drive/train/images", "YX", "YX", 3, 2),
    ("vessels_drive/train/images", "YX", "YX", 1, 2),
    ("small_stacks/images/ovule_cells.tif", "ZYX", "ZYX", 1, 3),
    ("small_stacks/images/ovule_nuclei_1135.tif", "ZYX", "ZYX", 1, 3),
    ("small_stacks/images/nuclei_membrane_2ch.tif", "CZYX", "ZYX", 2, 3),
    ("small_stacks/images/nuclei_membrane_2ch.tif", "CZYX", "ZYX", 1, 3),
    ("small_stacks/images/stardist_nuclei_3d.tif", "ZYX", "ZYX", 1, 3),
    ("small_stacks/images/stardist_nuclei_2d.tif", "YX", "YX", 1, 2),
    ("bioimageio_unet2d_nuclei_broad/test_input.npy", "TCYX", "TYX", 1, 2),
]


@pytest.fixture
def untrained(tmp_path: Path) -> "Callable[[int, int], Path]":
    """Give files of models that were never trained."""

    def make(ndim: int, channels: int) -> Path:
        torch.manual_seed(0)
        spec = UNetSpec(ndim=ndim, in_channels=channels, num_classes=1, channels=(4, 8))
        card = ModelCard(name=f"{ndim}d{channels}", spec=spec)
        card = replace(card, threshold=0.9999)  # few objects: noise is quickly labelled
        return Model(build(spec), card).save(tmp_path / f"{card.name}.unet")

    return make


def image_at(path: Path) -> tuple[np.ndarray, bool]:
    """Return the pixels, of which a part is enough, and whether they are colours."""
    if path.is_dir():
        path = sorted(path.glob("*.tif"))[0]
    if path.suffix == ".npy":
        return np.load(path), False
    found = read_image(path)
    rgb = found.channel_axis is not None and found.array.shape[-1] == 3
    pixels = np.asarray(found.array)
    if rgb:
        return pixels[:250, :230], True
    few = (slice(None),) if pixels.ndim > 3 else ()
    if pixels.ndim > 2:
        few += (slice(0, 20),)
    return pixels[(*few, slice(0, 250), slice(0, 230))], False


@pytest.mark.parametrize(
    ("where", "axes", "result", "channels", "ndim"),
    IMAGES,
    ids=[f"{w.split('/')[0]}-{Path(w).stem}-{n}d{c}" for w, _, _, c, n in IMAGES],
)
def test_real_image_goes_through(
    viewer: "Viewer",
    qtbot: "QtBot",
    data_dir: Path,
    untrained: Any,
    where: str,
    axes: str,
    result: str,
    channels: int,
    ndim: int,
) -> None:
    if not (data_dir / where).exists():
        pytest.skip(f"no {where} among the real images")
    pixels, rgb = image_at(data_dir / where)
    scale = np.linspace(0.5, 0.2, len(axes))
    image = viewer.add_image(pixels, rgb=rgb, name="image", scale=scale)
    _, widget = viewer.window.add_plugin_dock_widget("napari-unet-studio", "Segment")
    segment: SegmentWidget = widget
    segment.models.open(untrained(ndim, channels))
    if len(axes) > 2:
        segment.input.axes.set(axes)
    assert segment.input.axes.text == axes
    assert segment.input.axes.reason.isHidden()
    segment.run()
    qtbot.waitUntil(lambda: not segment.running, timeout=WAIT)
    made = [x for x in viewer.layers if METADATA_KEY in x.metadata]
    assert len(made) == 2, segment.status.text()
    probability, labels = made
    assert isinstance(labels, Labels)
    sides = dict(zip(axes, pixels.shape, strict=False))
    assert labels.data.shape == tuple(sides[axis] for axis in result)
    assert probability.data.min() >= 0
    assert probability.data.max() <= 1
    assert probability.data.max() > 0
    keep = [axes.index(axis) for axis in result]
    for corner in (np.zeros(len(axes)), np.array([sides[a] - 1 for a in axes])):
        there = np.asarray(image.data_to_world(tuple(corner)))[keep]
        assert np.allclose(labels.data_to_world(tuple(corner[keep])), there)
    assert np.allclose(labels.scale, scale[keep])
