"""What a user does with model files."""

import json
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_unet_studio.core.errors import (
    InputError,
    ModelFileError,
    StorageError,
    StudioError,
)
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io import recard
from napari_unet_studio.io.archive import Archive
from napari_unet_studio.io.library import (
    add_model,
    add_test,
    copy_model,
    delete_model,
    describe_model,
    duplicate_model,
    rename_model,
    set_notes,
)
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.model_entries import list_models, with_listed
from napari_unet_studio.io.model_file import load_model_file, read_card
from napari_unet_studio.io.model_list import ListedModel
from napari_unet_studio.io.recard import rewrite_card
from napari_unet_studio.io.recent import (
    MOST,
    forget_file,
    recent_files,
    recent_list,
    remember_file,
)
from napari_unet_studio.io.registry import (
    available_models,
    known_models,
    load_model,
    models_folder,
)

SPEC = UNetSpec(channels=(2, 3))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    monkeypatch.setenv("UNET_STUDIO_HOME", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path))  # on the disk of the files
    return folder


def a_model(name="cells"):
    picture = np.full((4, 6, 3), 7, np.uint8)
    return Model(build(SPEC), ModelCard(name=name, spec=SPEC), picture)


def saved(name, folder=None, half=False):
    return a_model(name).save((folder or models_folder()) / name, half)


def weights(path):
    with Archive(path, "model file") as archive:
        return archive.tensors("weights")


def entry(name):
    return next(each for each in list_models() if each.name == name)


# -- adding --------------------------------------------------------------------------


def test_a_model_in_memory_and_a_file_are_added_under_their_names(tmp_path) -> None:
    model = a_model("from memory")
    path = add_model(model)
    assert path == models_folder() / "from memory.unet"
    assert model.name == load_model("from memory").name == "from memory"
    other = add_model(saved("from file", tmp_path))
    assert available_models()["from file"] == other
    assert (load_model(other).thumbnail == 7).all()


def test_adding_replaces_nothing(tmp_path) -> None:
    file = saved("cells", tmp_path)
    paths = [add_model(file), add_model(file), add_model(a_model(), "cells")]
    assert [p.stem for p in paths] == ["cells", "cells 2", "cells 3"]
    assert [read_card(p).name for p in paths] == ["cells", "cells 2", "cells 3"]
    assert add_model(file, "nuclei").stem == "nuclei 2"


def test_weights_in_half_precision_stay_so(tmp_path) -> None:
    path = add_model(saved("small", tmp_path, half=True))
    assert {t.dtype for t in weights(path).values() if t.is_floating_point()} == {
        torch.float16
    }


def test_where_a_model_comes_from_goes_into_its_card(tmp_path) -> None:
    origin = {"url": "https://a.org/b.unet"}
    for given in (saved("a", tmp_path), a_model("b")):
        assert read_card(add_model(given, origin=origin)).origin == origin


def test_the_name_of_a_card_cannot_lead_out_of_the_folder(tmp_path) -> None:
    path = add_model(a_model("../../evil: <name>\n"))
    assert path.parent == models_folder()
    assert path.stem == "evil name"
    for name in ("../a", "a/b", "a\\b", "", " .", ".hidden", "a:b", "CON", "x" * 200):
        with pytest.raises(InputError):
            add_model(a_model(), name)
    assert [p.name for p in tmp_path.iterdir()] == ["home"]


def test_a_broken_file_is_not_added(tmp_path) -> None:
    path = saved("cells", tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelFileError, match="not a usable model file"):
        add_model(path)
    with pytest.raises(StorageError, match=r"none\.unet cannot be read"):
        add_model(tmp_path / "none.unet")
    assert not models_folder().exists()


# -- renaming ------------------------------------------------------------------------


def test_renaming_changes_the_file_and_the_card_and_nothing_else() -> None:
    before = saved("old")
    kept = weights(before)
    path = rename_model("old", " new ")
    assert path == models_folder() / "new.unet"
    assert not before.exists()
    assert read_card(path).name == "new"
    after = weights(path)
    assert all((after[k] == t).all() for k, t in kept.items())
    assert set(available_models()) == {"nuclei", "stained-nuclei", "new"}


def test_a_name_that_is_taken_is_refused() -> None:
    saved("one")
    two = saved("two")
    for name in ("one", "ONE", "nuclei", "Nuclei"):
        with pytest.raises(InputError, match="already"):
            rename_model("two", name)
    assert read_card(two).name == "two"


def test_the_case_of_a_name_can_be_changed() -> None:
    saved("cells")
    assert rename_model("cells", "Cells").name == "Cells.unet"
    assert list(available_models()) == ["nuclei", "stained-nuclei", "Cells"]


def test_two_names_that_differ_in_case_alone_stay_two_models() -> None:
    saved("cells")
    if (models_folder() / "CELLS.unet").exists():
        pytest.skip("names in two cases are one file on this disk")
    saved("CELLS")
    with pytest.raises(InputError, match="already"):
        rename_model("cells", "CELLS")
    assert rename_model("cells", "cells") == models_folder() / "cells.unet"
    assert {"cells", "CELLS"} <= set(available_models())


