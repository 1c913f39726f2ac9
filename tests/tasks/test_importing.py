import hashlib
import io

import numpy as np
import pytest
import tifffile
import torch
import zarr

from napari_unet_studio import import_model, predict, predict_zarr, segment
from napari_unet_studio.api.export import export
from napari_unet_studio.core.errors import ConfigError, ModelFileError, StorageError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.foreign import ForeignSpec
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.foreign import ForeignNetwork
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.model_file import load_model_file
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.io.trust import trust
from napari_unet_studio.tasks.importing import import_file
from napari_unet_studio.tasks.inspect import feature_maps
from napari_unet_studio.tasks.predict_config import PredictConfig
from napari_unet_studio.tasks.progress import run
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.origin import origin_of

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("UNET_STUDIO_HOME", str(tmp_path / "home"))


def program(network, side=32):
    """A TorchScript file."""
    buffer = io.BytesIO()
    traced = torch.jit.trace(network.eval(), torch.zeros(1, 1, side, side))
    torch.jit.save(traced, buffer)
    return buffer.getvalue()


def foreign_model(network, normalisation=None, **fields):
    data = program(network)
    digest = hashlib.sha256(data).hexdigest()
    trust(digest)
    spec = ForeignSpec(kind="torchscript", digest=digest, **fields)
    card = ModelCard(
        name="theirs",
        spec=spec,
        normalisation=normalisation or Normalisation("fixed", 0, 1),
    )
    return Model(ForeignNetwork(spec, data).eval(), card)


def smooth(reach=2):
    """A network that averages its surroundings."""
    network = torch.nn.Conv2d(1, 1, 2 * reach + 1, padding=reach, bias=False)
    with torch.no_grad():
        network.weight.fill_(1 / (2 * reach + 1) ** 2)
    return network


def noise(*shape):
    return np.random.default_rng(0).normal(0, 3, shape).astype(np.float32)


# --- tiles


def test_tiles_of_a_network_with_a_known_reach_make_no_seams():
    network = smooth()
    model = foreign_model(network, smallest=(16, 16), step=(4, 4), reach=(2, 2))
    image = noise(70, 91)
    at_once = predict(image, model, PredictConfig(tile=256)).probabilities
    tiled = predict(image, model, PredictConfig(tile=24)).probabilities
    assert np.allclose(at_once, tiled, atol=1e-6)


def test_valid_networks_answer_everywhere():
    network = torch.nn.Conv2d(1, 1, 5)
    model = foreign_model(network, smallest=(16, 16), step=(1, 1), shrink=(2, 2))
    image = noise(50, 61)
    found = predict(image, model, PredictConfig(tile=32)).probabilities[0]
    padded = np.pad(image, 2, mode="reflect")
    with torch.inference_mode():
        wanted = torch.sigmoid(network(torch.from_numpy(padded)[None, None]))[0, 0]
    assert np.allclose(found, wanted.numpy(), atol=1e-6)


@pytest.mark.parametrize("shape", [(20, 20), (32, 32), (33, 90), (7, 100)])
@pytest.mark.parametrize("whole", [False, True])
def test_a_network_of_one_size_sees_no_other(shape, whole):
    seen = []

    class Strict(torch.nn.Module):
        def forward(self, x):
            return x * 2

    model = foreign_model(
        Strict(), smallest=(32, 32), step=(0, 0), reach=(4, 4), whole=whole
    )
    engine = model.network.engine
    model.network._modules["engine"] = None
    model.network.__dict__["engine"] = lambda x: seen.append(x.shape) or engine(x)
    image = noise(*shape)
    with torch.inference_mode():
        found = predict(image, model)
    assert {tuple(s) for s in seen} <= {(1, 1, 32, 32)}
    wanted = 1 / (1 + np.exp(-2 * image))
    assert np.allclose(found.probabilities[0], wanted, atol=1e-6)


def test_a_region_of_a_blended_network_is_that_of_the_whole():
    model = foreign_model(
        smooth(), smallest=(32, 32), step=(0, 0), reach=(1, 1), whole=True
    )
    image = noise(80, 75)
    part = np.s_[20:50, 33:75]
    found = predict(image, model, region=part).probabilities
    assert np.allclose(found, predict(image, model).probabilities[:, *part], atol=1e-6)


def test_a_store_holds_what_the_memory_would(tmp_path):
    model = foreign_model(
        smooth(), smallest=(32, 32), step=(0, 0), reach=(1, 1), whole=True
    )
    image = noise(90, 101)
    stored = predict_zarr(image, tmp_path / "a.zarr", model)
    found = np.asarray(zarr.open_array(stored.path / "0", mode="r"))
    wanted = predict(image, model).probabilities
    assert np.allclose(found.squeeze(), wanted.squeeze(), atol=1e-3)  # half precision


def test_quarter_turns_need_one_size_along_both_axes():
    model = foreign_model(smooth(), smallest=(32, 48), step=(0, 0))
    with pytest.raises(ConfigError, match="Quarter turns"):
        predict(noise(40, 40), model, PredictConfig(average="turns"))
    assert predict(noise(40, 40), model, PredictConfig(average="flips")).labels.any()


