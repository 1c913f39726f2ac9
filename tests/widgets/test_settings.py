"""napari's page of settings, the file of the settings, and the docks that follow."""

import json
import shutil

import napari.settings
import pytest

from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.library import duplicate_model
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.registry import available_models, models_folder
from napari_unet_studio.io.settings import (
    Settings,
    read_settings,
    settings_file,
    write_settings,
)
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.widgets._settings import (
    begun_with,
    current_settings,
    napari_page,
)

PLUGIN = "napari-unet-studio"
WAIT = 60_000
pytestmark = pytest.mark.skipif(
    not hasattr(napari.settings, "get_plugin_settings"), reason="needs napari 0.9"
)


@pytest.fixture
def page(home, fresh_page):
    assert fresh_page is not None
    return fresh_page


def test_the_page_has_what_the_settings_have(page) -> None:
    shown = {
        name: getattr(part, name)
        for part in (page.computing, page.models)
        for name in type(part).model_fields
    }
    assert set(shown) == set(Settings().to_dict())
    assert shown.pop("model_lists") == ""
    for name, value in shown.items():
        assert value == getattr(Settings(), name), name
    assert current_settings() == Settings()


@pytest.mark.parametrize("name", ["device", "precision"])
def test_the_page_offers_what_the_settings_take(page, name) -> None:
    extra = type(page.computing).model_fields[name].json_schema_extra
    for choice in extra["enum"]:
        assert getattr(Settings(**{name: choice}), name) == choice


def test_what_is_set_on_the_page_is_in_the_file(page) -> None:
    page.computing.device = "cpu"
    page.models.model_lists = "https://a.org/one.json, https://a.org/two.json"
    found = current_settings()
    assert found.device == "cpu"
    assert found.model_lists == ("https://a.org/one.json", "https://a.org/two.json")
    assert read_settings() == found
    # Back to the usual value, which napari does not write to its own file.
    page.computing.device = "auto"
    assert current_settings().device == "auto"
    assert read_settings().device == "auto"


def test_what_is_in_the_file_is_on_the_page(page) -> None:
    write_settings(Settings(precision="float32", memory_limit=3, device="cpu"))
    assert current_settings().memory_limit == 3
    assert page.computing.precision == "float32"
    assert page.computing.memory_limit == 3
    write_settings(Settings(device="cuda"))
    current_settings()
    assert page.computing.device == "cuda"
    assert page.computing.precision == "auto"


def test_where_both_changed_the_page_wins(page) -> None:
    current_settings()
    page.computing.memory_limit = 5
    write_settings(Settings(memory_limit=7, device="cpu"))
    found = current_settings()
    assert (found.memory_limit, found.device) == (5, "cpu")
    assert page.computing.device == "cpu"


def test_another_napari_may_change_the_settings(page, home) -> None:
    current_settings()
    write_settings(Settings(device="cpu"))
    shown = {**Settings(device="cpu").to_dict(), "model_lists": ""}
    (home / "napari-page.json").write_text(json.dumps(shown))  # its page, not ours
    assert current_settings().device == "cpu"
    assert read_settings().device == "cpu"
    assert page.computing.device == "cpu"


def test_half_typed_values_wait(page) -> None:
    current_settings()
    page.models.models_folder = "not/whole"
    page.models.model_lists = "https://a.org/list.json htt"
    assert current_settings() == Settings()
    assert page.models.models_folder == "not/whole"
    page.models.model_lists = "https://a.org/list.json"
    assert current_settings().model_lists == ("https://a.org/list.json",)


def test_damaged_files_do_no_harm(page, home) -> None:
    home.mkdir(exist_ok=True)
    for text in ("", "[]", "{", json.dumps({"device": 3, "precision": "float32"})):
        settings_file().write_text(text)
        (home / "napari-page.json").write_text(text)
        page.computing.reset()
        current_settings()


def test_an_older_napari_has_no_page_and_all_works(home, monkeypatch) -> None:
    monkeypatch.delattr(napari.settings, "get_plugin_settings")
    assert napari_page() is None
    write_settings(Settings(device="cpu"))
    assert current_settings().device == "cpu"
    assert begun_with(PredictConfig()).device == "cpu"


def test_the_docks_begin_with_the_settings_and_follow_them(page, viewer, qtbot) -> None:
    write_settings(Settings(device="cpu", precision="float32"))
    _, segment = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    _, train = viewer.window.add_plugin_dock_widget(PLUGIN, "Train")
    _, inspect = viewer.window.add_plugin_dock_widget(PLUGIN, "Inspect")
    form = segment.settings()
    assert inspect.panel.form.values()["device"] == "cpu"
    for each in (form, train.form):
        assert each.values()["device"] == "cpu"
        assert each.values()["precision"] == "float32"
    assert "'device': 'cpu'" in train.script()
    form.set(PredictConfig(device="cpu", precision="bfloat16"))
    page.computing.device = "auto"
    page.computing.precision = "auto"
    qtbot.waitUntil(lambda: form.values()["device"] == "auto", timeout=WAIT)
    assert form.values()["precision"] == "bfloat16"  # set here: it stays
    qtbot.waitUntil(lambda: train.form.values()["precision"] == "auto", timeout=WAIT)


def test_another_folder_of_models_is_followed_at_once(
    page, viewer, tmp_path, qtbot
) -> None:
    folder = tmp_path / "shared models"
    folder.mkdir()
    spec = UNetSpec(channels=(4, 6))
    made = Model(build(spec).eval(), ModelCard(name="theirs", spec=spec))
    made.save(folder / "theirs.unet")
    docks = [
        viewer.window.add_plugin_dock_widget(PLUGIN, name)[1]
        for name in ("Segment", "Inspect", "Models")
    ]
    combos = [dock.models.combo for dock in docks[:2]]
    assert all(combo.findText("theirs") < 0 for combo in combos)
    page.models.models_folder = str(folder)
    for combo in combos:
        qtbot.waitUntil(lambda c=combo: c.findText("theirs") >= 0, timeout=WAIT)
    names = docks[2].list
    qtbot.waitUntil(lambda: "theirs" in [e.name for e in names.entries], timeout=WAIT)
    assert models_folder() == folder
    made.save(folder / "ours.unet")  # the new folder is watched
    qtbot.waitUntil(lambda: combos[0].findText("ours") >= 0, timeout=WAIT)
    assert "ours" in available_models()


def test_a_folder_that_is_half_typed_is_not_made(page, viewer, tmp_path, qtbot) -> None:
    _, segment = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    page.models.models_folder = str(tmp_path / "no" / "such")
    qtbot.waitUntil(lambda: models_folder() == tmp_path / "no" / "such", timeout=WAIT)
    segment.models.refresh()
    assert not (tmp_path / "no").exists()
    duplicate_model("nuclei")  # makes the folder
    combo = segment.models.combo
    qtbot.waitUntil(lambda: combo.findText("nuclei 2") >= 0, timeout=WAIT)
    shutil.rmtree(tmp_path / "no")
    qtbot.waitUntil(lambda: combo.findText("nuclei 2") < 0, timeout=WAIT)


def test_the_page_in_the_preferences_changes_the_settings(page, viewer, qtbot) -> None:
    viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    dialog = viewer.window._open_preferences_dialog()
    texts = [dialog._list.item(row).text() for row in range(dialog._list.count())]
    assert "U-Net Studio" in texts
    page.computing.device = "cpu"
    qtbot.waitUntil(lambda: read_settings().device == "cpu", timeout=WAIT)
    dialog.reject()  # takes back what was changed since it was opened
    qtbot.waitUntil(lambda: read_settings().device == "auto", timeout=WAIT)
