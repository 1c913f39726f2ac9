"""Judging a network on held-out frames while it trains."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.core.instances import label_objects
from napari_unet_studio.core.metrics import (
    Confusion,
    ObjectScores,
    Overlap,
)
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.tasks.reading import Windows
from napari_unet_studio.tasks.tiles import TileRunner
from napari_unet_studio.tasks.training.items import IGNORED, Item


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
    result = np.zeros((runner.channels, *item.shape), np.float32)
    windows = Windows(item.image, item.offset, item.scale)
    for _ in runner.fill(result, windows):
        pass  # what is judged of a frame is small: no progress within
    return result


class Judge:
    """Adds up the scores of frames; several can be added up themselves.

    Pixels that are ignored count for nothing. Of an object that reaches into them the
    part outside is compared with the labels; if that matches none, the object is taken
    as wrong only if half of it or more lies outside.

    Parameters
    ----------
    card
        Of the model; its threshold makes masks of probabilities.

    Attributes
    ----------
    pixels
        Counts of (predicted class, class), of all frames.
    objects
        Counts of objects at IoU 0.5, of all frames.
    """

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        classes = 2 if card.target == "objects" else len(card.class_values)
        self.pixels = Confusion(np.zeros((classes, classes), np.int64))
        self.objects = ObjectScores(0, 0, 0)

    def add(self, item: Item, probabilities: NDArray[np.float32]) -> None:
        """Compare the prediction (C, *S) of a frame with its labels."""
        target, _ = item.truth.read(item.whole)
        classes = len(self.pixels.counts)
        if self.card.target == "classes":
            found = probabilities.argmax(axis=0)
            self.pixels += Confusion.of(found, target, classes, IGNORED)
            return
        # What the user would get, against the labels as painted, before the carving.
        labels = label_objects(probabilities[0], self.card.objects, self.card.spacing)
        painted = item.truth.ids(item.whole)
        ignored = target == IGNORED
        there = np.where(ignored, IGNORED, painted > 0)
        self.pixels += Confusion.of(labels > 0, there, classes, IGNORED)
        overlap = Overlap.of(labels, painted, ignored if ignored.any() else None)
        self.objects += ObjectScores.from_overlap(overlap)

    def merge(self, other: "Judge") -> None:
        """Add what another judge of the same model found on other frames."""
        self.pixels += other.pixels
        self.objects += other.objects

    def __add__(self, other: "Judge") -> "Judge":
        both = Judge(self.card)
        both.merge(self)
        both.merge(other)
        return both

    def scores(self) -> dict[str, float]:
        """Return IoU, Dice and pixel error; F1 of objects, or the IoU of each class.

        IoU and Dice are means over the classes but background, which has the label 0.
        F1 is that at IoU 0.5; the IoU of the class with the label 64 is "iou 64". What
        cannot be measured is left out.
        """
        objects = self.card.target == "objects"
        values = (0, 1) if objects else self.card.class_values
        every = values[0] != 0  # none of them is the background
        scores = {
            "iou": self.pixels.mean_iou(every),
            "dice": self.pixels.mean_dice(every),
            "pixel_error": self.pixels.pixel_error,
        }
        if objects:
            scores["f1"] = self.objects.f1
        else:
            scores |= {
                f"iou {v}": float(self.pixels.iou(i)) for i, v in enumerate(values)
            }
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
    image = item.grey(item.whole)[0]
    shown = probabilities[0]
    if len(probabilities) > 1:
        shown = probabilities.argmax(axis=0).astype(np.float32)
    return Preview(item.name, image, shown)
