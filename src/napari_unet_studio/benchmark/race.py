"""Measures methods in turns on the same images: time, memory, difference."""

import statistics
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any

from napari_unet_studio.benchmark.cold import cold_start
from napari_unet_studio.benchmark.machine import installed, machine, using_threads
from napari_unet_studio.benchmark.memory import peak_gpu_memory, peak_memory
from napari_unet_studio.benchmark.method import Call, Case, Method, Sample, unknown
from napari_unet_studio.tasks.memory import available_memory

SIDE = 24  # pixels of the tiny image on which all is compiled
MOST_REPEATS = 25
PAUSE = 0.003  # seconds in which idle threads of other libraries fall asleep
LONGEST = 12  # budgets that a single call may take
PERMITTED_MEMORY = 0.25  # of what is available
# What a library that changed its interface, or is broken, raises.
FAILURES = (
    AttributeError,
    ImportError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


class Entry:
    """A method on its way through one case."""

    def __init__(self, method: Method[Any], call: Call) -> None:
        self.method = method
        self.call = call
        self.seconds: list[float] = []
        self.peak: int | None = None

    def spent(self, budget: float) -> bool:
        """Return whether the budget is used up, or nothing more is to be learnt."""
        calls, total = len(self.seconds), sum(self.seconds)
        if calls >= MOST_REPEATS or total >= LONGEST * budget:
            return True
        return calls >= self.method.least and total >= budget

    def time(self) -> None:
        """Call once more."""
        time.sleep(PAUSE)
        with using_threads(self.method.threads):
            self.seconds.append(self._timed()[1])

    def _timed(self) -> tuple[Any, float]:
        begin = time.perf_counter()
        result = self.call()
        return result, time.perf_counter() - begin

    def warm_up(self, budget: float) -> Any:
        """Call to warm up, note the peak of memory, and return the result.

        A call that alone takes more than the budget is its own measurement.
        """
        meter = peak_gpu_memory if self.method.device == "cuda" else peak_memory
        with using_threads(self.method.threads):
            (result, seconds), self.peak = meter(self._timed)
        if seconds > budget and self.method.least == 1:
            self.seconds.append(seconds)
        return result

    def row(self, pixels: int) -> dict[str, Any]:
        """Return the numbers of one image."""
        images = self.method.images
        peak = self.peak
        return {
            "ms": _milliseconds(statistics.median(self.seconds), images),
            "lowest_ms": _milliseconds(min(self.seconds), images),
            "highest_ms": _milliseconds(max(self.seconds), images),
            "repeats": len(self.seconds),
            "bytes_per_pixel": None
            if peak is None
            else round(peak / images / pixels, 1),
        }


def race(
    cases: Sequence[Case],
    methods: Sequence[Method[Sample]],
    make: Callable[[Case], Sample],
    compare: Callable[[Any, Any], dict[str, float]],
    budget: float,
    exact: Callable[[Sample], Any] = unknown,
) -> Generator[str, None, list[dict[str, Any]]]:
    """Measure all methods on all cases; yields what is done, returns the rows per case.

    Parameters
    ----------
    cases
        From small to large; estimates follow from the case before.
    methods
        The first is this package's, with which the others are compared.
    make
        Draws the sample of a case.
    compare
        Tells how far a result is from the exact one; empty where the two cannot be
        compared.
    budget
        Seconds for each method and case.
    exact
        Finds the exact result of a sample, which no one times. Where it is None, that
        of the first method takes its place.

    Notes
    -----
    A call on a tiny image compiles, another one warms up and tells the memory, then the
    methods take turns until each has spent its budget: whatever else the machine does
    meets them alike. A method whose single call would take more than twelve budgets is
    not run; its time is estimated from the last case that was measured and marked as an
    estimate.
    """
    measured: dict[Method[Sample], tuple[Case, float]] = {}
    there = {m: m.library is None or installed(m.library) for m in methods}
    tiny = {
        ndim: make(Case((SIDE,) * ndim, 5)) for ndim in {len(c.shape) for c in cases}
    }
    found = []
    for case in cases:
        sample = make(case)
        rows: dict[Method[Sample], dict[str, Any]] = {}
        entries: list[Entry] = []
        reference = exact(sample)
        for method in methods:
            if len(case.shape) not in method.axes:
                continue
            yield f"{case}: {method.name}, {_threads(method.threads)}"
            row = {"method": method.name, "threads": method.threads}
            row |= {"device": method.device, "exact": method.exact}
            rows[method] = row
            if method is not methods[0]:
                reason = _obstacle(method, case, there[method], measured, budget)
                if reason:
                    row |= reason
                    continue
            try:
                method.prepare(tiny[len(case.shape)])()
                entry = Entry(method, method.prepare(sample))
                result = entry.warm_up(budget)
            except FAILURES as error:
                if method.library is None:
                    raise
                row["note"] = f"failed: {type(error).__name__}"
                continue
            if reference is None and not entries:
                reference = result
            else:
                row |= compare(result, reference)
            row |= method.about(sample)
            del result
            entries.append(entry)
        yield f"{case}: in turns"
        waiting = entries
        while waiting := [entry for entry in waiting if not entry.spent(budget)]:
            for entry in waiting:
                entry.time()
        for entry in entries:
            rows[entry.method] |= entry.row(case.pixels)
            seconds = statistics.median(entry.seconds)
            measured[entry.method] = (case, seconds)
        found.append(
            {
                "shape": list(case.shape),
                "objects": case.objects,
                "rows": list(rows.values()),
            }
        )
    return found


def contest(
    cold: tuple[str, str],
    libraries: Sequence[str],
    cases: Sequence[Case],
    methods: Sequence[Method[Sample]],
    make: Callable[[Case], Sample],
    compare: Callable[[Any, Any], dict[str, float]],
    budget: float,
    quick: bool,
) -> Generator[str, None, dict[str, Any]]:
    """Measure a first call and a race; yields what is done, returns the document.

    Parameters
    ----------
    cold
        An import, and a call with a name `image` in it, for a fresh process.
    libraries
        Of the peers, whose versions are told.
    cases, methods, make, compare, budget
        See :func:`race`.
    quick
        Whether the images are tiny, to see that all works.
    """
    yield "a fresh process"
    first = cold_start(*cold, (512, 512))
    found = yield from race(cases, methods, make, compare, budget)
    return {
        "machine": machine(libraries),
        "seconds": budget,
        "quick": quick,
        "cold": first,
        "cases": found,
    }


def _obstacle(
    method: Method[Any],
    case: Case,
    there: bool,
    measured: dict[Any, tuple[Case, float]],
    budget: float,
) -> dict[str, Any]:
    """Return why a method is not run, and its estimated time; empty if it can be."""
    if not there:
        return {"note": "not installed"}
    estimate = {}
    if method in measured:
        known, seconds = measured[method]
        seconds *= method.cost(case) / method.cost(known)
        estimate = {"ms": _milliseconds(seconds, method.images), "estimated": True}
        if seconds > LONGEST * budget:
            return {**estimate, "note": "estimated"}
    free = available_memory()
    needed = method.memory(case)
    if needed > PERMITTED_MEMORY * free:
        return {**estimate, "note": f"would take {needed / 2**30:.0f} GiB"}
    return {}


def _threads(number: int) -> str:
    return f"{number} thread{'s' * (number > 1)}"


def _milliseconds(seconds: float, images: int) -> float:
    return float(f"{1000 * seconds / images:.4g}")
