"""Small networks of other programs, and packages that hold them."""

import copy
import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
import torch


def _npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _onnx_network(
    kernel=3,
    padding=1,
    channels=1,
    outputs=1,
    sizes=("h", "w"),
    seed=0,
):
    """An ONNX file with one convolution, and its weights and biases."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(seed)
    ndim = len(sizes)
    weight = rng.normal(0, 1, (outputs, channels, *(kernel,) * ndim))
    bias = rng.normal(0, 1, outputs)
    weight, bias = weight.astype(np.float32), bias.astype(np.float32)
    after = sizes if padding * 2 == kernel - 1 else [f"{s}_out" for s in "abc"[:ndim]]
    if all(isinstance(size, int) for size in sizes):
        after = [size + 2 * padding - kernel + 1 for size in sizes]
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["y"], pads=[padding] * 2 * ndim)
    ]
    kind = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", kind, [1, channels, *sizes])],
        [helper.make_tensor_value_info("y", kind, [1, outputs, *after])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")],
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return model.SerializeToString(), weight, bias


@pytest.fixture
def onnx_network():
    """Make ONNX files of one convolution."""
    return _onnx_network


def _computed(x, weight, bias, padding):
    convolve = torch.conv2d if x.ndim == 4 else torch.conv3d
    given = torch.from_numpy(np.asarray(x, np.float32))
    with torch.inference_mode():
        found = convolve(
            given, torch.from_numpy(weight), torch.from_numpy(bias), padding=padding
        )
    return found.numpy()


@pytest.fixture
def computed():
    """Compute what such a network answers, by torch."""
    return _computed


DESCRIPTION = {
    "type": "model",
    "format_version": "0.5.4",
    "name": "Foreign cells",
    "description": "Finds cells. Not for nuclei.",
    "authors": [{"name": "Ada Lovelace"}],
    "cite": [{"text": "A paper", "doi": "10.1/2"}],
    "license": "CC-BY-4.0",
    "inputs": [
        {
            "id": "raw",
            "axes": [
                {"type": "batch"},
                {"type": "channel", "channel_names": ["grey"]},
                {"type": "space", "id": "y", "size": {"min": 16, "step": 4}},
                {"type": "space", "id": "x", "size": {"min": 16, "step": 4}},
            ],
            "test_tensor": {"source": "in.npy"},
            "preprocessing": [
                {
                    "id": "zero_mean_unit_variance",
                    "kwargs": {"axes": ["y", "x"], "eps": 1e-6},
                }
            ],
        }
    ],
    "outputs": [
        {
            "id": "mask",
            "axes": [
                {"type": "batch"},
                {"type": "channel", "channel_names": ["foreground"]},
                *[
                    {
                        "type": "space",
                        "id": axis,
                        "halo": 2,
                        "size": {"tensor_id": "raw", "axis_id": axis},
                    }
                    for axis in "yx"
                ],
            ],
            "test_tensor": {"source": "out.npy"},
            "postprocessing": [{"id": "sigmoid"}],
        }
    ],
    "weights": {"onnx": {"source": "weights.onnx", "opset_version": 17}},
}


class PackageMaker:
    """Makes packages: change `values` and `files`, then ask for one."""

    def __init__(self, folder):
        self.folder = folder
        self.values = copy.deepcopy(DESCRIPTION)
        data, weight, bias = _onnx_network()
        image = np.random.default_rng(1).normal(100, 20, (1, 1, 32, 28))
        image = image.astype(np.float32)
        ready = (image - image.mean()) / (image.std() + 1e-6)
        answer = _computed(ready, weight, bias, 1)
        self.weight, self.bias = weight, bias
        self.files = {
            "weights.onnx": data,
            "in.npy": _npy(image),
            "out.npy": _npy(1 / (1 + np.exp(-answer))),
        }

    def use(self, data):
        """Take another network, and no tests."""
        self.files = {"weights.onnx": data}
        digest = hashlib.sha256(data).hexdigest()
        self.values["weights"]["onnx"]["sha256"] = digest

    def test(self, image, answer):
        """Give test tensors."""
        self.files |= {"in.npy": _npy(image), "out.npy": _npy(answer)}

    @property
    def input(self):
        """The description of the input."""
        return self.values["inputs"][0]

    @property
    def output(self):
        """The description of the output."""
        return self.values["outputs"][0]

    def text(self):
        """The description; JSON is YAML."""
        return json.dumps(self.values, indent=1).encode()

    def zip(self, name="cells.zip", within=""):
        """Write a zip."""
        path = self.folder / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{within}rdf.yaml", self.text())
            for file, data in self.files.items():
                archive.writestr(within + file, data)
        return path

    def unpacked(self, name="cells"):
        """Write a folder."""
        path = self.folder / name
        path.mkdir()
        (path / "rdf.yaml").write_bytes(self.text())
        for file, data in self.files.items():
            (path / file).write_bytes(data)
        return path


@pytest.fixture
def package(tmp_path):
    """Make packages of the BioImage Model Zoo."""
    return PackageMaker(tmp_path)
