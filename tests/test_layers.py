"""Layers become arrays, results become layers that lie exactly where they belong."""

from dataclasses import replace
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.layers import (
    METADATA_KEY,
    add_tuples,
    axes_of,
    image_tuple,
    labels_tuple,
    moved,
    pair_of,
    predict_layer,
    prediction_tuples,
    source_of,
    train_layers,
)
from napari_unet_studio.tasks.predict import PredictConfig, Prediction

PLACED: dict[str, Any] = {
    "scale": (0.5, 0.25),
    "translate": (10.0, -3.0),
    "rotate": 30,
    "shear": (0.2,),
    "units": ("um", "um"),
    "axis_labels": ("y", "x"),
}


def prediction(shape: tuple[int, ...], axes: str, **card: Any) -> Prediction:
    """Return a prediction of nothing, of a model that was never trained."""
    values = card.get("class_values", (0, 1))
    channels = len(values) if card.get("target") == "classes" else 1
    labels = np.zeros(shape, np.int32)
    return Prediction(
        np.zeros((channels, *shape), np.float32),
        labels,
        labels,
        ModelCard(name="net", spec=UNetSpec(channels=(4, 8)), **card),
        axes,
        ObjectConfig(threshold=0.25),
        PredictConfig(device="cpu"),
        tuple(slice(0, size) for size in shape),
    )


def corners(layer: Layer, shape: tuple[int, ...]) -> np.ndarray:
    """Return where the corners of an array of that shape lie in the world."""
    places = np.stack(np.meshgrid(*[(0, n) for n in shape]), -1).reshape(-1, len(shape))
    return np.array([layer.data_to_world(tuple(place)) for place in places])


# -- reading --------------------------------------------------------------------------


def test_source_has_pixels_axes_and_spacing() -> None:
    data = np.arange(12.0).reshape(3, 4)
    source = source_of(Image(data, name="cells", **PLACED))
    assert source.data is data
    assert (source.name, source.axes, source.channel_axis) == ("cells", "YX", None)
    assert source.spacing == (0.5, 0.25)


def test_source_stays_as_it_was() -> None:
    layer = Image(np.zeros((3, 4)), name="before", **PLACED)
    source = source_of(layer)
    layer.name, layer.scale, layer.data = "after", (9, 9), np.ones((5, 5))
    assert source.name == "before"
    assert source.data.shape == (3, 4)
    assert tuple(source.spatial["scale"]) == (0.5, 0.25)


@pytest.mark.parametrize(
    ("labels", "axes", "channel_axis"),
    [
        (("t", "y", "x"), "TYX", None),
        (("Time", "Y", "X"), "TYX", None),
        (("c", "y", "x"), "YX", 0),
        (("z", "channel", "y", "x"), "ZYX", 1),
        (("-3", "-2", "-1"), "ZYX", None),
        (("q", "t", "y", "x"), "TZYX", None),
        (("t", "rows", "columns"), "TYX", None),
        (("c", "t", "rows", "columns"), "TYX", 0),
        (("y", "t", "x"), "ZYX", None),  # out of order: the names say nothing
    ],
)
def test_axes_come_from_labels_or_from_their_number(
    labels: tuple[str, ...], axes: str, channel_axis: int | None
) -> None:
    layer = Image(np.zeros((2,) * len(labels)), axis_labels=labels)
    source = source_of(layer)
    assert (source.axes, source.channel_axis) == (axes, channel_axis)
    assert axes_of(layer) == axes


def test_time_behind_z_is_not_taken_for_depth() -> None:
    layer = Image(np.zeros((2, 3, 5, 5)), axis_labels=("z", "t", "y", "x"), name="film")
    assert axes_of(layer) == "ZTYX"
    for axes in (None, axes_of(layer)):
        with pytest.raises(InputError, match="order"):
            source_of(layer, axes)
    assert source_of(layer, "TZYX").axes == "TZYX"


def test_axes_can_be_given() -> None:
    layer = Image(np.zeros((2, 5, 5)), scale=(7, 2, 3))
    source = source_of(layer, "TYX")
    assert (source.axes, source.spacing) == ("TYX", (2, 3))
    with pytest.raises(InputError, match="cannot be named 'YX'"):
        source_of(layer, "YX")


