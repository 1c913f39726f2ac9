import contextlib
import hashlib
import io
import json
import pickle
import random
import zipfile

import numpy as np
import pytest
import torch

from napari_unet_studio.core.errors import ModelFileError, StorageError, StudioError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.io.bioimageio_package import Package, is_package
from napari_unet_studio.io.bioimageio_read import import_package
from napari_unet_studio.io.model_file import load_model_file
from napari_unet_studio.io.trust import UntrustedError


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def refused(package, match):
    path = package.zip()
    with pytest.raises(ModelFileError, match=match) as caught:
        import_package(path)
    assert str(path) in str(caught.value)


# --- a package as it should be


@pytest.mark.parametrize("form", ["zip", "folder", "description", "zip of a folder"])
def test_a_package_reproduces_its_own_test(package, form):
    path = package.zip(within="cells/") if form == "zip of a folder" else None
    path = path or (package.zip() if form == "zip" else package.unpacked())
    found = import_package(path / "rdf.yaml" if form == "description" else path)
    assert found.difference < 1e-5
    assert found.notes == ()


def test_the_card_says_what_the_package_says(package):
    card = import_package(package.zip()).model.card
    assert card.name == "Foreign cells"
    assert card.purpose == "Finds cells"
    assert card.licence == "CC-BY-4.0"
    assert card.authors == ("Ada Lovelace",)
    assert card.cite == ("A paper, 10.1/2",)
    assert card.normalisation == Normalisation("zscore", eps=1e-6)
    digest = hashlib.sha256(package.files["weights.onnx"]).hexdigest()
    assert card.origin["sha256"] == card.spec.digest == digest
    assert card.origin["format"] == "bioimage.io 0.5.4"
    assert card.spec.parameters == package.weight.size + package.bias.size
    assert card.spec.halo == (4, 4)  # 2 pixels, on the grid of 4
    assert card.spec.local


def test_it_survives_a_model_file(package, tmp_path):
    model = import_package(package.zip()).model
    loaded = load_model_file(model.save(tmp_path / "a"))
    assert loaded.card == model.card


def test_the_real_package_reproduces_its_own_test(data_dir):
    found = import_package(data_dir / "bioimageio_unet2d_nuclei_broad")
    assert found.difference < 1e-4
    spec = found.model.card.spec
    assert spec.input_shape((1000, 1000)) == spec.input_shape((1, 1)) == (512, 512)


# --- axes and sizes


def test_one_fixed_size_is_blended_as_its_grid_is_not_known(package):
    for axis, size in zip(package.input["axes"][2:], (32, 28), strict=True):
        axis["size"] = size
    spec = import_package(package.zip()).model.card.spec
    assert (spec.smallest, spec.step, spec.local) == ((32, 28), (0, 0), False)


def test_a_fixed_size_of_the_network_overrules_the_description(package, onnx_network):
    package.use(onnx_network(sizes=(32, 28))[0])
    spec = import_package(package.zip()).model.card.spec
    assert (spec.smallest, spec.step) == ((32, 28), (0, 0))


def test_an_axis_may_be_as_large_as_another(package):
    size = {"tensor_id": "raw", "axis_id": "y"}
    package.input["axes"][3]["size"] = size
    assert import_package(package.zip()).model.card.spec.step == (4, 4)


def test_a_halo_that_is_not_stated_is_not_known(package):
    for axis in package.output["axes"][2:]:
        del axis["halo"]
    assert not import_package(package.zip()).model.card.spec.local


def test_a_valid_network_loses_what_its_offset_says(package, onnx_network, computed):
    data, weight, bias = onnx_network(kernel=5, padding=0)
    package.use(data)
    for axis in package.output["axes"][2:]:
        axis["size"]["offset"] = -4
        axis["halo"] = 0
    x = np.random.default_rng(0).normal(5, 2, (1, 1, 20, 24)).astype(np.float32)
    ready = (x - x.mean()) / (x.std() + 1e-6)
    package.test(x, sigmoid(computed(ready, weight, bias, 0)))
    found = import_package(package.zip())
    assert found.model.card.spec.trim == (2, 2)
    assert found.difference < 1e-5


def test_pixel_sizes_are_kept(package):
    for tensor in (package.input, package.output):
        for axis in tensor["axes"][2:]:
            axis.update(scale=0.25, unit="micrometer")
    card = import_package(package.zip()).model.card
    assert (card.spacing, card.unit) == ((0.25, 0.25), "um")


