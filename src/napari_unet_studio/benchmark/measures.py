"""The benchmark of matching the objects of two label images."""

from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any

import numpy as np

from napari_unet_studio.benchmark import measure_peers as peers
from napari_unet_studio.benchmark.measure_peers import Counts, Pair
from napari_unet_studio.benchmark.method import OWN, Call, Case, Method, per_pixel
from napari_unet_studio.benchmark.race import contest
from napari_unet_studio.benchmark.samples import blobs
from napari_unet_studio.benchmark.targets import Document, Target, find, ratio
from napari_unet_studio.core._compiled import core_count
from napari_unet_studio.core.metrics import IOU_THRESHOLDS, ObjectScores, Overlap
from napari_unet_studio.tasks.evaluate import scorer

OBJECTS = (1000, 20_000)
SHAPES = ((1024, 1024), (4096, 4096), (64, 512, 512))
QUICK = (Case((96, 96), 12), Case((8, 32, 32), 12))
LIBRARIES = ("skimage", "stardist", "cellpose")
ALL_SCORES = "unet-studio, all scores"
TABLE = "scikit-image, table of overlaps"
STARDIST = "stardist"
TEXT = """\
Matching the objects of two label images (int32) at the ten IoU thresholds from 0.5 to
0.95: matched, missed and spurious objects at each. The objects touch, and those of the
prediction are moved by a pixel or two. A cell holds milliseconds and, in brackets, how
many times as long as this package on one thread that is; the difference is the largest
one of an average precision, B/pixel the memory that a call adds. "all scores" are those
of `us.evaluate`, with merges, splits, touching pairs and a row for each object. The
libraries match from a threshold on, this package above it. stardist and cellpose make a
table of every object with every other, and assign them one to one.
"""


def cases(quick: bool) -> tuple[Case, ...]:
    """Return what is measured, from small to large."""
    if quick:
        return QUICK
    return tuple(Case(shape, objects) for shape in SHAPES for objects in OBJECTS)


def methods() -> list[Method[Pair]]:
    """Return this package on one core and on all, and its peers."""
    threads = sorted({1, core_count()})
    return [
        *(Method(OWN, _call(own), number, exact=True) for number in threads),
        *(Method(ALL_SCORES, _call(all_scores), number) for number in threads),
        Method("numpy, pairs sorted", _call(peers.sorted_pairs), exact=True),
        Method(TABLE, _call(peers.contingency), exact=True),
        Method(
            "scikit-image, region by region",
            _call(peers.by_region),
            exact=True,
            cost=lambda case: case.objects,
        ),
        _dense(STARDIST, "stardist.matching", peers.stardist),
        _dense("cellpose", "cellpose.metrics", peers.cellpose),
    ]


def benchmark_measures(
    seconds: float, quick: bool = False
) -> Generator[str, None, dict[str, Any]]:
    """Measure matching; yields what is done, returns the document.

    Parameters
    ----------
    seconds
        Budget for each method and image.
    quick
        Take tiny images, to see that all works.
    """
    cold = (
        "from napari_unet_studio.core.metrics import ObjectScores",
        "ObjectScores.of(image, image)",
    )
    made = (cases(quick), methods(), sample, difference)
    return (yield from contest(cold, LIBRARIES, *made, seconds, quick))


def sample(case: Case) -> Pair:
    """Draw touching objects, and the same moved by some pixels with two merged."""
    truth = blobs(case.shape, case.objects)
    found = np.roll(truth, (2, 1), (-2, -1))
    found[found == case.objects] = 1
    return Pair(found, truth)


def own(pair: Pair) -> Counts:
    """Match with this package."""
    overlap = Overlap.of(*pair)
    scores = [ObjectScores.from_overlap(overlap, t) for t in IOU_THRESHOLDS]
    return np.array(
        [(s.true_positives, s.false_positives, s.false_negatives) for s in scores]
    )


def all_scores(pair: Pair) -> dict[str, float]:
    """Return all scores of objects and pixels, without intervals."""
    tally = scorer("objects")
    tally.add(*pair)
    return dict(tally.result())


def difference(result: Any, reference: Counts) -> dict[str, float]:
    """Return the largest difference of the average precisions; none of other scores."""
    if isinstance(result, dict):
        return {}
    one, two = (counts[:, 0] / counts.sum(axis=1) for counts in (result, reference))
    return {"difference": float(f"{np.abs(one - two).max():.2g}")}


def measure_targets(document: Document) -> Iterator[Target]:
    """Yield what matching has to reach, as far as it was measured."""
    for case in document["cases"]:
        rows = case["rows"]
        where = f"{' x '.join(map(str, case['shape']))}, {case['objects']:,} objects"
        for method, wanted in ((TABLE, 5.0), (STARDIST, 10.0)):
            row = find(rows, method)
            found = ratio(row, rows) if row else None
            if row and found and not document["quick"]:
                text = f"{method}, {where}, against one thread"
                guess = row.get("estimated", False)
                yield Target(text, wanted, found, estimated=guess)
        if case["shape"] == [4096, 4096] and case["objects"] == OBJECTS[-1]:
            times = [row["ms"] for row in rows if row["method"] == ALL_SCORES]
            text = f"all scores, {where}, all cores"
            yield Target(text, 3000, min(times), " ms", at_most=True)


def _call(function: Callable[[Pair], Any]) -> Callable[[Pair], Call]:
    def prepare(pair: Pair) -> Call:
        return partial(function, pair)

    return prepare


def _dense(name: str, library: str, function: Callable[[Pair], Any]) -> Method[Pair]:
    """Return a peer that makes a table of all objects and assigns them one to one."""
    return Method(
        name,
        _call(function),
        library=library,
        cost=lambda case: per_pixel(case) + 1e-2 * case.objects**3,
        memory=lambda case: 32.0 * case.objects**2,
    )
