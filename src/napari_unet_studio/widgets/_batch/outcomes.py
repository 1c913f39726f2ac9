"""What became of the images, and which run it was that they went through."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from napari_unet_studio.widgets._batch.plan import Plan

if TYPE_CHECKING:  # at run time this loads torch: not for opening
    from napari_unet_studio.tasks.batch import Outcome


class Outcomes:
    """Outcomes by the keys of the entries, those of earlier runs too."""

    def __init__(self) -> None:
        self.known: dict[Hashable, Outcome] = {}
        self._plans: dict[Hashable, Plan] = {}

    def begin(self, plan: Plan) -> None:
        """Forget the images of a run that begins, but for those that cannot be read."""
        from napari_unet_studio.tasks.batch import Outcome

        for entry in plan.entries:
            self.known.pop(entry.key, None)
            self._plans.pop(entry.key, None)
        for key, reason in plan.bad.items():
            self.put(key, Outcome("", "", "failed", error=reason), plan)

    def put(self, key: Hashable, outcome: "Outcome", plan: Plan) -> None:
        """Note what became of an image; its pixels are not kept alive."""
        self.known[key] = outcome
        self._plans[key] = plan.settings

    def keep(self, keys: Sequence[Hashable]) -> None:
        """Forget all other images."""
        there = set(keys)
        self.known = {k: o for k, o in self.known.items() if k in there}
        self._plans = {k: p for k, p in self._plans.items() if k in there}

    def plan(self, key: Hashable) -> Plan | None:
        """Return the settings of the run that an image went through last."""
        return self._plans.get(key)

    def of(self, plan: Plan) -> "list[Outcome]":
        """Return what a run came to so far."""
        return [
            outcome
            for key, outcome in self.known.items()
            if self._plans[key] is plan.settings
        ]

    def rows(self, names: Mapping[Hashable, str]) -> list[dict[str, Any]]:
        """Return rows for a table on disk.

        Parameters
        ----------
        names
            Of the images, by key.
        """
        return [
            self._row(name, key, self.known.get(key)) for key, name in names.items()
        ]

    def _row(
        self, name: str, key: Hashable, outcome: "Outcome | None"
    ) -> dict[str, Any]:
        plan = self._plans.get(key)
        row: dict[str, Any] = {"name": name, "image": "", "status": "waiting"}
        cells = dict.fromkeys(
            ("labels", "objects", "seconds", "notes", "error", "model")
        )
        if outcome is None or plan is None:
            return row | cells
        return row | {
            "image": outcome.image,
            "status": outcome.status,
            "labels": outcome.labels,
            "objects": outcome.objects,
            "seconds": round(outcome.seconds, 3),
            "notes": " ".join(outcome.notes),
            "error": outcome.error,
            "model": plan.reference,
        }


def provenance_of(plan: Plan) -> dict[str, Any]:
    """Return what made the results of a run, as plain types for ``layer.metadata``."""
    from napari_unet_studio import __version__

    card = plan.card
    return {
        "model": card.name,
        "network": card.spec.to_dict(),
        "created": card.created,
        "prediction": plan.config.prediction.to_dict(),
        "objects": plan.objects.to_dict(),
        "version": __version__,
    }
