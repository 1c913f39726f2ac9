"""What the console offers: every name documented, and helpers that act on layers."""

import ast
import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

import napari_unet_studio as us
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.images import write_tiff
from napari_unet_studio.layers import METADATA_KEY
from napari_unet_studio.sample_data import nuclei_2d

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "napari_unet_studio"
SAMPLE = nuclei_2d((64, 60), seed=1)
SPACE: dict[str, Any] = {"scale": (0.5, 0.4), "units": ("um", "um")}
NAMES = sorted(set(us.__all__) - {"__version__"})


@pytest.fixture
def model() -> ViewerModel:
    """Give a viewer without a window, with nuclei and their labels."""
    viewer = ViewerModel()
    viewer.add_image(SAMPLE.image, name="nuclei", **SPACE)
    viewer.add_labels(SAMPLE.labels, name="truth", **SPACE)
    return viewer


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_explained_with_an_example(name: str) -> None:
    found = getattr(us, name)
    assert f"`{name}`" in (us.__doc__ or ""), "help(us) does not list it"
    if callable(found):
        text = inspect.getdoc(found) or ""
        assert text.split("\n")[0].endswith("."), text
        assert ">>>" in text, "it has no example"


def test_help_lists_no_name_that_is_not_there() -> None:
    told = set(re.findall(r"(?<!`)`(\w+)`(?!`)", us.__doc__ or ""))
    assert told == set(NAMES)


def test_the_reference_has_every_name() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"auto(?:function|class|data):: (?:[\w.]+\.)?(\w+)", page))
    for block in re.split(r"(?=\.\. automodule)", page)[1:]:
        place = re.match(r"\.\. automodule:: ([\w.]+)", block)
        assert place is not None
        only = re.search(r":members: (\w.*)", block)
        left = re.search(r":exclude-members: (.*)", block)
        listed = only[1].split(", ") if only else _public(place[1])
        shown |= set(listed) - set(left[1].split(", ") if left else [])
    assert not set(NAMES) - shown


def _public(module: str) -> list[str]:
    """Return the names that a module offers, without importing it."""
    stem = PACKAGE.joinpath(*module.split(".")[1:])
    path = stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
    names: list[str] = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id == "__all__":
                return list(ast.literal_eval(node.value))
            names.append(node.targets[0].id)
    return [name for name in names if not name.startswith("_")]


def test_weights_lie_on_their_labels(model: ViewerModel) -> None:
    layer = us.weights_layer(model, "truth", {"sigma": 7.5}, target=True)
    expected = us.separation_weights(
        SAMPLE.labels, w0=10, sigma=7.5, spacing=(0.5, 0.4), gap=2, inside=False,
        balance="none",
    )  # fmt: skip
    np.testing.assert_array_equal(layer.data, expected)
    assert layer.metadata[METADATA_KEY]["weights"]["sigma"] == 7.5
    assert (layer.scale == model.layers["truth"].scale).all()
    carved = us.carve_gap(SAMPLE.labels, 2)
    np.testing.assert_array_equal(model.layers["truth target"].data, carved)
    count = len(model.layers)
    alone = us.weights_layer(model, "truth", {"sigma": 7.5}, add=False)
    np.testing.assert_array_equal(alone, expected)
    assert len(model.layers) == count


@pytest.mark.parametrize("balance", ["none", "image", "global"])
@pytest.mark.parametrize("preset", ["2015", "2019", "none"])
def test_colours_of_weights_span_what_the_formula_can_give(
    model: ViewerModel, preset: str, balance: str
) -> None:
    layer = us.weights_layer(model, "truth", {"preset": preset, "balance": balance})
    low, high = layer.contrast_limits
    assert low == 0
    assert float(layer.data.max()) <= high < float(layer.data.max()) + 60


def test_wrong_classes_of_weights_are_explained(model: ViewerModel) -> None:
    with pytest.raises(InputError, match="have no column 'kind'"):
        us.weights_layer(model, "truth", classes="kind")


def test_layers_are_deformed_alike(model: ViewerModel) -> None:
    settings = {"sigma": 6.0, "seed": 3}
    image, labels = us.deform_layer(model, "nuclei", settings, labels="truth")
    expected = us.elastic_deform(
        SAMPLE.image, SAMPLE.labels, sigma=6.0, seed=3, spacing=(0.5, 0.4)
    )
    np.testing.assert_array_equal(image.data, expected[0])
    np.testing.assert_array_equal(labels.data, expected[1])
    assert image.metadata[METADATA_KEY]["source"] == "nuclei"
    arrays = us.deform_layer(model, "nuclei", settings, add=False)
    np.testing.assert_array_equal(arrays.images, expected[0])
    model.add_labels(SAMPLE.labels[:5], name="part")
    with pytest.raises(InputError, match="'part' has shape"):
        us.deform_layer(model, "nuclei", labels="part")


