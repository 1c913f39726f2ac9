"""Models written for other programs, run as those programs would."""

import io
import json
import tempfile
import warnings
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import yaml

from napari_unet_studio import import_model, load_model
from napari_unet_studio.core.errors import ConfigError, InputError, StorageError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.architecture import CLASS
from napari_unet_studio.core.networks.catalog import NETWORKS, build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.model_facts import Reference, say_normalisation
from napari_unet_studio.io.onnx_file import OnnxRunner
from napari_unet_studio.io.shared_card import shared_card
from napari_unet_studio.tasks import export as export_module
from napari_unet_studio.tasks import export_compare, export_tiles
from napari_unet_studio.tasks.export import ExportConfig, ExportError, export
from napari_unet_studio.tasks.export_tiles import frame_for
from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.command import repetition

TOLD = {"authors": "Ada Lovelace; Charles Babbage", "licence": "CC0-1.0"}

# Deep: their scripts take seconds each to compile. They are b0 with more blocks.
DEEP = [f"eff-unet-b{number}" for number in range(1, 8)]


@pytest.fixture(scope="module", autouse=True)
def small_tiles():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_tiles, "_SIDES", {2: (16, 48), 3: (2, 8)})
        patch.setattr(export_module, "_TEST_SIDE", {2: 32, 3: 8})
        yield


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """Keep what is trusted here apart from what other tests trust."""
    monkeypatch.setenv("UNET_STUDIO_HOME", str(tmp_path_factory.mktemp("home")))


def model_of(name, **changes):
    """Build a network of few channels that are all alive."""
    spec = replace(NETWORKS[name].scaled(0.02), **changes)
    torch.manual_seed(0)
    network = build(spec).eval()
    for module in network.modules():
        if isinstance(getattr(module, "running_mean", None), torch.Tensor):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
        if isinstance(getattr(module, "bias", None), torch.Tensor):
            torch.nn.init.uniform_(module.bias, 0, 0.5)
    classes = tuple(range(max(2, spec.num_classes)))
    card = ModelCard(name=name, spec=spec, target="classes", class_values=classes)
    return Model(network, card)


def images_for(spec):
    """Return a batch on the network's grid, of none of the sizes that export tries."""
    grid = spec.input_shape([24 if spec.ndim == 2 else 4] * spec.ndim)
    shape = [size + axis.divisor for size, axis in zip(grid, spec.axes, strict=True)]
    rng = np.random.default_rng(1)
    return rng.random((1, spec.in_channels, *shape), np.float32)


def logits_of(model, images):
    with torch.inference_mode():
        return model.network(torch.from_numpy(images)).numpy()


def probabilities(model, images):
    logits = torch.from_numpy(logits_of(model, images))
    single = logits.shape[1] == 1
    return (logits.sigmoid() if single else logits.softmax(dim=1)).numpy()


def sent(model, path, kind, image=None, **settings):
    """Export, compared on a sample that is drawn once."""
    spec, channel_axis = model.card.spec, None
    if image is None:
        rule = model.card.normalisation
        image, channel_axis = picture(spec.ndim, spec.in_channels, rule), 0
    config = ExportConfig(kind, **settings)
    return run(export(model, path, config, image, channel_axis=channel_axis))


