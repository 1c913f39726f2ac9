import numpy as np

from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.train import train
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.items import Item
from napari_unet_studio.tasks.training.pairs import Pair
from napari_unet_studio.tasks.training.sizes import smallest_object


def item_of(*sides, size=100, at=2):
    labels = np.zeros((size, size), np.int32)
    column = at
    for number, side in enumerate(sides, start=1):
        labels[at : at + side, column : column + side] = number
        column += side + 1
    return Item.of(labels[None].astype(float), labels)


def test_a_quarter_of_what_nearly_all_exceed() -> None:
    assert smallest_object([item_of(8, 8), item_of(8)]) == 16
    assert smallest_object([item_of(*[8] * 9)] * 9 + [item_of(2)]) == 16


def test_what_the_border_cuts_counts_only_if_there_is_nothing_else() -> None:
    cut = item_of(4, at=0)
    assert smallest_object([cut, item_of(8)]) == 16
    assert smallest_object([cut]) == 4


def test_specks_of_a_mask_are_no_objects() -> None:
    specks = [1] * 9
    assert smallest_object([item_of(*specks, 40, size=200)]) == 1
    assert smallest_object([item_of(*specks, 40, size=200)], masks=True) == 400
    assert smallest_object([item_of(8, 8, 8)], masks=True) == 16


def test_without_objects_there_is_nothing_to_go_by() -> None:
    assert smallest_object([item_of()]) is None
    assert smallest_object([]) is None


def test_a_pixel_may_be_an_object() -> None:
    assert smallest_object([item_of(1)]) == 1


def test_the_model_knows_how_small_its_objects_are(squares) -> None:
    config = TrainConfig(updates=1, patch=32, batch=2, hold_out=0, device="cpu")
    model = run(train([Pair(*squares())], config))
    assert model.card.min_size == model.card.objects.min_size == 16  # of 8 x 8 pixels
    image, labels = squares(side=4, step=8)
    model = run(train([Pair(image, labels)], config))
    assert model.card.objects.min_size == 4
