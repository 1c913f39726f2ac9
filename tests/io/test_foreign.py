import contextlib
import copy
import hashlib
import json
import random
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from napari_unet_studio.core.errors import ConfigError, ModelFileError, StudioError
from napari_unet_studio.core.networks.catalog import build, spec_from_dict
from napari_unet_studio.core.networks.foreign import ForeignSpec
from napari_unet_studio.io.foreign import ForeignNetwork
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.model_file import load_model_file
from napari_unet_studio.io.onnx_check import check_onnx
from napari_unet_studio.io.trust import UntrustedError, is_trusted, trust


def spec_of(data, **fields):
    digest = hashlib.sha256(data).hexdigest()
    usual = {"smallest": (16, 16), "step": (4, 4), "reach": (1, 1)}
    return ForeignSpec(digest=digest, **{**usual, **fields})


def images(*shape):
    return np.random.default_rng(2).normal(0, 1, shape).astype(np.float32)


def ask(network, x):
    with torch.inference_mode():
        return network(torch.from_numpy(x)).numpy()


# --- what it answers


def test_logits_are_those_of_the_file(onnx_network, computed):
    data, weight, bias = onnx_network()
    x = images(2, 1, 16, 24)
    found = ask(ForeignNetwork(spec_of(data), data), x)
    assert np.allclose(found, computed(x, weight, bias, 1), atol=1e-5)


def test_images_off_the_grid_are_mirrored_as_by_our_networks(onnx_network, computed):
    data, weight, bias = onnx_network()
    x = images(1, 1, 18, 9)
    found = ask(ForeignNetwork(spec_of(data), data), x)
    mirrored = np.pad(x, ((0, 0), (0, 0), (0, 2), (0, 7)), mode="reflect")
    assert found.shape == x.shape
    assert np.allclose(
        found, computed(mirrored, weight, bias, 1)[..., :18, :9], atol=1e-5
    )


def test_a_part_is_cut_from_the_whole(onnx_network):
    data, *_ = onnx_network()
    network = ForeignNetwork(spec_of(data), data).eval()
    x = torch.from_numpy(images(1, 1, 32, 32))
    part = (slice(3, 9), slice(20, 32))
    assert torch.equal(network(x, part=part), network(x)[:, :, *part])


def test_a_network_without_padding_loses_its_borders(onnx_network, computed):
    data, weight, bias = onnx_network(kernel=5, padding=0)
    spec = spec_of(data, shrink=(2, 2), reach=())
    x = images(1, 1, 20, 20)
    found = ask(ForeignNetwork(spec, data), x)
    assert np.allclose(found, computed(x, weight, bias, 0), atol=1e-5)
    assert spec.output_shape((20, 20)) == (16, 16)


def test_borders_that_are_not_to_be_relied_on_are_cut_from_the_middle(
    onnx_network, computed
):
    data, weight, bias = onnx_network(kernel=5, padding=0)
    spec = spec_of(data, shrink=(5, 5), reach=())
    x = images(1, 1, 20, 20)
    found = ask(ForeignNetwork(spec, data), x)
    assert np.allclose(found, computed(x, weight, bias, 0)[..., 3:-3, 3:-3], atol=1e-5)


@pytest.mark.parametrize("axes", ["byxc", "cyx", "yx", "xybc"])
def test_axes_may_come_in_any_order(axes):
    from onnx import TensorProto, helper

    info = helper.make_tensor_value_info
    shape = [{"b": 1, "c": 1, "y": "h", "x": "w"}[a] for a in axes]
    graph = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["y"])],
        "net",
        [info("x", TensorProto.FLOAT, shape)],
        [info("y", TensorProto.FLOAT, shape)],
    )
    opsets = [helper.make_opsetid("", 17)]
    data = helper.make_model(
        graph, opset_imports=opsets, ir_version=8
    ).SerializeToString()
    spec = spec_of(data, input_axes=axes, output_axes=axes)
    x = images(2, 1, 16, 20)
    assert np.array_equal(ask(ForeignNetwork(spec, data), x), -x)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax", "none"])
