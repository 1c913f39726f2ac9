"""The layer of errors: distinct colours for every eye, and names for its values."""

from itertools import combinations

import numpy as np
import pytest
from napari.layers import Labels
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_unet_studio.core.metrics.errors import Verdict
from napari_unet_studio.layers import source_of
from napari_unet_studio.layers.errors import COLOURS, NAMES, colours_of, errors_tuple

# Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB.
SIGHT = {
    "usual": np.eye(3),
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
GROUNDS = {"black": 0.0, "grey": 0.35}


def seen(rgb, sight):
    """Return the Lab of a colour as somebody sees it."""
    rgb = np.asarray(rgb, float)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.asarray(SIGHT[sight]) @ linear, 0, 1)
    low = linear <= 0.0031308
    shown = np.where(low, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return rgb2lab(shown[None, None])[0, 0]


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("sight", SIGHT)
def test_colours_are_distinct(sight, ground):
    colours = colours_of()
    labs = {"ground": seen([GROUNDS[ground]] * 3, sight)}
    for value, name in NAMES.items():
        *rgb, alpha = colours[value]
        mixed = alpha * np.array(rgb) + (1 - alpha) * GROUNDS[ground]
        labs[name] = seen(mixed, sight)
    del labs["matched"]  # faint on purpose; see below
    for one, other in combinations(labs, 2):
        assert deltaE_ciede2000(labs[one], labs[other]) > 15, (one, other)


@pytest.mark.parametrize("sight", SIGHT)
def test_what_is_right_is_told_from_what_is_wrong(sight):
    *rgb, alpha = colours_of()[Verdict.MATCHED]
    assert alpha < 0.5
    right = seen(alpha * np.array(rgb), sight)
    for value, name in NAMES.items():
        if name != "matched":
            assert deltaE_ciede2000(right, seen(colours_of()[value][:3], sight)) > 15


def test_values_are_those_of_error_maps():
    assert set(NAMES) == {int(verdict) for verdict in Verdict} - {Verdict.BACKGROUND}
    for value, name in NAMES.items():
        assert Verdict(value).name.lower() == name
    assert set(COLOURS) == set(NAMES.values())


def test_the_layer_lies_on_the_reference_and_names_what_is_under_the_cursor():
    errors = np.array([[0, 1, 2], [3, 4, 5]], np.uint8)
    truth = Labels(errors.astype(int), scale=(2, 3), translate=(5, 6), name="truth")
    data, options, kind = errors_tuple(errors, source_of(truth), "nuclei")
    assert kind == "labels"
    layer = Labels(data, **options)
    assert layer.name == "nuclei errors"
    np.testing.assert_allclose(layer.extent.world, truth.extent.world)
    for value, name in NAMES.items():
        place = tuple(np.argwhere(errors == value)[0])
        assert layer.get_status(place)["value"] == f"{value}; object: {name}"
        expected = colours_of()[value]
        np.testing.assert_allclose(layer.get_color(value), expected, atol=0.01)
    assert "object" not in layer.get_status((0, 0))["value"]


def test_one_kind_can_be_shown_alone():
    colours = colours_of(only=3)
    assert colours[3][3] == 1
    assert not any(colours[value].any() for value in NAMES if value != 3)
