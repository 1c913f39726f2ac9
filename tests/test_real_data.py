"""Real microscopy of many kinds goes in, and finite numbers come out."""

import os

import numpy as np
import pytest

import napari_unet_studio as us
from napari_unet_studio.io.images import SUFFIXES, read_image, read_labels

SPATIAL = {"Z", "Y", "X"}


def first(folder):
    """Return the first image of a folder and its labels."""
    path = min((folder / "images").iterdir())
    return path, folder / "labels" / path.name


def around_object(labels, size):
    """Return the box of some pixels a side around the middle object pixel."""
    inside = np.argwhere(labels)
    centre = inside[len(inside) // 2]
    starts = [max(0, int(c) - s // 2) for c, s in zip(centre, size, strict=True)]
    return tuple(slice(a, a + s) for a, s in zip(starts, size, strict=True))


def quick(**changes):
    """Settings of a training that is over at once."""
    return {"updates": 2, "patch": 32, "batch": 1, "hold_out": 0.2, **changes}


def corner(array, size, channels_last=False):
    """Cut the middle out of the last two spatial axes."""
    at = array.ndim - 2 - channels_last
    box = [slice(None)] * array.ndim
    for axis in (at, at + 1):
        start = max(0, (array.shape[axis] - size) // 2)
        box[axis] = slice(start, start + size)
    return np.asarray(array[tuple(box)])


def check(pairs, config, **options):
    """Train on pairs and predict the first of them."""
    model = us.train(pairs, config, device="cpu")
    losses = [e["loss"] for e in model.card.training["history"] if "loss" in e]
    assert losses
    assert np.isfinite(losses).all()
    assert all(np.isfinite(value) for value in model.card.scores.values())
    prediction = us.predict(pairs[0].image, model, {"device": "cpu"}, **options)
    assert np.isfinite(prediction.probabilities).all()
    assert prediction.labels.shape == np.shape(pairs[0].labels)
    scores = us.evaluate(
        prediction.labels, pairs[0].labels, prediction.axes, connected=False
    )
    assert all(np.isfinite(value) for value in scores.values())
    return model, prediction


def test_every_image_is_read_with_axes_that_fit(data_dir) -> None:
    paths = [p for p in data_dir.rglob("*") if p.suffix.lower() in SUFFIXES]
    folders = {}
    for path in sorted(paths):
        folders.setdefault(path.parent, []).append(path)
    assert len(folders) > 10
    for paths in folders.values():
        for path in paths[:2]:
            image = read_image(path)
            count = len(image.axes) + (image.channel_axis is not None)
            assert image.array.ndim == count, path
            assert image.axes.endswith("YX"), path
            spatial = sum(axis in SPATIAL for axis in image.axes)
            assert image.spacing is None or len(image.spacing) == spatial, path
            assert np.isfinite(np.asarray(image.array, dtype=float)).all(), path


def test_nuclei(data_dir) -> None:
    image_path, labels_path = first(data_dir / "nuclei_dsb2018/train")
    image, labels = read_image(image_path), read_labels(labels_path)
    pair = us.Pair(image.array, labels, channel_axis=image.channel_axis)
    model, _ = check([pair], quick(), channel_axis=image.channel_axis)
    assert model.card.scores


def test_membranes_of_a_binary_mask(data_dir) -> None:
    folder = data_dir / "em_isbi2012"
    image = read_image(folder / "train-volume.tif").array[:2, :160, :160]
    labels = read_labels(folder / "train-labels.tif")[:2, :160, :160]
    model, prediction = check([us.Pair(image, labels)], quick())
    assert prediction.axes == "ZYX"
    assert {"iou", "f1"} <= set(model.card.scores)


def test_codes_of_tissues_that_are_not_contiguous(data_dir) -> None:
    folder = data_dir / "em_multiclass"
    image = corner(read_image(folder / "train-volume.tif").array[:1], 256)
    labels = corner(read_labels(folder / "train-labels.tif")[:1], 256)
    model, prediction = check([us.Pair(image, labels)], quick(target="classes"))
    assert model.card.class_values == tuple(np.unique(labels).tolist())
    assert len(model.card.class_values) > 2
    assert len(prediction.probabilities) == len(model.card.class_values)
    assert set(np.unique(prediction.labels)) <= set(model.card.class_values)


def test_nuclei_of_an_embryo_in_3d(data_dir) -> None:
    image_path, labels_path = first(data_dir / "embryo_3d/train")
    read = read_image(image_path)
    image = corner(read.array[:24], 48)
    labels = corner(read_labels(labels_path)[:24], 48)
    pair = us.Pair(image, labels, axes=read.axes, spacing=read.spacing)
    config = quick(network="unet-3d", patch=16)
    _, prediction = check([pair], config, spacing=read.spacing)
    assert prediction.axes == "ZYX"


def test_stained_tissue_in_colour(data_dir) -> None:
    image_path, labels_path = first(data_dir / "stained_nuclei_rgb/train")
    image = read_image(image_path)
    assert image.channel_axis in (-1, 2)
    pixels = corner(image.array, 160, channels_last=True)
    labels = corner(read_labels(labels_path), 160)
    pair = us.Pair(pixels, labels, channel_axis=-1)
    model, _ = check([pair], quick(), channel_axis=-1)
    assert model.card.spec.in_channels == 3


@pytest.mark.parametrize(
    "folder", ["phase_u373", "dic_hela", "phase_psc", "vessels_drive"]
)
def test_other_microscopy(data_dir, folder) -> None:
    image_path, labels_path = first(data_dir / folder / "train")
    image = read_image(image_path)
    last = image.channel_axis is not None
    labels = read_labels(labels_path)
    box = around_object(labels, (128, 128))
    pair = us.Pair(image.array[box], labels[box], channel_axis=-1 if last else None)
    check([pair], quick(updates=1), channel_axis=pair.channel_axis)


def test_two_channels_of_a_stack_train_together(data_dir) -> None:
    image = read_image(data_dir / "small_stacks/images/nuclei_membrane_2ch.tif")
    assert image.channel_axis == 0
    assert image.array.shape[0] == 2
    labels = read_labels(data_dir / "small_stacks/labels/nuclei_membrane_2ch.tif")
    box = around_object(labels, (8, 64, 64))
    pair = us.Pair(image.array[(slice(None), *box)], labels[box], channel_axis=0)
    model, _ = check(
        [pair], quick(network="unet-3d", patch=16, updates=1), channel_axis=0
    )
    assert model.card.spec.in_channels == 2


# A network of each family, narrowed, that one tile should not overtax. The smallest
# score map of FCN-32s has 32 px between two values: it cannot draw nuclei of 20 px.
BY_HEART = {
    "unet-16": 0.5,
    "unet-2015": 0.125,
    "unet-teaching": 0.125,
    "fcn-8s": 0.25,
    "unet++-16": 1.0,
    "unet3+": 0.125,
    "unet3+-guided": 0.125,
    "resunet": 0.25,
    "mobile-unet": 0.5,
    "eff-unet-b0": 0.5,
}


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("UNET_STUDIO_LONG"),
    reason="takes minutes; set UNET_STUDIO_LONG=1",
)
@pytest.mark.parametrize("network", BY_HEART)
def test_every_family_learns_one_tile_by_heart(data_dir, network) -> None:
    folder = data_dir / "nuclei_dsb2018" / "train"
    images = sorted((folder / "images").iterdir())
    pairs = (
        (read_image(p).array, read_labels(folder / "labels" / p.name)) for p in images
    )
    image, labels = next(
        (i, n) for i, n in pairs if i.shape == (256, 256) and n.max() > 15
    )
    image, labels = image[:128, :128], labels[:128, :128] > 0
    config = {
        "network": network,
        "width": BY_HEART[network],
        "updates": 300,
        "batch": 1,
        # Valid networks: several places of the grid, as prediction will choose another.
        "patch": 100 if network == "unet-2015" else 128,
        "learning_rate": 3e-3,
        "hold_out": 0,
        "weights": {"preset": "none"},
        "augment": {
            "rotate": False,
            "flip": False,
            "zoom": 0,
            "elastic": 0,
            "brightness": 0,
            "contrast": 0,
            "gamma": 0,
            "noise": 0,
        },
    }
    pair = us.Pair(image, labels.astype(np.uint8))
    model = us.train([pair], config, device="cpu")
    found = us.predict(image, model, {"device": "cpu"}).probabilities[-1] > 0.5
    overlap = (found & labels).sum() / (found | labels).sum()
    print(f"{network} x {BY_HEART[network]}: IoU {overlap:.3f}")
    assert overlap > 0.95
