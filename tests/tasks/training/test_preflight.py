"""What the check before a training says of good and of bad data."""

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.findings import changed
from napari_unet_studio.tasks.training.pairs import Pair, check_pairs
from napari_unet_studio.tasks.training.preflight import preflight
from napari_unet_studio.tasks.training.preflight_images import about_images
from napari_unet_studio.tasks.training.preflight_labels import about_labels
from napari_unet_studio.tasks.training.preflight_look import look_at
from napari_unet_studio.tasks.training.survey import class_values, survey

QUICK = TrainConfig(width=0.1, patch=32, updates=5, device="cpu", precision="float32")
CLASSES = replace(QUICK, target="classes")
SPARSE = replace(QUICK, zero="unlabelled")


def cells(shape=(96, 96), seed=0, side=12, step=16):
    """Draw an image with labels of bright squares, and noise of its own."""
    labels = np.zeros(shape, np.int32)
    places = [range(2, size - side, step) for size in shape]
    for number, place in enumerate(
        np.stack(np.meshgrid(*places), -1).reshape(-1, len(shape)), 1
    ):
        labels[tuple(slice(p, p + side) for p in place)] = number
    noise = np.random.default_rng(seed).normal(0, 10, shape)
    return (np.where(labels > 0, 150, 60) + noise).clip(0, 255).astype(np.uint8), labels


def pair(seed=0, **changes):
    image, labels = cells(seed=seed)
    return replace(Pair(image, labels, name=f"cells {seed}"), **changes)


def looks_at(pairs, config=QUICK, ndim=2):
    used = check_pairs(pairs)
    return [look_at(p, ndim, config, len(used)) for p in used]


def labels_say(pairs, config=QUICK):
    return list(about_labels(looks_at(pairs, config), config))


def images_say(pairs, config=QUICK):
    return list(about_images(looks_at(pairs, config), config))


def checked(pairs, config=QUICK):
    return run(preflight(pairs, config)).findings


def only(findings, word, kind="doubt"):
    """Return the one finding of a kind whose text has a word."""
    chosen = [f for f in findings if word in f.text]
    assert len(chosen) == 1, findings
    assert chosen[0].kind == kind
    assert chosen[0].text.endswith(".")
    assert "  " not in str(chosen[0])
    return chosen[0]


def mended(say, pairs, config, finding):
    """Apply the changes of a finding and return what is said then."""
    assert finding.changes
    later = say(pairs, changed(config, finding.changes))
    assert finding.text not in [f.text for f in later]
    return later


# -- as a whole -----------------------------------------------------------------------


def test_a_healthy_set_has_no_findings_and_tells_what_to_expect():
    result = run(preflight([pair(0), pair(1), pair(2, role="validate")], QUICK))
    assert result.passed
    assert [f.kind for f in result.findings] == ["note"]
    assert result.expected.minutes > 0
    assert result.expected.memory > 16 * result.expected.parameters
    assert "CPU" in result.expected.device


@pytest.mark.parametrize(
    ("config", "shape"),
    [(replace(QUICK, network="unet-3d"), (40, 96, 96)), (CLASSES, (96, 96))],
)
def test_healthy_volumes_and_classes_have_no_findings(config, shape):
    image, labels = cells(shape)
    if config.target == "classes":
        labels = (labels > 0) * 7
    findings = checked([Pair(image, labels, name="a")], config)
    assert [f for f in findings if f.kind != "note"] == []


def test_progress_is_told_and_a_check_can_be_stopped():
    steps = list(preflight([pair(0), pair(1)], QUICK))
    assert [p.step for p in steps] == sorted(p.step for p in steps)
    assert "cells 1" in steps[2].message
    assert run(preflight([pair(0)], QUICK, should_stop=lambda: True)) is None


def test_errors_come_first_and_every_finding_once():
    bad = pair(0, labels=cells()[1].astype(float))
    findings = checked([bad, bad, pair(1, labels=(cells()[1] > 0) * 1)])
    assert [f.kind for f in findings] == sorted(
        (f.kind for f in findings), key=["error", "doubt", "note"].index
    )
    assert len({f.text for f in findings}) == len(findings)


