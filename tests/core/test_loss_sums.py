"""Losses by name, sums of them, and their shares over heads."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.loss_names import LOSS_NAMES, parse_loss
from napari_unet_studio.core.losses import (
    LOSSES,
    get_loss,
    head_shares,
    over_heads,
    weighted_sum,
)

few = settings(max_examples=60, deadline=None, derandomize=True)
each_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def problem(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(2, 3, 12, 13, generator=generator, dtype=torch.float64),
        torch.randint(-1, 3, (2, 12, 13), generator=generator),
        torch.rand(2, 12, 13, generator=generator, dtype=torch.float64),
    )


def test_the_names_are_those_of_the_losses_in_order():
    assert tuple(LOSSES) == LOSS_NAMES


@pytest.mark.parametrize("name", LOSSES)
def test_a_name_means_its_row(name):
    assert get_loss(name) is LOSSES[name]
    assert parse_loss(name) == {name: 1.0}


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("0.5 focal + dice", {"focal": 0.5, "dice": 1}),
        ("  2*focal+.25 * dice ", {"focal": 2, "dice": 0.25}),
        ("1e-1dice + 3. iou", {"dice": 0.1, "iou": 3}),
        ("unet++ + unet3+", {"unet++": 1, "unet3+": 1}),
        ("unet+++2unet3+", {"unet++": 1, "unet3+": 2}),
        ("ms-ssim + ssim", {"ms-ssim": 1, "ssim": 1}),
        ("dice + 2 dice", {"dice": 3}),
        ("cross-entropy + focal", {"cross-entropy": 1, "focal": 1}),
        ("cross-entropy + dice + iou", {"cross-entropy + dice": 1, "iou": 1}),
        ("iou + cross-entropy + dice", {"cross-entropy + dice": 1, "iou": 1}),
        ("0.5 cross-entropy + dice", {"cross-entropy": 0.5, "dice": 1}),
        ("cross-entropy + 1 dice", {"cross-entropy": 1, "dice": 1}),
    ],
)
def test_a_sum_is_read_as_arithmetic(text, weights):
    assert parse_loss(text) == pytest.approx(weights)
    logits, target, weight_map = problem()
    expected = sum(
        weight * LOSSES[name](logits, target, weight_map)
        for name, weight in weights.items()
    )
    torch.testing.assert_close(get_loss(text)(logits, target, weight_map), expected)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "''"),
        ("fun", "'fun'"),
        ("0.5 focal + dyce", "'dyce'"),
        ("focal + 2 fun + dice", "'2 fun'"),
        ("focal +", "'focal +'"),
        ("focal dice", "'focal dice'"),
        ("dice - focal", "'dice - focal'"),
        ("-1 dice", "'-1 dice'"),
        ("Dice", "'Dice'"),
        ("2", "'2'"),
    ],
)
def test_what_is_no_loss_is_named_with_the_choices(text, part):
    with pytest.raises(ConfigError) as caught:
        get_loss(text)
    assert f"no loss {part};" in str(caught.value)
    assert all(name in str(caught.value) for name in LOSSES)


@pytest.mark.parametrize("text", ["0 dice", "1e999 dice", "focal + 0.0 dice"])
def test_a_weight_must_be_a_positive_number(text):
    with pytest.raises(ConfigError, match="weight of the loss 'dice' is"):
        get_loss(text)


@pytest.mark.parametrize(
    "weights", [{}, {"fun": 1.0}, {"dice": -1.0}, {"dice": float("nan")}]
)
def test_a_sum_of_anything_else_is_refused(weights):
    with pytest.raises(ConfigError, match="loss"):
        weighted_sum(weights)


@few
@given(st.text("0.5e+- *dicefoalsut3", max_size=25))
def test_any_text_is_a_sum_or_a_configuration_error(text):
    try:
        weights = parse_loss(text)
    except ConfigError:
        return
    assert set(weights) <= set(LOSSES)


@few
@given(
    st.dictionaries(
        st.sampled_from([name for name in LOSSES if " + " not in name]),
        st.floats(1e-6, 1e6),
        min_size=1,
    )
)
def test_a_sum_survives_being_written_down(weights):
    text = " + ".join(f"{weight!r} {name}" for name, weight in weights.items())
    assert parse_loss(text) == weights


def test_a_sum_needs_no_weight_map():
    logits, target, _ = problem()
    assert weighted_sum({"dice": 2.0})(logits, target) == 2 * LOSSES["dice"](
        logits, target, None
    )


# --- heads


@each_loss
def test_several_heads_cost_the_mean_of_their_losses(loss):
    first, target, weights = problem(1)
    second, _, _ = problem(2)
    one, two = loss(first, target, weights), loss(second, target, weights)
    heads = (first, second)
    torch.testing.assert_close(
        over_heads(loss, heads, target, weights), (one + two) / 2
    )
    torch.testing.assert_close(
        over_heads(loss, heads, target, weights, (3.0, 1.0)), (3 * one + two) / 4
    )


def test_each_head_counts_half_of_the_next_finer_one():
    shares = head_shares("halved", 5)
    assert sum(shares) == pytest.approx(1)
    assert all(2 * a == pytest.approx(b) for a, b in pairwise(shares))
    assert head_shares("equal", 4) == (0.25,) * 4
    assert head_shares("equal", 1) == head_shares("halved", 1) == (1.0,)


def test_every_head_needs_its_weight():
    logits, target, weights = problem()
    with pytest.raises(ValueError, match="1 weights for 2 heads"):
        over_heads(LOSSES["dice"], (logits, logits), target, weights, (1.0,))
