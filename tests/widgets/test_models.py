"""The Models widget in a real viewer."""

import hashlib
import json
import shlex
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QMessageBox,
    QPlainTextEdit,
)
from typer.testing import CliRunner

from napari_unet_studio.cli.app import app
from napari_unet_studio.core.networks.catalog import build, get_spec
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.model_file import load_model_file, read_card
from napari_unet_studio.io.recent import recent_files
from napari_unet_studio.io.registry import available_models, models_folder
from napari_unet_studio.io.settings import Settings, write_settings
from napari_unet_studio.widgets._colours import tone_of
from napari_unet_studio.widgets._docks import docked, in_front
from napari_unet_studio.widgets._models.dock import DOWNLOAD, USE
from napari_unet_studio.widgets._models.taking import Wanted
from napari_unet_studio.widgets._models.texts import facts
from napari_unet_studio.widgets.segment import SegmentWidget

PLUGIN = "napari-unet-studio"
WAIT = 60_000
SPEC = UNetSpec(channels=(4, 6))


def model(name, thumbnail=None, **card):
    torch.manual_seed(0)
    made = ModelCard(name=name, spec=SPEC, **card)
    return Model(build(SPEC).eval(), made, thumbnail)


@pytest.fixture
def own(home):
    """Give the user's folder, with a model that says a lot about itself."""
    folder = models_folder()
    folder.mkdir(parents=True)
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[..., 1] = 200
    made = model(
        "my cells",
        picture,
        description="Cells: of one dish.",
        limits="Not for tissue.",
        spacing=(1.0, 1.0),
        licence="CC-BY-4.0",
        authors=("Ada Lovelace",),
        scores={"iou": 0.5},
        tests=({"name": "plate 2", "images": 3, "scores": {"f1": 0.25}},),
    )
    made.save(folder / "my cells.unet")
    return folder


@pytest.fixture
def widget(viewer, own):
    _, made = viewer.window.add_plugin_dock_widget(PLUGIN, "Models")
    choose(made, "my cells")
    return made


@pytest.fixture
def agreed(monkeypatch):
    """Answer questions with Yes; gives what was asked."""
    asked = []

    def question(parent, title, text, *_):
        asked.append(text)
        return QMessageBox.StandardButton.Yes

    monkeypatch.setattr(QMessageBox, "question", question)
    return asked


def names(widget):
    return [entry.name for entry in widget.list.entries]


def choose(widget, name):
    widget.list.setCurrentRow(names(widget).index(name))


def finish(widget, qtbot):
    qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)


# -- the list --------------------------------------------------------------------------


def test_models_are_listed_with_what_they_say(widget, qtbot) -> None:
    assert names(widget) == ["nuclei", "stained-nuclei", "my cells"]
    assert [entry.source for entry in widget.list.entries] == [
        "bundled",
        "bundled",
        "yours",
    ]
    told = facts(widget.entry)
    assert told["Purpose"] == "Cells: of one dish."
    assert told["Limits"] == "Not for tissue."
    assert told["Licence"] == "CC-BY-4.0"
    assert told["Authors"] == "Ada Lovelace"
    assert told["Tests"] == "plate 2 (3 images): F1 0.25"
    assert told["Scores"] == "IoU 0.50 on held-out data"
    assert "Trained on" not in told["Input"]  # 1 × 1 pixel says nothing
    widget.grab()


@pytest.mark.parametrize(
    ("roles", "told"),
    [
        (["train"], "a held-out part of its image"),
        (["train", "train"], "held-out data"),
        (["train", "validate"], "held-out images"),
    ],
)
def test_scores_say_on_what_they_were_measured(widget, own, roles, told) -> None:
    data = tuple({"name": str(n), "role": role} for n, role in enumerate(roles))
    model("judged", data=data, scores={"iou": 0.5}).save(own / "judged.unet")
    widget.refresh()
    choose(widget, "judged")
    assert facts(widget.entry)["Scores"] == f"IoU 0.50 on {told}"
    segment = in_front(widget.viewer, SegmentWidget, "Segment")
    segment.models.choose("judged")
    assert segment.models.info.text().endswith(f"IoU 0.50 on {told}")


def test_models_that_come_and_go_are_noticed(widget, own, qtbot) -> None:
    model("another").save(own / "another.unet")
    qtbot.waitUntil(lambda: "another" in names(widget), timeout=WAIT)
    assert widget.entry.name == "my cells"
    (own / "my cells.unet").unlink()
    qtbot.waitUntil(lambda: "my cells" not in names(widget), timeout=WAIT)
    assert widget.entry.name == "another"


