"""Where a training stands."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from napari_unet_studio.io.model import ModelCard


@dataclass
class State:
    """Where a training stands: plain JSON types, for the checkpoint.

    Parameters
    ----------
    step, round
        Updates and validation rounds done.
    batch, patch
        Patches in one pass, and their side: smaller than wanted where memory ran out.
    best_score, best_step, scores, threshold
        Of the best network so far.
    stale
        Rounds since then.
    history
        Losses and scores, in the order of updates.
    seconds
        Spent.
    pending
        Losses since the last reading.
    slower
        Factor on the learning rate, below 1 after a setback.
    ended
        Why the training ended before its time; empty as long as it did not.
    notes
        Sentences for the user.
    """

    batch: int
    patch: int
    step: int = 0
    round: int = 0
    best_score: float | None = None
    best_step: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    threshold: float = 0.5
    stale: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    pending: list[float] = field(default_factory=list)
    slower: float = 1.0
    ended: str = ""
    notes: list[str] = field(default_factory=list)

    def copy(self) -> "State":
        """Return a copy that nothing changes."""
        return State(**asdict(self))

    def card(self, card: ModelCard, about: Mapping[str, Any]) -> ModelCard:
        """Return a model's card with what was learnt so far.

        Parameters
        ----------
        card
            As it was before the training.
        about
            What else its `training` says.
        """
        training = {
            "updates": self.step,
            "best_update": self.best_step or self.step,
            "seconds": round(self.seconds, 1),
            "history": self.history,
        }
        return replace(
            card,
            scores=dict(self.scores),
            threshold=self.threshold,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            training={**card.training, **training, **about},
        )

    def doubts(self, judged: bool) -> list[str]:
        """Return what the user should know about the network that is kept.

        Parameters
        ----------
        judged
            Whether there are frames to judge by.
        """
        if judged and self.best_score is None and self.step:
            return [
                "Kept unmeasured, because the training was stopped before its first "
                "validation round was finished."
            ]
        if self.best_score is not None and self.best_score < 0:
            return [
                "The network predicts one class everywhere on the validation images: "
                "train longer, or check that the labels fit the images."
            ]
        return []
