"""Every loop learns the same thing; shares and targets follow the rows."""

import numpy as np
import pytest
import torch

from napari_unet_studio.benchmark import training, training_peers
from napari_unet_studio.benchmark.machine import installed
from napari_unet_studio.benchmark.method import OWN, Case
from napari_unet_studio.benchmark.tables import target
from napari_unet_studio.benchmark.training_page import training_lines
from napari_unet_studio.benchmark.training_targets import ALONE, training_targets
from napari_unet_studio.benchmark.variants import AUTO
from napari_unet_studio.core.networks.catalog import build, get_spec
from napari_unet_studio.tasks.train_config import TrainConfig

METHODS = training.methods(quick=True)
MAKERS = [training_peers.scipy_batches, training_peers.monai_batches]


@pytest.fixture(scope="module")
def sample():
    """The patches and the small network of a quick run."""
    return training.sample_of(Case(training.QUICK_SHAPE, 0), quick=True)


def test_the_network_is_that_of_the_catalog() -> None:
    assert training.spec_of(quick=False) == get_spec("unet-32")
    network = build(training.spec_of(quick=False))
    assert sum(p.numel() for p in network.parameters()) == 7_759_521


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_a_loop_learns(method, sample) -> None:
    if method.library and not installed(method.library):
        pytest.skip(f"{method.library} is not installed")
    work = method.prepare(sample)
    losses = [work() for _ in range(6)]
    assert np.isfinite(losses).all()
    assert len(set(losses)) > 1  # the weights change
    if "one batch" in method.name:
        assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("make", MAKERS, ids=lambda m: m.__name__)
def test_batches_of_the_peers_are_deformed_alike(make, sample) -> None:
    if make is training_peers.monai_batches:
        pytest.importorskip("monai")
    make_batch = make(sample)
    images, masks = make_batch()
    assert type(images) is type(masks) is torch.Tensor
    assert images.shape == masks.shape == (sample.batch, 1, *sample.patch)
    assert images.dtype == masks.dtype == torch.float32
    assert set(masks.unique().tolist()) <= {0.0, 1.0}
    inside = images[masks > 0.5].mean()
    assert inside > images[masks < 0.5].mean() + 0.5  # they moved together
    assert not torch.equal(make_batch()[0], images)


def test_patches_of_this_package_are_of_the_same_size(sample) -> None:
    weighted = training.source_of(sample, TrainConfig())(0, "cpu")
    assert weighted.images.shape == (sample.batch, 1, *sample.patch)
    assert weighted.weight_map.shape == weighted.target.shape
    plain = {"weights": {"preset": "none", "balance": "none"}}
    source = training.source_of(sample, TrainConfig.from_dict(plain))
    assert source(0, "cpu").weight_map is None


def test_any_patch_becomes_one_that_the_network_takes() -> None:
    tiny = training.sample_of(Case((24, 24), 5), quick=False)
    assert tiny.patch == (32, 32)


def _rows(device="cpu", **times):
    names = {"own": OWN, "auto": AUTO, "alone": ALONE, "eager": training_peers.EAGER}
    rows = [
        {"method": names.get(key, key), "ms": ms, "device": device, "threads": 2}
        for key, ms in times.items()
    ]
    for row in rows:
        row |= {"bytes_per_pixel": 2.0**20 / 100, "repeats": 3}
    return rows


def test_the_share_of_patches_is_of_the_step_or_what_it_is_longer() -> None:
    rows = _rows(own=200.0, auto=100.0, alone=98.0, eager=400.0)
    for row in rows:
        if row["method"] != ALONE:
            row["batch_ms"] = 10.0
    training._complete(rows, "cpu", 300)
    assert [row.get("share") for row in rows] == [0.05, 0.1, None, 0.025]
    assert [row["mib"] for row in rows] == [3] * 4
    again = [{**row, "bytes_per_pixel": None} for row in rows]
    training._complete(again, "cuda", 300)
    assert [row.get("share") for row in again] == [0.05, 0.02, None, 0.025]
    lines = training_lines({"steps": 4}, {"rows": again})
    assert (lines[1]["share"], lines[1]["batch ms"]) == ("2 %", "10")
    assert (lines[1]["steps"], lines[1]["MiB"]) == ("12", "–")


def _document(rows, **facts):
    case = {"shape": [256, 256], "objects": 0, "rows": rows}
    told = {"quick": False, "device": "cpu", "bfloat16_wins": True}
    return {**told, "cases": [case], **facts}


def test_targets_compare_with_plain_loops_and_monai() -> None:
    rows = _rows(own=200.0, auto=100.0, eager=320.0)
    rows[1]["share"] = 0.02
    rows.append({"method": training_peers.MONAI, "note": "not installed"})
    found = list(training_targets(_document(rows)))
    assert [(aim.wanted, aim.reached, aim.met) for aim in found] == [
        (3, 3.2, True),
        (1.5, 1.6, True),
        (3, 0, False),
        (1.5, 0, False),
        (10, 2, True),
    ]
    assert "not installed" in target(found[2])[3]
    slow = list(training_targets(_document(rows, bfloat16_wins=False)))
    assert target(slow[0])[3] == "not applicable: no bfloat16 gain here"
    assert slow[1].met
    assert list(training_targets(_document(rows, quick=True))) == []


def test_on_a_gpu_the_plain_loop_is_given_its_patches() -> None:
    rows = _rows("cuda", auto=30.0)
    rows[0]["share"] = 0.04
    rows.append({"method": training_peers.EAGER_ALONE, "ms": 60.0})
    found = list(training_targets(_document(rows, device="cuda")))
    assert [(aim.wanted, aim.reached, aim.met) for aim in found] == [
        (1.5, 2, True),
        (5, 4, True),
    ]
