import os

import pytest

from napari_unet_studio.core.errors import ModelFileError, StorageError, StudioError
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.registry import (
    available_models,
    free_name,
    load_model,
    models_folder,
    user_folder,
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    monkeypatch.setenv("UNET_STUDIO_HOME", str(folder))
    return folder


def saved(name, path):
    spec = UNetSpec(channels=(2, 3))
    return Model(build(spec), ModelCard(name=name, spec=spec)).save(path)


def test_the_folder_of_the_user_is_where_the_variable_says(home):
    assert user_folder() == home
    assert models_folder().parent == home


def test_without_the_variable_it_is_the_usual_folder_of_the_platform(monkeypatch):
    for value in (None, ""):
        if value is None:
            monkeypatch.delenv("UNET_STUDIO_HOME")
        else:
            monkeypatch.setenv("UNET_STUDIO_HOME", value)
        assert user_folder().is_absolute()
        assert "napari-unet-studio" in str(user_folder())


def test_looking_for_models_makes_no_folder(home):
    available_models()
    assert not home.exists()


def test_models_of_the_user_come_after_the_bundled_ones_by_age(home):
    bundled = list(available_models())
    for age, name in enumerate(("b", "a", "c")):
        path = saved(name, models_folder() / name)
        os.utime(path, (1000 + age, 1000 + age))
    assert list(available_models()) == [*bundled, "b", "a", "c"]


def test_only_model_files_are_models(home):
    models_folder().mkdir(parents=True)
    (models_folder() / "note.txt").write_text("not a model")
    (models_folder() / "folder.unet").mkdir()
    (models_folder() / ".half.unet.abc123").write_text("unfinished")
    assert not {"note", "folder", ".half"} & set(available_models())


def test_a_model_of_the_user_hides_a_bundled_one_of_its_name(home):
    path = saved("nuclei", models_folder() / "nuclei")
    assert available_models()["nuclei"] == path
    assert load_model("nuclei").card.spec == UNetSpec(channels=(2, 3))


def test_a_name_that_is_taken_gets_the_next_number(home):
    assert free_name("mine") == "mine"
    saved("mine", models_folder() / "mine")
    assert free_name("mine") == "mine 2"
    saved("mine 2", models_folder() / "mine 2")
    assert free_name("mine") == "mine 3"


def test_a_name_that_differs_in_case_alone_is_taken(home):
    # Many disks would write the second model over the first.
    saved("Mine", models_folder() / "Mine")
    assert free_name("mine") == "mine 2"


def test_a_model_is_loaded_by_name_by_path_or_as_it_is(home, tmp_path):
    path = saved("by path", tmp_path / "elsewhere")
    saved("by name", models_folder() / "mine")
    assert load_model("mine").name == "by name"
    assert load_model(path).name == load_model(str(path)).name == "by path"
    model = load_model(path)
    assert load_model(model) is model


def test_an_unknown_name_is_refused_with_the_known_ones(home):
    saved("mine", models_folder() / "mine")
    with pytest.raises(
        ModelFileError, match=r"no model named 'yours'; known are .*mine"
    ):
        load_model("yours")


@pytest.mark.parametrize("path", ["missing.unet", "folder/missing.unet"])
def test_a_missing_file_is_refused_by_its_path(path):
    with pytest.raises(StorageError, match=r"missing\.unet cannot be read"):
        load_model(path)


@pytest.mark.parametrize("name", ["", ".", "..", "/"])
def test_a_name_that_is_no_name_is_refused(name):
    with pytest.raises(StudioError):
        load_model(name)
