"""The check before a training: files are opened, and doubts are found."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_unet_studio.tasks.progress import Progress, ShouldStop
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.pairs import Pair
from napari_unet_studio.widgets._train.reading import Taken

if TYPE_CHECKING:  # loads torch
    from napari_unet_studio.tasks.training.preflight import Preflight


@dataclass(frozen=True, eq=False)
class Checked(Progress):
    """The check is done, and the training begins if nothing stands in its way.

    Parameters
    ----------
    found
        What was found.
    """

    found: "Preflight | None" = None

    @property
    def routine(self) -> bool:
        """Never."""
        return False


@dataclass(frozen=True)
class Check:
    """A check without a training.

    Parameters
    ----------
    rows, config
        What would be trained on, and how.
    """

    rows: Sequence[Taken]
    config: TrainConfig

    def task(
        self, should_stop: ShouldStop
    ) -> Generator[Progress, None, "Preflight | None"]:
        """Open the files and check; None if stopped."""
        pairs = yield from opened(self.rows, should_stop)
        if pairs is None:
            return None
        return (yield from checked(pairs, self.config, should_stop))


def opened(
    rows: Sequence[Taken], should_stop: ShouldStop
) -> Generator[Progress, None, list[Pair] | None]:
    """Return the pairs of rows, files opened; None if stopped."""
    pairs = []
    for number, row in enumerate(rows):
        yield Progress(number, len(rows), "Opening images")
        if should_stop():
            return None
        pairs.append(row.pair())
    return pairs


def checked(
    pairs: Sequence[Pair], config: TrainConfig, should_stop: ShouldStop
) -> Generator[Progress, None, "Preflight | None"]:
    """Return what the check finds; None if stopped."""
    from napari_unet_studio.tasks.training.preflight import preflight

    return (yield from preflight(pairs, config, should_stop=should_stop))
