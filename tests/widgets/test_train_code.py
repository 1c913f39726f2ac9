"""The copied code: a script and a shell command that make the same model."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from napari.layers import Image, Labels
from typer.testing import CliRunner

from napari_unet_studio.cli.app import app
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.widgets._train.files import files_in
from napari_unet_studio.widgets.train import TrainWidget

if TYPE_CHECKING:
    from napari import Viewer


pytestmark = pytest.mark.usefixtures("home")


def test_the_copied_script_makes_the_same_model(
    sample: Any,
    viewer: "Viewer",
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    finish: Any,
    one_thread: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    off = viewer.add_image(sample.image, name="not used")
    widget.set_pairs([(*layers, "train"), (off, layers[1], "off")])
    widget.run()
    finish(widget)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(widget.script(), names)
    first, second = load_model("my model"), names["model"]
    assert second.card.training["config"] == widget.form.value().to_dict()
    # Under the name that another training would give it.
    assert second.card.name == "my model 2"
    assert (tmp_path / "my model 2.unet").is_file()
    for a, b in zip(
        first.network.state_dict().values(),
        second.network.state_dict().values(),
        strict=True,
    ):
        assert torch.equal(a, b)


def test_the_shell_command_makes_the_same_model(
    same_model: Any,
    widget: TrainWidget,
    folders: tuple[Path, Path],
    finish: Any,
    one_thread: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    widget.set_pairs([(folders[0] / "a.tif", folders[1] / "a.tif", "train")])
    widget.name.setText("one of mine")
    widget.run()
    finish(widget)
    command = widget.command()
    assert "\n" not in command
    program, *words = shlex.split(command)
    assert program == "unet-studio"
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    # Under the name that another training would give it.
    assert same_model(
        load_model("one of mine"), load_model(tmp_path / "one of mine 2.unet")
    )


def test_several_files_go_into_a_settings_file(
    widget: TrainWidget, folders: tuple[Path, Path]
) -> None:
    images, labels = (files_in(folder) for folder in folders)
    widget.table.add_files(images, labels)
    widget.table.change(1, 2, "validate")
    first, *lines, end, last = widget.command().splitlines()
    assert first == "cat > 'my model.json' <<'END'"
    assert end == "END"
    assert last == "unet-studio train --config 'my model.json'"
    document = json.loads("\n".join(lines))
    assert TrainConfig.from_dict(document["config"]) == widget.form.value()
    assert document["pairs"][1] == {
        "image": str(images[1]),
        "labels": str(labels[1]),
        "role": "validate",
    }
    assert document["out"] == "my model.unet"


def test_code_names_the_model_as_it_would_be_named(
    widget: TrainWidget, home: Path
) -> None:
    load_model("nuclei").renamed("taken").save(home / "models" / "taken.unet")
    widget.set_pairs([(Path("/a/i.tif"), Path("/a/l.tif"), "train")])
    widget.name.setText("taken")
    assert "--out 'taken 2.unet'" in widget.command()
    assert "name='taken 2'" in widget.script()
    widget.name.setText("a/b")
    assert widget.command() == ""
    assert "file name" in widget.status.text()


def test_a_shell_cannot_see_layers(
    layers: tuple[Image, Labels], widget: TrainWidget
) -> None:
    assert widget.command() == ""
    assert "cannot see layers" in widget.status.text()
    widget.set_pairs([])
    assert widget.command() == ""
    assert "nothing to train on" in widget.status.text()


def test_code_goes_to_the_clipboard(
    layers: tuple[Image, Labels], widget: TrainWidget, qapp: Any
) -> None:
    copy = widget.actions._idle.findChildren(type(widget.run_button))[1]
    python, shell = copy.menu().actions()
    python.trigger()
    assert qapp.clipboard().text() == widget.script()
    assert copy.text() == "Copied"
    shell.trigger()  # layers: nothing to copy
    assert qapp.clipboard().text() == widget.script()
