"""``unet-studio settings`` and ``unet-studio info``."""

import json
from pathlib import Path
from typing import Any

import pytest

from napari_unet_studio.core.config import field_types
from napari_unet_studio.io.settings import Settings, read_settings, settings_file


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNET_STUDIO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_what_is_set_holds_and_can_be_told_and_taken_back(call: Any) -> None:
    assert call("settings", "set", "memory_limit", "8")[0] == 0
    assert read_settings().memory_limit == 8
    assert call("settings", "get", "memory_limit")[1] == "8.0\n"
    urls = ["https://a.org/1.json", "https://b.org/2.json"]
    assert call("settings", "set", "model_lists", *urls)[0] == 0
    assert call("settings", "get", "model_lists")[1].split() == urls
    _, out, _ = call("settings", "list", "--json")
    told = json.loads(out)
    assert told["file"] == str(settings_file())
    assert told["model_lists"] == urls
    assert call("settings", "reset", "memory_limit")[0] == 0
    assert read_settings() == Settings(model_lists=tuple(urls))
    assert call("settings", "reset", "--all")[0] == 0
    assert read_settings() == Settings()


def test_the_list_tells_every_setting(call: Any) -> None:
    code, out, err = call("settings")
    assert code == 0
    assert all(name in out for name in field_types(Settings))
    assert str(settings_file()) in err.replace("\n", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("get", "nothing"), "no setting 'nothing'; choose one of models_folder"),
        (("set", "device", "gpu"), "device is 'gpu'; choose one of auto, cpu"),
        (("set", "memory_limit", "much"), "memory_limit is 'much'; give a number"),
        (("set", "memory_limit", "1e9"), "memory_limit is 1000000000.0; choose"),
        (("set", "device", "cpu", "cuda"), "device has one value"),
        (("set", "models_folder", "here"), "give the whole path of a folder"),
        (("set", "model_lists", "ftp://a"), "no address on the web"),
        (("reset",), "Say which settings"),
    ],
)
def test_what_cannot_be_changes_nothing(
    call: Any, words: tuple[str, ...], message: str
) -> None:
    code, out, err = call("settings", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert not settings_file().exists()


def test_a_broken_file_is_told_and_can_be_written_anew(call: Any, home: Path) -> None:
    home.mkdir()
    settings_file().write_text("{", encoding="utf-8")
    code, _, err = call("settings")
    assert code == 0
    assert "cannot be read" in err
    assert "trouble" in json.loads(call("info", "--json")[1])["settings"]
    assert call("settings", "set", "device", "cpu")[0] == 0
    assert read_settings().device == "cpu"


def test_info_tells_what_a_report_needs(call: Any, home: Path) -> None:
    call("settings", "set", "device", "cpu")
    code, out, _ = call("info", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["settings"] == {"device": "cpu"}
    assert told["folders"]["models"] == str(home / "models")
    assert told["auto"] in ("cpu", "cuda", "mps")
    assert {"torch", "numpy", "zarr"} <= set(told["packages"])
    code, out, _ = call("info")
    assert code == 0
    assert told["napari-unet-studio"] in out
    assert "  torch: " in out
