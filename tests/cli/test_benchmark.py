"""The command that measures this package beside others, and the page it writes."""

import importlib.util
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from napari_unet_studio.benchmark import page as pages
from napari_unet_studio.benchmark import tables
from napari_unet_studio.benchmark.elastic import LIBRARIES as ELASTIC_LIBRARIES
from napari_unet_studio.benchmark.machine import installed
from napari_unet_studio.benchmark.measures import LIBRARIES as MEASURE_LIBRARIES
from napari_unet_studio.benchmark.method import OWN
from napari_unet_studio.benchmark.targets import (
    Target,
    elastic_targets,
    ratio,
    weight_targets,
)
from napari_unet_studio.benchmark.training_page import training_lines
from napari_unet_studio.benchmark.weights import LIBRARIES as WEIGHT_LIBRARIES
from napari_unet_studio.benchmark.window import window_targets
from napari_unet_studio.cli.app import app
from napari_unet_studio.core.errors import InputError, StorageError

DOCS = Path(__file__).resolve().parents[2] / "docs"


def _call(*arguments):
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["benchmark", *arguments])


@pytest.fixture(scope="module")
def docs(tmp_path_factory, small_heap):
    """A folder with the page of quick runs, and what they printed."""
    folder = tmp_path_factory.mktemp("docs")
    printed = {}
    for name, options in (
        ("weights", ()),
        ("elastic", ("--device=cpu", "--json")),
        ("inference", ()),
        ("training", ()),
        ("measures", ()),
    ):
        result = _call(name, "--quick", f"--page={folder}", "--overwrite", *options)
        assert result.exit_code == 0, result.output
        assert "measuring" in result.stderr
        printed[name] = result.stdout
    return folder, printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "libraries"),
    [
        ("weights", WEIGHT_LIBRARIES),
        ("elastic", ELASTIC_LIBRARIES),
        ("measures", MEASURE_LIBRARIES),
    ],
)
def test_a_quick_run_tells_every_method(docs, name, libraries) -> None:
    document = pages.read_measurements(docs[0])[name]
    text = pages.page({name: document})
    assert document["quick"]
    assert document["cold"]["first_ms"] > 0
    for case in document["cases"]:
        for row in case["rows"]:
            assert row["method"] in text
            assert ("ms" in row) != (row.get("note") == "not installed")
            if row["exact"] and "difference" in row:
                assert row["difference"] <= 1e-5
        assert case["rows"][0]["method"] == OWN
        assert ratio(case["rows"][0], case["rows"]) == 1
    missing = [library for library in libraries if not installed(library)]
    assert ("not installed |" in text) == bool(missing)
    assert "numpy" in document["machine"]["versions"]


@pytest.mark.slow
def test_a_quick_run_of_inference_tells_every_method(docs) -> None:
    folder, printed = docs
    document = pages.read_measurements(folder)["inference"]
    text = pages.page({"inference": document})
    for case in document["cases"]:
        assert tables.title(case) in printed["inference"]
        for row in case["rows"]:
            assert row["method"] in text
            assert "ms" in row or row["note"]
        first = case["rows"][0]
        assert (first["method"], first["difference"] < 1e-4) == (OWN, True)
        assert first["read_ratio"] >= 1
    assert not document["streamed"]
    assert all(check["difference"] < 1e-4 for check in document["checks"])


@pytest.mark.slow
def test_a_quick_run_of_training_tells_every_loop(docs) -> None:
    folder, printed = docs
    document = pages.read_measurements(folder)["training"]
    text = pages.page({"training": document})
    (case,) = document["cases"]
    assert tables.title(case) in printed["training"]
    assert case["rows"][0]["method"] == OWN
    for row in case["rows"]:
        assert row["method"] in text
        assert row["method"] in printed["training"]
        assert ("ms" in row) != (row.get("note") == "not installed")
        assert "bytes_per_pixel" not in row
    assert 0 < case["rows"][1]["share"] < 1


@pytest.mark.slow
def test_the_tables_on_the_screen(docs) -> None:
    folder, printed = docs
    for case in pages.read_measurements(folder)["weights"]["cases"]:
        assert tables.title(case) in printed["weights"]
        for line in tables.lines(case):
            words = " ".join(line.values()).split()
            lines = [" ".join(s.split()) for s in printed["weights"].splitlines()]
            assert " ".join(words) in lines
    assert "in a fresh process" in printed["weights"]


@pytest.mark.slow
def test_the_page_tells_what_is_stored(docs) -> None:
    folder, _ = docs
    text = (folder / pages.PAGE).read_text(encoding="utf-8")
    documents = pages.read_measurements(folder)
    assert text == pages.page(documents)
    for section in pages.SECTIONS:
        document = documents.get(section.name)
        if document is None:  # the window is measured where there is one
            assert section.name == "window"
            continue
        assert f"## {section.title}" in text
        assert document["command"] in text
        assert document["machine"]["date"] in text
        for case in document["cases"]:
            told = tables.long_lines if section.name == "inference" else tables.lines
            if section.name == "training":
                told = partial(training_lines, document)
            assert list(told(case)[0].values())[2] in text  # the time
    assert all(len(line) <= 88 or line.startswith("|") for line in text.splitlines())


