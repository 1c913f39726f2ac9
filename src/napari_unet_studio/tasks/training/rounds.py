"""Validation rounds: how good the network is now, on frames it does not learn from."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import NamedTuple

from napari_unet_studio.core.networks.network import Network
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.tasks.progress import ShouldStop
from napari_unet_studio.tasks.setup import judging_runner
from napari_unet_studio.tasks.training.items import Item
from napari_unet_studio.tasks.training.judging import (
    Judge,
    Preview,
    collapsed,
    predict_item,
    preview_of,
    selection_score,
)
from napari_unet_studio.tasks.training.learner import Learner

# Probabilities from which a pixel may be foreground; the best one is kept.
THRESHOLDS = (0.5, 0.4, 0.6, 0.3, 0.7)
# A threshold is only left for one that is better by this much.
_WORTH = 1e-3


class Verdict(NamedTuple):
    """What a round found.

    Parameters
    ----------
    scores
        At the best threshold.
    score
        What the best network is chosen by; -1 for one class everywhere, which is never
        the one to keep.
    threshold
        The best one.
    preview
        The first frame.
    """

    scores: dict[str, float]
    score: float
    threshold: float
    preview: Preview | None


class Rounds:
    """Judges networks on the validation frames.

    Parameters
    ----------
    card
        Of the model.
    items
        The frames of all processes; each judges a part of them.
    learner
        Its device, its precision and its team are used.
    """

    def __init__(
        self, card: ModelCard, items: Sequence[Item], learner: Learner
    ) -> None:
        self.card, self.team = card, learner.team
        self.items = items[self.team.rank :: self.team.size]
        self._device, self._precision = learner.device, learner.precision
        self._cap: int | None = None
        # Without objects nothing is cut off at a threshold.
        thresholds = THRESHOLDS if card.target == "objects" else (card.threshold,)
        self._cards = [replace(card, threshold=t) for t in thresholds]

    def judge(
        self, network: Network, should_stop: ShouldStop
    ) -> Generator[int, None, Verdict | None]:
        """Judge a network; yields the frames done, returns None if stopped."""
        judges = [Judge(card) for card in self._cards]
        preview = None
        self.team.align(network)
        model = Model(network, self.card)
        with judging_runner(model, self._device, self._precision) as runner:
            # What did not fit in an earlier round need not be tried again.
            runner.cap = self._cap or runner.cap
            for number, item in enumerate(self.items, start=1):
                if should_stop():
                    return None
                probabilities = predict_item(runner, item)
                for judge in judges:
                    judge.add(item, probabilities)
                if preview is None:
                    preview = preview_of(item, probabilities)
                yield number
            self._cap = runner.cap
        return _best(self.team.merged(judges), preview)


def _best(judges: Sequence[Judge], preview: Preview | None) -> Verdict:
    """Return the verdict at the best threshold, the first one if that is as good."""
    found: Verdict | None = None
    for judge in judges:
        scores = judge.scores()
        score = -1.0 if collapsed(judge) else selection_score(scores)
        if found is None or score > found.score + _WORTH:
            found = Verdict(scores, score, judge.card.threshold, preview)
    assert found is not None
    return found