def description_of(path):
    """Read a package with the zoo's library, which leaves its files open."""
    from bioimageio.spec import load_description

    folder = path.with_suffix("")
    with zipfile.ZipFile(path) as package:
        package.extractall(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        return load_description(folder / "rdf.yaml")


@cache
def picture(ndim, channels, rule):
    """Return the sample (C, *S) that is otherwise drawn anew for each export."""
    spec = UNetSpec(ndim=ndim, in_channels=channels, channels=(4, 8))
    card = ModelCard(name="sample", spec=spec, normalisation=rule)
    return frame_for(card, None, None, None)


def apart(found, expected):
    """Return the largest difference, as part of the largest logit beyond 1."""
    assert expected.std() > 1e-6  # there is something to compare
    return np.abs(found - expected).max() / max(1, np.abs(expected).max())


# A padded and a valid one, a volume, and one whose heads are averaged.
KINDS = ("unet-16", "unet-2015", "unet-3d", "unet++-16")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in KINDS else pytest.mark.slow)
        for name in NETWORKS
        if name not in DEEP
    ],
)
def test_every_network_comes_back_from_every_format(tmp_path, name) -> None:
    model = model_of(name)
    spec, images = model.card.spec, images_for(model.card.spec)
    expected = logits_of(model, images)
    done = sent(
        load_model(model.save(tmp_path / name)), tmp_path / name, "bioimageio", **TOLD
    )
    assert done.difference < 1e-4

    back = import_model(done.path)
    assert back.card == replace(
        model.card, authors=tuple(TOLD["authors"].split("; ")), licence="CC0-1.0"
    )
    assert np.array_equal(logits_of(back, images), expected)
    # Each file in it says by itself what it is.
    with zipfile.ZipFile(done.path) as package:
        package.extractall(tmp_path / "package")
    for file in ("weights.onnx", "weights-torchscript.pt"):
        alone = import_model(tmp_path / "package" / file, trust=True)
        assert alone.card.class_values == model.card.class_values
        assert apart(logits_of(alone, images), expected) < 1e-4

    given = np.load(tmp_path / "package" / "test_input.npy")
    answer = np.load(tmp_path / "package" / "test_output.npy")
    offset, scale = model.card.normalisation.fit(given[0])
    ready = Normalisation.apply(given[0], offset, scale)[np.newaxis]
    assert np.array_equal(probabilities(model, ready), answer)
    text = yaml.safe_load((tmp_path / "package" / "rdf.yaml").read_text())
    sides = zip(
        text["inputs"][0]["axes"][2:],
        text["outputs"][0]["axes"][2:],
        spec.axes,
        spec.trim,
        strict=True,
    )
    for before, after, side, trim in sides:
        assert after["size"].get("offset", 0) == -2 * trim
        assert after.get("halo", 0) == (side.halo if spec.local and not trim else 0)
        assert before["size"]["step"] == side.divisor
        assert (before["size"]["min"] - side.smallest) % side.divisor == 0


@pytest.mark.parametrize("name", DEEP)
def test_deep_networks_come_back_from_onnx(tmp_path, name) -> None:
    model = model_of(name)
    images = images_for(model.card.spec)
    path = sent(model, tmp_path / name, "onnx", answer="logits").path
    found = logits_of(import_model(path), images)
    assert apart(found, logits_of(model, images)) < 1e-4


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_state_dict_and_its_source_are_the_network(tmp_path, suffix) -> None:
    model = model_of("unet++-16")
    images = images_for(model.card.spec)
    done = sent(model, tmp_path / f"network{suffix}", "state_dict")
    weights, source = done.files
    assert (weights.name, source.name) == (f"network{suffix}", "network.py")
    namespace = {}
    exec(source.read_text(), namespace)
    network = namespace[CLASS]().eval()
    if suffix == ".pth":
        network.load_state_dict(torch.load(weights, weights_only=True))
    else:
        network.load_state_dict(safetensors.torch.load_file(weights))
    found = probabilities(Model(network, model.card), images)
    assert np.array_equal(found, probabilities(model, images))


def test_a_package_says_what_the_card_says(tmp_path, tiny_model) -> None:
    model = tiny_model(normalisation=Normalisation("zscore"))
    card = replace(
        model.card,
        name="Zellkörper",
        description="Cells: of 3 wells.",
        spacing=(0.25, 0.5),
        unit="um",
        scores={"f1": 0.875},
        limits="Not for tissue.",
        cite=("Doe et al., doi:10.1234/abcd.5",),
        training={"config": {"updates": 300}, "command": "unet-studio train a b"},
        tests=({"name": "Other wells", "images": 4, "scores": {"seg": 0.5}},),
    )
    settings = {**TOLD, "documentation": "*Read this.*"}
    path = sent(
        Model(model.network, card), tmp_path / "cells.zip", "bioimageio", **settings
    ).path
    found = description_of(path)
    assert found.name == "Zellk-rper"
    assert found.description == "Cells"
    assert [author.name for author in found.authors] == [
        "Ada Lovelace",
        "Charles Babbage",
    ]
    assert str(found.license) == "CC0-1.0"
    assert [entry.doi for entry in found.cite] == [
        "10.1234/abcd.5",
        "10.1007/978-3-319-24574-4_28",
    ]
    y, x = found.inputs[0].axes[2:]
    assert (y.scale, x.scale, x.unit) == (0.25, 0.5, "micrometer")
    steps = [step.id for step in found.inputs[0].preprocessing]
    assert steps == ["ensure_dtype", "zero_mean_unit_variance", "ensure_dtype"]
    assert found.outputs[0].postprocessing[0].id == "sigmoid"
    inside = found.config.model_dump()["napari_unet_studio"]
    assert inside["answer"] == "logits"
    told = replace(card, authors=("Ada Lovelace", "Charles Babbage"), licence="CC0-1.0")
    assert ModelCard.from_dict(inside["card"]) == told
    with zipfile.ZipFile(path) as package:
        text = package.read("README.md").decode()
        assert package.testzip() is None
    for words in (
        "*Read this.*",
        "0.8750",
        "Other wells",
        "Not for tissue.",
        "train a b",
    ):
        assert words in text


