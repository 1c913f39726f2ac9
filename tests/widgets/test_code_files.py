"""Which file a copied command takes for a layer."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_unet_studio.io.images import write_tiff
from napari_unet_studio.widgets import _code
from napari_unet_studio.widgets._code import Files

if TYPE_CHECKING:
    from napari import Viewer


@pytest.fixture
def opened(viewer: "Viewer", tmp_path: Path) -> Any:
    """Write an image, and open it with a plugin of others."""

    def write(pixels: Any, kind: str = "image") -> Any:
        path = write_tiff(tmp_path / "ein Bild.tif", pixels, "YX")
        return viewer.open(path, plugin="napari", layer_type=kind)[0]

    return write


def test_pixels_that_nobody_knows_are_the_same(opened: Any, tmp_path: Path) -> None:
    pixels = np.arange(20, dtype=np.float32).reshape(4, 5)
    pixels[1] = np.nan
    layer = opened(pixels)
    layer.name = "another name"
    files = Files()
    assert files.of(layer).path == tmp_path / "ein Bild.tif"
    assert not files.notes
    layer.data[3, 3] = 0
    assert Files().of(layer).path == Path("another name.tif")


def test_labels_too_large_to_compare_are_to_be_saved(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = opened(np.zeros((300, 300), np.uint16), "labels")
    assert Files().of(labels).found is not None
    monkeypatch.setattr(_code, "_COMPARED", 1000)
    labels.data[200, 20] = 1  # where no probe looks
    assert Files().of(labels).found is None


def test_a_resolution_that_a_reader_made_up_is_to_be_saved(
    viewer: "Viewer", opened: Any
) -> None:
    flat = opened(np.arange(400, dtype=np.uint16).reshape(20, 20))
    layer = viewer.add_image([flat.data, flat.data[::2, ::2]], name="two")
    layer._source = flat.source
    assert Files().of(layer).found is not None
    files = Files()
    assert files.of(layer, level=1).path == Path("two.tif")
    assert files.notes == ["Save level 1 of the layer 'two' as two.tif"]