@pytest.mark.parametrize(
    ("bad", "word", "remedy"),
    [
        ({"labels": cells()[1].astype(float)}, "float64", "Convert them"),
        ({"labels": cells()[1][:-1]}, "95 × 96", "Choose the labels"),
        (
            {"image": np.zeros((96, 96, 3), np.uint8)},
            "96 × 96 × 3",
            "channel_axis = -1",
        ),
        ({"role": "test"}, "'test'", "train, validate, off"),
        ({"spacing": (1.0, 0.0)}, "spacing", "2 numbers above 0"),
        ({"image": np.zeros((96, 96), complex)}, "complex128", ""),
        ({"image": np.full((96, 96), "a")}, "type", ""),
        ({"image": None}, "object", ""),
        ({"image": [[1, 2], [3]]}, "cannot be read", "set its role to off"),
        ({"axes": "YX", "image": np.zeros((3, 96, 96))}, "axes", ""),
        ({"labels": cells()[1] - 1}, "contain -1", "numpy.maximum(labels, 0)"),
        ({"image": np.full((96, 96), np.nan)}, "9216 NaN", "numpy.nan_to_num"),
        (
            {"image": np.full((96, 96), 7, np.uint8)},
            "constant, every pixel is 7",
            "off",
        ),
    ],
)
def test_a_bad_pair_is_an_error_with_a_remedy_and_the_others_are_looked_at(
    bad, word, remedy
):
    mask = pair(1, labels=(cells()[1] > 0) * 255)
    findings = checked([pair(0, **bad), mask])
    error = [f for f in findings if f.kind == "error"]
    assert len(error) == 1
    assert word in error[0].text
    assert remedy in error[0].remedy
    assert any("mask" in f.text for f in findings) or word in ("contain -1",)
    assert not run(preflight([pair(0, **bad), mask], QUICK)).passed


def test_a_file_that_fails_while_it_is_read_is_reported():
    def fail(block):
        raise OSError("disk on fire")

    labels = da.from_array(cells()[1]).map_blocks(
        fail, dtype=np.int32, meta=np.empty((0, 0), np.int32)
    )
    finding = only(checked([pair(0), pair(1, labels=labels)]), "disk on fire", "error")
    assert "'cells 1'" in finding.text


@pytest.mark.parametrize(
    "pairs", [[], [pair(0, role="off")], [pair(0, role="validate")]]
)
def test_nothing_to_train_on_is_an_error(pairs):
    finding = only(checked(pairs), "nothing to train on", "error")
    assert "role train" in finding.remedy


def test_a_2d_image_for_a_3d_network_can_be_fixed():
    config = replace(QUICK, network="unet-3d")
    finding = only(checked([pair(0)], config), "3D", "error")
    mended(checked, [pair(0)], config, finding)


def test_images_of_different_channels_are_an_error():
    colour = pair(1, image=np.stack([cells()[0]] * 3, -1), channel_axis=-1)
    only(checked([pair(0), colour]), "[1, 3]", "error")


def test_a_model_to_start_from_that_is_not_there_can_be_fixed():
    config = replace(QUICK, start="nobody")
    finding = only(checked([pair(0)], config), "'nobody'", "error")
    mended(checked, [pair(0)], config, finding)


def test_a_model_to_start_from_with_other_channels_can_be_fixed():
    colour = pair(1, image=np.stack([cells()[0]] * 3, -1), channel_axis=-1)
    config = replace(QUICK, start="nuclei")
    finding = only(checked([colour], config), "channel", "error")
    mended(checked, [colour], config, finding)


@pytest.mark.parametrize(
    ("labels", "config"),
    [
        (np.zeros((96, 96), int), QUICK),
        (np.zeros((96, 96), int), SPARSE),
        (np.zeros((96, 96), int), CLASSES),
        (np.ones((96, 96), int), SPARSE),
        (np.full((96, 96), 3), replace(QUICK, ignore=3)),
        (np.full((96, 96), 3), replace(CLASSES, ignore=3)),
        (np.arange(96 * 96).reshape(96, 96), CLASSES),
        (np.full((96, 96), 2**40), CLASSES),
        (np.full((96, 96), 2**63, np.uint64), QUICK),
        (cells()[1] - 5, QUICK),
    ],
)
def test_what_the_survey_raises_is_an_error(labels, config):
    pairs = [pair(0, labels=labels)]
    with pytest.raises(StudioError):
        class_values(run(survey(check_pairs(pairs), config)), config)
    assert "error" in [f.kind for f in checked(pairs, config)]


# -- images ---------------------------------------------------------------------------


def test_an_empty_channel_is_doubted():
    image = np.stack([cells()[0], np.zeros((96, 96), np.uint8)])
    finding = only(images_say([pair(0, image=image, channel_axis=0)]), "Channel 1")
    assert "Leave the channel out" in finding.remedy