def test_a_table_goes_into_the_features_beside_what_is_there(
    model: ViewerModel,
) -> None:
    truth = model.layers["truth"]
    ids = np.unique(SAMPLE.labels)[1:]
    truth.features = {"index": ids, "kind": ["a"] * len(ids)}
    model.add_image(np.stack([SAMPLE.image, SAMPLE.image // 2]), name="two")
    table = us.measure_layer(model, "truth", ["nuclei", "two"])
    assert {"mean nuclei", "mean two 0", "mean two 1"} <= set(table)
    assert table.unit == "um"
    assert list(truth.features["kind"]) == ["a"] * len(ids)
    np.testing.assert_array_equal(truth.features["area"], table["area"])
    before = truth.features
    named = us.measure_layer(model, "truth", {"half": ("two", 1)}, add=False)
    np.testing.assert_array_equal(named["mean half"], table["mean two 1"])
    assert truth.features.equals(before)


def test_ids_in_a_column_label_are_those_of_the_objects() -> None:
    viewer = ViewerModel()
    pixels = np.array([[1, 1, 0, 2, 0, 7]])
    told = {"label": [7, 1, 2], "kind": ["c", "a", "b"]}  # as regionprops_table has it
    cells = viewer.add_labels(pixels, name="cells", features=told)
    for _ in range(2):
        us.measure_layer(viewer, "cells")
        found = cells.features.set_index("index")
        assert found["kind"].to_dict() == {1: "a", 2: "b", 7: "c"}
        assert found["area"].to_dict() == {1: 2, 2: 1, 7: 1}


def test_a_column_label_of_words_holds_no_ids() -> None:
    viewer = ViewerModel()
    told = {"label": ["", "x", "y"], "kind": ["", "a", "b"]}
    pixels = np.array([[1, 1, 0, 2]])
    cells = viewer.add_labels(pixels, name="cells", features=told)
    us.measure_layer(viewer, "cells")
    found = cells.features.set_index("index")["kind"]
    assert found[[1, 2]].tolist() == ["a", "b"]


def test_what_the_user_says_of_an_object_at_a_time_stays_there() -> None:
    viewer = ViewerModel()
    film = np.kron([[1, 0, 2]] * 3, np.ones((1, 4), int))[:, np.newaxis]
    cells = viewer.add_labels(film, name="cells", axis_labels=("t", "y", "x"))
    us.measure_layer(viewer, "cells")
    told = ["", "", "divides", "", "", "dies"]
    table = cells.features.sort_values(["index", "t"], ignore_index=True)
    cells.features = table.assign(phase=[word or None for word in told])
    us.measure_layer(viewer, "cells")
    found = cells.features.sort_values(["index", "t"])
    assert found["phase"].fillna("").tolist() == told
    assert found[["index", "t"]].to_numpy().tolist() == [
        [index, t] for index in (1, 2) for t in range(3)
    ]


def test_errors_of_labels_become_a_layer(model: ViewerModel) -> None:
    worse = np.where(SAMPLE.labels == 2, 0, SAMPLE.labels)
    model.add_labels(worse, name="worse", **SPACE)
    comparison = us.evaluate_layers(model, "truth", ["worse", "truth"])
    assert comparison["worse"].scores["missed"] == 1
    assert dict(comparison["worse"].scores) == pytest.approx(
        dict(us.evaluate(worse, SAMPLE.labels))
    )
    errors = model.layers["worse errors"]
    assert set(np.unique(errors.data[SAMPLE.labels == 2])) == {2}
    us.evaluate_layers(model, "truth", "worse", kind="classes")
    assert len(model.layers) == 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: us.predict_layer(v, "nucli"), "no layer 'nucli'; it has 'nuclei', "),
        (lambda v: us.predict_layer(v, ["nuclei", "x"]), "no layer 'x'"),
        (lambda v: us.predict_layer(v, []), "No layer is named"),
        (lambda v: us.predict_layer(v, "truth"), "'truth' is of type Labels"),
        (lambda v: us.train_layers(v, [("nuclei", "x")]), "no layer 'x'"),
        (lambda v: us.train_layers(v, ("nuclei", "truth")), "A row is an Image and a"),
        (lambda v: us.train_layers(v, [("truth", "nuclei")]), "of type Labels; choose"),
        (lambda v: us.weights_layer(v, "x"), "no layer 'x'"),
        (lambda v: us.weights_layer(v, "nuclei"), "turn it into one: Convert to"),
        (lambda v: us.weights_layer(v, "truth", ndim=4), "2 or 3 axes, not 4"),
        (lambda v: us.deform_layer(v, "x"), "no layer 'x'"),
        (lambda v: us.deform_layer(v, "truth"), "of type Labels; choose one of type"),
        (lambda v: us.deform_layer(v, "nuclei", labels="nuclei"), "of type Image"),
        (lambda v: us.deform_layer(v, "nuclei", ndim=4), "2 or 3 axes, not 4"),
        (lambda v: us.measure_layer(v, "x"), "no layer 'x'"),
        (lambda v: us.measure_layer(v, "nuclei"), "of type Image; choose one of type"),
        (lambda v: us.measure_layer(v, "truth", ["x"]), "no layer 'x'"),
        (lambda v: us.evaluate_layers(v, "x", "truth"), "no layer 'x'"),
        (lambda v: us.evaluate_layers(v, "truth", "x"), "no layer 'x'"),
        (lambda v: us.evaluate_layers(v, "nuclei", "truth"), "of type Image"),
        (
            lambda v: us.evaluate_layers(v, "truth", "truth", kind="objcts"),  # type: ignore[arg-type]
            "choose one of objects, classes, membranes",
        ),
        (lambda v: us.open_layer(v, "x"), "no layer 'x'"),
        (lambda v: us.open_layer(v, "x", "x.tif"), "no file 'x.tif'"),
        (lambda v: us.open_layer(v, "x", sample="y"), "no sample 'y'"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(
    model: ViewerModel, call: Callable[[ViewerModel], object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        call(model)
    assert len(model.layers) == 2


def test_objects_as_a_dict_change_the_settings_of_the_model(model: ViewerModel) -> None:
    ours = us.load_model("nuclei").card.objects
    found = us.predict_layer(model, "nuclei", objects={"min_size": 77}, add=False)
    assert found.objects == replace(ours, min_size=77)


def test_slices_without_numbers_are_regions_too(model: ViewerModel) -> None:
    part = (slice(None, 40), slice(30, None))
    us.predict_layer(model, "nuclei", region=part)
    found = model.layers[-1]
    np.testing.assert_allclose(found.translate, (0, 30 * 0.4))
    told = found.metadata[METADATA_KEY]["region"]
    assert told == [[0, 40], [30, SAMPLE.image.shape[1]]]
    maps = us.feature_layer(model, "nuclei", node="encoder.0", region=part)
    assert maps.metadata[METADATA_KEY]["region"] == told


def test_why_a_candidate_has_no_scores_is_printed(model: ViewerModel) -> None:
    model.add_labels(SAMPLE.labels[:5], name="part")
    printed = str(us.evaluate_layers(model, "truth", ["truth", "part"]))
    assert "part: The two label images have different shapes" in printed
    assert "truth: " not in printed


@pytest.mark.slow
def test_a_model_knows_the_size_of_the_pixels_it_was_trained_on(
    model: ViewerModel, tmp_path: Path
) -> None:
    short = {"updates": 1, "patch": 32, "batch": 1, "device": "cpu"}
    pixels, painted = tmp_path / "image.tif", tmp_path / "labels.tif"
    write_tiff(pixels, SAMPLE.image, "YX", (0.5, 0.4))
    write_tiff(painted, SAMPLE.labels, "YX", (0.5, 0.4))
    rows: list[Any] = [("nuclei", "truth"), (pixels, painted)]
    for row in rows:
        trained = us.train_layers(model, [row], short, name="sized")
        assert trained.card.spacing == (0.5, 0.4)
        assert trained.card.unit == "um"
    fine = np.kron(SAMPLE.image, np.ones((2, 2), np.uint16))
    model.add_image(fine, name="fine", scale=(0.25, 0.2), units=("um", "um"))
    settings = {"pixel_size": "model", "device": "cpu"}
    resampled = us.predict_layer(model, "fine", trained, settings, add=False)
    assert resampled.probabilities.shape == (1, *fine.shape)
    as_it_is = us.predict_layer(model, "fine", trained, {"device": "cpu"}, add=False)
    assert not np.allclose(resampled.probabilities, as_it_is.probabilities, atol=1e-3)
    model.add_image(fine, name="unmeasured")
    with pytest.raises(InputError, match="'unmeasured' has no unit of length"):
        us.predict_layer(model, "unmeasured", trained, settings)
    model.add_labels(np.kron(SAMPLE.labels, np.ones((2, 2), int)), name="large")
    mixed = us.train_layers(model, [rows[0], ("unmeasured", "large")], short)
    assert mixed.card.unit == "pixel"
