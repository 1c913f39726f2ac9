"""Comparing labels and models: scores are those of evaluate, failures stay in rows."""

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import napari_unet_studio as us
from napari_unet_studio.core.errors import InputError
from napari_unet_studio.core.metrics.errors import Verdict, error_map
from napari_unet_studio.io.images import write_tiff
from napari_unet_studio.io.plain_json import dumps
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.sample_data import nuclei_2d, tissue_rgb
from napari_unet_studio.tasks.compare import Candidate, Case, CompareProgress, compare
from napari_unet_studio.tasks.comparison import MAIN
from napari_unet_studio.tasks.progress import run

SAMPLE = nuclei_2d((96, 96), seed=1)
TRUTH = SAMPLE.labels


def without(labels, *ids):
    return np.where(np.isin(labels, ids), 0, labels)


def labels_only(truth, **labels):
    return us.compare(None, truth, labels=labels)


def test_scores_are_those_of_evaluate():
    found = without(TRUTH, 1, 2)
    comparison = labels_only(TRUTH, found=found, same=TRUTH)
    for name, labels in (("found", found), ("same", TRUTH)):
        row = comparison[name]
        assert dict(row.scores) == pytest.approx(dict(us.evaluate(labels, TRUTH)))
        assert dict(row.images[0].scores) == pytest.approx(dict(row.scores))
        assert row.kind == "labels"
        assert row.parameters is None
        assert row.seconds is None
    assert comparison["found"].scores["missed"] == 2
    assert comparison["same"].scores["f1"] == 1
    assert comparison.best("f1") == comparison.best("missed") == {"same"}
    assert not comparison.best("spurious")  # all alike


@settings(max_examples=30, deadline=None)
@given(arrays(np.uint8, (2, 6, 7), elements=st.integers(0, 3)))
def test_time_points_and_several_images_add_up_alike(labels):
    truth = np.roll(labels, 1, axis=-1)
    axes = {"axes": "TYX"}
    film = us.compare(None, truth, labels={"a": labels}, connected=False, **axes)["a"]
    each = us.compare(None, list(truth), labels={"a": list(labels)}, connected=False)
    assert dict(film.scores) == pytest.approx(dict(each["a"].scores))


def test_a_model_is_predicted_and_timed():
    comparison = us.compare(SAMPLE.image, TRUTH, ["nuclei"], keep=True)
    row = comparison["nuclei"]
    labels = us.segment(SAMPLE.image, "nuclei")
    np.testing.assert_array_equal(row.images[0].labels, labels)
    np.testing.assert_array_equal(row.images[0].errors, error_map(labels, TRUTH))
    assert dict(row.scores) == pytest.approx(dict(us.evaluate(labels, TRUTH)))
    assert row.parameters == load_model("nuclei").info()["parameters"]
    assert row.seconds > 0
    assert row.seconds == row.images[0].seconds


def test_error_maps_are_made_of_each_time_point():
    film = np.stack([TRUTH, without(TRUTH, 3)])
    truth = np.stack([without(TRUTH, 3), TRUTH])
    row = us.compare(None, truth, labels={"a": film}, axes="TYX", keep=True)["a"]
    errors = row.images[0].errors
    where = TRUTH == 3
    assert set(errors[0][where]) == {Verdict.SPURIOUS}
    assert set(errors[1][where]) == {Verdict.MISSED}
    assert (row.scores["missed"], row.scores["spurious"]) == (1, 1)


def test_a_volume_is_compared_as_one():
    truth = np.zeros((4, 20, 20), int)
    truth[:, 2:8, 2:8] = 1
    truth[:2, 12:18, 12:18] = 2
    found = truth.copy()
    found[2:, 2:8, 2:8] = 7  # the stack has been cut
    row = labels_only(truth, cut=found)["cut"]
    assert row.scores["splits"] == 1
    assert row.scores["matched"] == 1


def test_a_model_that_fails_on_an_image_keeps_its_other_scores():
    colour = tissue_rgb((64, 64), seed=0)
    cases = [
        Case("grey", TRUTH, SAMPLE.image),
        Case("colour", colour.labels, colour.image, channel_axis=-1),
    ]
    good = Candidate("good", labels=[TRUTH, colour.labels])
    found = run(compare(cases, [Candidate("nuclei", model="nuclei"), good]))
    failed = found["nuclei"].failures
    assert [image.image for image in failed] == ["colour"]
    assert "3" in failed[0].error
    assert "On 1 of 2 images" in found["nuclei"].notes[0]
    assert dict(found["nuclei"].scores) == pytest.approx(
        dict(us.evaluate(us.segment(SAMPLE.image), TRUTH))
    )
    assert not found["good"].failures
    assert not found.best("f1")  # nothing to compare it with