def test_a_broken_file_is_told_and_can_be_deleted(widget, own, agreed, qtbot) -> None:
    (own / "broken.unet").write_bytes(b"no zip")
    widget.refresh()
    choose(widget, "broken")
    assert not widget.run_button.isEnabled()
    assert not widget.rename_button.isEnabled()
    assert "not a zip archive" in widget.entry.trouble
    widget.delete_button.click()
    done(widget, qtbot)
    assert "broken" not in names(widget)


def test_without_any_model_the_list_says_what_to_do(
    viewer, home, tmp_path, monkeypatch
) -> None:
    from napari_unet_studio.io import registry

    monkeypatch.setattr(registry, "_BUNDLED", tmp_path)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Models")
    assert widget.entry is None
    assert not widget.run_button.isEnabled()
    assert widget.as_python() == ""
    widget.run()
    widget.delete()
    widget.grab()


def test_use_opens_segment_with_the_model(widget, viewer) -> None:
    widget.run_button.click()
    segment = docked(viewer, SegmentWidget)
    assert segment.models.combo.currentText() == "my cells"
    choose(widget, "nuclei")
    widget.list.used.emit()
    assert segment.models.combo.currentText() == "nuclei"
    assert docked(viewer, SegmentWidget) is segment


# -- names, notes, copies --------------------------------------------------------------


def rename(widget, qtbot, text):
    """Type a name in the list, as a user would."""
    widget.list.setFocus()
    widget.rename_button.click()
    (field,) = widget.list.findChildren(QLineEdit)
    assert field.text() == widget.entry.name
    field.setText(text)
    qtbot.keyClick(field, Qt.Key.Key_Return)
    qtbot.wait(50)
    done(widget, qtbot)


def done(widget, qtbot):
    """Wait until the files are as they were asked to be."""
    qtbot.waitUntil(lambda: not widget.running, timeout=WAIT)


def test_a_name_is_edited_in_the_list_and_in_the_file(widget, own, qtbot) -> None:
    rename(widget, qtbot, "her cells")
    assert names(widget) == ["nuclei", "stained-nuclei", "her cells"]
    assert widget.entry.name == "her cells"
    assert read_card(own / "her cells.unet").name == "her cells"
    assert not (own / "my cells.unet").exists()
    rename(widget, qtbot, "nuclei")
    assert "already" in widget.status.text()
    assert names(widget) == ["nuclei", "stained-nuclei", "her cells"]
    rename(widget, qtbot, "a/b")
    assert "file name" in widget.status.text()
    assert [path.name for path in own.iterdir()] == ["her cells.unet"]
    # The Enter that ends a name does not use the model, too.
    assert docked(widget.viewer, SegmentWidget) is None


def test_models_that_come_while_a_name_is_edited_wait(widget, own, qtbot) -> None:
    widget.rename_button.click()
    (field,) = widget.list.findChildren(QLineEdit)
    model("another").save(own / "another.unet")
    widget.refresh()
    assert names(widget) == ["nuclei", "stained-nuclei", "my cells"]
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: "another" in names(widget), timeout=WAIT)
    assert widget.entry.name == "my cells"


def test_a_bundled_model_can_be_copied_but_not_changed(widget, own, qtbot) -> None:
    choose(widget, "nuclei")
    for button in (widget.rename_button, widget.delete_button):
        assert not button.isEnabled()
    assert widget.details.notes.isHidden()
    widget.duplicate_button.click()
    assert not widget.details.notes.isEnabled()  # while the file is written
    done(widget, qtbot)
    assert widget.details.notes.isEnabled()
    assert widget.entry.name == "nuclei 2"
    assert widget.entry.source == "yours"
    assert widget.rename_button.isEnabled()
    one, other = (
        load_model_file(available_models()[name]) for name in ("nuclei", "nuclei 2")
    )
    for name, tensor in one.network.state_dict().items():
        assert torch.equal(tensor, other.network.state_dict()[name])


