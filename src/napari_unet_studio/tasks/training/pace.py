"""How far a training is: its plan, its state and its clock."""

from collections.abc import Generator

from napari_unet_studio.tasks.progress import Clock, Progress, TrainProgress
from napari_unet_studio.tasks.training.schedule import Plan
from napari_unet_studio.tasks.training.state import State
from napari_unet_studio.tasks.training.team import Team


class Pace:
    """Tells how much of a training is done, and what is due.

    Parameters
    ----------
    plan
        How long it is to last.
    state
        Where it stands; its seconds are kept here.
    team
        The processes, which go by the clock of the first one.
    """

    def __init__(self, plan: Plan, state: State, team: Team) -> None:
        self.plan, self.state, self._team = plan, state, team
        self._clock, self._before = Clock(), state.seconds

    def begin(self) -> None:
        """Start the clock."""
        self._clock, self._before = Clock(), self.state.seconds

    def tell(self) -> None:
        """Note the time."""
        self.state.seconds = self._team.same(self._before + self._clock.seconds)

    def without(self, record: Progress) -> Generator[Progress, None, None]:
        """Yield a record; the time until the task is taken up again does not count."""
        return self._clock.without(record)

    def share(self) -> float:
        """Return how much is done, 0 to 1."""
        return self.plan.share(self.state.step, self.state.seconds)

    def round(self) -> int:
        """Return how many validation rounds are due by now."""
        return self.plan.round(self.state.step, self.state.seconds)

    def round_is_due(self) -> bool:
        """Return whether there is one more than were done."""
        return self.round() > self.state.round

    def record(self, message: str = "Training") -> TrainProgress:
        """Return a record of the updates, done and in all, and of the time left."""
        step, seconds = self.state.step, self.state.seconds
        total = max(step, self.plan.total(step, seconds))
        left = self.plan.left(step, seconds)
        return TrainProgress(step, total, message, seconds_left=left)
