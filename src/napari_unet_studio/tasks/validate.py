"""Judging a network on held-out frames while it trains."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.instances import label_objects
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.metrics import Confusion, ObjectScores
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.tasks.items import Item
from napari_unet_studio.tasks.reading import Windows
from napari_unet_studio.tasks.tiles import TileRunner


class Preview(NamedTuple):
    """A validation frame as the network sees it now.

    Parameters
    ----------
    name
        Of the frame.
    image
        First channel, normalised (*S).
    probability
        Foreground, or the most probable class index for classes (*S).
    """

    name: str
    image: NDArray[np.float32]
    probability: NDArray[np.float32]


def predict_item(runner: TileRunner, item: Item) -> NDArray[np.float32]:
    """Return the probabilities (C, *S) of one frame."""
    result = np.zeros((runner.channels, *item.target.shape), np.float32)
    windows = Windows(item.image, item.offset, item.scale)
    for _ in runner.fill(result, windows):
        pass  # a frame of a training is small: no progress within
    return result


class Judge:
    """Adds up the scores of frames.

    Parameters
    ----------
    card
        Of the model; its threshold makes masks of probabilities.
    """

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        classes = 2 if card.target == "objects" else len(card.class_values)
        self.pixels = Confusion(np.zeros((classes, classes), np.int64))
        self.objects = ObjectScores(0, 0, 0)

    def add(self, item: Item, probabilities: NDArray[np.float32]) -> None:
        """Compare the prediction (C, *S) of a frame with its labels."""
        if self.card.target == "classes":
            found = probabilities.argmax(axis=0)
            self.pixels += Confusion.of(found, item.target, len(self.pixels.counts), -1)
            return
        # What the user would get, against the labels as painted, before the carving.
        labels = label_objects(probabilities[0], self.card.objects, self.card.spacing)
        self.pixels += Confusion.of(labels > 0, item.labels > 0)
        self.objects += ObjectScores.of(labels, item.labels)

    def scores(self) -> dict[str, float]:
        """Return IoU, Dice and pixel error, and for objects F1 at IoU 0.5."""
        scores = {
            "iou": self.pixels.mean_iou(),
            "dice": self.pixels.mean_dice(),
            "pixel_error": self.pixels.pixel_error,
        }
        if self.card.target == "objects":
            scores["f1"] = self.objects.f1
        return {name: value for name, value in scores.items() if value == value}


def selection_score(scores: dict[str, float]) -> float:
    """Return what the best network is chosen by: the mean of IoU and, if there, F1.

    IoU alone hardly sees whether two touching objects are one; F1 alone hardly sees
    their outlines.
    """
    found = [scores[name] for name in ("iou", "f1") if name in scores]
    return sum(found) / len(found) if found else float("-inf")


def collapsed(judge: Judge) -> bool:
    """Return whether a network gave one class everywhere though there were several."""
    predicted = np.count_nonzero(judge.pixels.counts.sum(axis=1))
    there = np.count_nonzero(judge.pixels.counts.sum(axis=0))
    return bool(predicted == 1 and there > 1)


def preview_of(item: Item, probabilities: NDArray[np.float32]) -> Preview:
    """Return a frame with its prediction (C, *S) for a look."""
    block = np.asarray(item.image)
    image = Normalisation.apply(block, item.offset, item.scale)[0]
    shown = probabilities[0]
    if len(probabilities) > 1:
        shown = probabilities.argmax(axis=0).astype(np.float32)
    return Preview(item.name, image, shown)