def test_deleting_asks_and_moves_to_the_trash(
    widget, own, agreed, monkeypatch, qtbot
) -> None:
    widget.list.deleting.emit()
    done(widget, qtbot)
    assert "my cells" in agreed[0]
    assert names(widget) == ["nuclei", "stained-nuclei"]
    assert not list(own.iterdir())
    assert "trash" in widget.status.text()
    no = QMessageBox.StandardButton.No
    monkeypatch.setattr(QMessageBox, "question", lambda *_: no)
    widget.duplicate()
    done(widget, qtbot)
    widget.delete()
    assert names(widget) == ["nuclei", "stained-nuclei", "stained-nuclei 2"]


@pytest.mark.parametrize("change", ["gone", "renamed"])
def test_nothing_is_deleted_if_the_model_went_while_the_question_was_open(
    widget, own, monkeypatch, qtbot, change
) -> None:
    model("other cells").save(own / "other cells.unet")
    widget.refresh()
    choose(widget, "my cells")

    def question(*_):
        (own / "my cells.unet").unlink()
        if change == "renamed":
            model("my cells").save(own / "a new name.unet")
        widget.refresh()  # as the watch on the folder does
        assert widget.entry.name == "other cells"
        return QMessageBox.StandardButton.Yes

    monkeypatch.setattr(QMessageBox, "question", question)
    widget.delete()
    done(widget, qtbot)
    assert (own / "other cells.unet").exists()
    assert "Nothing was deleted" in widget.status.text()


def test_notes_are_kept_in_the_file(widget, own, viewer, qtbot) -> None:
    widget.details.notes.setPlainText("Good on plate 3.")
    choose(widget, "nuclei")
    assert read_card(own / "my cells.unet").notes == "Good on plate 3."
    qtbot.wait(1)
    choose(widget, "my cells")
    assert widget.details.notes.toPlainText() == "Good on plate 3."
    widget.details.notes.setPlainText("Bad on plate 4.")
    viewer.window.remove_dock_widget(widget)
    assert read_card(own / "my cells.unet").notes == "Bad on plate 4."


@pytest.mark.parametrize("way", ["pause", "choice"])
def test_notes_that_could_not_be_written_are_written_later(widget, own, way) -> None:
    path, aside = own / "my cells.unet", own / "aside"
    path.rename(aside)  # nothing can be written into it now
    widget.details.notes.setPlainText("Good on plate 7.")
    if way == "pause":
        widget.details.save_notes()
        assert tone_of(widget.status)
    else:
        choose(widget, "nuclei")
    aside.rename(path)
    if way == "choice":
        choose(widget, "my cells")
        assert widget.details.notes.toPlainText() == "Good on plate 7."
    choose(widget, "nuclei")
    assert read_card(path).notes == "Good on plate 7."


def test_notes_are_written_some_time_after_the_last_key(widget, own, qtbot) -> None:
    widget.details.notes.setPlainText("Good on plate 5.")

    def written():
        return read_card(own / "my cells.unet").notes == "Good on plate 5."

    qtbot.waitUntil(written, timeout=WAIT)


def test_notes_are_kept_where_napari_is_closed_at_once(
    widget, own, viewer, qtbot
) -> None:
    viewer.window._qt_window.show()
    qtbot.waitUntil(widget.details.isVisible)
    widget.details.notes.setPlainText("Good on plate 6.")
    viewer.close()
    assert read_card(own / "my cells.unet").notes == "Good on plate 6."


def test_what_is_typed_stays_while_the_file_is_written(widget, own, qtbot) -> None:
    widget.details.notes.setPlainText("half a")
    widget.refresh()
    widget.details.save_notes()
    widget.details.notes.setPlainText("half a word")
    widget.refresh()
    assert widget.details.notes.toPlainText() == "half a word"
    widget.details.save_notes()
    assert read_card(own / "my cells.unet").notes == "half a word"


def test_a_file_from_elsewhere_is_listed_and_taken_off_again(
    widget, tmp_path, agreed, qtbot
) -> None:
    path = model("far").save(tmp_path / "far.unet")
    widget.choose(path)
    assert widget.entry.source == "file"
    assert repr(str(path)) in widget.as_python()
    assert recent_files() == [path]
    widget.delete_button.click()
    done(widget, qtbot)
    assert "stays" in agreed[0]
    assert path.exists()
    assert "far" not in names(widget)


# -- in --------------------------------------------------------------------------------


def test_a_model_file_is_imported_under_a_free_name(widget, own, tmp_path, qtbot):
    path = model("model", notes="hers").save(tmp_path / "my cells.unet")
    widget.show_import(path)
    widget.importing.take.click()
    finish(widget, qtbot)
    assert widget.entry.name == "my cells 2"
    assert widget.details.notes.toPlainText() == "hers"
    assert path.exists()