def test_stacks_are_read(package, onnx_network, computed):
    data, weight, bias = onnx_network(sizes=("d", "h", "w"))
    package.use(data)
    for tensor in (package.input, package.output):
        z = {**tensor["axes"][2], "id": "z"}
        if isinstance(z["size"], dict) and "axis_id" in z["size"]:
            z["size"] = {"tensor_id": "raw", "axis_id": "z"}
        tensor["axes"].insert(2, z)
    package.input["preprocessing"][0]["kwargs"]["axes"] = ["z", "y", "x"]
    x = np.random.default_rng(0).normal(5, 2, (1, 1, 16, 20, 24)).astype(np.float32)
    ready = (x - x.mean()) / (x.std() + 1e-6)
    package.test(x, sigmoid(computed(ready, weight, bias, 1)))
    found = import_package(package.zip())
    assert found.difference < 1e-5
    assert found.model.card.axes == "ZYX"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda p: p.input["axes"].append({"type": "time", "size": 3}), "'time'"),
        (lambda p: p.input["axes"].append({"type": "index"}), "'index'"),
        (lambda p: p.input["axes"].pop(), "y and x are needed"),
        (lambda p: p.input["axes"][2].update(id="q"), "called 'q'"),
        (lambda p: p.input["axes"][2].update(size=0), "a size is 0"),
        (lambda p: p.input["axes"][2].update(size=-5), "a size is -5"),
        (lambda p: p.input["axes"][2].update(size=10**12), "a size is 10"),
        (lambda p: p.input["axes"][2].update(size="big"), "along y is 'big'"),
        (lambda p: p.input["axes"][2].update(size={"min": 16}), "along y is"),
        (lambda p: p.input.update(axes=[]), "have the axes none"),
        (lambda p: p.input.update(axes=5), "axes are not listed"),
        (lambda p: p.output["axes"][2].update(size={"min": 1}), "not known before"),
        (lambda p: p.output["axes"][2].update(scale=0.5), "another size"),
        (lambda p: p.output["axes"][2].update(scale=0), "size of a pixel is 0"),
        (lambda p: p.output["axes"][2].update(halo=-1), "a halo is -1"),
        (lambda p: p.output["axes"][2].update(halo=8.5), "a halo is 8.5"),
        (lambda p: p.values.update(inputs=[p.input] * 2), "takes 2 inputs at once"),
        (lambda p: p.values.update(inputs=[]), "describes no input"),
        (lambda p: p.values.update(outputs=None), "describes no output"),
        (lambda p: p.values.update(type="dataset"), "'dataset'"),
        (lambda p: p.values.update(format_version="0.3.6"), "format 0.3.6"),
        (lambda p: p.values.update(format_version="0.6.0"), "format 0.6.0"),
        (lambda p: p.values.pop("weights"), "lists no weights"),
        (
            lambda p: p.output["axes"][1].update(channel_names=["a", "b"]),
            "not as its description says",
        ),
    ],
    ids=range(24),
)
def test_what_cannot_be_computed_is_refused_by_its_name(package, change, match):
    change(package)
    with pytest.raises(ModelFileError, match=match):
        import_package(package.zip())


# --- before and after the network

