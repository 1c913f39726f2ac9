"""Training on files that are no layers: rows, scripts and shell commands."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image, Labels
from qtpy.QtWidgets import QFileDialog

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.images import write_tiff
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.layers import pair_of, train_layers
from napari_unet_studio.widgets._train.files import files_in, matched
from napari_unet_studio.widgets.train import TrainWidget

if TYPE_CHECKING:
    from napari import Viewer


pytestmark = pytest.mark.usefixtures("home")


def test_files_are_paired_by_name() -> None:
    def paired(
        images: list[str], labels: list[str]
    ) -> tuple[dict[str, str], list[str]]:
        pairs, left = matched([Path(i) for i in images], [Path(m) for m in labels])
        return {str(a): str(b) for a, b in pairs}, [str(path) for path in left]

    assert paired(["x.png"], ["y.tif"]) == ({"x.png": "y.tif"}, [])
    assert paired(["b.tif", "a.tif"], ["a.tif", "b.tif"]) == (
        {"b.tif": "b.tif", "a.tif": "a.tif"},
        [],
    )
    assert paired(["img_b.tif", "img_a.tif"], ["a_mask.tif", "b_mask.tif"]) == (
        {"img_b.tif": "b_mask.tif", "img_a.tif": "a_mask.tif"},
        [],
    )
    # What could be several is not guessed.
    assert paired(["a1.tif", "b1.tif"], ["m1.tif", "m2.tif"]) == (
        {},
        ["a1.tif", "b1.tif"],
    )
    assert paired(["a.tif", "c.tif"], ["a.png"]) == ({"a.tif": "a.png"}, ["c.tif"])


def test_a_folder_gives_its_images_and_a_zarr_itself(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    (folders[0] / "notes.txt").write_text("no image")
    assert [path.name for path in files_in(folders[0])] == ["a.tif", "b.tif"]
    store = tmp_path / "cells.zarr"
    store.mkdir()
    assert files_in(store) == [store]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="no images"):
        files_in(empty)


def test_files_are_rows_and_not_layers(
    viewer: "Viewer",
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    folders: tuple[Path, Path],
) -> None:
    images, labels = (files_in(folder) for folder in folders)
    widget.table.add_files([*images, folders[0] / "c.tif"], labels)
    files = [(images[n], labels[n], "train") for n in range(2)]
    assert widget.pairs() == [(*layers, "train"), *files]
    assert "c.tif" in widget.table.hint.text()
    assert len(viewer.layers) == 2
    item = widget.table.table.item(1, 0)
    assert item.text() == "a"
    assert str(images[0]) in item.toolTip()
    # The same files are not added again, and layers come and go around them.
    widget.table.add_files(images, labels)
    viewer.layers.clear()
    assert widget.pairs() == files
    widget.table.change(0, 2, "validate")
    widget.table.remove(1)
    assert widget.pairs() == [(images[0], labels[0], "validate")]


def test_files_are_asked_for(
    widget: TrainWidget,
    folders: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images, labels = (files_in(folder) for folder in folders)
    answers = [[str(p) for p in images], [str(p) for p in labels], []]
    monkeypatch.setattr(
        QFileDialog, "getOpenFileNames", lambda *_: (answers.pop(0), "")
    )
    files, together = widget.table.files_button.menu().actions()
    files.trigger()
    assert len(widget.pairs()) == 2
    files.trigger()  # and given up
    assert len(widget.pairs()) == 2
    folder = [str(folders[0]), str(tmp_path / "nothing here"), str(folders[0]), ""]
    (tmp_path / "nothing here").mkdir()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: folder.pop(0))
    together.trigger()
    assert "no images in" in widget.table.hint.text()
    together.trigger()
    assert len(widget.pairs()) == 2


def test_a_cell_takes_a_file_instead_of_a_layer(
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    folders: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = folders[1] / "a.tif"
    answers = ["", str(file)]
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (answers.pop(0), ""))
    (_, choice), *_ = reversed(widget.table._choices(0, 1))
    widget.table.change(0, 1, choice)
    assert widget.pairs() == [(*layers, "train")]
    widget.table.change(0, 1, choice)
    assert widget.pairs() == [(layers[0], file, "train")]
    assert ("a", file) in widget.table._choices(0, 1)


def test_files_are_trained_on_like_layers(
    same_model: Any,
    viewer: "Viewer",
    widget: TrainWidget,
    folders: tuple[Path, Path],
    finish: Any,
    one_thread: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    images, labels = (files_in(folder) for folder in folders)
    widget.table.add_files(images, labels)
    widget.table.change(1, 2, "validate")
    viewer.add_image(np.zeros((30, 40)), name="something else")
    widget.course.keep_layers.setChecked(True)
    widget.run()
    finish(widget)
    model = load_model("my model")
    assert [data["name"] for data in model.card.data] == ["a", "b"]
    # Nothing was held out by itself; the preview lies on the image of the file, and
    # that beside what the user has open.
    assert len(viewer.layers) == 3
    beside, preview = viewer.layers[1:]
    assert beside.data.shape == preview.data.shape == (96, 96)
    assert beside.extent.world[0, 1] > viewer.layers[0].extent.world[1, 1]
    assert (beside.extent.world == preview.extent.world).all()
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(widget.script(), names)
    assert same_model(model, names["model"])
    rows = [(images[0], labels[0], "train"), (images[1], labels[1], "validate")]
    again = train_layers(viewer, rows, widget.form.value(), "again")
    assert same_model(model, again)


def test_layers_and_files_are_trained_on_together(
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    folders: tuple[Path, Path],
    finish: Any,
) -> None:
    rows: list[Any] = [(layers[0], folders[1] / "a.tif", "train")]
    rows += [(folders[0] / "b.tif", folders[1] / "b.tif", "off")]
    widget.set_pairs(rows)
    widget.run()
    finish(widget)
    assert load_model("my model").card.training["updates"] == 6
    code = widget.script()
    assert "('nuclei', Path(" in code
    assert "b.tif" not in code
    compile(code, "script", "exec")


def test_files_that_cannot_be_used_are_named(
    widget: TrainWidget, folders: tuple[Path, Path], finish: Any, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.tif"
    broken.write_text("no image")
    colours = tmp_path / "colours.tif"
    write_tiff(colours, np.zeros((96, 96, 3), np.uint8), "YXS")
    good = folders[0] / "a.tif"
    cases = {
        "gone.tif": (tmp_path / "gone.tif", folders[1] / "a.tif"),
        "broken.tif": (good, broken),
        "channels": (good, colours),
    }
    for word, row in cases.items():
        widget.set_pairs([(*row, "train")])
        for press in (widget.check, widget.run):
            press()
            finish(widget)
            (found,) = widget.panel.findings
            assert found.kind == "error"
            assert word in found.text
            assert found.remedy
            widget.panel.clear()
        assert "Not started" in widget.status.text()


def test_a_file_that_is_gone_leaves_the_others_to_be_checked(
    widget: TrainWidget, folders: tuple[Path, Path], finish: Any
) -> None:
    images, labels = (files_in(folder) for folder in folders)
    widget.table.add_files(images, labels)
    images[1].unlink()
    write_tiff(images[0], np.full((96, 96), 7, np.uint8), "YX")
    widget.check()
    finish(widget)
    gone, *others = widget.panel.findings
    assert images[1].name in gone.text
    assert "Or set its row to off" in gone.remedy
    assert any("constant" in str(found).lower() for found in others)
    widget.table.change(1, 2, "off")
    widget.check()
    finish(widget)
    assert not any(images[1].name in found.text for found in widget.panel.findings)


def test_a_pair_of_files_keeps_axes_and_pixel_size(tmp_path: Path) -> None:
    stack = np.zeros((3, 8, 9), np.uint8)
    write_tiff(tmp_path / "i.tif", stack, "ZYX", (2.0, 0.5, 0.5))
    write_tiff(tmp_path / "m.tif", stack, "ZYX")
    pair = pair_of(tmp_path / "i.tif", str(tmp_path / "m.tif"), "validate")
    assert (pair.axes, pair.role, pair.name) == ("ZYX", "validate", "i")
    assert pair.spacing == (2.0, 0.5, 0.5)
