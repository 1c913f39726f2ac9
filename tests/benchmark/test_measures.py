"""The peers match the same objects, or the comparison would mean nothing."""

import numpy as np
import pytest

from napari_unet_studio.benchmark import measures
from napari_unet_studio.benchmark.machine import installed
from napari_unet_studio.benchmark.method import OWN, Case

CASES = (Case((60, 80), 30), Case((8, 24, 30), 12))
METHODS = [m for m in measures.methods() if m.name != measures.ALL_SCORES]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("method", METHODS, ids=lambda m: f"{m.name}, {m.threads}")
def test_a_method_matches_the_same_objects(method, case) -> None:
    if method.library and not installed(method.library):
        pytest.skip(f"{method.library} is not installed")
    pair = measures.sample(case)
    found, expected = method.prepare(pair)(), measures.own(pair)
    assert found.shape == (10, 3)
    assert np.array_equal(
        found.sum(axis=1) + found[:, 0], expected.sum(1) + expected[:, 0]
    )
    if method.exact:
        assert np.array_equal(found, expected)
        assert measures.difference(found, expected) == {"difference": 0}
    else:  # they match at a threshold too, this package above it
        assert (found[:, 0] >= expected[:, 0]).all()


def test_the_prediction_of_a_sample_errs() -> None:
    pair = measures.sample(CASES[0])
    counts = measures.own(pair)
    assert counts[0, 0] > counts[-1, 0]
    assert counts[0, 2] > 0
    scores = measures.all_scores(pair)
    assert scores["matched"] == counts[0, 0]
    assert measures.difference(scores, counts) == {}


def test_targets_are_judged_by_the_numbers() -> None:
    rows = [
        {"method": OWN, "ms": 100.0},
        {"method": measures.ALL_SCORES, "ms": 900.0},
        {"method": measures.ALL_SCORES, "ms": 700.0},
        {"method": measures.TABLE, "ms": 2000.0},
        {"method": measures.STARDIST, "note": "would take 12 GiB"},
    ]
    case = {"shape": [4096, 4096], "objects": 20_000, "rows": rows}
    found = list(measures.measure_targets({"quick": False, "cases": [case]}))
    assert [(aim.wanted, aim.reached, aim.met) for aim in found] == [
        (5, 20, True),
        (3000, 700, True),
    ]