STEPS = [
    (
        [{"id": "scale_linear", "kwargs": {"gain": 0.5, "offset": -3}}],
        lambda x: x * 0.5 - 3,
    ),
    (
        [
            {
                "id": "fixed_zero_mean_unit_variance",
                "kwargs": {"mean": 100, "std": 20},
            }
        ],
        lambda x: (x - 100) / 20,
    ),
    (
        [
            {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
            {
                "id": "scale_range",
                "kwargs": {
                    "axes": ["channel", "y", "x"],
                    "min_percentile": 2,
                    "max_percentile": 98,
                },
            },
            {"id": "clip", "kwargs": {"min": 0.0, "max": 1.0}},
        ],
        lambda x: (
            (x - np.percentile(x, 2))
            / (np.percentile(x, 98) - np.percentile(x, 2) + 1e-6)
        ).clip(0, 1),
    ),
    (
        [
            {"id": "scale_linear", "kwargs": {"gain": 1e-3, "offset": 0}},
            {
                "id": "zero_mean_unit_variance",
                "kwargs": {"axes": ["batch", "channel", "y", "x"], "eps": 0.01},
            },
        ],
        lambda x: (x - x.mean()) / (x.std() + 10),
    ),
    ([], lambda x: x),
    (
        # Format 0.4 leaves out that the values are fixed ones.
        [
            {
                "name": "zero_mean_unit_variance",
                "kwargs": {"axes": "xy", "mean": 90, "std": 10, "eps": 0.1},
            }
        ],
        lambda x: (x - 90) / 10.1,
    ),
]


@pytest.mark.parametrize(("steps", "wanted"), STEPS, ids=range(len(STEPS)))
def test_preprocessing_is_done_as_the_package_says(package, computed, steps, wanted):
    package.input["preprocessing"] = steps
    x = np.random.default_rng(0).normal(100, 20, (1, 1, 20, 24)).astype(np.float32)
    answer = computed(wanted(x.astype(np.float64)), package.weight, package.bias, 1)
    package.test(x, sigmoid(answer))
    assert import_package(package.zip()).difference < 1e-5


def test_channels_are_normalised_together_or_each(package, onnx_network, computed):
    data, weight, bias = onnx_network(channels=2)
    package.use(data)
    package.input["axes"][1]["channel_names"] = ["a", "b"]
    x = np.random.default_rng(0).normal(9, 2, (1, 2, 20, 24)).astype(np.float32)
    x[:, 1] += 50
    kwargs = package.input["preprocessing"][0]["kwargs"]
    for axes, over in ((["y", "x"], (2, 3)), (["channel", "y", "x"], (1, 2, 3))):
        kwargs["axes"] = axes
        ready = (x - x.mean(over, keepdims=True)) / (x.std(over, keepdims=True) + 1e-6)
        package.test(x, sigmoid(computed(ready, weight, bias, 1)))
        assert import_package(package.zip()).difference < 1e-5


@pytest.mark.parametrize(
    "step",
    [
        {"id": "binarize", "kwargs": {"threshold": 5}},
        {"id": "scale_mean_variance", "kwargs": {"reference_tensor": "raw"}},
        {"id": "fancy"},
        {"id": "ensure_dtype", "kwargs": {"dtype": "uint8"}},
        {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["x"]}},
        {"id": "zero_mean_unit_variance", "kwargs": {"axes": 5}},
        {"id": "scale_range", "kwargs": {"min_percentile": 60, "max_percentile": 40}},
        {"id": "scale_range", "kwargs": {"min_percentile": "low"}},
        {"id": "scale_linear", "kwargs": {"gain": [1, 2, 3]}},
        {"id": "scale_linear", "kwargs": {"gain": 0}},
        {"id": "clip", "kwargs": {"min_percentile": 1, "max_percentile": 99}},
        {"id": "fixed_zero_mean_unit_variance", "kwargs": {"mean": 1, "std": 0}},
    ],
    ids=lambda step: step["id"],
)
def test_preprocessing_that_is_not_known_is_refused_by_its_name(package, step):
    package.input["preprocessing"] = [step]
    refused(package, f"the step {step['id']} of its preprocessing")


@pytest.mark.parametrize(
    "step",
    [
        {"id": "stardist_postprocessing"},
        {"id": "scale_range", "kwargs": {"axes": ["x", "y"]}},
        {"id": "softmax", "kwargs": {"axis": "x"}},
        {"id": "sigmoid"},
    ],
    ids=lambda step: step["id"],
)
def test_postprocessing_that_is_not_known_is_refused_by_its_name(package, step):
    package.output["postprocessing"].append(step)
    refused(package, f"the step {step['id']} of its postprocessing")


@pytest.mark.parametrize(
    ("steps", "match"),
    [
        (
            [{"id": "clip", "kwargs": {"min": 0, "max_percentile": 99}}],
            "max_percentile",
        ),
        (
            [{"id": "clip", "kwargs": {"min": -5, "max": 5}}, {"id": "sigmoid"}],
            "sigmoid",
        ),
    ],
    ids=["percentile", "logits"],
)
def test_a_clip_that_changes_probabilities_is_refused(package, steps, match):
    package.output["postprocessing"] = steps
    refused(package, match)


def test_a_clip_to_probabilities_changes_nothing(package):
    package.output["postprocessing"].append({"id": "clip", "kwargs": {"min": 0.0}})
    assert import_package(package.zip()).model.card.spec.activation == "sigmoid"