@pytest.mark.slow
def test_a_run_leaves_the_other_measurement(docs, tmp_path) -> None:
    folder, _ = docs
    documents = pages.read_measurements(folder)
    pages.write_page(tmp_path, "elastic", documents["elastic"])
    assert pages.read_measurements(tmp_path) == {"elastic": documents["elastic"]}
    for name in ("weights", "inference", "training", "measures"):
        pages.write_page(tmp_path, name, documents[name])
    assert pages.read_measurements(tmp_path) == documents
    written = (tmp_path / pages.PAGE).read_text(encoding="utf-8")
    assert written == (folder / pages.PAGE).read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_document_as_json(docs) -> None:
    folder, printed = docs
    stored = pages.read_measurements(folder)["elastic"]
    assert json.loads(printed["elastic"]) == stored


@pytest.mark.slow
def test_a_page_is_not_replaced_unasked(docs) -> None:
    folder, _ = docs
    result = _call("weights", "--quick", f"--page={folder}")
    assert isinstance(result.exception, InputError)
    assert "--overwrite" in str(result.exception)


@pytest.mark.slow
def test_a_page_of_one_measurement(docs) -> None:
    documents = pages.read_measurements(docs[0])
    text = pages.page({"elastic": documents["elastic"]})
    assert "Elastic deformation" in text
    assert "Separation weights" not in text


def _document(rows, shape=(1024, 1024), objects=300):
    rows = [{"threads": 1, "device": "cpu", "exact": False, **row} for row in rows]
    case = {"shape": list(shape), "objects": objects, "rows": rows}
    return {"quick": False, "cases": [case]}


def test_targets_are_judged_by_the_numbers() -> None:
    own = {"method": OWN, "ms": 20.0, "exact": True, "bytes_per_pixel": 12.0}
    slow = {"method": "scipy EDT per object, running minimum", "ms": 8000.0}
    single = {"method": "one scipy EDT of one label, for scale", "ms": 18.0}
    found = list(weight_targets(_document([own, {**slow, "exact": True}, single])))
    assert [(aim.wanted, aim.reached, aim.met) for aim in found] == [
        (300, 400, True),
        (1, 0.9, False),
        (16, 12, True),
    ]
    estimated = _document([own, {**slow, "estimated": True}], objects=3000)
    aim = next(weight_targets(estimated))
    assert tables.target(aim)[1:] == (
        "at least 5,000x",
        "~400x",
        "missed, estimated",
    )
    remap = {"method": "OpenCV remap", "ms": 30.0}
    (aim,) = elastic_targets(_document([own, remap]))
    assert (aim.wanted, aim.reached) == (1.2, 1.5)
    assert list(elastic_targets(_document([remap]))) == []  # nothing to compare with


def test_numbers_are_short_and_estimates_marked() -> None:
    assert [tables.short(v) for v in (0.01234, 1.5, 12.34, 1234.5, 118_234)] == [
        "0.0123",
        "1.5",
        "12.3",
        "1,230",
        "118,000",
    ]
    row = {"ms": 118_234.0, "estimated": True}
    assert tables.milliseconds(row) == "~118,000"
    assert Target("memory", 16, 17, at_most=True).met is False


def test_the_page_of_the_documentation_agrees_with_its_numbers() -> None:
    written = (DOCS / pages.PAGE).read_text(encoding="utf-8")
    stored = pages.read_measurements(DOCS)
    assert set(stored) == {section.name for section in pages.SECTIONS}
    again = "run: unet-studio benchmark weights --page docs --overwrite"
    assert written == pages.page(stored), again


def test_the_window_is_judged_by_its_slowest_redraw() -> None:
    rows = [
        {"data": "1024 x 1024", "action": "w0", "worst_ms": 40.0, "stall_ms": 30.0},
        {"data": "1024 x 1024", "action": "sigma", "worst_ms": 60.0, "stall_ms": 70.0},
        {"data": "2048 x 2048", "action": "w0", "worst_ms": 90.0, "stall_ms": 20.0},
        {"data": "2048 x 2048", "action": "add an image", "stall_ms": 300.0},
        {"data": "2048 x 2048", "action": "paint", "stall_ms": 101.0},
    ]
    found = list(window_targets({"rows": rows}))
    assert [(aim.wanted, aim.reached, aim.met) for aim in found] == [
        (50, 60, False),
        (100, 90, True),
        (100, 101, False),
    ]


def test_without_a_display_no_window_is_measured(monkeypatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    result = _call("window")
    assert isinstance(result.exception, InputError)
    napari = importlib.util.find_spec("napari") is not None
    reason = "there is no display" if napari else "napari is not installed"
    assert reason in str(result.exception)


def test_a_damaged_measurement_is_said_before_the_work(tmp_path) -> None:
    stored = tmp_path / pages.FOLDER / "weights.json"
    stored.parent.mkdir()
    stored.write_text("{", encoding="utf-8")
    result = _call("measures", "--quick", "--page", str(tmp_path))
    assert isinstance(result.exception, StorageError)
    assert "weights.json cannot be read as a measurement" in str(result.exception)
    assert "measuring" not in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a limit of POSIX")
def test_a_page_that_does_not_fit_the_disk_leaves_the_one_before(tmp_path) -> None:
    (tmp_path / pages.PAGE).write_text("the page before", encoding="utf-8")
    program = (
        "import resource\n"
        "from pathlib import Path\n"
        "from napari_unet_studio.benchmark import page\n"
        "from napari_unet_studio.core.errors import StorageError\n"
        "folder = Path('docs')\n"
        "document = page.read_measurements(folder)['window']\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n"
        f"    page.write_page(Path({str(tmp_path)!r}), 'window', document)\n"
        "except StorageError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=DOCS.parent, capture_output=True, text=True, check=True
    )
    assert "could not be written" in done.stdout
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [tmp_path / pages.PAGE]
    assert files[0].read_text(encoding="utf-8") == "the page before"