def test_a_state_dict_is_imported_with_its_network_and_a_report(
    widget, own, tmp_path, qtbot
) -> None:
    weights = build(get_spec("unet-16", in_channels=2)).state_dict()
    torch.save({"state_dict": weights}, tmp_path / "theirs.pth")
    widget.show_import(tmp_path / "theirs.pth")
    panel = widget.importing
    assert not panel.network.isHidden()
    assert panel.trust.isHidden()
    panel.network.setCurrentText("unet-2015")
    assert panel.classes.value() == 2  # as it is in the catalog
    assert "--network unet-2015" in panel.value().shell()
    panel.network.setCurrentText("unet-16")
    panel.channels.setValue(2)
    code = panel.value().python()
    panel.take.click()
    finish(widget, qtbot)
    assert widget.entry.name == "theirs", widget.status.text()
    assert widget.entry.card.spec == get_spec("unet-16", in_channels=2)
    assert str(len(weights)) in panel.report.text()
    made = load_model_file(widget.entry.path).network.state_dict()
    assert all(torch.equal(tensor, made[name]) for name, tensor in weights.items())
    found: dict = {}
    exec(code.split("print")[0], found)  # what was copied gives the same network
    assert found["model"].card.spec == widget.entry.card.spec


def test_weights_that_do_not_fit_are_refused_with_a_report(
    widget, own, tmp_path, qtbot
) -> None:
    torch.save({"some.weight": torch.zeros(3)}, tmp_path / "other.pth")
    widget.show_import(tmp_path / "other.pth")
    widget.importing.take.click()
    finish(widget, qtbot)
    assert tone_of(widget.status)
    assert "some.weight" in widget.status.text()
    assert "other" not in names(widget)


def test_files_that_are_no_models_are_explained(widget, tmp_path, qtbot) -> None:
    for name in ("a.unet", "a.zip", "a.onnx", "a.pt", "rdf.yaml", "a.safetensors"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        widget.show_import(tmp_path / name)
        widget.take_in(widget.importing.value())
        finish(widget, qtbot)
        assert tone_of(widget.status), name
        assert "Unexpected" not in widget.status.text(), name
    assert names(widget) == ["nuclei", "stained-nuclei", "my cells"]


def test_a_program_is_run_only_for_somebody_who_trusts_it(
    widget, home, tmp_path, qtbot
) -> None:
    path = exported(widget, tmp_path / "program.pt", "torchscript", qtbot)
    widget.show_import(path)
    panel = widget.importing
    assert not panel.trust.isHidden()
    assert not panel.take.isEnabled()
    widget.take_in(Wanted(path))
    finish(widget, qtbot)
    assert names(widget) == ["nuclei", "stained-nuclei", "my cells"]
    panel.trust.setChecked(True)
    panel.take.click()
    finish(widget, qtbot)
    assert len(names(widget)) == 4, widget.status.text()
    assert widget.entry.source == "yours"
    (home / "trusted.json").unlink()
    panel.leave.click()
    widget.exporting.form.editor("format").value = "torchscript"
    widget.export(tmp_path / "again.pt")
    finish(widget, qtbot)
    assert panel.isHidden()  # nothing is being imported: the sentence says what to do
    assert "I trust this file" in widget.status.text()


# -- out -------------------------------------------------------------------------------


def exported(widget, path, kind, qtbot):
    widget.exporting.form.editor("format").value = kind
    widget.export(path)
    finish(widget, qtbot)
    assert "Exported" in widget.status.text(), widget.status.text()
    return path


def test_a_model_is_exported_and_comes_back(widget, own, tmp_path, qtbot) -> None:
    path = exported(widget, tmp_path / "cells.zip", "bioimageio", qtbot)
    widget.show_import(path)
    widget.importing.name.setText("back")
    widget.importing.take.click()
    finish(widget, qtbot)
    assert widget.entry.name == "back", widget.status.text()
    one, other = (load_model_file(own / f"{n}.unet") for n in ("my cells", "back"))
    assert one.card.spec == other.card.spec
    for name, tensor in one.network.state_dict().items():
        assert torch.equal(tensor, other.network.state_dict()[name])


def test_what_a_package_needs_is_asked_for(widget, own, tmp_path, qtbot) -> None:
    model("bare").save(own / "bare.unet")
    widget.refresh()
    choose(widget, "bare")
    widget.export(tmp_path / "bare.zip")
    finish(widget, qtbot)
    assert "author" in widget.status.text()
    assert not (tmp_path / "bare.zip").exists()
    widget.ask_export()  # asks for no file before
    assert "authors and licence" in widget.status.text()
    widget.exporting.form.editor("authors").value = "Ada Lovelace"
    widget.exporting.form.editor("licence").value = "MIT"
    exported(widget, tmp_path / "bare.zip", "bioimageio", qtbot)
    assert "authors='Ada Lovelace'" in widget.exporting._python()
    assert "--authors 'Ada Lovelace'" in widget.exporting._shell()


def test_a_format_whose_package_is_missing_says_so_at_once(
    viewer, own, monkeypatch
) -> None:
    for name in ("bioimageio.spec", "onnx"):
        monkeypatch.setitem(sys.modules, name, None)
    asked = []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: asked.append(1))
    widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Models")[1]
    choose(widget, "my cells")
    panel = widget.exporting
    assert panel.form.values()["format"] == "torchscript"  # works
    assert panel.lack.isHidden()
    for kind, extra in (("bioimageio", "bioimageio"), ("onnx", "onnx")):
        panel.form.editor("format").value = kind
        assert f"napari-unet-studio[{extra}]" in panel.lack.text()
        assert not panel.lack.isHidden()
        widget.say("")
        widget.ask_export()
        assert panel.lack.text() in widget.status.text()
    assert not asked