def test_further_outputs_are_mentioned(package):
    package.values["outputs"].append({"id": "more"})
    notes = import_package(package.zip()).notes
    assert "Of the 2 outputs of its network only the first is used." in notes


def test_a_binarisation_becomes_the_threshold(package):
    step = {"id": "binarize", "kwargs": {"threshold": 0.3}}
    package.output["postprocessing"].append(step)
    assert import_package(package.zip()).model.card.threshold == 0.3


def test_logits_without_a_step_are_taken_for_what_they_are(package, computed):
    package.output["postprocessing"] = []
    x = np.random.default_rng(0).normal(100, 20, (1, 1, 20, 24)).astype(np.float32)
    ready = (x - x.mean()) / (x.std() + 1e-6)
    package.test(x, computed(ready, package.weight, package.bias, 1))
    found = import_package(package.zip())
    assert found.difference < 1e-5
    assert found.model.card.spec.activation == "sigmoid"
    assert "sigmoid is assumed" in found.model.card.notes


@pytest.mark.parametrize(
    ("names", "step", "channel", "target"),
    [
        (["background", "cells"], "softmax", -1, "objects"),
        (["nucleus", "boundary"], "softmax", 0, "objects"),
        (["boundaries", "foreground"], "sigmoid", 1, "objects"),
        (["channel0", "channel1"], "sigmoid", 0, "objects"),
        (["a", "b", "c"], "softmax", -1, "classes"),
        (["dist", "edge", "mask"], "sigmoid", 2, "objects"),
    ],
)
def test_channels_of_the_output_get_a_meaning(
    package, onnx_network, names, step, channel, target
):
    package.use(onnx_network(outputs=len(names))[0])
    package.output["axes"][1]["channel_names"] = names
    package.output["postprocessing"] = [{"id": step}]
    found = import_package(package.zip())
    assert (found.model.card.spec.channel, found.model.card.target) == (channel, target)
    assert any(f"number {channel} is taken" in n for n in found.notes) == (channel >= 0)


# --- format 0.4


def old(package):
    """Say the same in format 0.4."""
    package.values.update(
        format_version="0.4.10",
        test_inputs=["in.npy"],
        test_outputs=["out.npy"],
        inputs=[
            {
                "name": "raw",
                "axes": "bcyx",
                "data_type": "float32",
                "shape": {"min": [1, 1, 16, 16], "step": [0, 0, 4, 4]},
                "preprocessing": [
                    {
                        "name": "zero_mean_unit_variance",
                        "kwargs": {"axes": "yx", "mode": "per_sample", "eps": 1e-6},
                    }
                ],
            }
        ],
        outputs=[
            {
                "name": "mask",
                "axes": "bcyx",
                "shape": {
                    "reference_tensor": "raw",
                    "scale": [1, 1, 1, 1],
                    "offset": [0, 0, 0, 0],
                },
                "halo": [0, 0, 2, 2],
                "postprocessing": [{"name": "sigmoid"}],
            }
        ],
    )
    return package


def test_the_older_format_is_read_as_well(package):
    found = import_package(old(package).zip())
    assert found.difference < 1e-5
    assert found.model.card.spec.halo == (4, 4)


def test_the_older_format_halves_its_offsets(package, onnx_network, computed):
    data, weight, bias = onnx_network(kernel=5, padding=0)
    old(package).use(data)
    package.output["shape"]["offset"] = [0, 0, -2, -2]
    package.output["halo"] = [0, 0, 0, 0]
    x = np.random.default_rng(0).normal(5, 2, (1, 1, 20, 24)).astype(np.float32)
    ready = (x - x.mean()) / (x.std() + 1e-6)
    package.test(x, sigmoid(computed(ready, weight, bias, 0)))
    found = import_package(package.zip())
    assert found.model.card.spec.trim == (2, 2)
    assert found.difference < 1e-5


@pytest.mark.parametrize(
    "change",
    [
        {"axes": "bcyxi"},
        {"axes": "yy"},
        {"shape": 5},
        {"shape": [1, 2]},
        {"shape": {"min": [1, 1, 16, 16]}},
        {"shape": ["a", "b", "c", "d"]},
    ],
    ids=str,
)
def test_odd_shapes_of_the_older_format_are_refused(package, change):
    old(package).input.update(change)
    with pytest.raises(ModelFileError):
        import_package(package.zip())


# --- tests of packages that fail or are absent