FOLDER = "/home/ada lovelace/secret project"
ROWS = [
    {
        "image": f"{FOLDER}/cells 1.tif",
        "labels": f"{FOLDER}/truth.tif",
        "role": "train",
    },
    {"image": r"C:\Users\ada\cells 2.tif", "labels": "secret/b.tif", "role": "train"},
]


def trained_at(model, pairs):
    """Return a model whose card says where its training images lay."""
    config = TrainConfig(start=f"{FOLDER}/begun.unet", batch=2)
    training = {
        "config": config.to_dict(),
        **repetition(ROWS[:pairs], config, f"{FOLDER}/cells.unet"),
    }
    card = replace(
        model.card,
        training=training,
        notes="ask in the secret project",
        data=({"name": f"{FOLDER}/cells 1.tif", "sha256": "0"},),
        tests=({"name": "B", "command": f"unet-studio models score a '{FOLDER}/c'"},),
        origin={"file": f"{FOLDER}/theirs.zip"},
    )
    return Model(model.network, card)


def words_in(path):
    """Return all bytes of a file, those of a zip unpacked."""
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    found = b""
    with zipfile.ZipFile(path) as package:
        for entry in package.namelist():
            data = io.BytesIO(package.read(entry))
            if zipfile.is_zipfile(data):
                with zipfile.ZipFile(data) as inner:
                    found += b"".join(map(inner.read, inner.namelist()))
            found += data.getvalue()
    return found


@pytest.mark.parametrize(
    ("kind", "pairs"),
    [("bioimageio", 2), ("onnx", 1), ("torchscript", 1), ("state_dict", 1)],
)
def test_folders_of_the_one_who_exports_stay_at_home(
    tmp_path, tiny_model, kind, pairs
) -> None:
    model = trained_at(tiny_model(normalisation=Normalisation()), pairs)
    settings = TOLD if kind == "bioimageio" else {}
    done = sent(model, tmp_path / "cells", kind, **settings)
    for path in done.files:
        data = words_in(path)
        # Nor those of Python and of temporary files.
        places = (
            tempfile.gettempdir(),
            str(Path(torch.__file__).parent),
            "unet-studio-",
        )
        for word in ("lovelace", "secret", "Users", *places):
            assert word.encode() not in data.replace(b"napari-unet-studio-", b"")
    if kind == "state_dict":
        return
    assert b"cells 1.tif" in data
    card = import_model(done.path, trust=True).card
    assert card.training["pairs"][0]["image"] == "cells 1.tif"
    assert card.training["config"]["start"] == "begun.unet"
    assert card.tests[0]["command"] == "unet-studio models score a c"
    config = TrainConfig.from_dict(card.training["config"])
    told = repetition(card.training["pairs"], config, "cells.unet")
    assert card.training["command"] == told["command"]
    assert model.card.notes  # it stays as it is


def test_a_command_that_cannot_be_read_is_left_out() -> None:
    training = {"command": "python train.py '/home/ada/images", "updates": 3}
    card = ModelCard(name="a", spec=NETWORKS["unet-16"], training=training)
    assert shared_card(card).training == {"command": "", "updates": 3}


def test_what_is_said_of_grey_values_is_exact() -> None:
    rule = Normalisation("fixed", offsets=(0.0,), scales=(16777215.0,))
    assert "0 and 16777215" in say_normalisation(rule)
    assert "constant" not in say_normalisation(rule)
    assert "percentiles 1 and 99.8" in say_normalisation(Normalisation())


@pytest.mark.parametrize(
    "doi", ["10.1016/S0092-8674(00)81683-9", "10.1007/978-3-319-24574-4_28"]
)
def test_a_doi_is_found_whole(doi) -> None:
    for text in (f"Doe, doi:{doi}.", f"Doe (2020, https://doi.org/{doi})", f"[{doi}]"):
        assert Reference.of(text).doi == doi


def test_answers_that_are_the_same_everywhere_are_noted(tmp_path, tiny_model) -> None:
    model = tiny_model()
    with torch.no_grad():
        model.network.head.weight.zero_()
    assert "little was compared" in sent(model, tmp_path / "a", "onnx").notes[0]


