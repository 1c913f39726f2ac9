"""Labels and models measured against the same references, as a task."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.tasks.compare_cases import Candidate, Case, References
from napari_unet_studio.tasks.compare_judge import Judge
from napari_unet_studio.tasks.comparison import (
    CandidateScores,
    Comparison,
    ImageScores,
)
from napari_unet_studio.tasks.evaluate import Kind, scorer
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.progress import Progress, ShouldStop, never

__all__ = [
    "Candidate",
    "CandidateScores",
    "Case",
    "CompareProgress",
    "Comparison",
    "ImageScores",
    "compare",
]

_PARTS = 100  # steps of one candidate on one image


@dataclass(frozen=True, eq=False)
class CompareProgress(Progress):
    """One step of a comparison.

    Parameters
    ----------
    row
        A candidate that is done with all images.
    """

    row: CandidateScores | None = None

    @property
    def routine(self) -> bool:
        """Whether no candidate is done with this step."""
        return self.row is None


def compare(
    cases: Sequence[Case],
    candidates: Sequence[Candidate],
    *,
    kind: Kind = "objects",
    connected: bool | None = None,
    split: float = 0.0,
    ignore: int | None = None,
    specks: int = 0,
    config: PredictConfig | None = None,
    channel: Channel | None = None,
    keep: bool = False,
    should_stop: ShouldStop = never,
) -> Generator[CompareProgress, None, Comparison | None]:
    """Measure candidates against references.

    Parameters
    ----------
    cases
        Images with their references.
    candidates
        Labels and models; models predict every image first.
    kind
        What the labels are: "objects", "classes" or "membranes".
    connected, split
        Of objects, see :class:`.Tally`: whether the connected components of the
        references are their objects, and how deep the necks are that divide them. Those
        of label images that are masks are taken too, unless `connected` is False.
    ignore, specks
        See :func:`.scorer`.
    config
        How models predict; each finds objects as its card says.
    channel
        What models of one channel are given of images with several; None leaves it to
        them to complain.
    keep
        Keep labels and error maps of each image in the rows.
    should_stop
        Asked at each step.

    Yields
    ------
    CompareProgress
        At each step of a prediction and after each candidate on each image.

    Returns
    -------
    Comparison or None
        None if stopped. What a candidate cannot do stands in its row.

    Raises
    ------
    InputError
        If there is nothing to compare, names come twice, or no reference can be used.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_unet_studio.tasks.progress import run
    >>> truth = np.array([[1, 1, 0, 2, 2, 0]])
    >>> found = [Candidate("one", [truth]), Candidate("other", [truth * (truth < 2)])]
    >>> print(run(compare([Case("a", truth)], found)).best("f1"))
    frozenset({'one'})
    """
    _check(cases, candidates)
    scorer(kind, connected, ignore, split, specks)  # refuses options of other kinds
    references = References(kind, connected, split, ignore, specks)
    judges = [Judge(c, kind, connected, references.unknown) for c in candidates]
    total = _PARTS * len(cases) * len(candidates)
    done = 0
    for number, given in enumerate(cases):
        case, problem = references.read(given)
        if references.problems == len(cases):
            raise InputError(references.problem)
        for judge in judges:
            if should_stop():
                return None
            what = judge.candidate.name
            if len(cases) > 1:
                what += f", image {number + 1} of {len(cases)}"
            yield CompareProgress(done, total, what)
            if problem:
                judge.rows.append(ImageScores(case.name, error=problem))
            else:
                for share in judge.judge(
                    number, case, config, channel, keep, should_stop
                ):
                    if should_stop():
                        return None
                    step = done + min(int(share * _PARTS), _PARTS - 1)
                    yield CompareProgress(step, total, what)
                if should_stop():
                    return None
            done += _PARTS
            row = judge.row() if number == len(cases) - 1 else None
            yield CompareProgress(done, total, what, row)
    rows = tuple(judge.row() for judge in judges)
    return Comparison(kind, rows, tuple(references.notes))


def _check(cases: Sequence[Case], candidates: Sequence[Candidate]) -> None:
    if not candidates:
        raise InputError("There is nothing to compare; give a model, or labels.")
    if not cases:
        raise InputError("There is no reference to compare with; give one or more.")
    names = [candidate.name for candidate in candidates]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(
            f"Two candidates are called {twice[0]!r}; give each a name of its own."
        )
    for candidate in candidates:
        if candidate.labels is None and candidate.model is None:
            raise InputError(
                f"The candidate {candidate.name!r} is neither a model nor labels."
            )
        if candidate.labels is not None and len(candidate.labels) != len(cases):
            raise InputError(
                f"{candidate.name!r} has {len(candidate.labels)} label images but "
                f"there are {len(cases)} references; give one for each."
            )