def test_a_channel_is_taken_for_models_of_one():
    colour = tissue_rgb((64, 64), seed=0)
    grey = us.compare(
        colour.image, colour.labels, "nuclei", channel_axis=-1, channel="grey"
    )
    assert not grey["nuclei"].failures


def test_a_missing_model_is_a_row_with_the_reason(tmp_path):
    found = us.compare(
        SAMPLE.image, TRUTH, {"gone": tmp_path / "gone.unet"}, {"same": TRUTH}
    )
    assert not found["gone"].scores
    assert "gone.unet" in found["gone"].notes[0]
    assert found["same"].scores["f1"] == 1


def test_a_mask_as_reference_is_taken_by_components_and_said():
    truth = np.zeros((30, 30), np.uint8)
    truth[2:9, 2:9] = truth[15:25, 15:25] = 255
    found = np.where(truth, 1, 0)
    found[15:25, 15:25] = 2
    comparison = labels_only(truth, ids=found, mask=found > 0)
    assert comparison["ids"].scores["f1"] == comparison["mask"].scores["f1"] == 1
    assert "connected components" in comparison.notes[0]
    assert "connected components" in comparison["mask"].notes[0]
    assert not comparison["ids"].notes
    apart = us.compare(None, truth, labels={"ids": found}, connected=False)
    assert apart["ids"].scores["f1"] < 1
    assert not apart.notes


def test_an_empty_reference_is_said():
    found = labels_only(np.zeros((7, 8), int), some=np.pad([[1, 1]], 3))
    assert "no objects" in found.notes[0]
    assert found["some"].scores["spurious"] == 1
    assert found["some"].value("seg") is None


def test_thousands_of_specks_are_compared_quickly():
    truth = np.zeros((400, 400), np.int32)
    truth[::2, ::2] = np.arange(1, 40001).reshape(200, 200)
    found = np.where(truth % 4 == 0, 0, truth)
    scores = labels_only(truth, some=found)["some"].scores
    assert (scores["matched"], scores["missed"]) == (30000, 10000)


def test_ignored_pixels_of_a_mask_do_not_count():
    truth = np.zeros((20, 20), np.uint8)
    truth[2:6, 2:6] = truth[2:6, 10:14] = 1
    truth[12:] = 2  # unknown
    found = np.zeros((20, 20), int)
    found[2:6, 2:6], found[2:6, 10:14], found[14:18, 3:7] = 5, 6, 7
    row = us.compare(None, truth, labels={"a": found}, ignore=2, keep=True)["a"]
    assert (row.scores["f1"], row.scores["spurious"]) == (1, 0)
    assert not row.images[0].errors[12:].any()


@pytest.mark.parametrize("ignore", [-1, 2, 2**40])
def test_any_id_of_a_mask_may_be_ignored(ignore):
    truth = np.zeros((20, 20), np.int64)
    truth[2:6, 2:6] = truth[2:6, 10:14] = 1
    truth[12:] = ignore
    found = np.zeros((20, 20), int)
    found[2:6, 2:6], found[2:6, 10:14] = 5, 6
    found[10:18, 3:7] = 7  # most of it cannot be judged
    row = us.compare(None, truth, labels={"a": found}, ignore=ignore, keep=True)["a"]
    evaluated = us.evaluate(found, truth, connected=True, ignore=ignore)
    assert dict(row.scores) == pytest.approx(dict(evaluated))
    assert (row.scores["f1"], row.scores["spurious"]) == (1, 0)
    assert set(np.unique(row.images[0].errors)) == {0, Verdict.MATCHED}


@pytest.mark.parametrize("ignore", [None, 2])
def test_specks_of_a_mask_do_not_count(ignore):
    truth = np.zeros((20, 20), np.uint8)
    truth[2:8, 2:8] = truth[10:16, 10:16] = 1
    truth[18, 1:3] = 1  # two pixels
    found = np.zeros((20, 20), int)
    found[2:8, 2:8], found[10:16, 10:16] = 5, 6
    options = {"ignore": ignore, "specks": 3}
    row = us.compare(None, truth, labels={"a": found}, keep=True, **options)["a"]
    evaluated = us.evaluate(found, truth, connected=True, **options)
    assert dict(row.scores) == pytest.approx(dict(evaluated))
    assert row.scores["missed"] == 0
    assert set(np.unique(row.images[0].errors)) == {0, Verdict.MATCHED}
    every = us.compare(None, truth, labels={"a": found}, ignore=ignore)
    assert every["a"].scores["missed"] == 1


