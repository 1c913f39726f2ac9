"""The check before a training: files are opened, and doubts are found."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.tasks.progress import Progress, ShouldStop
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.findings import Finding, finding_of
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
class Opened:
    """Rows whose files were opened.

    Parameters
    ----------
    pairs
        Those that can be read.
    findings
        What is wrong with the others.
    """

    pairs: Sequence[Pair]
    findings: Sequence[Finding]


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
        rows = yield from opened(self.rows, should_stop)
        if rows is None:
            return None
        return (yield from checked(rows, self.config, should_stop))


def opened(
    rows: Sequence[Taken], should_stop: ShouldStop
) -> Generator[Progress, None, Opened | None]:
    """Open the files of rows, and say which ones cannot be; None if stopped."""
    pairs, findings = [], []
    for number, row in enumerate(rows):
        yield Progress(number, len(rows), "Opening images")
        if should_stop():
            return None
        try:
            pairs.append(row.pair())
        except StudioError as error:
            findings.append(_unreadable(error, len(rows) > 1))
    return Opened(pairs, findings)


def checked(
    rows: Opened, config: TrainConfig, should_stop: ShouldStop
) -> Generator[Progress, None, "Preflight | None"]:
    """Return what the check finds, unreadable files first; None if stopped."""
    from napari_unet_studio.tasks.training.preflight import Preflight, preflight

    others: Sequence[Finding] = ()
    # Without the files there may be nothing to train on, which then says nothing new.
    if not rows.findings or any(pair.role == "train" for pair in rows.pairs):
        found = yield from preflight(rows.pairs, config, should_stop=should_stop)
        if found is None or not rows.findings:
            return found
        others = found.findings
    return Preflight((*rows.findings, *others), None)


def _unreadable(error: StudioError, several: bool) -> Finding:
    """Return why a file cannot be used; of several rows one can be left out."""
    finding = finding_of(error)
    if several:
        finding = replace(finding, remedy=f"{finding.remedy} Or set its row to off.")
    return finding