@pytest.mark.parametrize(
    "change",
    [
        lambda name: rename_model(name, "mine"),
        delete_model,
        lambda name: set_notes(name, "text"),
        lambda name: add_test(name, {"name": "a"}),
    ],
)
def test_bundled_models_stay_as_they_are(change) -> None:
    before = available_models()["nuclei"].read_bytes()
    with pytest.raises(InputError, match="comes with the package and cannot be"):
        change("nuclei")
    assert available_models()["nuclei"].read_bytes() == before
    with pytest.raises(
        ModelFileError, match=r"no model named 'none'; known are nuclei"
    ):
        change("none")


def test_a_bundled_model_can_be_duplicated_and_the_copy_changed() -> None:
    path = duplicate_model("nuclei")
    assert path == models_folder() / "nuclei 2.unet"
    assert read_card(path).name == "nuclei 2"
    assert path.stat().st_size < 5e6  # still in half precision
    assert duplicate_model("nuclei").stem == "nuclei 3"
    set_notes("nuclei 2", "good for my dishes\nand yours")
    assert load_model("nuclei 2").card.notes == "good for my dishes\nand yours"
    set_notes("nuclei 2", "")
    assert read_card(path).notes == ""


def test_a_test_replaces_one_of_the_same_name(tmp_path) -> None:
    path = saved("cells", tmp_path)
    for f1 in (0.5, 0.7):
        for name in ("a", "b"):
            add_test(path, {"name": name, "images": 3, "scores": {"f1": f1}})
    tests = load_model_file(path).card.tests
    assert [(t["name"], t["scores"]["f1"]) for t in tests] == [("a", 0.7), ("b", 0.7)]


# -- deleting ------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="where the trash is a folder")
def test_deleted_models_go_to_the_trash() -> None:
    trash = Path(os.environ["XDG_DATA_HOME"], "Trash", "files")
    path = saved("to be deleted")
    content = path.read_bytes()
    assert delete_model("to be deleted") == "to be deleted is in the trash."
    assert not path.exists()
    (found,) = trash.glob("to be deleted*")
    assert found.read_bytes() == content
    found.unlink()


@pytest.mark.skipif(sys.platform != "linux", reason="where the trash is a folder")
def test_without_a_trash_the_file_stays_and_a_sentence_says_why() -> None:
    trash = Path(os.environ["XDG_DATA_HOME"], "Trash")
    aside = trash.with_name("Trash before")
    if trash.exists():
        trash.rename(aside)
    path = saved("cells")
    try:
        trash.write_text("no folder")
        with pytest.raises(StorageError, match="could not be moved to the trash") as e:
            delete_model("cells")
    finally:
        trash.unlink()
        if aside.exists():
            aside.rename(trash)
    assert str(e.value).endswith("It is still there; delete it with the file manager.")
    assert path.exists()


def test_a_file_elsewhere_is_only_taken_off_the_list(tmp_path) -> None:
    path = saved("guest", tmp_path)
    remember_file(path)
    assert entry("guest").source == "file"
    assert "its file stays in" in delete_model("guest")
    assert path.exists()
    assert "guest" not in available_models()


# -- recent files --------------------------------------------------------------------


def test_recent_files_are_offered_everywhere(tmp_path) -> None:
    path = saved("guest", tmp_path)
    other = saved("nuclei", tmp_path)
    remember_file(other)
    remember_file(path)
    assert recent_files() == [path, other]
    assert load_model("guest").name == "guest"
    assert known_models()[f"nuclei ({tmp_path})"].path == other
    assert [e.source for e in list_models()] == ["bundled", "bundled", "file", "file"]


def test_a_recent_file_can_be_renamed_and_annotated_where_it_is(tmp_path) -> None:
    remember_file(saved("guest", tmp_path))
    set_notes("guest", "text")
    path = rename_model("guest", "friend")
    assert path == tmp_path / "friend.unet"
    assert recent_files() == [path]
    assert read_card(path).notes == "text"


def test_models_of_the_folder_are_not_listed_twice() -> None:
    remember_file(saved("mine"))
    assert list(available_models()) == ["nuclei", "stained-nuclei", "mine"]


def test_only_the_last_files_that_exist_are_recent(tmp_path) -> None:
    paths = [tmp_path / f"{number}.unet" for number in range(MOST + 5)]
    for path in paths:
        path.touch()
        remember_file(path)
    remember_file(paths[10])
    assert recent_files()[0] == paths[10]
    assert len(recent_files()) == MOST
    paths[-1].unlink()
    assert paths[-1] not in recent_files()
    forget_file(paths[10])
    assert paths[10] not in recent_files()