def test_an_image_in_two_roles_is_doubted():
    twice = [pair(0), pair(0, role="validate", name="copy")]
    finding = only(images_say(twice), "same image")
    assert "by heart" in finding.text
    assert "off" in finding.remedy
    assert images_say([pair(0), pair(1, role="validate")]) == []


def test_a_lazy_copy_is_recognised():
    lazy = da.from_array(cells()[0], chunks=40)
    only(images_say([pair(0), pair(0, image=lazy, role="validate")]), "same image")


def test_copies_are_doubted_where_whole_images_are_held_out():
    five = [pair(n) for n in (0, 1, 2, 3, 3)]
    only(images_say(five), "held out at random")
    assert images_say(five[1:]) == []


def test_different_types_are_noted():
    finding = only(
        images_say([pair(0), pair(1, image=cells(seed=1)[0].astype(np.uint16))]),
        "different types",
        "note",
    )
    assert "uint8 ('cells 0')" in finding.text
    assert "uint16 ('cells 1')" in finding.text


@pytest.mark.parametrize("grey", [lambda x: x // 9, lambda x: x // 2 + 1000])
def test_other_grey_values_to_validate_on_are_doubted(grey):
    image = [cells(seed=n)[0].astype(np.uint16) for n in (0, 1)]
    pairs = [pair(0, image=image[0]), pair(1, image=grey(image[1]), role="validate")]
    finding = only(images_say(pairs), "grey values of 'cells 1'")
    assert "same kind" in finding.remedy


def test_pixel_sizes_that_differ_are_doubted():
    sizes = [(0.5, 0.5), (0.55, 0.5), (1.0, 0.5)]
    pairs = [pair(n, spacing=size) for n, size in enumerate(sizes)]
    finding = only(images_say(pairs), "0.5 x 0.5 and 1 x 0.5")
    assert "Resample" in finding.remedy
    assert images_say(pairs[:2]) == []


def test_an_unknown_pixel_size_is_noted():
    only(images_say([pair(0, spacing=(1, 1)), pair(1)]), "not known", "note")


# -- labels ---------------------------------------------------------------------------


def test_a_single_object_cannot_be_held_out():
    image, labels = cells()
    alone = Pair(image, np.where(labels == 5, 5, 0), name="a")
    texts = [finding.text for finding in checked([alone])]
    assert any(text.startswith("No validation: a single object") for text in texts)
    texts = [finding.text for finding in checked([pair()])]
    assert not any("single object" in text for text in texts)


def test_rare_classes_are_named_in_one_sentence():
    image, labels = cells()
    codes = np.where(labels > 0, 2, 1)
    codes[0, :3], codes[1, :1] = 7, 9
    config = replace(QUICK, target="classes")
    found = checked([Pair(image, codes, name="a")], config)
    (rare,) = [finding.text for finding in found if "too few to learn" in finding.text]
    assert "3 pixels belong to the class 7" in rare
    assert "1 pixel belongs to the class 9" in rare


def test_a_mask_is_doubted():
    masks = [pair(n, labels=(cells()[1] > 0) * 255) for n in (0, 1)]
    finding = only(labels_say(masks), "mask")
    assert "'cells 0', and those of 1 more" in finding.text
    assert "(255)" in finding.text
    assert "connected piece" in finding.remedy


def test_a_mask_whose_objects_hang_together_can_be_split():
    labels = np.zeros((96, 96), np.uint8)
    labels[20:50, 10:40], labels[20:50, 41:71], labels[30:32, 40] = 1, 1, 1
    finding = only(labels_say([pair(0, labels=labels)]), "hang together")
    assert "In the masks 1 object seems to hang together" in finding.text
    assert finding.changes == {"split_masks": 4.0}
    config = replace(QUICK, split_masks=4.0)
    found = labels_say([pair(0, labels=labels)], config)
    assert not any("hang together" in f.text for f in found)


def test_few_objects_are_doubted():
    labels = np.where(cells()[1] < 4, cells()[1], 0)
    assert (
        "only 3 labelled objects"
        in only(labels_say([pair(0, labels=labels)]), "only").text
    )
    mask = pair(0, labels=labels.astype(bool))
    finding = only(labels_say([mask]), "to learn from")
    assert "mask holds only 3 connected pieces" in finding.text


@pytest.mark.parametrize("kind", [bool, np.uint8])
def test_a_mask_of_touching_objects_is_doubted_and_not_counted_as_one(kind):
    labels = np.zeros((96, 96), int)
    labels[20:60, 20:40], labels[20:60, 40:70] = 1, 2
    found = labels_say([pair(0, labels=(labels > 0).astype(kind))])
    assert "touching ones cannot be told apart" in only(found, "are a mask").text
    assert "only 1 connected piece to" in only(found, "to learn from").text
    assert not any("labelled object" in finding.text for finding in found)


def test_one_object_among_numbered_ones_is_no_mask():
    labels = np.zeros((96, 96), int)
    labels[20:60, 20:40] = 1
    assert labels_say([pair(0), pair(1, labels=labels)]) == []


def test_one_object_in_the_parts_that_were_seen_is_no_mask():
    labels = da.zeros((4000, 4000), dtype=np.uint8, chunks=512)
    labels[1000:3000, 1000:3000] = 1
    image = da.random.default_rng(0).random((4000, 4000), chunks=512)
    (look,) = looks_at([pair(0, image=image, labels=labels)])
    assert look.survey.mask
    assert not look.whole
    assert not any("mask" in f.text for f in about_labels([look], QUICK))


@pytest.mark.parametrize(("planes", "deep"), [(20, True), (6, False)])
def test_a_stack_whose_planes_are_learned_one_by_one_is_noted(planes, deep):
    image, labels = cells((planes, 64, 64), side=4, step=5)
    stack = pair(image=image, labels=labels, axes="ZYX")
    found = only(checked([stack]), "one by one", "note")
    assert f"{planes} planes" in found.text
    assert "unet-3d" in found.remedy
    assert bool(found.changes) == deep
    if deep:
        later = mended(checked, [stack], QUICK, found)
        assert not any(f.kind == "error" or "along Z" in f.text for f in later)
        film = replace(stack, axes="TYX")
        assert not any("one by one" in f.text for f in checked([film]))


def test_a_stack_can_be_held_out_though_its_frames_are_small():
    image, labels = cells((6, 40, 40))
    noise = np.random.default_rng(0)
    image = noise.integers(0, 255, labels.shape)
    labels[:] = labels[3]
    stack = pair(0, image=image, labels=labels, axes="TYX")
    assert not [f for f in checked([stack]) if "No validation" in f.text]
    few = replace(stack, image=image[:4], labels=labels[:4])
    only(checked([few]), "No validation")


def test_a_pair_without_objects_is_doubted():
    empty = pair(1, labels=np.zeros((96, 96), int))
    assert "'cells 1'" in only(labels_say([pair(0), empty]), "no object").text
    empty = replace(empty, role="validate")
    assert "nothing to find" in only(labels_say([pair(0), empty]), "no object").text


def test_too_many_classes_can_be_fixed():
    pairs = [pair(0, labels=np.arange(96 * 96).reshape(96, 96) // 100)]
    finding = only(labels_say(pairs, CLASSES), "93 different values", "error")
    mended(labels_say, pairs, CLASSES, finding)


def test_many_classes_are_doubted_and_can_be_fixed():
    finding = only(labels_say([pair(0)], CLASSES), "37 different values")
    assert mended(labels_say, [pair(0)], CLASSES, finding) == []


@pytest.mark.parametrize(
    ("labels", "word"),
    [
        (np.where(cells()[1] > 0, 1 + cells()[1] % 2, 0), "in 18 pieces"),
        (np.repeat([[1, 2, 3]], 96, 0).repeat(32, 1), "on 100 % of the pixels"),
    ],
)
def test_classes_that_are_taken_for_objects_are_doubted_and_can_be_fixed(labels, word):
    pairs = [pair(0, labels=labels)]
    finding = only(labels_say(pairs), "look like classes")
    assert word in finding.text
    assert mended(labels_say, pairs, QUICK, finding) == []


def test_one_class_alone_is_an_error():
    only(
        labels_say([pair(0, labels=np.full((96, 96), 4))], CLASSES),
        "only the value 4",
        "error",
    )


def test_a_rare_class_is_doubted_and_can_be_balanced():
    image, labels = (
        np.random.default_rng(0).random((600, 600)),
        np.zeros((600, 600), int),
    )
    labels[:300], labels[0, :300] = 1, 2
    pairs = [pair(0, labels=labels, image=image)]
    finding = only(labels_say(pairs, CLASSES), "the class 2")
    assert "0.083 %" in finding.text
    assert mended(labels_say, pairs, CLASSES, finding) == []


def test_rare_objects_are_doubted_and_can_be_balanced():
    labels = np.zeros((600, 600), int)
    for n in range(12):
        labels[8 + 40 * n, 8:18] = n + 1
    pairs = [pair(0, labels=labels, image=np.random.default_rng(0).random((600, 600)))]
    finding = only(labels_say(pairs), "belong to objects")
    assert "0.033 %" in finding.text
    assert "unlabelled" in finding.remedy
    assert mended(labels_say, pairs, QUICK, finding) == []


def test_a_class_of_few_pixels_is_doubted():
    labels = (cells()[1] > 0) * 1
    labels[0, :20] = 2
    finding = only(labels_say([pair(0, labels=labels)], CLASSES), "Only 20 pixels")
    assert "class 2" in finding.text
    assert "Paint more" in finding.remedy


def test_unlabelled_pixels_without_painted_background_can_be_fixed():
    labels = np.where(cells()[1] > 0, cells()[1] + 1, 0)
    pairs = [pair(0, labels=labels)]
    finding = only(labels_say(pairs, SPARSE), "no background is painted", "error")
    assert "label 1" in finding.remedy
    assert mended(labels_say, pairs, SPARSE, finding) == []


def test_the_annotated_share_is_noted():
    labels = np.zeros((96, 96), int)
    labels[:24], labels[24:48] = 1, 2
    finding = only(labels_say([pair(0, labels=labels)], SPARSE), "50 % of the", "note")
    assert "annotated" in finding.text


def test_few_annotated_pixels_are_doubted():
    labels = np.zeros((96, 96), int)
    labels[4, 4:14], labels[8, 4:14] = 1, 2
    finding = only(labels_say([pair(0, labels=labels)], SPARSE), "annotated, only 20")
    assert "strokes" in finding.remedy


def test_unlabelled_pixels_that_are_all_painted_are_noted():
    labels = cells()[1] + 1
    only(labels_say([pair(0, labels=labels)], SPARSE), "every pixel is painted", "note")


def test_a_label_to_ignore_that_does_not_occur_can_be_fixed():
    config = replace(QUICK, ignore=99)
    finding = only(labels_say([pair(0)], config), "99, does not occur")
    assert mended(labels_say, [pair(0)], config, finding) == []


def test_background_that_is_ignored_can_be_fixed():
    config = replace(SPARSE, background=5, ignore=5)
    finding = only(labels_say([pair(0)], config), "both that of background", "error")
    mended(labels_say, [pair(0)], config, finding)


def test_labels_that_are_all_ignored_can_be_fixed():
    config = replace(QUICK, ignore=3)
    pairs = [pair(0, labels=np.pad(np.full((80, 80), 3), 8, constant_values=3))]
    finding = only(labels_say(pairs, config), "which is to be ignored", "error")
    mended(labels_say, pairs, config, finding)


@pytest.mark.parametrize(
    ("value", "config", "word"),
    [
        (0, QUICK, "background (0) everywhere"),
        (0, SPARSE, "0 everywhere"),
        (1, SPARSE, "background (1) or unlabelled everywhere"),
    ],
)
def test_empty_labels_are_an_error_but_a_doubt_where_only_parts_were_seen(
    value, config, word
):
    labels = np.full((96, 96), value)
    finding = only(labels_say([pair(0, labels=labels)], config), word, "error")
    assert "Paint some" in finding.remedy
    large = da.full((4000, 4000), value, dtype=np.uint8, chunks=512)
    image = da.zeros((4000, 4000), dtype=np.uint8, chunks=512)
    lazy = [pair(0, labels=large, image=image)]
    only(labels_say(lazy, config), word + " in the parts that were looked at")
    only(images_say(lazy), "every pixel that was looked at")


def test_a_large_lazy_image_is_not_read_whole():
    read = []

    def watch(block):
        read.append(block.size)
        return block

    image = da.random.default_rng(0).random((20_000, 20_000), chunks=500)
    labels = da.ones((20_000, 20_000), dtype=np.uint8, chunks=500)
    image, labels = (
        a.map_blocks(watch, dtype=a.dtype, meta=a._meta) for a in (image, labels)
    )
    look = look_at(check_pairs([Pair(image, labels)])[0], 2, QUICK, 1)
    assert not look.whole
    assert look.seen < 2**22
    assert sum(read) < 0.15 * 2 * 20_000**2


def test_scribbles_in_a_large_image_in_memory_are_seen():
    labels = np.zeros((3000, 3000), np.uint8)
    labels[2900, 2000:2990], labels[2950, 2000:2990] = 1, 2
    image = np.random.default_rng(0).random(labels.shape, np.float32)
    look = look_at(check_pairs([Pair(image, labels)])[0], 2, SPARSE, 1)
    assert look.survey.values.tolist() == [0, 1, 2]
    assert look.whole
    assert look.sizes.sum() == 990