@pytest.mark.parametrize("channel", [-1, 0, 2])
def test_logits_have_the_probabilities_of_the_file(onnx_network, activation, channel):
    data, *_ = onnx_network()
    spec = spec_of(
        data,
        outputs=3,
        channel=channel,
        num_classes=3 if channel < 0 else 1,
        activation=activation,
    )
    if activation == "sigmoid" and channel < 0:
        return  # three sigmoids are no classes
    network = ForeignNetwork(spec, data)
    output = torch.from_numpy(images(2, 3, 5, 5))
    wanted = torch.sigmoid(output)
    if activation == "softmax":
        wanted = torch.softmax(output, 1)
    if activation == "none":
        wanted = output = torch.softmax(output, 1)
    logits = network.logits(output)
    if channel < 0:
        assert torch.allclose(torch.softmax(logits, 1), wanted, atol=1e-5)
    else:
        found = torch.sigmoid(logits)
        assert torch.allclose(found, wanted[:, channel : channel + 1], atol=1e-5)


def test_certain_probabilities_make_finite_logits(onnx_network):
    data, *_ = onnx_network()
    network = ForeignNetwork(spec_of(data, activation="none"), data)
    logits = network.logits(torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2))
    assert torch.isfinite(logits).all()
    assert torch.allclose(
        torch.sigmoid(logits).ravel(), torch.tensor([0.0, 1.0]), atol=1e-6
    )


def test_values_are_clipped_before_the_network(onnx_network, computed):
    data, weight, bias = onnx_network()
    x = images(1, 1, 16, 16)
    found = ask(ForeignNetwork(spec_of(data, clip=(-0.5, 1)), data), x)
    assert np.allclose(found, computed(x.clip(-0.5, 1), weight, bias, 1), atol=1e-5)


def test_copies_share_the_session(onnx_network):
    data, *_ = onnx_network()
    network = ForeignNetwork(spec_of(data), data)
    copied = copy.deepcopy(network).eval().requires_grad_(False).to(dtype=torch.float32)
    assert copied.engine is network.engine
    assert copied.payload is network.payload


def test_an_answer_of_another_shape_than_declared_is_refused(onnx_network):
    data, *_ = onnx_network(outputs=2)
    with pytest.raises(ModelFileError, match="not as its description says"):
        ask(ForeignNetwork(spec_of(data), data), images(1, 1, 16, 16))


# --- its spec


def test_a_spec_survives_json(onnx_network):
    data, *_ = onnx_network()
    spec = spec_of(data, clip=(0, 1), whole=True)
    assert spec_from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


BAD = [
    {"digest": "0"},
    {"digest": None},
    {"smallest": (0, 4)},
    {"smallest": (4,)},
    {"smallest": "ab"},
    {"step": (-1, 4)},
    {"shrink": (8, 8)},
    {"reach": (8, 8), "step": (0, 0)},
    {"outputs": 0},
    {"channel": 1},
    {"num_classes": 2},
    {"activation": "relu"},
    {"kind": "pickle"},
    {"clip": (1, 0)},
    {"clip": "ab"},
    {"clip": (0, float("nan"))},
    {"input_axes": "bcyy"},
    {"input_axes": "bcy"},
    {"output_axes": "btyx"},
    {"input_axes": ["b", "c"]},
    {"whole": 1},
    {"parameters_count": -1},
    {"pooling": ((2, 2),)},
]


@pytest.mark.parametrize("fields", BAD, ids=str)
def test_a_spec_that_makes_no_sense_is_refused(fields):
    usual = {"digest": "0" * 64, "smallest": (16, 16), "step": (4, 4)}
    with pytest.raises(ConfigError) as caught:
        ForeignSpec(**{**usual, **fields})
    assert len(str(caught.value)) < 400


def test_it_cannot_be_built():
    with pytest.raises(ConfigError, match="imported as ONNX cannot be built anew"):
        build(ForeignSpec(digest="0" * 64))


# --- what a file may hold