def test_a_wrong_test_answer_is_said(package):
    package.files["out.npy"] = package.files["in.npy"]
    found = import_package(package.zip())
    assert found.difference > 50
    assert "test answer differs" in found.model.card.notes


def test_a_package_without_tests_says_so(package):
    del package.files["out.npy"]
    found = import_package(package.zip())
    assert found.difference is None
    assert "holds no test" in found.notes[-1]


def npy_header(shape, dtype="<f4"):
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text",
        npy_header((10**12,)),
        npy_header((1, 1, 10**6, 10**6)) + bytes(100),
        npy_header((1, 1), "|O") + pickle.dumps([1]),
        npy_header("evil"),
    ],
    ids=range(6),
)
def test_a_test_that_is_no_array_is_refused(package, data):
    package.files["in.npy"] = data
    refused(package, r"in\.npy is no array of numbers")


# --- weights


def test_weights_of_another_digest_are_refused(package):
    package.values["weights"]["onnx"]["sha256"] = "0" * 64
    refused(package, "do not have the SHA-256")


@pytest.mark.parametrize("kind", ["tensorflow_js", "keras_hdf5", "pytorch_state_dict"])
def test_weights_of_other_kinds_are_listed(package, kind):
    package.values["weights"] = {kind: {"source": "weights.onnx"}}
    refused(package, f"its weights are {kind}, and only onnx and torchscript")


def test_weights_elsewhere_are_not_fetched(package):
    package.values["weights"]["onnx"]["source"] = "https://example.com/other.onnx"
    refused(package, "not in the package: onnx")


def test_weights_with_an_address_may_lie_in_the_package(package):
    source = "https://example.com/files/weights.onnx?download=1"
    package.values["weights"]["onnx"]["source"] = source
    assert import_package(package.zip()).difference < 1e-5


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_torchscript_is_taken_only_if_it_is_trusted(package, tmp_path, monkeypatch):
    monkeypatch.setenv("UNET_STUDIO_HOME", str(tmp_path / "home"))
    network = torch.nn.Conv2d(1, 1, 3, padding=1).eval()
    network.load_state_dict(
        {"weight": torch.tensor(package.weight), "bias": torch.tensor(package.bias)}
    )
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(network, torch.zeros(1, 1, 16, 16)), buffer)
    del package.files["weights.onnx"]
    package.files["weights.pt"] = buffer.getvalue()
    package.values["weights"] = {"torchscript": {"source": "weights.pt"}}
    path = package.zip()
    with pytest.raises(UntrustedError, match="If you trust where it comes from"):
        import_package(path)
    found = import_package(path, trust=True)
    assert found.difference < 1e-5
    assert found.model.card.spec.parameters == 10
    assert import_package(path).model.name == "Foreign cells"


# --- files made to harm

OUTSIDE = [
    "../secret.onnx",
    "/etc/passwd",
    "a/../../secret.onnx",
    "..\\secret.onnx",
    "C:\\secret.onnx",
    "C:secret.onnx",
    "file:///etc/passwd",
    "\0",
    "",
    ".",
    5,
    None,
    ["weights.onnx"],
]


@pytest.mark.parametrize("source", OUTSIDE, ids=repr)
@pytest.mark.parametrize("form", ["zip", "folder"])
def test_no_file_outside_of_a_package_is_read(package, tmp_path, source, form):
    (tmp_path / "secret.onnx").write_bytes(package.files["weights.onnx"])
    package.values["weights"]["onnx"]["source"] = source
    path = package.zip() if form == "zip" else package.unpacked()
    with pytest.raises(ModelFileError, match="not in the package"):
        import_package(path)
    with Package(path) as opened, pytest.raises(StudioError):
        opened.weights(source)


def test_a_link_out_of_a_folder_is_not_followed(package, tmp_path):
    path = package.unpacked()
    (tmp_path / "secret.onnx").write_bytes(package.files["weights.onnx"])
    (path / "weights.onnx").unlink()
    try:
        (path / "weights.onnx").symlink_to(tmp_path / "secret.onnx")
    except OSError:
        pytest.skip("this system makes no links")
    with pytest.raises(ModelFileError, match="not in the package"):
        import_package(path)


