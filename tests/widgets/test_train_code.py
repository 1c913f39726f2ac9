"""The copied code: a script and a shell command that make the same model."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from napari.layers import Image, Labels
from typer.testing import CliRunner

from napari_unet_studio.cli.app import app
from napari_unet_studio.io.images import write_tiff
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


@pytest.mark.slow
def test_the_shell_command_and_the_card_make_the_same_model(
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
    command = widget.command()
    widget.run()
    finish(widget)
    first = load_model("one of mine")
    assert first.card.training["command"] == command
    assert "\n" not in command
    program, *words = shlex.split(command)
    assert program == "unet-studio"
    card = tmp_path / "home" / "models" / "one of mine.unet"
    monkeypatch.chdir(tmp_path)
    repeats = {
        "one of mine": words,
        "again": ["train", "--config", str(card), "--out", "again"],
    }
    for name, each in repeats.items():
        result = CliRunner().invoke(app, each)
        assert result.exit_code == 0, result.output
        second = load_model(tmp_path / f"{name}.unet")
        assert same_model(first, second)
        again = second.card.training
        assert again["command"] == command.replace(
            "'one of mine.unet'", shlex.quote(f"{name}.unet")
        )
        assert again["pairs"] == first.card.training["pairs"]


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


def test_layers_are_trained_on_once_they_are_saved(
    same_model: Any,
    layers: tuple[Image, Labels],
    widget: TrainWidget,
    finish: Any,
    one_thread: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    image, labels = layers
    widget.run()
    finish(widget)
    command = widget.command()
    notes = command.splitlines()[:2]
    assert notes == [
        "# Save the layer 'nuclei' as nuclei.tif",
        "# Save the layer 'nuclei labels' as nuclei labels.tif",
    ]
    monkeypatch.chdir(tmp_path)
    write_tiff("nuclei.tif", image.data, "YX")
    write_tiff("nuclei labels.tif", labels.data, "YX")
    subprocess.run(["bash", "-c", command.rpartition("\n")[0]], check=True)
    result = CliRunner().invoke(app, shlex.split(command.splitlines()[-1])[1:])
    assert result.exit_code == 0, result.output
    first, second = load_model("my model"), load_model("my model 2.unet")
    assert same_model(first, second)
    assert first.card.spacing == second.card.spacing == (0.5, 0.5)
    assert "command" not in first.card.training  # nobody knows the files
    assert second.card.training["command"].startswith("cat > 'my model 2.json'")
    widget.set_pairs([])
    assert widget.command() == ""
    assert "nothing to train on" in widget.status.text()


def test_a_layer_stands_for_its_file_until_it_is_painted_on(
    viewer: "Viewer", widget: TrainWidget, folders: tuple[Path, Path]
) -> None:
    image = viewer.open(folders[0] / "a.tif", plugin="napari")[0]
    file = folders[1] / "a.tif"
    labels = viewer.open(file, plugin="napari", layer_type="labels")[0]
    widget.set_pairs([(image, labels, "train")])
    assert f"train {folders[0] / 'a.tif'} '{file}' --out" in widget.command()
    labels.fill((0, 0), 9)
    assert widget.command().startswith("# Save the layer 'a [1]' as a -1.tif\n")


def test_code_goes_to_the_clipboard(
    layers: tuple[Image, Labels], widget: TrainWidget, qapp: Any
) -> None:
    copy = widget.actions._idle.findChildren(type(widget.run_button))[1]
    python, shell, *_ = copy.menu().actions()
    python.trigger()
    assert qapp.clipboard().text() == widget.script()
    assert copy.text() == "Copied"
    shell.trigger()
    assert qapp.clipboard().text() == widget.command()