def test_values_are_counted_without_the_library(onnx_network):
    data, weight, bias = onnx_network(channels=2, outputs=3)
    assert check_onnx(data, "a.onnx").parameters == weight.size + bias.size


def test_weights_outside_of_the_file_are_refused(onnx_network):
    import onnx

    model = onnx.load_from_string(onnx_network()[0])
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    with pytest.raises(ModelFileError, match="keeps its weights in other files"):
        check_onnx(model.SerializeToString(), "a.onnx")


@pytest.mark.parametrize("nested", [False, True])
def test_operators_of_others_are_refused(nested):
    from onnx import TensorProto, helper

    node = helper.make_node("Evil", ["x"], ["y"], domain="org.evil")
    info = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    if nested:
        inner = helper.make_graph([node], "inner", [], [info])
        node = helper.make_node(
            "If", ["x"], ["y"], then_branch=inner, else_branch=inner
        )
    graph = helper.make_graph([node], "net", [], [info])
    data = helper.make_model(graph).SerializeToString()
    with pytest.raises(ModelFileError, match=r"operators of 'org\.evil'"):
        check_onnx(data, "a.onnx")


def test_functions_are_refused():
    from onnx import TensorProto, helper

    opsets = [helper.make_opsetid("", 17)]
    node = helper.make_node("Neg", ["x"], ["y"])
    function = helper.make_function("", "Neg", ["x"], ["y"], [node], opsets)
    info = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([node], "net", [], [info])
    model = helper.make_model(graph, functions=[function])
    with pytest.raises(ModelFileError, match="operators of its own"):
        check_onnx(model.SerializeToString(), "a.onnx")


def test_loops_are_refused():
    from onnx import TensorProto, helper

    info = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    inner = helper.make_graph([], "inner", [], [info])
    node = helper.make_node("Loop", ["", "", "x"], ["y"], body=inner)
    graph = helper.make_graph([node], "net", [], [info])
    data = helper.make_model(graph).SerializeToString()
    with pytest.raises(ModelFileError, match="operator Loop, which could run for ever"):
        check_onnx(data, "a.onnx")


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 50, b"PK\x03\x04" + bytes(30), b"text", b"\xff" * 99]
)
def test_what_is_no_onnx_file_is_refused(data):
    with pytest.raises(ModelFileError, match="no ONNX file"):
        check_onnx(data, "a.onnx")


def test_thousands_of_broken_files_end_in_one_kind_of_error(onnx_network):
    data = bytearray(onnx_network()[0])
    rng = random.Random(0)
    for _ in range(4000):
        broken = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        if rng.random() < 0.3:
            del broken[rng.randrange(len(broken)) :]
        with contextlib.suppress(ModelFileError):
            check_onnx(bytes(broken), "a.onnx")


FUZZ = """
import hashlib, random, sys
import torch
from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.core.networks.foreign import ForeignSpec
from napari_unet_studio.io.foreign import ForeignNetwork
data = open(sys.argv[1], "rb").read()
rng, ran = random.Random(1), 0
for _ in range(1500):
    broken = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        broken[rng.randrange(len(broken))] = rng.randrange(256)
    broken = bytes(broken)
    digest = hashlib.sha256(broken).hexdigest()
    spec = ForeignSpec(digest=digest, smallest=(16, 16), step=(4, 4))
    try:
        ForeignNetwork(spec, broken)(torch.zeros(1, 1, 16, 16))
        ran += 1
    except (StudioError, MemoryError):
        pass
print(ran)
"""


