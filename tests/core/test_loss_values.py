"""Losses of answers so small that a pencil suffices."""

import math

import pytest
import torch

from napari_unet_studio.core.losses import IGNORE, LOSSES, focal, presence_loss

C1, C2 = 1e-4, 9e-4  # of SSIM
LINE = [[0, 0, 0], [1, 1, 1], [0, 0, 0]]


def tensors(target, probabilities):
    """Logits of one class in float64, as a batch of one."""
    p = torch.tensor(probabilities, dtype=torch.float64)[None, None]
    return torch.log(p / (1 - p)), torch.tensor(target)[None]


def _structure_of_the_line():
    # One window of 3 x 3; the outer rows count exp(-1 / (2 * 1.5^2)), the middle one 1.
    m = 1 / (1 + 2 * math.exp(-1 / 4.5))
    v = m * (1 - m)
    x = 0.25 + 0.5 * m  # the mean of 1/4 + y/2
    luminance = (2 * x * m + C1) / (x**2 + m**2 + C1)
    return 1 - luminance * (2 * v / 2 + C2) / (v / 4 + v + C2)


# Probability 1/2 everywhere, all 9 pixels in the object.
UNDECIDED = {
    "cross-entropy": math.log(2),
    "dice": 1 - (2 * 4.5 + 1) / (4.5 + 9 + 1),
    "cross-entropy + dice": 0.5 * math.log(2) + 1 - 10 / 14.5,
    "unet++": math.log(2) + 1 - 2 * 0.5 / (1 + 0.25),
    "focal": 0.25 * math.log(2),
    "ssim": 1 - (2 * 0.5 + C1) / (0.25 + 1 + C1),  # no variance: contrast is 1
    "ms-ssim": 0.25 / (1.25 + C1),
    "iou": 1 - (4.5 + 1) / (9 + 1),
    "unet3+": 0.25 * math.log(2) + 0.25 / (1.25 + C1) + 0.45,
}
# Three of nine pixels in the object, each pixel with 3/4 for its class.
RATHER_RIGHT = {
    "cross-entropy": -math.log(0.75),
    "dice": 1 - (2 * 2.25 + 1) / (3.75 + 3 + 1),
    "cross-entropy + dice": -0.5 * math.log(0.75) + 1 - 5.5 / 7.75,
    "unet++": -math.log(0.75) + 1 - 2 * 0.75 / (1 + 0.75**2),
    "focal": -math.log(0.75) / 16,
    "ssim": _structure_of_the_line(),
    "ms-ssim": _structure_of_the_line(),
    "iou": 1 - (2.25 + 1) / (3 + 3.75 - 2.25 + 1),
    "unet3+": -math.log(0.75) / 16 + _structure_of_the_line() + 1 - 3.25 / 5.5,
}


@pytest.mark.parametrize("name", LOSSES)
def test_an_undecided_answer(name):
    logits, target = tensors([[1] * 3] * 3, [[0.5] * 3] * 3)
    assert LOSSES[name](logits, target, None).item() == pytest.approx(UNDECIDED[name])


@pytest.mark.parametrize("name", LOSSES)
def test_a_rather_right_answer(name):
    probabilities = [[0.75 if y else 0.25 for y in row] for row in LINE]
    logits, target = tensors(LINE, probabilities)
    found = LOSSES[name](logits, target, None).item()
    assert found == pytest.approx(RATHER_RIGHT[name])


BY_CLASS = ["dice", "ssim", "ms-ssim", "iou"]


@pytest.mark.parametrize("name", BY_CLASS)
def test_two_classes_cost_the_mean_of_both_maps(name):
    probabilities = [[0.75 if y else 0.25 for y in row] for row in LINE]
    logits, target = tensors(LINE, probabilities)
    two = torch.cat((torch.zeros_like(logits), logits), dim=1)
    foreground = LOSSES[name](logits, target, None)
    background = LOSSES[name](-logits, 1 - target, None)
    torch.testing.assert_close(
        LOSSES[name](two, target, None), (foreground + background) / 2
    )


THREE = {  # classes with 1/3 each, three pixels of each class
    "cross-entropy": math.log(3),
    "dice": 1 - (2 * 1 + 1) / (3 + 3 + 1),
    "cross-entropy + dice": 0.5 * math.log(3) + 4 / 7,
    "unet++": math.log(3) + 1 - (2 / 3) / (1 + 1 / 9),
    "focal": 4 / 9 * math.log(3),
    "iou": 1 - (1 + 1) / (3 + 3 - 1 + 1),
}


@pytest.mark.parametrize("name", THREE)
def test_three_classes_with_a_third_each(name):
    target = torch.tensor([[[0, 0, 0], [1, 1, 1], [2, 2, 2]]])
    logits = torch.zeros(1, 3, 3, 3, dtype=torch.float64)
    assert LOSSES[name](logits, target, None).item() == pytest.approx(THREE[name])


