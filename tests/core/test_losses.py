"""What every loss keeps to, whatever it measures."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from napari_unet_studio.core.losses import (
    IGNORE,
    LOSSES,
    cross_entropy_and_dice,
    soft_dice,
    soft_iou,
    weighted_cross_entropy,
)

each_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
# Windows see what is beside a pixel: its place counts, and what was cut off beside it.
by_pixel = [name for name in LOSSES if name not in ("ssim", "ms-ssim", "unet3+")]
each_loss_by_pixel = pytest.mark.parametrize(
    "loss", [LOSSES[name] for name in by_pixel], ids=by_pixel
)
# The overlaps are smoothed by one pixel of weight 1.
averages = ["cross-entropy", "unet++", "focal", "ssim", "ms-ssim"]
each_average = pytest.mark.parametrize(
    "loss", [LOSSES[name] for name in averages], ids=averages
)
each_kind = pytest.mark.parametrize("classes", [1, 2, 4])
few = settings(max_examples=40, deadline=None, derandomize=True)


def random_problem(classes, seed=0, shape=(2, 7, 9), dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(shape[0], classes, *shape[1:], generator=generator)
    target = torch.randint(0, max(2, classes), shape, generator=generator)
    weights = 0.1 + torch.rand(shape, generator=generator)
    return logits.to(dtype), target, weights.to(dtype)


def certain(target, classes, confidence=40.0):
    """Logits that give each pixel its class."""
    if classes == 1:
        return (confidence * (2.0 * target - 1)).unsqueeze(1)
    one_hot = nn.functional.one_hot(target, classes).movedim(-1, 1)
    return confidence * one_hot.double()


# --- perfect and imperfect answers


@each_loss
@each_kind
def test_a_perfect_answer_costs_nothing_and_the_opposite_costs_much(loss, classes):
    _, target, weights = random_problem(classes)
    right = certain(target, classes)
    assert loss(right, target, weights) == pytest.approx(0, abs=1e-6)
    assert loss(-right, target, weights) > 0.5


@each_loss
@each_kind
def test_a_better_answer_costs_less(loss, classes):
    _, target, _ = random_problem(classes)
    costs = [loss(certain(target, classes, c), target, None) for c in (-1, 0, 1, 3)]
    assert costs == sorted(costs, reverse=True)
    assert len(set(costs)) == 4


def test_an_undecided_answer_costs_the_logarithm_of_the_number_of_classes():
    for classes in (1, 2, 4):
        _, target, _ = random_problem(classes)
        logits = torch.zeros(2, classes, 7, 9)
        expected = np.log(max(2, classes))
        assert weighted_cross_entropy(logits, target) == pytest.approx(expected)


# --- weights


@each_loss
@each_kind
def test_a_weight_map_of_ones_changes_nothing(loss, classes):
    logits, target, weights = random_problem(classes)
    torch.testing.assert_close(
        loss(logits, target, torch.ones_like(weights)), loss(logits, target, None)
    )


@each_kind
def test_cross_entropy_without_weights_is_that_of_torch(classes):
    logits, target, _ = random_problem(classes)
    if classes == 1:
        expected = nn.functional.binary_cross_entropy_with_logits(
            logits[:, 0], target.double()
        )
    else:
        expected = nn.functional.cross_entropy(logits, target)
    torch.testing.assert_close(weighted_cross_entropy(logits, target), expected)


def test_each_pixel_counts_in_proportion_to_its_weight():
    logits = torch.tensor([[[[2.0, -1.0, 0.5]]]], dtype=torch.float64)
    target = torch.tensor([[[1, 1, 0]]])
    weights = torch.tensor([[[1.0, 10.0, 4.0]]], dtype=torch.float64)
    p = 1 / (1 + np.exp(-np.array([2.0, -1.0, 0.5])))
    cost = -np.log([p[0], p[1], 1 - p[2]])
    expected = (1 * cost[0] + 10 * cost[1] + 4 * cost[2]) / 15
    assert weighted_cross_entropy(logits, target, weights).item() == pytest.approx(
        expected
    )
    overlap = p[0] + 10 * p[1]
    total = p[0] + 10 * p[1] + 4 * p[2] + 11
    assert soft_dice(logits, target, weights).item() == pytest.approx(
        1 - (2 * overlap + 1) / (total + 1)
    )


def test_the_mixture_is_half_the_cross_entropy_plus_dice():
    logits, target, weights = random_problem(3)
    expected = 0.5 * weighted_cross_entropy(logits, target, weights) + soft_dice(
        logits, target, weights
    )
    torch.testing.assert_close(
        cross_entropy_and_dice(logits, target, weights), expected
    )


@each_average
@each_kind
def test_the_unit_of_the_weights_does_not_change_an_average(loss, classes):
    logits, target, weights = random_problem(classes)
    torch.testing.assert_close(
        loss(logits, target, 1000 * weights), loss(logits, target, weights)
    )


@each_loss
@each_kind
def test_a_weight_of_0_is_like_ignoring_the_pixel(loss, classes):
    logits, target, weights = random_problem(classes)
    weights[:, 2:5] = 0
    ignored = target.clone()
    ignored[:, 2:5] = IGNORE
    torch.testing.assert_close(
        loss(logits, target, weights), loss(logits, ignored, weights)
    )


# --- ignored pixels


@each_loss
@each_kind
@pytest.mark.parametrize("size", [0.0, 5.0, 1e4, 1e30, np.inf, np.nan])
def test_ignored_pixels_cost_nothing_whatever_their_logits(loss, classes, size):
    logits, target, weights = random_problem(classes)
    target[:, 2:5] = IGNORE
    before = loss(logits, target, weights)
    changed = logits.clone()
    changed[:, 0, 2:5] = size
    changed[:, -1, 2:4] = -size
    assert loss(changed, target, weights) == before
    changed.requires_grad_()
    loss(changed, target, weights).backward()
    assert not changed.grad[:, :, 2:5].any()
    assert changed.grad[:, :, 5:].any()


@each_loss_by_pixel
@each_kind
def test_ignored_pixels_are_as_if_they_were_cut_off(loss, classes):
    logits, target, weights = random_problem(classes)
    ignored = target.clone()
    ignored[:, 4:] = IGNORE
    torch.testing.assert_close(
        loss(logits, ignored, weights),
        loss(logits[:, :, :4], target[:, :4], weights[:, :4]),
    )


@each_loss
@each_kind
def test_a_batch_without_any_labelled_pixel_costs_nothing(loss, classes):
    logits, target, weights = random_problem(classes)
    logits.requires_grad_()
    cost = loss(logits, torch.full_like(target, IGNORE), weights)
    cost.backward()
    assert cost == 0
    assert not logits.grad.any()


# --- relations


@pytest.mark.parametrize("name", ["cross-entropy", "focal", "unet++"])
def test_one_logit_is_the_same_as_two_classes_with_the_background_at_0(name):
    logits, target, weights = random_problem(1)
    target[0, 1] = IGNORE
    two = torch.cat((torch.zeros_like(logits), logits), dim=1)
    torch.testing.assert_close(
        LOSSES[name](logits, target, weights), LOSSES[name](two, target, weights)
    )


def test_iou_of_one_class_is_dice_over_two_minus_dice_but_for_the_smoothing():
    logits, target, _ = random_problem(1, shape=(1, 300, 300))
    dice, iou = 1 - soft_dice(logits, target), 1 - soft_iou(logits, target)
    assert iou.item() == pytest.approx((dice / (2 - dice)).item(), abs=1e-4)


def test_dice_of_two_classes_is_the_mean_over_foreground_and_background():
    logits, target, weights = random_problem(1)
    two = torch.cat((torch.zeros_like(logits), logits), dim=1)
    mean = (
        soft_dice(logits, target, weights) + soft_dice(-logits, 1 - target, weights)
    ) / 2
    torch.testing.assert_close(soft_dice(two, target, weights), mean)


@few
@given(
    classes=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 1000),
    scale=st.floats(0, 1e4),
    ignored=st.integers(0, 7),
)
def test_overlaps_lie_between_0_and_1_and_their_gradient_is_finite(
    classes, seed, scale, ignored
):
    logits, target, weights = random_problem(classes, seed)
    target[:, :ignored] = IGNORE
    logits = (logits * scale).requires_grad_()
    for loss in (soft_dice, soft_iou):
        logits.grad = None
        cost = loss(logits, target, weights)
        cost.backward()
        assert 0 <= cost <= 1
        assert logits.grad.isfinite().all()


@each_loss
@each_kind
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_gradients_are_finite_in_float32(loss, classes, scale):
    logits, target, weights = random_problem(classes, dtype=torch.float32)
    logits = (logits * scale).requires_grad_()
    loss(logits, target, weights).backward()
    assert logits.grad.isfinite().all()


@each_loss
@each_kind
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 40), (2, 23, 24), (1, 2, 12, 13)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_certain_answers_have_finite_costs_and_gradients_in_any_patch(
    loss, classes, shape, dtype
):
    logits, target, weights = random_problem(classes, shape=shape)
    logits = (100 * logits.sign()).to(dtype).float().requires_grad_()
    cost = loss(logits, target, weights.float())
    cost.backward()
    assert cost.isfinite()
    assert logits.grad.isfinite().all()
    assert cost.dtype == torch.float32


@each_loss
@each_kind
def test_a_class_that_is_absent_costs_a_finite_number(loss, classes):
    logits, target, weights = random_problem(classes)
    logits.requires_grad_()
    for only in range(max(2, classes)):
        cost = loss(logits, torch.full_like(target, only), weights)
        (slope,) = torch.autograd.grad(cost, logits)
        assert cost.isfinite()
        assert slope.isfinite().all()


@each_loss
@few
@given(
    classes=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 1000),
    sides=st.lists(st.integers(1, 25), min_size=2, max_size=3).filter(
        lambda sides: np.prod(sides) < 3000
    ),
    scale=st.sampled_from([0.0, 0.1, 1.0, 30.0, 1e4]),
)
def test_no_cost_is_negative_and_no_pixel_of_weight_0_is_pulled(
    loss, classes, seed, sides, scale
):
    logits, target, weights = random_problem(classes, seed, shape=(2, *sides))
    weights[weights < 0.5] = 0
    logits = (logits * scale).float().requires_grad_()
    cost = loss(logits, target, weights.float())
    cost.backward()
    assert cost >= -1e-6
    assert logits.grad.isfinite().all()
    assert not logits.grad.masked_select((weights == 0).unsqueeze(1)).any()


@each_loss
@each_kind
def test_the_gradient_is_that_of_the_loss(loss, classes):
    logits, target, weights = random_problem(classes, shape=(1, 2, 3))
    target[0, 0, 0] = IGNORE
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, target, weights), [logits])


def test_an_absent_class_that_is_not_predicted_costs_no_dice():
    target = torch.zeros(1, 4, 4, dtype=torch.int64)
    assert soft_dice(torch.full((1, 1, 4, 4), -40.0), target) == pytest.approx(0)


@each_loss_by_pixel
def test_volumes_cost_what_their_pixels_cost(loss):
    logits, target, weights = random_problem(3, shape=(2, 4, 6))
    torch.testing.assert_close(
        loss(
            logits.reshape(2, 3, 2, 2, 6),
            target.reshape(2, 2, 2, 6),
            weights.reshape(2, 2, 2, 6),
        ),
        loss(logits, target, weights),
    )