def test_broken_networks_never_end_the_process(onnx_network, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(onnx_network()[0])
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, str(path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 0  # some changes only touch weights


# --- model files


def model_of(data, **fields):
    spec = spec_of(data, **fields)
    return Model(ForeignNetwork(spec, data).eval(), ModelCard(name="theirs", spec=spec))


def test_a_model_file_holds_the_network_as_it_came(onnx_network, tmp_path):
    data, *_ = onnx_network()
    model = model_of(data)
    path = model.save(tmp_path / "a", half=True)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["card.json", "network.onnx"]
        assert archive.read("network.onnx") == data
    loaded = load_model_file(path)
    assert loaded.card == model.card
    x = images(1, 1, 16, 16)
    assert np.array_equal(ask(loaded.network, x), ask(model.network, x))


@pytest.mark.parametrize("change", ["byte", "other", "absent", "digest"])
def test_a_network_that_is_not_the_cards_is_refused(onnx_network, tmp_path, change):
    data, *_ = onnx_network()
    path = model_of(data).save(tmp_path / "a")
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    if change == "byte":
        entries["network.onnx"] = data[:-1] + bytes([data[-1] ^ 1])
    elif change == "other":
        entries["network.onnx"] = onnx_network(seed=3)[0]
    elif change == "absent":
        del entries["network.onnx"]
    else:
        card = json.loads(entries["card.json"])
        card["spec"]["digest"] = "0" * 64
        entries["card.json"] = json.dumps(card)
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in entries.items():
            archive.writestr(name, value)
    with pytest.raises(ModelFileError, match=r"network\.onnx"):
        load_model_file(path)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_torchscript_runs_only_if_it_is_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("UNET_STUDIO_HOME", str(tmp_path / "home"))
    convolution = torch.nn.Conv2d(1, 1, 3, padding=1).eval()
    program = torch.jit.trace(convolution, torch.zeros(1, 1, 16, 16))
    torch.jit.save(program, tmp_path / "a.pt")
    data = (tmp_path / "a.pt").read_bytes()
    spec = spec_of(data, kind="torchscript")
    with pytest.raises(UntrustedError, match="trust=True"):
        ForeignNetwork(spec, data)
    trust(spec.digest)
    assert is_trusted(spec.digest)
    model = Model(ForeignNetwork(spec, data), ModelCard(name="theirs", spec=spec))
    path = model.save(tmp_path / "b")
    x = torch.from_numpy(images(1, 1, 20, 16))
    copied = copy.deepcopy(model.network).eval()
    with torch.inference_mode():
        assert torch.allclose(copied(x), convolution(x), atol=1e-6)

    monkeypatch.setenv("UNET_STUDIO_HOME", str(tmp_path / "another"))
    with pytest.raises(UntrustedError) as caught:
        load_model_file(path)
    assert caught.value.digest == spec.digest
    loaded = load_model_file(path, trust=True)
    with torch.inference_mode():
        assert torch.allclose(loaded.network(x), convolution(x), atol=1e-6)
    assert load_model_file(path).name == "theirs"


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_program_that_fails_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("UNET_STUDIO_HOME", str(tmp_path))
    # Five channels, where the spec says one.
    program = torch.jit.trace(torch.nn.Conv2d(5, 1, 1), torch.zeros(1, 5, 16, 16))
    torch.jit.save(program, tmp_path / "a.pt")
    data = (tmp_path / "a.pt").read_bytes()
    spec = spec_of(data, kind="torchscript")
    trust(spec.digest)
    with pytest.raises(
        ModelFileError, match=r"cannot compute \(1, 1, 20, 16\): .*chan"
    ):
        ForeignNetwork(spec, data)(torch.from_numpy(images(1, 1, 20, 16)))


@pytest.mark.parametrize("text", ["", "{}", "[[1]", '{"a": 1}', "[1, null]", "\xff"])
def test_a_damaged_list_of_trust_trusts_nothing(tmp_path, monkeypatch, text):
    monkeypatch.setenv("UNET_STUDIO_HOME", str(tmp_path))
    (tmp_path / "trusted.json").write_bytes(text.encode("latin1"))
    assert not is_trusted("0" * 64)
    trust("0" * 64)
    assert is_trusted("0" * 64)


def test_without_onnxruntime_a_sentence_says_how_to_install_it(
    onnx_network, monkeypatch
):
    data, *_ = onnx_network()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(StudioError, match=r"pip install 'napari-unet-studio\[onnx\]'"):
        ForeignNetwork(spec_of(data), data)
