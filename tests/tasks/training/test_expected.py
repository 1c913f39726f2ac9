"""What a training is expected to take, and what is said about it."""

from dataclasses import replace

import numpy as np
import pytest

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.catalog import get_spec
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.train_config import TrainConfig, chosen_network
from napari_unet_studio.tasks.training.dataset import prepare
from napari_unet_studio.tasks.training.expected import (
    Trial,
    Workload,
    expectation,
    expected,
    tried,
)
from napari_unet_studio.tasks.training.findings import changed
from napari_unet_studio.tasks.training.pairs import Pair, check_pairs
from napari_unet_studio.tasks.training.preflight_budget import (
    about_device,
    about_memory,
    about_time,
    about_validation,
    free_memory,
)
from napari_unet_studio.tasks.training.preflight_look import look_at
from napari_unet_studio.tasks.training.preflight_network import about_network
from napari_unet_studio.tasks.training.survey import class_values, survey

TINY = UNetSpec(channels=(4, 8, 16), norm="batch")
CONFIG = TrainConfig(device="cpu", precision="float32")
SURE = Trial(fixed=0.0, pace=1e-10, activations=1.0, weights=16)


def squares(shape, side=12, step=16):
    labels = np.zeros(shape, np.int32)
    places = [range(2, max(3, size - side), step) for size in shape]
    grid = np.stack(np.meshgrid(*places), -1).reshape(-1, len(shape))
    for number, place in enumerate(grid, 1):
        labels[tuple(slice(p, p + side) for p in place)] = number
    noise = np.random.default_rng(len(shape)).normal(0, 10, shape)
    return Pair(np.where(labels > 0, 150, 60) + noise, labels, name="squares")


def seen(pairs, config=CONFIG, spec=None):
    used = check_pairs(pairs)
    spec = spec or chosen_network(config)
    looks = [look_at(p, spec.ndim, config, len(used)) for p in used]
    train = [look for look in looks if look.pair.role == "train"]
    shapes = tuple(look.frames.shape for look in train)
    return looks, train, Workload(spec, shapes, sum(look.pixels for look in train))


def network_says(pairs, config=CONFIG, spec=None):
    _, train, work = seen(pairs, config, spec)
    return list(about_network(train, work, config))


def validation_says(pairs, config=CONFIG):
    looks, _, work = seen(pairs, config)
    return list(about_validation(looks, work, config))


def one(findings, word, kind="doubt"):
    (finding,) = findings
    assert finding.kind == kind
    assert word in finding.text
    assert finding.remedy
    return finding


# -- the trial ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    [
        TINY,
        UNetSpec(channels=(4, 8, 16), padding="valid", dropout=0.5, num_classes=2),
        UNetSpec(ndim=3, channels=(4, 8), norm="batch", in_channels=2),
        get_spec("unet++-16", in_channels=3, num_classes=4),
        get_spec("unet3+-guided", num_classes=1).scaled(0.1),
    ],
)
def test_a_trial_counts_what_the_arithmetic_of_the_network_says(spec):
    work = Workload(spec, ((64,) * spec.ndim,), 64**spec.ndim)
    target = "classes" if spec.num_classes > 2 else "objects"
    trial = tried(work, replace(CONFIG, target=target), "cpu")
    assert 0.7 < trial.activations < 1.4
    assert trial.pace > 0
    assert trial.weights == 16


def test_every_recipe_can_be_expected():
    work = Workload(TINY, ((64, 64),), 64 * 64, judged=1000)
    for config in (
        replace(CONFIG, optimiser="sgd", ema=0.99, loss="unet3+", compile=True),
        replace(CONFIG, batch=8, accumulate=4, patch=32, minutes=5.0),
    ):
        found = expected(work, config, "cpu")
        assert found.minutes > 0
        assert found.parameters == TINY.parameters
        assert found.memory > 12 * TINY.parameters


def test_a_precision_that_the_device_lacks_is_refused():
    work = Workload(TINY, ((64, 64),), 64 * 64)
    with pytest.raises(ConfigError, match="float16"):
        expected(work, replace(CONFIG, precision="float16"), "cpu")