def test_colours_are_channels() -> None:
    source = source_of(Image(np.zeros((2, 40, 50, 3), np.uint8), rgb=True))
    assert (source.axes, source.channel_axis) == ("ZYX", 3)


def test_multiscale_is_read_at_full_resolution() -> None:
    levels = [np.zeros((64, 64)), np.zeros((32, 32))]
    assert source_of(Image(levels, multiscale=True)).data.shape == (64, 64)


def test_lazy_data_stay_lazy() -> None:
    stored = zarr.create_array({}, shape=(64, 64), chunks=(32, 32), dtype="u1")
    assert isinstance(source_of(Image(stored)).data, da.Array)
    lazy = da.zeros((64, 64), chunks=32)
    assert source_of(Image(lazy)).data is lazy


def test_other_layers_are_refused() -> None:
    with pytest.raises(InputError, match="is of type Points; choose an Image or"):
        source_of(Points(np.zeros((1, 2)), name="dots"))


def test_too_many_axes_are_refused() -> None:
    layer = Image(np.zeros((2, 2, 2, 4, 4)), name="five")
    with pytest.raises(InputError, match="'five' has 5 axes, at most time, z, y and x"):
        source_of(layer)
    named = Image(np.zeros((2, 2, 2, 4, 4)), axis_labels=("c", "t", "z", "y", "x"))
    assert source_of(named).axes == "TZYX"


def test_pair_has_both_layers_and_a_role() -> None:
    image = Image(np.zeros((3, 8, 9)), name="film", scale=(4, 2, 3))
    labels = Labels(np.ones((3, 8, 9), int))
    pair = pair_of(image, labels, "validate", "TYX")
    assert (pair.name, pair.role, pair.axes) == ("film", "validate", "TYX")
    assert tuple(pair.spacing or ()) == (2, 3)
    assert pair.image is image.data
    assert pair.labels.shape == (3, 8, 9)


# -- writing --------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning")
@pytest.mark.parametrize("ndim", [2, 3])
def test_result_lies_on_its_source(ndim: int) -> None:
    more = ndim - 2
    placed = {
        "scale": (3.0,) * more + (0.5, 0.25),
        "translate": (1.0,) * more + (10.0, -3.0),
        "rotate": 30 if ndim == 2 else (10, 20, 30),
        "affine": np.diag([2.0] * ndim + [1.0]),
        "units": ("um",) * ndim,
    }
    shape = (4, 5, 6)[-ndim:]
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros(shape), name="cells", **placed)
    source = source_of(image)
    made = add_tuples(
        viewer,
        [
            labels_tuple(np.zeros(shape, int), source, "labels", {}),
            image_tuple(np.zeros(shape), source, "image", {}, opacity=0.3),
        ],
    )
    assert [type(layer) for layer in made] == [Labels, Image]
    assert made[1].opacity == 0.3
    for layer in made:
        assert np.allclose(corners(layer, shape), corners(image, shape))
        assert layer.units == image.units


def test_result_without_the_channels_lies_on_its_source() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(
        np.zeros((2, 5, 6)),
        scale=(1, 0.5, 0.25),
        translate=(0, 7, 8),
        rotate=30,
        axis_labels=("c", "y", "x"),
        units=("pixel", "um", "um"),
    )
    source = source_of(image)
    assert source.spacing == (0.5, 0.25)
    layer = add_tuples(viewer, [labels_tuple(np.zeros((5, 6), int), source, "l", {})])[
        0
    ]
    where = [image.data_to_world((0, y, x))[1:] for y in (0, 5) for x in (0, 6)]
    found = [layer.data_to_world((y, x)) for y in (0, 5) for x in (0, 6)]
    assert np.allclose(where, found)
    assert layer.axis_labels == ("y", "x")


def test_prediction_gives_hidden_probabilities_and_labels() -> None:
    source = source_of(Image(np.zeros((5, 6)), name="cells"))
    probability, labels = prediction_tuples(prediction((5, 6), "YX"), source)
    assert probability[2] == "image"
    assert not probability[1]["visible"]
    assert probability[1]["name"] == "cells [net] probability"
    assert probability[0].shape == (5, 6)
    assert labels[2] == "labels"
    assert labels[1]["name"] == "cells [net] labels"


