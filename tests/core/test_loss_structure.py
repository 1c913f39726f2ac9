"""What windows and scales add: neighbours, small patches, opposites."""

import pytest
import torch

from napari_unet_studio.core.losses import IGNORE, ms_ssim, ssim

each = pytest.mark.parametrize("loss", [ssim, ms_ssim])


def discs(sides, dtype=torch.float64):
    """Give a target with a round object, and logits that are nearly right."""
    axes = [torch.arange(side) - side / 2 for side in sides]
    distance = sum(axis**2 for axis in torch.meshgrid(*axes, indexing="ij")).sqrt()
    target = (distance < min(sides) / 3).long()[None]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 1, *sides, generator=generator, dtype=dtype)
    return (min(sides) / 3 - distance).to(dtype)[None, None] / 4 + noise, target


@each
def test_neighbours_of_ignored_pixels_are_not_pulled_by_them(loss):
    # Perfect but where it is ignored: nothing is left to learn.
    _, target = discs((30, 28))
    logits = (60.0 * (2.0 * target - 1)).unsqueeze(1)
    logits[:, :, 8:20, 8:20] *= -1
    target[:, 8:20, 8:20] = IGNORE
    logits.requires_grad_()
    cost = loss(logits, target)
    cost.backward()
    assert cost.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad.abs().max() < 1e-6


@each
def test_an_image_that_is_ignored_does_not_dilute_the_others(loss):
    logits, target = discs((24, 24))
    both = torch.cat((target, torch.full_like(target, IGNORE)))
    torch.testing.assert_close(
        loss(logits.repeat(2, 1, 1, 1), both), loss(logits, target)
    )


@each
@pytest.mark.parametrize("sides", [(24, 23), (3, 12, 13), (1, 30), (2, 2)])
def test_the_gradient_is_that_of_the_loss_with_windows_and_scales(loss, sides):
    logits, target = discs(sides)
    target[0, 0, :2] = IGNORE
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, target), [logits], fast_mode=True)


def test_a_fine_pattern_of_errors_costs_more_at_one_scale_than_at_several():
    _, target = discs((64, 64))
    sure = 4 * (2.0 * target - 1)
    sure[:, ::2, ::2] *= -0.2
    logits = sure.unsqueeze(1)
    assert ssim(logits, target) > ms_ssim(logits, target) > 0


@pytest.mark.parametrize("sides", [(12, 12), (48, 48)], ids=["one scale", "three"])
def test_inverted_contrast_costs_more_than_none_and_has_a_gradient(sides):
    _, target = discs(sides)
    signs = (2.0 * target - 1).unsqueeze(1)
    costs = [ms_ssim(c * signs, target).item() for c in (3, 1, 0.1, 0, -0.1)]
    assert costs == sorted(costs)
    assert len(set(costs)) == len(costs)
    for opposite in (-0.1, -1, -3, -10):
        logits = (opposite * signs).requires_grad_()
        cost = ms_ssim(logits, target)
        cost.backward()
        assert costs[3] < cost.item() <= 1
        assert logits.grad.isfinite().all()
        assert logits.grad.any()


@each
def test_turning_the_image_turns_nothing_else(loss):
    logits, target = discs((24, 30))
    torch.testing.assert_close(loss(logits.mT, target.mT), loss(logits, target))
    torch.testing.assert_close(
        loss(logits.flip(-1), target.flip(-1)), loss(logits, target)
    )
