"""What the user chose once for all."""

import pytest

from napari_unet_studio.core.errors import ConfigError, StorageError
from napari_unet_studio.io.registry import models_folder
from napari_unet_studio.io.settings import (
    Settings,
    load_settings,
    read_settings,
    settings_file,
    write_settings,
)
from napari_unet_studio.tasks.memory import available_memory, within_limit


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    monkeypatch.setenv("UNET_STUDIO_HOME", str(folder))
    return folder


def broken(text):
    settings_file().parent.mkdir(parents=True, exist_ok=True)
    settings_file().write_text(text)
    return load_settings()


def test_without_a_file_all_is_as_usual(home) -> None:
    assert load_settings() == (Settings(), "")
    assert not home.exists()


def test_what_is_written_is_read_again(tmp_path) -> None:
    settings = Settings(
        str(tmp_path), ("https://a.org/b.json",), "cpu", "float32", 8, 0.5
    )
    assert write_settings(settings) == settings_file()
    assert load_settings() == (settings, "")


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "[" * 9999, "\x00"])
def test_a_broken_file_is_the_usual_settings_and_a_note(text) -> None:
    settings, note = broken(text)
    assert settings == read_settings() == Settings()
    assert str(settings_file()) in note
    write_settings(Settings(memory_limit=2))
    assert load_settings() == (Settings(memory_limit=2), "")


def test_of_a_file_with_mistakes_the_rest_holds() -> None:
    text = (
        '{"device": "abacus", "memory_limit": 3, "model_lists": ["ftp://x"], "new": 1}'
    )
    settings, note = broken(text)
    assert settings == Settings(memory_limit=3)
    assert "abacus" in note
    assert "ftp://x" in note
    assert "new" not in note  # a newer version may have written it


@pytest.mark.parametrize(
    "values",
    [
        {"models_folder": "relative/folder"},
        {"models_folder": "~nobody-of-that-name/models"},
        {"model_lists": "https://a.org"},
        {"model_lists": [5]},
        {"model_lists": ["file:///etc/passwd"]},
        {"model_lists": ["https://"]},
        {"model_lists": ["https://a.org/\nb"]},
        {"model_lists": ["https://a.org:port/"]},
        {"memory_limit": -1},
        {"memory_limit": float("nan")},
        {"download_limit": 0},
        {"precision": "int8"},
    ],
)
def test_settings_that_make_no_sense_are_refused(values) -> None:
    with pytest.raises(ConfigError):
        Settings.from_dict(values)


def test_the_models_folder_follows_the_settings(home, tmp_path, monkeypatch) -> None:
    assert models_folder() == home / "models"
    write_settings(Settings(models_folder=str(tmp_path / "shared")))
    assert models_folder() == tmp_path / "shared"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_settings(Settings(models_folder="~/mine"))
    assert models_folder() == tmp_path / "mine"


def test_no_more_memory_is_planned_with_than_the_limit() -> None:
    free = available_memory()
    assert free > 10**8
    write_settings(Settings(memory_limit=0.05))
    assert available_memory() == 50_000_000
    assert within_limit(10) == 10
    write_settings(Settings(memory_limit=1e5))
    assert within_limit(free) == free


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("UNET_STUDIO_HOME", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="could not be written"):
        write_settings(Settings())
    assert read_settings() == Settings()