def test_an_export_is_tested_on_an_image_of_the_viewer(
    widget, viewer, tmp_path, qtbot
) -> None:
    pixels = np.random.default_rng(0).random((70, 90), np.float32)
    layer = viewer.add_image(pixels, name="cells")
    assert widget.image.value is None
    widget.image.value = layer
    exported(widget, tmp_path / "cells.onnx", "onnx", qtbot)
    code = widget.exporting._python()
    assert "viewer.layers['cells'].data" in code
    assert "Save the layer 'cells'" in widget.exporting._shell()
    widget.image.value = viewer.add_image(np.zeros((60, 60, 3), np.uint8), name="rgb")
    widget.export(tmp_path / "rgb.onnx")
    finish(widget, qtbot)
    assert tone_of(widget.status)
    assert not (tmp_path / "rgb.onnx").exists()


def test_no_code_is_copied_for_an_image_that_cannot_be_read(widget, viewer) -> None:
    widget.image.value = viewer.add_image(np.zeros((2, 2, 2, 2, 8, 8)), name="many")
    for code in (widget.exporting._python, widget.exporting._shell):
        widget.say("")
        assert code() == ""
        assert "'many' has 6 axes" in widget.status.text()


def test_the_copied_export_does_the_same(widget, tmp_path, qtbot, monkeypatch) -> None:
    path = exported(widget, tmp_path / "a.onnx", "onnx", qtbot)
    monkeypatch.chdir(tmp_path)
    exec(widget.exporting._python(), {})
    assert (tmp_path / "my cells.onnx").read_bytes() == path.read_bytes()
    (tmp_path / "my cells.onnx").unlink()
    words = shlex.split(widget.exporting._shell())
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "my cells.onnx").read_bytes() == path.read_bytes()


def test_the_form_shows_what_the_format_needs(widget) -> None:
    form = widget.exporting.form

    def shown(name):
        return not form.editor(name).native.isHidden()

    assert shown("authors")
    form.editor("format").value = "onnx"
    assert not shown("authors")
    assert shown("opset")
    form.editor("format").value = "state_dict"
    assert not shown("opset")
    assert not shown("answer")
    assert widget.exporting.documentation.isHidden()


# -- from the web ----------------------------------------------------------------------


class _Server(BaseHTTPRequestHandler):
    def __init__(self, files, gate, *arguments):
        self.files, self.gate = files, gate
        super().__init__(*arguments)

    def do_GET(self):
        data = self.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for start in range(0, len(data), 4096):
            if self.path.endswith(".unet"):
                self.gate.wait(20)
            self.wfile.write(data[start : start + 4096])

    def log_message(self, *_):
        pass