def test_a_relative_path_is_remembered_as_a_whole_one(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.unet").touch()
    remember_file("a.unet")
    assert recent_files() == [tmp_path / "a.unet"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"files": 5}', '{"files": [5, "", "\\u0000"]}', "[" * 9999]
)
def test_a_broken_list_of_recent_files_is_an_empty_one(text, tmp_path) -> None:
    recent_list().parent.mkdir(parents=True)
    recent_list().write_text(text)
    assert recent_files() == []
    (tmp_path / "a.unet").touch()
    remember_file(tmp_path / "a.unet")
    assert recent_files() == [tmp_path / "a.unet"]


def test_a_folder_that_cannot_be_written_remembers_nothing(
    tmp_path, monkeypatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("UNET_STUDIO_HOME", str(tmp_path / "file"))
    remember_file(tmp_path / "file")
    assert recent_files() == []


# -- listing -------------------------------------------------------------------------


def test_a_broken_file_is_listed_with_the_reason() -> None:
    models_folder().mkdir(parents=True)
    (models_folder() / "broken.unet").write_text("nonsense")
    found = entry("broken")
    assert found.card is None
    assert not found.is_here
    assert found.can_change
    assert "not a usable model file" in found.error
    assert entry("nuclei").purpose.startswith("Fluorescent nuclei")


def test_what_was_downloaded_is_no_longer_offered(tmp_path) -> None:
    one, two = (ListedModel(n, f"https://a.org/{n}.unet", n * 64) for n in "ab")
    offered = with_listed(list_models(), [one, two])
    assert [e.name for e in offered] == ["nuclei", "stained-nuclei", "a", "b"]
    assert offered[-1].source == "list"
    add_model(a_model("renamed since"), origin={"sha256": one.sha256})
    offered = with_listed(list_models(), [one, two])
    assert [e.name for e in offered] == [
        "nuclei",
        "stained-nuclei",
        "renamed since",
        "b",
    ]


# -- rewriting a card ----------------------------------------------------------------


def test_a_card_that_could_not_be_read_again_is_not_written() -> None:
    path = saved("cells")
    before = path.read_bytes()
    with pytest.raises(StudioError):
        set_notes("cells", 5)
    assert path.read_bytes() == before
    assert [p.name for p in models_folder().iterdir()] == ["cells.unet"]


def test_everything_else_in_a_file_is_copied(tmp_path) -> None:
    path = saved("cells", tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more.bin", b"\0" * 1000, zipfile.ZIP_DEFLATED)
    target = rewrite_card(path, lambda card: card, tmp_path / "copy.unet")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target) as new:
        assert sorted(old.namelist()) == sorted(new.namelist())
        for name in set(old.namelist()) - {"card.json"}:
            assert old.read(name) == new.read(name)
        assert json.loads(old.read("card.json")) == json.loads(new.read("card.json"))


@pytest.mark.parametrize("name", ["weights.safetensors", "bomb.bin"])
def test_a_damaged_or_swollen_file_is_left_as_it_is(name, tmp_path) -> None:
    path = saved("cells", tmp_path)
    if name == "bomb.bin":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, bytes(80 * 2**20), zipfile.ZIP_DEFLATED)
    else:
        with zipfile.ZipFile(path) as archive:
            place = archive.getinfo(name).header_offset + 200
        data = bytearray(path.read_bytes())
        data[place] ^= 255
        path.write_bytes(data)
    before = path.read_bytes()
    with pytest.raises(ModelFileError, match=name):
        rewrite_card(path, lambda card: card)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_bomb_of_many_small_entries_is_not_copied(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(recard, "_LARGE", 2**20)
    path = saved("cells", tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(200):
            archive.writestr(f"{number}", bytes(2**17), zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelFileError, match="would unpack to"):
        rewrite_card(path, lambda card: card)


def test_a_model_is_copied_to_a_file_in_half_precision(tmp_path) -> None:
    add_model(a_model())
    target = tmp_path / "out" / "nuclei"
    path = copy_model("cells", target, half=True)
    assert path == target.with_suffix(".unet")
    assert read_card(path).name == "nuclei"
    with Archive(path, "model file") as archive:
        kinds = {t.dtype for t in archive.tensors("weights").values()}
    assert torch.float16 in kinds
    assert torch.float32 not in kinds
    with pytest.raises(StorageError, match="exists already"):
        copy_model("cells", path)
    assert copy_model("cells", path, overwrite=True) == path


def test_a_card_is_described_by_name_or_file_but_not_a_bundled_one(tmp_path) -> None:
    add_model(a_model())
    describe_model("cells", {"limits": "Not for plants.", "authors": ("Ada",)})
    assert read_card(available_models()["cells"]).limits == "Not for plants."
    path = copy_model("cells", tmp_path / "out.unet")
    describe_model(path, {"licence": "CC0-1.0"})
    card = read_card(path)
    assert (card.licence, card.authors) == ("CC0-1.0", ("Ada",))
    with pytest.raises(InputError, match="comes with the package"):
        describe_model("nuclei", {"licence": ""})
