"""Images that files, folders and patterns name, and what their results are called."""

import os
from pathlib import Path

import pytest

from napari_unet_studio.core.errors import InputError, StorageError
from napari_unet_studio.io.folders import (
    batch_items,
    find_images,
    is_pattern,
    natural_key,
)
from napari_unet_studio.io.pairs import find_pairs


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Make empty files in an empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)

    def made(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")

    return made


def texts(paths):
    return [path.as_posix() for path in paths]


def names(*paths):
    return {item.image.as_posix(): item.name for item in batch_items(paths)}


# -- which images --------------------------------------------------------------------


def test_a_folder_gives_its_images_and_no_others(made) -> None:
    made("a/2.tif", "a/10.TIF", "a/1.png", "a/.hidden.tif", "a/notes.txt", "a/b/3.tif")
    assert texts(find_images(["a"])) == ["a/1.png", "a/2.tif", "a/10.TIF"]


def test_given_files_keep_their_order_and_count_once(made) -> None:
    made("b.tif", "a.tif")
    assert texts(find_images(["b.tif", "a.tif", "b.tif", "*.tif"])) == [
        "b.tif",
        "a.tif",
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("d/*.tif", ["d/1.tif", "d/2.tif"]),
        ("d/**/*.tif", ["d/1.tif", "d/2.tif", "d/e/1.tif", "d/e/f/9.tif"]),
        ("d/?.png", ["d/1.png"]),
        ("d/[2-9].*", ["d/2.tif"]),
        ("d/e*", ["d/e/1.tif"]),
        ("**/9.tif", ["d/e/f/9.tif"]),
    ],
)
def test_a_pattern_gives_what_it_matches(made, pattern, expected) -> None:
    made("d/1.tif", "d/2.tif", "d/1.png", "d/x.txt", "d/e/1.tif", "d/e/f/9.tif")
    made("d/.h/7.tif", "d/.7.tif")
    assert texts(find_images([pattern])) == expected


def test_absolute_patterns_work_too(made, tmp_path) -> None:
    made("d/1.tif")
    assert find_images([tmp_path / "d/*"]) == [tmp_path / "d/1.tif"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(made) -> None:
    made("cells[1].tif", "cells1.tif")
    assert not is_pattern("cells[1].tif")
    assert texts(find_images(["cells[1].tif"])) == ["cells[1].tif"]


def test_a_store_is_one_image_and_its_chunks_are_none(made) -> None:
    made("d/a.zarr/0/0.tif", "d/a.zarr/zarr.json", "d/b.tif")
    assert texts(find_images(["d/**/*"])) == ["d/a.zarr", "d/b.tif"]
    assert texts(find_images(["d"])) == ["d/a.zarr", "d/b.tif"]
    # Somebody who names what is inside means it.
    assert texts(find_images(["d/a.zarr/0/*"])) == ["d/a.zarr/0/0.tif"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.tif", "none.tif does not exist"),
        ("none/*.tif", "Nothing matches none"),
        ("empty", "There are no images in empty"),
        ("empty/*", "There are no images in empty"),
    ],
)
def test_nothing_found_is_told(made, path, message) -> None:
    made("empty/notes.txt")
    for find in (find_images, batch_items):
        with pytest.raises(InputError, match=message.replace("*", r"\*")):
            find([path])


def test_numbers_in_names_count_by_their_value() -> None:
    paths = ["a10", "a9", "A9b", "9", "10", "b/2", "b/11", "b 2/1", "²", "a٣"]
    sorted(map(Path, paths), key=natural_key)  # any names can be compared
    found = sorted(map(Path, ["t10/z2", "t9/z11", "t9/z2"]), key=natural_key)
    assert texts(found) == ["t9/z2", "t9/z11", "t10/z2"]


# -- what results are called ---------------------------------------------------------


def test_results_have_the_names_of_their_files(made) -> None:
    made("a/1.tif", "a/2.png", "3.tif")
    assert names("a", "3.tif") == {"a/1.tif": "1", "a/2.png": "2", "3.tif": "3"}


def test_folders_below_a_pattern_are_kept(made) -> None:
    made("d/x/1.tif", "d/y/1.tif", "d/y/z/2.tif", "e.tif")
    assert names("d/**/*.tif", "e.tif") == {
        "d/x/1.tif": "x/1",
        "d/y/1.tif": "y/1",
        "d/y/z/2.tif": "y/z/2",
        "e.tif": "e",
    }


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (("a/1.tif", "a/1.png"), ("1.tif", "1.png")),
        (("x/a/1.tif", "x/b/1.tif"), ("a/1", "b/1")),
        (("a/1.tif", "b/1.png"), ("1.tif", "1.png")),
        (("x/a/c/1.tif", "x/b/c/1.tif"), ("a/c/1", "b/c/1")),
        (("a/1.tif", "b/1.tif", "b/1.png"), ("a/1.tif", "b/1.tif", "b/1.png")),
        (("a/A.tif", "a/a.png"), ("A.tif", "a.png")),
    ],
)
def test_names_are_told_apart_by_as_little_as_needed(made, files, expected) -> None:
    made(*files)
    found = tuple(names(*files).values())
    assert len({name.casefold() for name in found}) == len(files)
    assert found == expected


def test_results_of_an_earlier_batch_are_no_images(made) -> None:
    made("a.tif", "predicted/a.tif")
    items = batch_items(["**/*.tif"], [Path("predicted/a.tif").absolute()])
    assert [item.name for item in items] == ["a"]


@pytest.fixture
def closed(made, tmp_path):
    """Make a folder that may not be read, not even by an administrator's tests."""
    if not hasattr(os, "geteuid"):
        pytest.skip("folders have other rights here")
    made("closed/a.tif", "b.tif")
    Path("closed").chmod(0)
    tmp_path.chmod(0o777)
    administrator = os.geteuid() == 0
    if administrator:
        os.seteuid(65534)
    yield Path("closed")
    if administrator:
        os.seteuid(0)
    Path("closed").chmod(0o700)


def test_a_folder_without_rights_is_told_and_kept_for_a_batch_to_list(closed) -> None:
    with pytest.raises(StorageError, match="closed cannot be read"):
        find_images([closed])
    items = batch_items([closed, "b.tif"])
    assert [item.image for item in items] == [closed, Path("b.tif")]


# -- pairs ---------------------------------------------------------------------------


def test_patterns_make_pairs_of_the_same_stems(made) -> None:
    made("i/1.tif", "i/2.tif", "l/1.png", "l/2.png", "l/3.png")
    pairs = find_pairs([Path("i/*.tif")], Path("l"))
    assert [(a.name, b.name) for a, b in pairs] == [
        ("1.tif", "1.png"),
        ("2.tif", "2.png"),
    ]
    with pytest.raises(InputError, match=r"2\.tif has no file of its name"):
        find_pairs([Path("i")], Path("l/1*"))


def test_two_images_do_not_share_labels_because_of_their_names(made) -> None:
    made("i/a/1.tif", "i/b/1.tif", "i/c/1.tif", "l/1.tif", "i/c/1.png")
    for images in (["i/*/1.tif"], ["i/c"], ["i/a/1.tif", "i/b/1.tif"]):
        with pytest.raises(InputError, match=r"would both go with the file called 1"):
            find_pairs([Path(each) for each in images], Path("l"))
    assert len(find_pairs([Path("i/a")], Path("l"))) == 1


def test_results_alone_are_told_to_be_results(tmp_path) -> None:
    image = tmp_path / "a.tif"
    image.write_bytes(b"")
    with pytest.raises(InputError, match=r"a\.tif: these are results of an earlier"):
        batch_items([image], [image])
