import numpy as np
import pytest

from napari_unet_studio.io import images
from napari_unet_studio.io.ome_tiff import write_tiff
from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.pair_files import read_pairs
from napari_unet_studio.tasks.training.pairs import Pair, check_pairs
from napari_unet_studio.tasks.training.survey import survey


class Unread:
    """Stored labels that must not be read yet."""

    shape, dtype, ndim, chunks = (20, 30), np.dtype("uint16"), 2, (10, 10)

    def __getitem__(self, key):
        found = np.zeros(self.shape, self.dtype)[key]
        assert not found.size, "read too early"
        return found


def test_labels_in_a_file_are_not_read_by_the_first_look() -> None:
    (pair,) = check_pairs([Pair(np.zeros((20, 30)), Unread())])
    assert pair.labels.shape == (20, 30)
    assert pair.name == "pair 1"


@pytest.mark.parametrize("large", [False, True])
def test_large_images_and_labels_stay_in_their_files(
    tmp_path, monkeypatch, large
) -> None:
    if large:
        monkeypatch.setattr(images, "LAZY_FROM", -1)
    labels = np.random.default_rng(0).integers(0, 9, (20, 30)).astype(np.uint16)
    np.save(tmp_path / "image.npy", labels.astype(np.float32))
    np.save(tmp_path / "labels.npy", labels)
    (pair,) = read_pairs(tmp_path / "image.npy", tmp_path / "labels.npy", "train")
    assert isinstance(pair.labels, np.ndarray) != large
    assert isinstance(pair.image, np.ndarray) != large
    (found,) = run(survey(check_pairs([pair]), TrainConfig()))
    np.testing.assert_array_equal(found.counts, np.bincount(labels.ravel()))


def test_pairs_have_the_axes_and_pixel_size_of_their_files(tmp_path) -> None:
    labels = np.zeros((3, 20, 30), np.uint16)
    image = write_tiff(tmp_path / "i.tif", labels, "ZYX", spacing=(2.0, 1.0, 1.0))
    truth = write_tiff(tmp_path / "l.tif", labels, "ZYX")
    (pair,) = read_pairs(image, truth, "validate")
    assert (pair.name, pair.axes, pair.role) == ("i", "ZYX", "validate")
    assert pair.spacing == (2.0, 1.0, 1.0)