def test_a_package_names_what_is_missing(tmp_path, tiny_model) -> None:
    with pytest.raises(ConfigError, match="authors and licence"):
        sent(tiny_model(), tmp_path / "a.zip", "bioimageio")
    with pytest.raises(ConfigError, match="states licence"):
        sent(tiny_model(), tmp_path / "a.zip", "bioimageio", authors="Ada")
    with pytest.raises(ConfigError, match="neither a DOI"):
        sent(tiny_model(), tmp_path / "a.zip", "bioimageio", cite="My thesis", **TOLD)
    settings = {**TOLD, "licence": "mine"}
    with pytest.raises(ConfigError, match=r"'mine' is none.*CC-BY-4\.0"):
        sent(tiny_model(), tmp_path / "a.zip", "bioimageio", **settings)
    assert list(tmp_path.iterdir()) == []


def test_a_test_image_without_objects_is_refused(tmp_path, threshold_model) -> None:
    empty = np.zeros((64, 64), np.float32)
    with pytest.raises(InputError, match="finds nothing"):
        sent(threshold_model(), tmp_path / "a.zip", "bioimageio", empty, **TOLD)


def test_one_file_formats_hold_the_card(tmp_path, tiny_model) -> None:
    onnx = pytest.importorskip("onnx")
    model = tiny_model(name="cells", num_classes=2)
    path = sent(model, tmp_path / "cells.onnx", "onnx", authors="Ada").path
    told = {p.key: p.value for p in onnx.load(path).metadata_props}
    inside = json.loads(told["napari_unet_studio"])
    assert ModelCard.from_dict(inside["card"]) == replace(model.card, authors=("Ada",))
    assert inside["answer"] == "probabilities"
    assert "grey values 0 and 1" in told["normalisation"]
    assert told["answer"] == "Probabilities: background and foreground."

    path = sent(model, tmp_path / "cells", "torchscript", answer="logits").path
    with zipfile.ZipFile(path) as file:
        (name,) = [n for n in file.namelist() if n.endswith("extra/napari_unet_studio")]
        inside = json.loads(file.read(name))
    assert ModelCard.from_dict(inside["card"]) == model.card
    assert inside["answer"] == "logits"


@pytest.mark.parametrize(
    ("norm", "opset"), [("group", 13), ("instance", 17), ("group", 18), ("batch", 21)]
)
def test_each_opset_computes_the_same(tmp_path, norm, opset) -> None:
    model = model_of("unet++-16", norm=norm, num_classes=3)
    images = images_for(model.card.spec)
    done = sent(model, tmp_path / "network.onnx", "onnx", opset=opset)
    found = OnnxRunner(done.path.read_bytes())(images)
    assert np.abs(found - probabilities(model, images)).max() < 1e-4


def test_logits_are_written_if_asked_for(tmp_path, tiny_model) -> None:
    model = tiny_model()
    images = images_for(model.card.spec)
    with torch.inference_mode():
        expected = model.network(torch.from_numpy(images)).numpy()
    path = sent(model, tmp_path / "a.onnx", "onnx", answer="logits").path
    assert np.abs(OnnxRunner(path.read_bytes())(images) - expected).max() < 1e-4


def test_the_image_of_the_user_is_what_is_compared_on(tmp_path, tiny_model) -> None:
    model = tiny_model(in_channels=2)
    film = np.random.default_rng(0).random((3, 2, 40, 50), np.float32)
    config = ExportConfig("onnx")
    task = export(model, tmp_path / "a", config, film, axes="TYX", channel_axis=1)
    assert run(task).difference < 1e-4
    with pytest.raises(InputError, match="2 channels"):
        run(export(model, tmp_path / "b", config, film[0, 0]))
    assert not (tmp_path / "b.onnx").exists()


def test_what_computes_something_else_is_not_kept(
    tmp_path, tiny_model, monkeypatch
) -> None:
    monkeypatch.setattr(export_compare, "TOLERANCE", -1.0)
    for kind in ("onnx", "torchscript", "state_dict", "bioimageio"):
        with pytest.raises(ExportError, match="nothing was written"):
            sent(tiny_model(), tmp_path / "a", kind, **TOLD)
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_export_writes_nothing(tmp_path, tiny_model) -> None:
    image = np.random.default_rng(0).random((64, 64), np.float32)
    for steps in range(3):
        answers = iter([False] * steps + [True] * 9)
        task = export(
            tiny_model(),
            tmp_path / "a",
            ExportConfig("onnx"),
            image,
            should_stop=lambda answers=answers: next(answers),
        )
        assert run(task) is None
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_is_whole_when_the_new_one_cannot_be_written(
    tmp_path, tiny_model
) -> None:
    folder = tmp_path / "folder.onnx"
    folder.mkdir()
    with pytest.raises(StorageError, match="could not be written"):
        sent(tiny_model(), folder, "onnx")
    assert list(folder.iterdir()) == []