@pytest.fixture
def site(home, tmp_path, fresh_page):
    """Give an address, its files, and a gate that holds downloads up."""
    gate, files = threading.Event(), {}
    gate.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Server, files, gate))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    data = model("bacteria").save(tmp_path / "bacteria.unet").read_bytes()
    files["/bacteria.unet"] = data
    listed = {
        "name": "bacteria",
        "url": "bacteria.unet",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "description": "Bacteria: 120 images.",
        "licence": "CC0-1.0",
    }
    document = {"schema": 1, "name": "Our laboratory", "models": [listed]}
    files["/list.json"] = json.dumps(document).encode()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    write_settings(Settings(model_lists=(f"{address}/list.json",)))
    yield address, files, gate
    gate.set()
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_a_listed_model_is_downloaded_and_then_used(site, widget, own, qtbot) -> None:
    qtbot.waitUntil(lambda: "bacteria" in names(widget), timeout=WAIT)
    choose(widget, "bacteria")
    assert widget.run_button.text() == DOWNLOAD
    assert "us.download_model" in widget.as_python()
    assert widget.export_section.isHidden()
    widget.run_button.click()
    finish(widget, qtbot)
    assert widget.entry.name == "bacteria", widget.status.text()
    assert widget.entry.source == "yours"
    assert widget.run_button.text() == USE
    assert names(widget) == ["nuclei", "stained-nuclei", "my cells", "bacteria"]


def test_a_download_can_be_stopped_and_gone_on_with(site, widget, own, qtbot) -> None:
    _, _, gate = site
    qtbot.waitUntil(lambda: "bacteria" in names(widget), timeout=WAIT)
    choose(widget, "bacteria")
    gate.clear()
    widget.run_button.click()
    assert not widget.import_button.isEnabled()
    widget.cancel_button.click()
    gate.set()
    finish(widget, qtbot)
    assert widget.entry.source == "list"
    assert widget.status.text() == "Stopped."
    widget.run()
    finish(widget, qtbot)
    assert widget.entry.source == "yours"


def test_offline_is_a_quiet_line(site, viewer, own, qtbot) -> None:
    _, files, _ = site
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Models")
    qtbot.waitUntil(lambda: "bacteria" in names(widget), timeout=WAIT)
    viewer.window.remove_dock_widget(widget)
    files.clear()
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Models")
    assert "bacteria" in names(widget)
    qtbot.waitUntil(lambda: bool(widget.quiet.text()), timeout=WAIT)
    assert not widget.status.text()
    choose(widget, "bacteria")
    widget.run()
    finish(widget, qtbot)
    assert "404" in widget.status.text()
    assert widget.entry.source == "list"


# -- looks -----------------------------------------------------------------------------


def test_many_models_with_long_names_fit_a_narrow_dock(viewer, own, qtbot) -> None:
    card = ModelCard(name="a", spec=SPEC, description="word " * 80, notes="note " * 80)
    made = Model(build(SPEC).eval(), card)
    for number in range(30):
        made.save(own / f"{number} {'long' * 20}.unet")
    viewer.window._qt_window.show()
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Models")
    widget.list.setCurrentRow(4)
    widget.details.more.expand(animate=False)
    widget.export_section.expand(animate=False)
    widget.show_import(own / f"1 {'long' * 20}.unet")
    viewer.window._qt_window.resizeDocks([dock], [370], Qt.Orientation.Horizontal)
    qtbot.wait(100)
    assert widget.width() <= 400
    content = widget.body.parentWidget()
    assert content.minimumSizeHint().width() <= 340
    assert content.width() <= widget.width()
    for kind in (
        QAbstractButton,
        QAbstractSpinBox,
        QComboBox,
        QLineEdit,
        QPlainTextEdit,
    ):
        for control in widget.findChildren(kind):
            if control.isVisible() and control.parent() is not None:
                assert control.toolTip() or control.parent().toolTip(), control
    widget.grab()


def test_code_loads_the_model(widget) -> None:
    widget.copy.menu().actions()[0].trigger()
    code = QApplication.clipboard().text()
    found: dict = {}
    exec(code, found)
    assert found["model"].card == widget.entry.card
    widget.copy.menu().actions()[1].trigger()
    text = QApplication.clipboard().text()
    assert text == "unet-studio models info 'my cells'\n"


def test_closing_in_mid_work_leaves_nothing_running(
    site, widget, viewer, qtbot
) -> None:
    _, _, gate = site
    qtbot.waitUntil(lambda: "bacteria" in names(widget), timeout=WAIT)
    choose(widget, "bacteria")
    gate.clear()
    widget.run()
    viewer.window.remove_dock_widget(widget)
    gate.set()
    qtbot.waitUntil(lambda: widget.job is None, timeout=WAIT)