def test_memory_and_time_grow_with_batch_patch_and_updates():
    work = Workload(TINY, ((512, 512),), 512 * 512)
    shape = work.patch(CONFIG)
    assert shape == (256, 256)
    weights = 16 * TINY.parameters
    single, double = (SURE.memory(TINY, shape, n) - weights for n in (1, 2))
    assert double == pytest.approx(2 * single, rel=1e-6)
    larger = SURE.memory(TINY, (512, 512), 1) - weights
    assert larger == pytest.approx(4 * single, rel=1e-6)
    minutes = SURE.minutes(work, CONFIG)
    assert SURE.minutes(work, replace(CONFIG, updates=2000)) == 2 * minutes
    assert SURE.minutes(work, replace(CONFIG, accumulate=3)) == pytest.approx(
        3 * minutes
    )
    judging = replace(work, judged=10**6)
    assert SURE.minutes(judging, CONFIG) > minutes


def test_the_first_limit_counts():
    work = Workload(TINY, ((256, 256),), 256 * 256 * 100)
    updates = replace(CONFIG, updates=50)
    # 100 images of a patch, 4 patches per update: an epoch has 25 updates.
    epochs = replace(CONFIG, updates=0, epochs=2.0)
    assert SURE.minutes(work, epochs) == SURE.minutes(work, updates)
    assert SURE.minutes(work, replace(epochs, minutes=1e-6)) == 1e-6
    assert SURE.minutes(work, replace(CONFIG, updates=0, minutes=9.0)) == 9.0


def test_the_device_is_described():
    work = Workload(TINY, ((64, 64),), 64 * 64)
    assert "CPU" in expectation(SURE, work, CONFIG, "cpu").device


# -- time and memory ------------------------------------------------------------------


def test_a_long_training_can_be_shortened():
    work = Workload(TINY, ((512, 512),), 512 * 512)
    slow = replace(SURE, pace=1e-8)
    config = replace(CONFIG, updates=10_000)
    say = lambda c: list(about_time(expectation(slow, work, c, "cpu"), c))  # noqa: E731
    finding = one(say(config), "takes about")
    assert "hours" in finding.text
    assert say(changed(config, finding.changes)) == []
    assert say(replace(config, minutes=600.0, updates=0)) == []  # as asked for
    assert "minutes" in one(say(replace(config, updates=700)), "takes about").text


@pytest.mark.parametrize(
    ("batch", "side", "names"),
    [(64, 256, {"batch", "accumulate"}), (2, 4096, {"batch", "accumulate", "patch"})],
)
def test_too_much_memory_can_be_fixed(batch, side, names):
    config = replace(CONFIG, batch=batch, patch=side)
    work = Workload(TINY, ((4096, 4096),), 4096**2)
    free = free_memory("cpu")
    each = SURE.memory(TINY, (256, 256), 1)
    # So much that one patch of 256 takes a tenth of what there is.
    hungry = replace(SURE, activations=0.1 * free / each, weights=0)
    finding = one(about_memory(hungry, work, config, "cpu"), "GiB are free")
    assert set(finding.changes) == names
    later = changed(config, finding.changes)
    assert later.batch * later.accumulate >= config.batch
    assert list(about_memory(hungry, work, later, "cpu")) == []


def test_a_network_that_never_fits_has_no_fix():
    work = Workload(TINY, ((256, 256),), 256**2)
    hungry = replace(SURE, weights=2**60)
    finding = one(about_memory(hungry, work, CONFIG, "cpu"), "GiB are free")
    assert finding.changes == {}
    assert "smaller network" in finding.remedy
    one(about_memory(None, work, CONFIG, "cpu"), "Not even one", "error")


# -- device ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "ndim", "word", "kind"),
    [
        ({"precision": "float16"}, 2, "float16", "error"),
        ({"precision": "bfloat16"}, 3, "float32 on CPUs", "doubt"),
    ],
)
def test_a_precision_can_be_fixed(changes, ndim, word, kind):
    config = replace(CONFIG, **changes)
    finding = one(about_device(config, ndim), word, kind)
    assert list(about_device(changed(config, finding.changes), ndim)) == []