# --- what foreign networks cannot do


def test_other_precisions_do_not_apply_and_it_is_said():
    model = foreign_model(smooth(), smallest=(16, 16), step=(4, 4))
    config = PredictConfig(precision="bfloat16", compile=True)
    found = predict(noise(40, 40), model, config)
    assert found.config.precision == "float32"
    assert not found.config.compile
    assert "bfloat16 and compile did not apply" in found.notes[0]
    assert predict(noise(40, 40), model).notes == ()


def test_openvino_is_refused():
    model = foreign_model(smooth(), smallest=(16, 16), step=(4, 4))
    with pytest.raises(ConfigError, match="cannot be computed by OpenVINO"):
        predict(noise(40, 40), model, PredictConfig(engine="openvino"))


def test_it_cannot_be_looked_into_or_trained_further(tmp_path):
    model = foreign_model(smooth(), smallest=(16, 16), step=(4, 4))
    with pytest.raises(ConfigError, match="cannot be looked into"):
        run(feature_maps(noise(40, 40), model, "head.network"))
    path = model.save(tmp_path / "a")
    with pytest.raises(ConfigError, match="cannot be trained further"):
        origin_of(TrainConfig(start=str(path)))
    with pytest.raises(ConfigError):
        predict(noise(40, 40), model, PredictConfig(level=1))


# --- files


@pytest.fixture
def ours():
    torch.manual_seed(2)
    network = build(UNetSpec(channels=(4, 6), norm="batch")).eval()
    card = ModelCard(
        name="ours",
        spec=network.spec,
        authors=("Ada",),
        licence="MIT",
        normalisation=Normalisation("percentile", 2, 98),
        training={"config": {"updates": 5}},
        scores={"f1": 0.5},
        threshold=0.4,
    )
    return Model(network, card)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("onnx", "probabilities"),
        ("onnx", "logits"),
        ("torchscript", "probabilities"),
        ("bioimageio", "logits"),
    ],
)
def test_what_we_export_comes_back_the_same(ours, tmp_path, kind, answer):
    path = export(ours, tmp_path / "ours", kind, answer=answer).path
    back = import_model(path, trust=True)
    image = np.random.default_rng(0).integers(0, 255, (70, 50), np.uint8)
    found = predict(image, back).probabilities
    assert np.allclose(found, predict(image, ours).probabilities, atol=1e-5)
    for name in ("name", "authors", "normalisation", "scores", "threshold"):
        assert getattr(back.card, name) == getattr(ours.card, name)
    if kind == "bioimageio":
        assert back.card == load_model_file(ours.save(tmp_path / "a")).card
    again = load_model_file(back.save(tmp_path / "again"))
    assert np.array_equal(predict(image, again).probabilities, found)


def test_a_state_dict_needs_its_network(ours, tmp_path):
    path = tmp_path / "cells.pt"
    torch.save(ours.network.state_dict(), path)
    with pytest.raises(ModelFileError, match="network that they are for"):
        import_model(path)
    found = run(import_file(path, network=ours.card.spec, name="mine"))
    assert found.model.name == "mine"
    assert found.report.complete
    assert found.model.card.origin["file"] == "cells.pt"
    state = ours.network.state_dict()
    for key, tensor in found.model.network.state_dict().items():
        assert torch.equal(tensor, state[key])


def test_a_model_file_is_read_as_it_is(ours, tmp_path):
    path = ours.save(tmp_path / "a")
    assert import_model(path).card == load_model_file(path).card
    assert import_model(path, name="b").name == "b"


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    for name in ("a.unet", "a.onnx", "a.zip", "a.pt", "a"):
        with pytest.raises(StorageError):
            import_model(tmp_path / name)


@pytest.mark.parametrize("name", ["a.txt", "a.onnx", "a.zip", "a.unet", "a.pt", "a"])
def test_other_files_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(ModelFileError):
        import_model(tmp_path / name)


def test_onnx_of_others_is_refused_with_the_remedy(tmp_path):
    from onnx import TensorProto, helper

    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["y"])],
        "net",
        [info("x", TensorProto.FLOAT, [1, 1, "h", "w"])],
        [info("y", TensorProto.FLOAT, [1, 1, "h", "w"])],
    )
    path = tmp_path / "a.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(ModelFileError, match=r"Import the bioimage\.io package"):
        import_model(path)


def test_a_real_package_segments_a_real_image(data_dir, tmp_path):
    model = import_model(data_dir / "bioimageio_unet2d_nuclei_broad")
    path = model.save(tmp_path / "broad")
    folder = data_dir / "nuclei_dsb2018" / "val"
    first = sorted((folder / "images").iterdir())[0].name
    image, labels = (
        tifffile.imread(folder / part / first) for part in ("images", "labels")
    )
    found = segment(image, load_model(path))
    assert found.shape == image.shape
    assert found.max() >= 5
    # Of the pixels of real nuclei, nearly all are in an object.
    assert (found[labels > 0] > 0).mean() > 0.9