# Weights 1, 10 and 4; probabilities of the object 0.9, 0.2 and 0.6; truth 1, 1 and 0.
P = (0.9, 0.2, 0.4)  # of the true classes
WEIGHTED = {
    "cross-entropy": -(math.log(0.9) + 10 * math.log(0.2) + 4 * math.log(0.4)) / 15,
    "focal": -sum(
        w * (1 - p) ** 2 * math.log(p) for w, p in zip((1, 10, 4), P, strict=True)
    )
    / 15,
    "unet++": sum(
        w * (1 - math.log(p) - 2 * p / (1 + p * p))
        for w, p in zip((1, 10, 4), P, strict=True)
    )
    / 15,
    "dice": 1 - (2 * 2.9 + 1) / (0.9 + 2 + 2.4 + 11 + 1),
    "iou": 1 - (2.9 + 1) / (0.9 + 2 + 2.4 + 11 - 2.9 + 1),
    # Windows of one pixel: no variance, the luminance is left.
    "ssim": 1
    - (
        (2 * 0.9 + C1) / (0.81 + 1 + C1)
        + 10 * (2 * 0.2 + C1) / (0.04 + 1 + C1)
        + 4 * C1 / (0.36 + C1)
    )
    / 15,
}


@pytest.mark.parametrize("name", WEIGHTED)
def test_each_pixel_counts_by_its_weight_and_ignored_ones_not_at_all(name):
    # A line of 1 x 1 patches, so that windows see one pixel each.
    logits, target = tensors([[1, 1, 0, IGNORE]], [[0.9, 0.2, 0.6, 0.7]])
    weights = torch.tensor([[[1.0, 10.0, 4.0, 8.0]]], dtype=torch.float64)
    if name == "ssim":
        logits, target, weights = (
            x.reshape(4, *x.shape[1:-2], 1, 1)
            for x in (logits.movedim(-1, 0), target, weights)
        )
    found = LOSSES[name](logits, target, weights).item()
    assert found == pytest.approx(WEIGHTED[name])


def test_alpha_weighs_objects_against_background():
    logits, target = tensors([[1, 0]], [[0.9, 0.4]])
    expected = -(0.25 * 0.01 * math.log(0.9) + 0.75 * 0.16 * math.log(0.6)) / 2
    found = focal(logits, target, alpha=0.25).item()
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 5.0])
def test_any_gamma_of_the_focal_loss_has_finite_gradients(gamma):
    logits = torch.tensor([[[[-100.0, 0.0, 100.0]]]], requires_grad=True)
    target = torch.tensor([[[1, 1, 1]]])
    cost = focal(logits, target, gamma=gamma)
    cost.backward()
    expected = (100 + 0.5**gamma * math.log(2)) / 3
    assert cost.item() == pytest.approx(expected)
    assert logits.grad.isfinite().all()


# --- is there an object in this patch?


def test_presence_is_the_cross_entropy_of_patches_with_a_labelled_pixel():
    logits = torch.tensor([[2.0], [-1.0], [50.0], [0.5]], dtype=torch.float64)
    target = torch.zeros(4, 2, 2, dtype=torch.int64)
    target[0, 1, 1] = 3  # an object
    target[1, 0] = IGNORE  # none in what is known
    target[2] = IGNORE  # nothing is known
    target[3, 0, 0], target[3, 1, 1] = IGNORE, 1
    chance = torch.sigmoid(logits).flatten().tolist()
    expected = -(math.log(chance[0]) + math.log(1 - chance[1]) + math.log(chance[3]))
    assert presence_loss(logits, target).item() == pytest.approx(expected / 3)


def test_presence_of_volumes_has_the_gradient_of_the_loss():
    logits = torch.tensor([[2.0], [-1.0], [float("nan")]], dtype=torch.float64)
    logits.requires_grad_()
    target = torch.zeros(3, 2, 2, 2, dtype=torch.int64)
    target[0, 0, 1, 1], target[2] = 1, IGNORE
    presence_loss(logits, target).backward()
    slope = [(torch.sigmoid(torch.tensor(2.0)).item() - 1) / 2, 0.2689414 / 2, 0]
    assert logits.grad.flatten().tolist() == pytest.approx(slope)


def test_presence_in_ignored_patches_costs_nothing():
    logits = torch.tensor([[100.0], [-100.0]], requires_grad=True)
    cost = presence_loss(logits, torch.full((2, 4, 4), IGNORE))
    cost.backward()
    assert cost == 0
    assert not logits.grad.any()


def test_presence_has_the_gradient_of_its_loss_in_float64():
    logits = torch.tensor([[0.3], [-2.0]], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[[0, 1]], [[0, IGNORE]]])
    assert torch.autograd.gradcheck(lambda x: presence_loss(x, target), [logits])
