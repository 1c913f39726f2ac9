"""Measures agree with other implementations, on random labels and on real ones."""

import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import (
    adapted_rand_error,
    contingency_table,
    variation_of_information,
)

from napari_unet_studio.benchmark.samples import blobs
from napari_unet_studio.core.metrics import (
    IOU_THRESHOLDS,
    Confusion,
    ObjectScores,
    Overlap,
    PanopticQuality,
    Partitions,
    Seg,
)
from napari_unet_studio.io.images import read_labels

NEAR = 1e-6

REAL = (
    "nuclei_dsb2018/val/labels",
    "phase_u373/val/labels",
    "phase_psc/train/labels",
    "embryo_3d/val/labels",
    "stained_nuclei_rgb/val/labels",
)


def spoilt(labels, seed=0):
    """Shift labels, merge some, split some, lose some and invent some."""
    generator = np.random.default_rng(seed)
    found = np.roll(labels, generator.integers(0, 3, labels.ndim), range(labels.ndim))
    ids = np.unique(found[found > 0])
    some = generator.permutation(ids)
    few = max(1, len(ids) // 8)
    found = np.where(np.isin(found, some[:few]), some[0], found).astype(np.int64)
    found[np.isin(found, some[-few:])] = 0
    half = np.arange(labels.shape[-1]) % 64 < 32
    part = np.isin(found, some[few : 2 * few]) & half
    found[part] += 100_000
    free = (found == 0) & (generator.random(labels.shape) < 0.001)
    found[free] = 200_000 + np.arange(np.count_nonzero(free))
    return found


def random_pairs():
    for shape, objects, seed in (
        ((60, 80), 15, 1),
        ((128, 128), 90, 2),
        ((12, 40, 30), 30, 3),
    ):
        labels = blobs(shape, objects, seed)
        yield spoilt(labels, seed), labels


def real_pairs(folder: Path):
    for name in REAL:
        for path in sorted((folder / name).iterdir())[:2]:
            labels = read_labels(path)
            yield spoilt(labels), labels


def by_contingency(found, truth):
    """IoU of all pairs, and the share of each reference object, by scikit-image."""
    _, one = np.unique(found, return_inverse=True)
    _, two = np.unique(truth, return_inverse=True)
    one, two = one.reshape(truth.shape), two.reshape(truth.shape)
    shared = contingency_table(two, one).toarray()
    assert shared.sum() == pytest.approx(truth.size)
    rows, columns = shared.sum(axis=1), shared.sum(axis=0)
    iou = shared / (rows[:, None] + columns[None] - shared)
    return iou[1:, 1:], (shared / rows[:, None])[1:, 1:]


def check_against_scikit_image(found, truth):
    iou, share = by_contingency(found, truth)
    there, predicted = iou.shape
    overlap = Overlap.of(found, truth)
    for threshold in IOU_THRESHOLDS:
        matched = int((iou > threshold).sum())
        expected = ObjectScores(matched, predicted - matched, there - matched)
        assert ObjectScores.from_overlap(overlap, threshold) == expected
    matched = iou > 0.5
    quality = 2 * iou[matched].sum() / (there + predicted)
    assert PanopticQuality.from_overlap(overlap).value == pytest.approx(
        quality, abs=NEAR
    )
    seg = iou[share > 0.5].sum() / there
    assert Seg.from_overlap(overlap).value == pytest.approx(seg, abs=NEAR)
    # Partitions leave out what is background in the reference, and take each pixel of
    # the prediction's background as a segment of its own; here both have none of it.
    one, two = found - found.min() + 1, truth.astype(np.int64) - truth.min() + 1
    parts = Partitions.of(one, two)
    error, precision, recall = adapted_rand_error(two, one, ignore_labels=())
    assert parts.rand_error == pytest.approx(error, abs=NEAR)
    assert 1 - error == pytest.approx(2 * precision * recall / (precision + recall))
    lost, more = variation_of_information(two, one, ignore_labels=())
    mean = _entropy(one) / 2 + _entropy(two) / 2
    assert parts.v_info == pytest.approx(1 - (lost + more) / 2 / mean, abs=NEAR)
    mask, wanted = found > 0, truth > 0
    confusion = Confusion.of(mask, wanted)
    both = (mask & wanted).sum()
    assert confusion.iou(1) == pytest.approx(both / (mask | wanted).sum(), abs=NEAR)
    dice = 2 * both / (mask.sum() + wanted.sum())
    assert confusion.dice(1) == pytest.approx(dice, abs=NEAR)


def _entropy(labels):
    share = np.unique(labels, return_counts=True)[1] / labels.size
    return -(share * np.log2(share)).sum()


def test_objects_and_partitions_score_as_by_scikit_image() -> None:
    for found, truth in random_pairs():
        check_against_scikit_image(found, truth)


def test_real_labels_score_as_by_scikit_image(data_dir) -> None:
    for found, truth in real_pairs(data_dir):
        check_against_scikit_image(found, truth)


def peer(name):
    """Import a peer's module; some warn when they are imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip(name.partition(".")[0])
        try:
            return import_module(name)
        except ImportError as error:
            pytest.skip(f"{name} cannot be imported: {error}")


def clear(found, truth):
    """Return thresholds from which no IoU is too close: peers match from them on."""
    iou = Overlap.of(found, truth).iou
    return [t for t in IOU_THRESHOLDS if np.abs(iou - t).min(initial=1) > NEAR]


def check_against_stardist(found, truth):
    matching = peer("stardist.matching").matching
    overlap = Overlap.of(found, truth)
    for threshold in clear(found, truth):
        peers = matching(truth.astype(np.int64), found, threshold)
        scores = ObjectScores.from_overlap(overlap, threshold)
        assert scores == ObjectScores(peers.tp, peers.fp, peers.fn)
        assert scores.f1 == pytest.approx(peers.f1, abs=NEAR)
        assert scores.average_precision == pytest.approx(peers.accuracy, abs=NEAR)
        assert scores.recall == pytest.approx(peers.recall, abs=NEAR)
        if scores.true_positives:
            assert scores.precision == pytest.approx(peers.precision, abs=NEAR)
        if threshold == 0.5:
            quality = PanopticQuality.from_overlap(overlap).value
            assert quality == pytest.approx(peers.panoptic_quality, abs=NEAR)


def check_against_cellpose(found, truth):
    metrics = peer("cellpose.metrics")
    thresholds = clear(found, truth)
    one, two = (
        np.unique(x, return_inverse=True)[1].reshape(x.shape) for x in (found, truth)
    )
    ap, tp, fp, fn = metrics.average_precision(two, one, threshold=thresholds)
    overlap = Overlap.of(found, truth)
    for place, threshold in enumerate(thresholds):
        scores = ObjectScores.from_overlap(overlap, threshold)
        assert scores == ObjectScores(tp[place], fp[place], fn[place])
        assert scores.average_precision == pytest.approx(ap[place], abs=NEAR)


CHECKS = [check_against_stardist, check_against_cellpose]


@pytest.mark.parametrize("check", CHECKS)
def test_objects_match_as_by_peers(check) -> None:
    for found, truth in random_pairs():
        check(found, truth)


@pytest.mark.parametrize("check", CHECKS)
def test_real_objects_match_as_by_peers(check, data_dir) -> None:
    for found, truth in real_pairs(data_dir):
        check(found, truth)
