"""Losses against implementations by others: torch, MONAI, and loops in numpy."""

import numpy as np
import pytest
import torch
from monai.losses import DiceLoss, FocalLoss, SSIMLoss
from monai.metrics import MultiScaleSSIMMetric
from torch.nn import functional

from napari_unet_studio.core.losses import (
    IGNORE,
    focal,
    ms_ssim,
    soft_dice,
    soft_iou,
    ssim,
    weighted_cross_entropy,
)

each_kind = pytest.mark.parametrize("classes", [1, 2, 4])
SHAPES = [(3, 17, 19), (2, 9, 12, 10)]
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=["2d", "3d"])
CLOSE = {"abs": 1e-5}


def smooth_problem(classes, shape, seed=0):
    """Blobs of labels, and logits that are right more often than not."""
    generator = torch.Generator().manual_seed(seed)
    ndim = len(shape) - 1
    pool = {2: functional.avg_pool2d, 3: functional.avg_pool3d}[ndim]
    noise = torch.randn(shape[0], max(2, classes), *shape[1:], generator=generator)
    blobs = pool(noise, 5, stride=1, padding=2)
    target = blobs.argmax(1)
    logits = 8 * blobs + torch.randn(blobs.shape, generator=generator)
    if classes == 1:
        logits = logits[:, 1:] - logits[:, :1]
    return logits, target


def maps(logits, target):
    classes = logits.shape[1]
    if classes == 1:
        return logits.sigmoid(), target.unsqueeze(1).float()
    return logits.softmax(1), functional.one_hot(target, classes).movedim(-1, 1).float()


@each_shape
@each_kind
def test_cross_entropy_is_that_of_torch(classes, shape):
    logits, target = smooth_problem(classes, shape)
    target[:, :2] = IGNORE
    if classes == 1:
        known = target != IGNORE
        expected = functional.binary_cross_entropy_with_logits(
            logits[:, 0][known], target[known].float()
        )
    else:
        expected = functional.cross_entropy(logits, target, ignore_index=IGNORE)
    found = weighted_cross_entropy(logits, target)
    assert found.item() == pytest.approx(expected.item(), **CLOSE)


@each_shape
@each_kind
@pytest.mark.parametrize("loss", [soft_dice, soft_iou])
def test_overlaps_are_those_of_monai(loss, classes, shape):
    logits, target = smooth_problem(classes, shape)
    jaccard = loss is soft_iou
    smooth = 2.0 if jaccard else 1.0  # there, Jaccard is 2 I / 2 U
    reference = DiceLoss(
        sigmoid=classes == 1,
        softmax=classes > 1,
        to_onehot_y=classes > 1,
        jaccard=jaccard,
        batch=True,
        smooth_nr=smooth,
        smooth_dr=smooth,
    )
    expected = reference(logits, target.unsqueeze(1)).item()
    assert loss(logits, target).item() == pytest.approx(expected, **CLOSE)


@each_shape
@each_kind
@pytest.mark.parametrize("gamma", [0.0, 2.0, 3.5])
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_focal_is_that_of_monai(classes, shape, gamma, alpha):
    logits, target = smooth_problem(classes, shape)
    reference = FocalLoss(
        gamma=gamma,
        alpha=alpha,
        use_softmax=classes > 1,
        to_onehot_y=classes > 1,
    )
    # There, the mean is also over the classes, all but one of which are 0.
    expected = classes * reference(logits, target.unsqueeze(1)).item()
    found = focal(logits, target, gamma=gamma, alpha=alpha).item()
    assert found == pytest.approx(expected, **CLOSE)


@each_kind
@pytest.mark.parametrize("shape", [(3, 17, 19), (2, 12, 13, 11)], ids=["2d", "3d"])
def test_ssim_is_that_of_monai(classes, shape):
    logits, target = smooth_problem(classes, shape)
    expected = SSIMLoss(spatial_dims=len(shape) - 1)(*maps(logits, target)).item()
    assert ssim(logits, target).item() == pytest.approx(expected, **CLOSE)


@pytest.mark.parametrize("shape", [(2, 4, 9), (1, 5, 40, 40)], ids=["2d", "3d"])
def test_ssim_of_small_patches_is_that_of_monai_with_a_smaller_window(shape):
    logits, target = smooth_problem(1, shape)
    sides = [min(11, side - 1 + side % 2) for side in shape[1:]]
    reference = SSIMLoss(spatial_dims=len(sides), win_size=sides)
    expected = reference(*maps(logits, target)).item()
    assert ssim(logits, target).item() == pytest.approx(expected, **CLOSE)


EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@each_kind
@pytest.mark.parametrize(
    ("shape", "scales"),
    [
        ((2, 176, 181), 5),
        ((2, 44, 60), 3),
        ((1, 22, 23, 25), 2),
        ((1, 15, 12), 1),
    ],
)
def test_ms_ssim_is_that_of_monai_at_the_scales_that_fit(classes, shape, scales):
    logits, target = smooth_problem(classes, shape)
    used = EXPONENTS[:scales]
    weights = used if scales == 5 else [e / sum(used) for e in used]
    metric = MultiScaleSSIMMetric(spatial_dims=len(shape) - 1, weights=weights)
    expected = 1 - metric(*maps(logits, target)).mean().item()
    assert 0.01 < expected < 0.95
    assert ms_ssim(logits, target).item() == pytest.approx(expected, **CLOSE)


# --- with ignored pixels and weights, window by window


def brute_similarity(x, y, weights):
    """Weighted means of SSIM and of its contrast term, in float64 loops."""
    places = np.arange(-5, 6)
    line = np.exp(-(places**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    whole = contrast = total = 0.0
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            part = np.s_[i : i + 11, j : j + 11]
            a, b, w = x[part], y[part], (window * weights[part]).sum()
            ma, mb = (window * a).sum(), (window * b).sum()
            sa, sb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
            sab = (window * (a - ma) * (b - mb)).sum()
            cs = (2 * sab + 9e-4) / (sa + sb + 9e-4)
            whole += w * cs * (2 * ma * mb + 1e-4) / (ma**2 + mb**2 + 1e-4)
            contrast += w * cs
            total += w
    return whole / total, contrast / total


def halved(x):
    x = x[: x.shape[0] // 2 * 2, : x.shape[1] // 2 * 2]
    return (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4


def test_structure_with_ignored_pixels_and_weights_is_that_of_a_loop():
    logits, target = smooth_problem(1, (2, 25, 22))
    weights = torch.rand(2, 25, 22, generator=torch.Generator().manual_seed(1)) + 0.1
    target[0, 5:12, 3:9] = IGNORE
    weights[1, :, 15:] = 0
    w = np.where(target == IGNORE, 0, weights).astype(float)
    y = np.where(w == 0, 0, target).astype(float)
    x = np.where(w == 0, y, logits[:, 0].double().sigmoid())
    fine = [brute_similarity(*image) for image in zip(x, y, w, strict=True)]
    coarse = [
        brute_similarity(*map(halved, image)) for image in zip(x, y, w, strict=True)
    ]
    shares = w.sum((1, 2)) / w.sum()
    expected = 1 - sum(s * f[0] for s, f in zip(shares, fine, strict=True))
    assert ssim(logits, target, weights).item() == pytest.approx(expected, **CLOSE)
    power = 0.0448 / (0.0448 + 0.2856)
    expected = 1 - sum(
        s * f[1] ** power * c[0] ** (1 - power)
        for s, f, c in zip(shares, fine, coarse, strict=True)
    )
    assert ms_ssim(logits, target, weights).item() == pytest.approx(expected, **CLOSE)