def test_a_device_that_is_not_there_can_be_fixed():
    config = replace(CONFIG, device="mps")
    finding = one(about_device(config, 2), "'mps' is not available", "error")
    assert list(about_device(changed(config, finding.changes), 2)) == []


# -- validation -----------------------------------------------------------------------


def test_nothing_held_out_can_be_fixed():
    config = replace(CONFIG, hold_out=0.0)
    finding = one(validation_says([squares((128, 128))], config), "last weights")
    assert (
        validation_says([squares((128, 128))], changed(config, finding.changes)) == []
    )


def test_validation_images_without_objects_are_doubted():
    image = squares((96, 96))
    empty = replace(image, labels=np.zeros((96, 96), int), role="validate")
    one(validation_says([image, empty]), "no object in the images to validate")
    assert validation_says([image, replace(image, role="validate")]) == []


@pytest.mark.parametrize("side", [40, 56, 64, 76, 80, 84, 100, 128])
def test_images_too_small_to_hold_out_a_part_are_those_of_the_training(side):
    pairs, config = [squares((side, side))], replace(CONFIG, width=0.1)
    used = check_pairs(pairs)
    surveys = run(survey(used, config))
    _, _, work = seen(pairs, config)
    values = class_values(surveys, config)
    found = run(prepare(used, surveys, work.spec, Normalisation(), config, values))
    findings = validation_says(pairs, config)
    assert bool(findings) == (not found.validate)
    if findings:
        finding = one(findings, "too small to hold out")
        if finding.changes:
            assert validation_says(pairs, changed(config, finding.changes)) == []


def test_five_small_images_can_be_held_out():
    assert validation_says([squares((40, 40))] * 5) == []
    one_frame = squares((40, 40))
    image, labels = np.stack([one_frame.image] * 6), np.stack([one_frame.labels] * 6)
    assert validation_says([Pair(image, labels)]) == []


# -- the network ----------------------------------------------------------------------


def test_a_patch_larger_than_all_images_can_be_fixed():
    config = replace(CONFIG, patch=512)
    finding = one(network_says([squares((320, 300))], config), "larger than all images")
    assert "320 x 300" in finding.text
    assert network_says([squares((320, 300))], changed(config, finding.changes)) == []


def test_an_image_smaller_than_the_patches_can_be_fixed():
    pairs = [squares((320, 300)), replace(squares((130, 300)), name="small")]
    finding = one(network_says(pairs), "'small' has 130 x 300")
    assert finding.changes == {"patch": 128}
    assert network_says(pairs, changed(CONFIG, finding.changes)) == []


def test_a_flat_stack_can_be_trained_on_slices():
    config = replace(CONFIG, network="unet-3d")
    pairs = [squares((10, 128, 128))]
    finding = one(network_says(pairs, config), "10 pixels along Z")
    assert network_says(pairs, changed(config, finding.changes)) == []


def test_a_tiny_image_is_doubted():
    finding = one(network_says([squares((28, 240))]), "28 pixels along Y")
    assert finding.changes == {}


def test_images_smaller_than_the_receptive_field_are_noted():
    one(network_says([squares((64, 64))]), "204 x 204", "note")


def test_small_objects_are_doubted_and_a_finer_network_helps():
    pairs = [squares((256, 256), side=6)]
    finding = one(network_says(pairs), "at most 6 pixels across")
    assert "16" in finding.text
    assert network_says(pairs, changed(CONFIG, finding.changes)) == []
    tiny = one(network_says([squares((256, 256), side=2)]), "at most 2 pixels")
    assert tiny.changes == {}
    assert "Enlarge" in tiny.remedy
    assert network_says(pairs, replace(CONFIG, target="classes")) == []


@pytest.mark.parametrize(
    ("patch", "kind", "word"), [(16, "error", "1 value"), (32, "doubt", "4 values")]
)
def test_batch_normalisation_of_few_values_can_be_fixed(patch, kind, word):
    config = replace(CONFIG, batch=1, patch=patch)
    pairs = [squares((256, 256))]
    finding = one(network_says(pairs, config), word, kind)
    assert network_says(pairs, changed(config, finding.changes)) == []
    plain = replace(config, network="unet-32")
    assert network_says(pairs, plain) == []