def test_a_python_file_of_somebody_else_is_not_replaced(tmp_path, tiny_model) -> None:
    (tmp_path / "cells.py").write_text("print('mine')\n")
    with pytest.raises(StorageError, match="not a file of napari-unet-studio"):
        sent(tiny_model(), tmp_path / "cells.pth", "state_dict")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cells.py"]
    (tmp_path / "cells.py").unlink()
    first = sent(tiny_model(), tmp_path / "cells.safetensors", "state_dict")
    again = sent(
        tiny_model(in_channels=2), tmp_path / "cells.safetensors", "state_dict"
    )
    assert first.files == again.files
    assert "nn.Conv2d(2, 4" in (tmp_path / "cells.py").read_text()


def test_the_model_stays_as_it_is(tmp_path, tiny_model) -> None:
    model = tiny_model()
    model.network.train()
    before = {k: v.clone() for k, v in model.network.state_dict().items()}
    sent(model, tmp_path / "a", "torchscript")
    assert model.network.training
    assert all(torch.equal(v, before[k]) for k, v in model.network.state_dict().items())


def test_a_missing_package_is_named_with_its_remedy(
    tmp_path, tiny_model, monkeypatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match=r"napari-unet-studio\[onnx\]"):
        sent(tiny_model(), tmp_path / "a", "onnx")
    done = sent(tiny_model(), tmp_path / "a", "bioimageio", **TOLD)
    assert "no ONNX weights" in done.notes[0]
    with zipfile.ZipFile(done.path) as package:
        assert "weights.onnx" not in package.namelist()


RULES = [
    Normalisation("percentile", 2.0, 99.0, eps=1e-3, joint=True),
    Normalisation("zscore", eps=1e-4),
    Normalisation("fixed", 10.0, 250.0),
    Normalisation("fixed", offsets=(100.0, 0.0), scales=(20.0, 2.0)),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.method)
def test_each_normalisation_becomes_steps_of_the_standard(
    tmp_path, tiny_model, rule
) -> None:
    model = tiny_model(in_channels=2, normalisation=rule)
    done = sent(model, tmp_path / "cells.zip", "bioimageio", **TOLD)
    found = description_of(done.path)
    image = np.load(tmp_path / "cells" / "test_input.npy")[0].astype(np.float64)
    expected = Normalisation.apply(image, *rule.fit(image))
    for step in found.inputs[0].preprocessing:
        image = applied(step, image)
    assert np.abs(image - expected).max() < 1e-4


def applied(step, image):
    """Do what the format says that a step does, to an image (C, Y, X)."""
    if step.id == "ensure_dtype":
        return image
    kwargs = step.kwargs
    if step.id == "scale_linear":
        gain, offset = np.array(kwargs.gain), np.array(kwargs.offset)
        return image * gain.reshape(-1, 1, 1) + offset.reshape(-1, 1, 1)
    axes = tuple(["channel", "y", "x"].index(axis) for axis in kwargs.axes)
    if step.id == "zero_mean_unit_variance":
        mean, std = (f(image, axis=axes, keepdims=True) for f in (np.mean, np.std))
        return (image - mean) / (std + kwargs.eps)
    ends = (kwargs.min_percentile, kwargs.max_percentile)
    low, high = np.percentile(image, ends, axis=axes, keepdims=True)
    return (image - low) / (high - low + kwargs.eps)


def test_a_package_is_written_without_a_network(
    tmp_path, tiny_model, monkeypatch
) -> None:
    import socket

    def refuse(*_, **__):
        raise AssertionError("somebody called the web")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    cite = "Our page, https://unknown.invalid; A paper, doi:10.1234/abcd"
    done = sent(tiny_model(), tmp_path / "a.zip", "bioimageio", cite=cite, **TOLD)
    with zipfile.ZipFile(done.path) as package:
        text = package.read("rdf.yaml").decode()
    assert "https://unknown.invalid" in text


def test_no_room_for_temporary_files_is_said(tmp_path, tiny_model, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(StorageError, match="Temporary files"):
        sent(tiny_model(), tmp_path / "a", "torchscript")
    assert list(tmp_path.iterdir()) == []


def test_of_an_image_larger_than_memory_the_centre_is_read(
    tmp_path, tiny_model
) -> None:
    import dask.array as da

    image = da.random.random((60_000, 60_000), chunks=1024).astype(np.float32)
    done = sent(tiny_model(), tmp_path / "a", "onnx", image)
    assert done.difference < 1e-4