def test_prediction_of_classes_gives_a_probability_for_each_but_the_first() -> None:
    source = source_of(Image(np.zeros((5, 6)), name="cells"))
    found = prediction((5, 6), "YX", target="classes", class_values=(0, 4, 9))
    names = [options["name"] for _, options, _ in prediction_tuples(found, source)]
    assert names == [
        "cells [net] probability of 4",
        "cells [net] probability of 9",
        "cells [net] labels",
    ]


def test_two_classes_of_one_probability_give_that_of_the_second() -> None:
    source = source_of(Image(np.zeros((5, 6)), name="cells"))
    found = prediction((5, 6), "YX", target="classes", class_values=(3, 8))
    found = replace(found, probabilities=found.probabilities[:1])
    names = [options["name"] for _, options, _ in prediction_tuples(found, source)]
    assert names == ["cells [net] probability of 8", "cells [net] labels"]


@pytest.mark.parametrize("shape", [(40, 3), (40, 50, 4)])
def test_narrow_results_are_not_taken_for_colours(shape: tuple[int, ...]) -> None:
    viewer = ViewerModel()
    source = source_of(viewer.add_image(np.zeros(shape), rgb=False, name="narrow"))
    axes = "ZYX"[-len(shape) :]
    probability, labels = add_tuples(
        viewer, prediction_tuples(prediction(shape, axes), source)
    )
    assert isinstance(probability, Image)
    assert not probability.rgb
    assert probability.ndim == labels.ndim == len(shape)


def test_layers_say_what_made_them() -> None:
    source = source_of(Image(np.zeros((3, 5, 6)), name="film"), "TYX")
    labels = prediction_tuples(prediction((3, 5, 6), "TYX"), source)[-1]
    made = labels[1]["metadata"][METADATA_KEY]
    assert made["source"] == "film"
    assert made["model"] == "net"
    assert made["axes"] == "TYX"
    assert made["objects"]["threshold"] == 0.25
    assert made["network"]["family"] == "unet"


def test_existing_layers_are_never_touched() -> None:
    viewer = ViewerModel()
    own = viewer.add_labels(np.ones((5, 6), int), name="result")
    source = source_of(own)
    made = add_tuples(
        viewer, [labels_tuple(np.zeros((5, 6), int), source, "result", {})]
    )
    assert (own.data == 1).all()
    assert [layer.name for layer in viewer.layers] == ["result", "result [1]"]
    assert made[0] is viewer.layers[1]


def test_moved_keeps_the_place() -> None:
    source = source_of(Image(np.zeros((40, 50, 3)), rgb=True, name="colours"))
    other = moved(source, np.ones((40, 50)))
    assert other.channel_axis is None
    assert other.spatial is source.spatial


# -- the console ----------------------------------------------------------------------


def test_layers_of_a_viewer_can_be_trained_on_and_predicted() -> None:
    viewer = ViewerModel()
    grey = np.zeros((2, 48, 48), np.uint8)
    grey[:, 10:30, 10:30] = 200
    viewer.add_image(grey, name="film", scale=(1, 0.5, 0.5))
    viewer.add_labels((grey > 0).astype(int), name="truth")
    model = train_layers(
        viewer, [("film", "truth")], {"updates": 2, "patch": 32, "batch": 1}, "tiny"
    )
    assert model.name == "tiny"
    found = predict_layer(viewer, "film", model, axes="TYX")
    assert found.axes == "TYX"
    assert found.labels.shape == (2, 48, 48)
    assert [layer.name for layer in viewer.layers[2:]] == [
        "film [tiny] probability",
        "film [tiny] labels",
    ]
    assert np.allclose(viewer.layers[-1].scale, (1, 0.5, 0.5))
    predict_layer(viewer, "film", model, axes="TYX", add=False)
    assert len(viewer.layers) == 4


def test_reading_layers_does_not_load_torch() -> None:
    import subprocess
    import sys

    code = "import sys, napari_unet_studio.layers\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
