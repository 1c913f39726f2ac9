"""``unet-studio models``, as a user types it."""

import hashlib
import io
import json
import os
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_unet_studio.cli import main
from napari_unet_studio.cli.model_texts import card_lines
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.foreign import ForeignSpec
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.archive import Archive, write_archive
from napari_unet_studio.io.images import write_tiff
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.model_file import load_model_file, read_card
from napari_unet_studio.io.registry import available_models, load_model, models_folder
from napari_unet_studio.io.trust import is_trusted

SPEC = UNetSpec(channels=(2, 3))


@pytest.fixture
def call(monkeypatch, capfd, tmp_path):
    """Run the command in an empty folder; gives its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("UNET_STUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)

    def call(*arguments):
        monkeypatch.setattr(
            sys, "argv", ["unet-studio", "models", *map(str, arguments)]
        )
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capfd.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return call


def model(name="cells", **fields):
    torch.manual_seed(0)
    return Model(build(SPEC), ModelCard(name=name, spec=SPEC, **fields))


def squares():
    labels = np.zeros((48, 48), np.uint16)
    for number, (y, x) in enumerate(np.ndindex(3, 3), start=1):
        labels[16 * y + 4 : 16 * y + 12, 16 * x + 4 : 16 * x + 12] = number
    return np.where(labels > 0, 150, 50).astype(np.uint8), labels


def refused(result, message):
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.startswith("unet-studio: ")
    assert err.count("\n") == 1
    assert message in err


def test_the_models_at_hand_are_listed_with_where_they_come_from(call) -> None:
    model("mine", description="Rods: 3 images.", scores={"f1": 0.5}).save(
        models_folder() / "mine"
    )
    code, out, err = call()
    assert (code, err) == (0, "")
    assert out.split()[:5] == ["model", "for", "axes", "scores", "from"]
    assert "the package" in out
    rows = json.loads(call("--json")[1])
    assert [(row["model"], row["from"]) for row in rows] == [
        ("nuclei", "the package"),
        ("stained-nuclei", "the package"),
        ("mine", "you"),
    ]
    assert rows[2]["scores"] == "f1 0.500"


def test_a_model_is_described_for_people_by_name_or_file(call, tmp_path) -> None:
    training = {"command": "unet-studio train a b", "updates": 5, "seconds": 200.0}
    test = {"name": "held back", "images": 2, "scores": {"f1": 0.25, "missed": 3}}
    data = tuple({"name": f"{n}.tif", "sha256": "0"} for n in range(50))
    model(
        "rods", description="Rods: 50 images.", limits="Not for cocci.", tests=(test,),
        training=training, data=data, authors=("A. Nyone",), licence="CC0-1.0",
        cite=("doi:10.1/2",), notes="mine", scores={"f1": 0.5}, spacing=(0.5, 0.25),
        unit="um", origin={"format": "unet", "url": "https://a.org"},
    ).save(tmp_path / "rods")  # fmt: skip
    code, out, err = call("info", "rods.unet")
    assert (code, err) == (0, "")
    assert "limits: Not for cocci." in out
    assert "trained on: 50 images: 0.tif, 1.tif, 2.tif and 47 more" in out
    assert "training: 5 updates, 3 minutes" in out
    assert "training command: unet-studio train a b" in out
    assert "scores: f1 0.500 (held out)" in out
    assert "test: held back (2 images): f1 0.250" in out
    assert "pixel size: 0.5 x 0.25 um" in out
    assert "authors: A. Nyone" in out
    assert out.count("\n") < 30
    assert call("rods.unet")[1] == out  # the word info may be left out
    assert call("nuclei")[1].startswith("name: nuclei\n")


def test_the_whole_card_is_printed_as_json(call, tmp_path) -> None:
    data = tuple({"name": f"{n}.tif", "sha256": "0"} for n in range(5))
    path = model("rods", data=data, training={"history": [1, 2]}).save(tmp_path / "r")
    for words in (("info", path, "--json"), (path, "--json"), ("--json", path)):
        code, out, err = call(*words)
        assert (code, err) == (0, "")
        found = json.loads(out)
        assert len(found["data"]) == 5
        assert found["training"]["history"] == [1, 2]
        assert found["parameters"] > 0
        assert found["file"] == str(path)


def test_what_is_no_model_is_refused(call, tmp_path) -> None:
    refused(call("none"), "no model named 'none'; known are nuclei")
    refused(call("info", "none.unet"), "none.unet cannot be read")
    path = model().save(tmp_path / "broken")
    path.write_bytes(path.read_bytes()[:-50])
    refused(call("info", path), "not a usable model file")
    refused(call("add", path), "not a usable model file")


def test_a_card_without_anything_is_described_too() -> None:
    lines = card_lines(ModelCard(name="", spec=SPEC))
    assert "network" in lines
    assert all(lines.values())


def test_a_model_is_added_renamed_copied_annotated_and_removed(call, tmp_path) -> None:
    # Another name inside, as a training gives it to every model: the file's counts.
    path = model("model").save(tmp_path / "cells", half=True)
    code, out, _ = call("add", path, "--json")
    assert code == 0
    assert json.loads(out)["model"] == "cells"
    assert call("add", path, "--name=cells")[0] == 0
    assert call("rename", "cells 2", "rods")[0] == 0
    assert call("copy", "rods")[0] == 0
    assert call("note", "rods 2", "good for my dishes")[0] == 0
    assert "notes: good for my dishes" in call("rods 2")[1]
    assert list(available_models()) == [
        "nuclei",
        "stained-nuclei",
        "cells",
        "rods",
        "rods 2",
    ]
    with Archive(available_models()["rods 2"], "model file") as archive:
        assert torch.float16 in {t.dtype for t in archive.tensors("weights").values()}
    refused(call("rename", "rods", "cells"), "already")
    refused(call("remove", "nuclei"), "comes with the package")
    refused(call("add", path, "--network=unet-16"), "leave --network out")
    code, out, _ = call("remove", "rods")
    assert (code, out) == (0, "done: rods is in the trash.\n")
    assert "rods" not in available_models()


def test_a_state_dict_is_added_with_its_network(call, tmp_path) -> None:
    torch.save(build("unet-16").state_dict(), tmp_path / "cells.pt")
    code, out, _ = call(
        "add", "cells.pt", "--network=unet-16", "--name=theirs", "--json"
    )
    assert code == 0
    assert json.loads(out)["model"] == "theirs"
    assert read_card(available_models()["theirs"]).spec == build("unet-16").spec


# -- scores --------------------------------------------------------------------------


def test_scores_go_into_the_card_with_the_command_that_makes_them(
    call, tmp_path
) -> None:
    image, labels = squares()
    for name in "ab":
        write_tiff(tmp_path / f"my images/{name}.tif", image, "YX")
        write_tiff(tmp_path / f"labels/{name}.tif", labels, "YX")
    before = model("cells").save(models_folder() / "cells", half=True)
    size = before.stat().st_size
    words = ("score", "cells", "my images", "labels", "--name", "two plates")
    code, out, err = call(*words, "--specks=2", "--device=cpu", "--json")
    assert (code, err) == (0, "")
    (test,) = load_model_file(before).card.tests
    assert test["name"] == "two plates"
    assert test["images"] == 2
    assert test["command"] == (
        "unet-studio models score cells 'my images' labels --name 'two plates' "
        "--specks 2"
    )
    assert set(test["scores"]) >= {"iou", "f1", "missed"}
    assert "seconds" not in test["scores"]
    assert json.loads(out)["scores"] == test["scores"]
    assert before.stat().st_size < size + 2000  # weights stay in half precision
    assert call(*words, "--specks=2")[0] == 0
    assert len(read_card(before).tests) == 1
    assert call("score", before, "my images/a.tif", "labels/a.tif")[0] == 0
    assert [t["name"] for t in read_card(before).tests] == ["two plates", "a"]


def test_classes_are_scored_as_classes(call, tmp_path) -> None:
    image, labels = squares()
    write_tiff(tmp_path / "a.tif", image, "YX")
    write_tiff(tmp_path / "b.tif", (labels > 0).astype(np.uint8), "YX")
    path = model("two", target="classes").save(tmp_path / "two")
    assert call("score", path, "a.tif", "b.tif")[0] == 0
    assert "mean_iou" in read_card(path).tests[0]["scores"]


def test_nothing_is_written_if_an_image_fails(call, tmp_path) -> None:
    image, labels = squares()
    write_tiff(tmp_path / "a.tif", image[:40], "YX")
    write_tiff(tmp_path / "b.tif", labels, "YX")
    path = model().save(tmp_path / "cells")
    refused(call("score", path, "a.tif", "b.tif"), "Nothing was written: a.tif")
    refused(call("score", "nuclei", "b.tif", "b.tif"), "comes with the package")
    refused(call("score", path, "b.tif", "b.tif", "--membranes", "--classes"), "one of")
    assert read_card(path).tests == ()


# -- the web -------------------------------------------------------------------------


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def web(tmp_path):
    """Serve a list of one model from a folder."""
    folder = tmp_path / "web"
    path = model("rods", description="Rods: 3 images.").save(folder / "rods.unet")
    entry = {
        "name": "rods",
        "url": "rods.unet",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "size": path.stat().st_size,
        "description": "Rods: 3 images.",
    }
    document = {"schema": 1, "name": "Ours", "models": [entry]}
    (folder / "list.json").write_text(json.dumps(document))
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_listed_model_is_marked_and_downloaded(call, web) -> None:
    url = f"{web}/list.json"
    code, out, err = call("--list", url)
    assert (code, err) == (0, "")
    assert "to download" in out
    code, out, err = call("download", "rods", "--list", url, "--json")
    assert (code, err) == (0, "")
    assert Path(json.loads(out)["file"]) == models_folder() / "rods.unet"
    assert f"from: unet, {web}/rods.unet" in call("rods")[1]
    rows = json.loads(call("--list", url, "--json")[1])
    assert [row["from"] for row in rows] == ["the package", "the package", "you"]
    code, *_ = call("download", f"{web}/rods.unet", "--name=again")
    assert code == 0
    assert "again" in available_models()
    refused(
        call("download", f"{web}/rods.unet", f"--sha256={'0' * 64}"), "SHA-256 begins"
    )
    refused(call("download", f"{web}/none.unet"), "the server answers 404")


def test_offline_the_models_at_hand_are_listed_all_the_same(call) -> None:
    code, out, err = call("--list", "http://127.0.0.1:1/list.json")
    assert code == 0
    assert "nuclei" in out
    assert "cannot be reached" in err
    refused(call("download", "rods"), "No list of models names 'rods'")
    refused(call("download", "file:///etc/passwd"), "no address on the web")


# -- programs ------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_program_is_described_without_being_run_and_added_only_if_trusted(
    call, tmp_path
) -> None:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Conv2d(1, 1, 1)), buffer)
    payload = buffer.getvalue()
    digest = hashlib.sha256(payload).hexdigest()
    spec = ForeignSpec(kind="torchscript", digest=digest, smallest=(16, 16))
    card = ModelCard(name="theirs", spec=spec)
    path = tmp_path / "theirs.unet"
    write_archive(path, {"card": card.to_dict()}, {}, {"network.torchscript": payload})
    code, out, err = call("info", path)
    assert (code, err) == (0, "")
    assert "name: theirs" in out
    assert "untrusted: " in out
    refused(call("add", path), "If you trust where it comes from")
    assert not is_trusted(digest)
    assert call("add", path, "--trust")[0] == 0
    assert is_trusted(digest)
    assert call("rename", "theirs", "mine now")[0] == 0
    assert "untrusted" not in call("mine now")[1]
    assert load_model("mine now").card.spec == spec


def test_a_model_is_described_and_copied_in_half_precision(call, tmp_path) -> None:
    model("cells").save(models_folder() / "cells")
    words = ("--limits", "Not for plants.", "--author", "Ada", "--author", "Grace")
    call("describe", "cells", *words, "--licence", "CC0-1.0")
    out = tmp_path / "small.unet"
    call("copy", "cells", "-o", str(out), "--half")
    card = read_card(out)
    assert card.name == "small"
    assert card.authors == ("Ada", "Grace")
    assert (card.limits, card.licence) == ("Not for plants.", "CC0-1.0")
    assert out.stat().st_size < available_models()["cells"].stat().st_size