def test_nothing_is_ever_unpacked(package, tmp_path):
    package.files["../evil.txt"] = package.files["/tmp/evil"] = b"x"
    path = package.zip()
    before = sorted(tmp_path.rglob("*"))
    import_package(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_zip_that_unpacks_to_far_more_is_refused(package):
    package.files["weights.onnx"] = bytes(2**27)
    refused(package, "claims 134217728 bytes")


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n"
    for a, b in zip("abcdefghijk", "bcdefghijkl", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{b}: &{b} {{!!merge m: [{','.join(['*' + a] * 9)}]}}\n"
    for a, b in zip("abcdefghijk", "bcdefghijkl", strict=True)
)
BAD_TEXTS = [
    b"",
    b"\xff\xfe",
    b"text",
    b"[]",
    b"5",
    b"a: [",
    b"a: &x [*x]",
    BOMB.encode(),
    MERGES.encode(),
    b"[" * 100_000,
    b"- " * 100_000,
    b"? " * 100_000,
    b"{a: " * 50_000,
    b"".join(b" " * n + b"a:\n" for n in range(1000)),
    b"a: !!python/object/apply:os.system ['touch /tmp/evil']",
    b"!!python/name:os.system",
    b"a: 1\na",
    b"x: " + b"9" * 10_000,
]


@pytest.mark.parametrize("text", BAD_TEXTS, ids=range(len(BAD_TEXTS)))
def test_a_description_that_is_none_is_refused(package, text):
    package.text = lambda: text
    refused(package, r"rdf|description|weights|format")


def test_values_are_read_as_yaml_1_2_has_them(package):
    text = (
        "n: 1e-6\nday: 2024-01-02\ntime: 12:30:00\nno: no\nid: y\noct: 010\n"
        "none:\ntilde: ~\ntruth: true\nhash: 12e4x\nlarge: .inf\ntext: '5'\n"
    )
    package.text = lambda: text.encode()
    with Package(package.zip()) as opened:
        assert opened.description == {
            "n": 1e-6,
            "day": "2024-01-02",
            "time": "12:30:00",
            "no": "no",
            "id": "y",
            "oct": 10,
            "none": None,
            "tilde": None,
            "truth": True,
            "hash": "12e4x",
            "large": float("inf"),
            "text": "5",
        }


def test_other_files_are_no_packages(tmp_path, package):
    assert is_package(package.zip())
    assert is_package(package.unpacked())
    assert is_package(tmp_path / "cells" / "rdf.yaml")
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    assert not is_package(other)
    (tmp_path / "text.zip").write_bytes(b"PK\x03\x04 no zip")
    for path in (tmp_path / "text.zip", tmp_path, tmp_path / "absent.zip"):
        assert not is_package(path)
    with pytest.raises(ModelFileError, match=r"holds no rdf\.yaml"):
        import_package(other)
    with pytest.raises(StorageError, match="does not exist"):
        import_package(tmp_path / "absent.zip")


def mutated(value, rng):
    """Change one value somewhere in nested ones."""
    odd = [
        None,
        -1,
        0,
        1e300,
        "",
        "x",
        [],
        {},
        True,
        [[]],
        {"a": 1},
        float("nan"),
        2**70,
    ]
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        if rng.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: mutated(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        place = rng.randrange(len(value))
        if rng.random() < 0.1:
            return value + value
        return [mutated(v, rng) if n == place else v for n, v in enumerate(value)]
    return rng.choice(odd)


def test_many_odd_descriptions_end_in_one_kind_of_error(package):
    path = package.unpacked()
    values, rng = package.values, random.Random(0)
    worked = 0
    for _ in range(700):
        changed = mutated(values, rng)
        if rng.random() < 0.3:
            changed = mutated(changed, rng)
        (path / "rdf.yaml").write_text(json.dumps(changed))
        try:
            import_package(path)
            worked += 1
        except StudioError as error:
            assert len(str(error)) < 1000  # noqa: PT017
    assert worked > 50


def test_many_damaged_zips_end_in_one_kind_of_error(package, tmp_path):
    data, rng = bytearray(package.zip().read_bytes()), random.Random(0)
    path = tmp_path / "broken.zip"
    before = sorted(tmp_path.rglob("*"))
    for _ in range(1000):
        broken = bytearray(data)
        for _ in range(rng.randint(1, 5)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        if rng.random() < 0.2:
            del broken[rng.randrange(len(broken)) :]
        path.write_bytes(broken)
        is_package(path)
        with contextlib.suppress(StudioError):
            import_package(path)
    path.unlink()
    assert sorted(tmp_path.rglob("*")) == before