def test_ids_of_objects_as_classes_raise_a_doubt():
    ids = np.arange(15).reshape(3, 5)
    found = us.compare(None, ids, labels={"same": ids}, kind="classes")
    assert "The reference 'image 1' holds more than 12 values" in found.notes[0]
    assert "more than 12 values" in found["same"].notes[0]
    few = us.compare(None, ids % 12, labels={"same": ids % 12}, kind="classes")
    assert not few.notes
    assert not few["same"].notes
    model = us.compare(SAMPLE.image, TRUTH > 0, "nuclei", kind="classes")["nuclei"]
    assert any("finds objects" in note for note in model.notes)


def test_notes_name_the_references():
    empty = np.zeros((4, 5), int)
    found = us.compare(None, [empty, empty], labels={"a": [empty, empty]})
    assert found.notes[0].startswith("The references 'image 1', 'image 2' hold no")


@pytest.mark.parametrize("kind", ["classes", "membranes"])
def test_other_kinds_are_scored_by_their_measures(kind):
    found = us.compare(None, TRUTH, labels={"same": TRUTH}, kind=kind)
    assert found["same"].scores["pixel_error"] == 0
    assert found["same"].images[0].errors is None


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InputError, match="nothing to compare"):
        us.compare(None, TRUTH)
    with pytest.raises(InputError, match="one for each"):
        us.compare(None, [TRUTH, TRUTH], labels={"a": [TRUTH]})
    with pytest.raises(InputError, match="whole numbers"):
        labels_only(TRUTH.astype(float), a=TRUTH)
    with pytest.raises(InputError, match="called 'a'"):
        us.compare(SAMPLE.image, TRUTH, {"a": "nuclei"}, {"a": TRUTH})
    row = labels_only(TRUTH, a=TRUTH[:50])["a"]
    assert "different shapes" in row.notes[0]
    row = us.compare(SAMPLE.image[:64], TRUTH, "nuclei")["nuclei"]
    assert "(64, 96)" in row.notes[0]


def test_it_stops_when_asked():
    steps = []
    task = compare(
        [Case("a", TRUTH, SAMPLE.image)],
        [Candidate("nuclei", model="nuclei")],
        should_stop=lambda: len(steps) > 1,
    )
    assert run(task, steps.append) is None
    assert not any(step.row for step in steps)


def test_progress_grows_and_tells_each_candidate_that_is_done():
    steps: list[CompareProgress] = []
    cases = [Case("a", TRUTH, SAMPLE.image)]
    candidates = [Candidate("m", model="nuclei"), Candidate("l", labels=[TRUTH])]
    run(compare(cases, candidates), steps.append)
    counts = [step.step for step in steps]
    assert counts == sorted(counts)
    assert counts[-1] == steps[-1].total
    assert [step.row.name for step in steps if step.row] == ["m", "l"]
    assert all(step.routine == (step.row is None) for step in steps)


def test_tables_hold_all_there_is():
    found = us.compare(
        None, [TRUTH, TRUTH], labels={"a": [without(TRUTH, 1), TRUTH], "b": [TRUTH] * 2}
    )
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [row["name"] for row in rows] == ["a", "b"]
    assert float(rows[0]["f1"]) == found["a"].scores["f1"]
    each = list(csv.DictReader(io.StringIO(found.to_csv(per_image=True))))
    assert [(row["name"], row["missed"]) for row in each] == [
        ("a", "1"),
        ("a", "0"),
        ("b", "0"),
        ("b", "0"),
    ]
    assert json.loads(dumps(found.to_dict()))["best"]["f1"] == ["b"]
    assert found.columns[0] == MAIN[0]
    text = str(found).splitlines()
    assert len(text) == 3
    assert "1.000*" in text[2]


def test_labels_of_a_folder_go_by_name(tmp_path):
    for name, labels in (("a", TRUTH), ("b", without(TRUTH, 1))):
        for folder in ("truth", "images", "found"):
            (tmp_path / folder).mkdir(exist_ok=True)
            pixels = SAMPLE.image if folder == "images" else labels.astype(np.uint16)
            write_tiff(tmp_path / folder / f"{name}.tif", pixels, "YX")
    found = us.compare(
        tmp_path / "images", tmp_path / "truth", labels={"f": tmp_path / "found"}
    )
    assert [image.image for image in found["f"].images] == ["a.tif", "b.tif"]
    assert found["f"].scores["f1"] == 1
