import io
import pickle
import random
import tarfile
import zipfile
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import save_file

from napari_unet_studio.core.errors import ConfigError, ModelFileError, StorageError
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.foreign import ForeignSpec
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.state_dict import (
    IncompleteStateError,
    complete_model,
    load_state_dict_file,
    read_tensors,
)

SPEC = UNetSpec(channels=(2, 3), norm="batch")
FIRST = "encoder.0.0.weight"


@pytest.fixture
def state():
    torch.manual_seed(1)
    return build(SPEC).state_dict()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pt"


def same(network, state):
    found = network.state_dict()
    return all(torch.equal(found[name], state[name].float()) for name in found)


# --- files that fit


@pytest.mark.parametrize(
    "wrap", ["plain", "checkpoint", "lightning", "parallel", "both"]
)
def test_a_state_dict_is_loaded_however_it_was_wrapped(path, state, wrap):
    held = state
    if wrap in ("parallel", "both"):
        held = {f"module.{name}": tensor for name, tensor in state.items()}
    if wrap in ("checkpoint", "both"):
        held = {"epoch": 5, "model_state_dict": held, "loss": 0.1}
    if wrap == "lightning":
        held = {f"model.{name}": tensor for name, tensor in state.items()}
        held = {"state_dict": OrderedDict(held), "hyper_parameters": {"lr": 0.1}}
    torch.save(held, path)
    network, report = load_state_dict_file(path, SPEC)
    assert same(network, state)
    assert report.complete
    assert not report.renamed
    assert not report.unexpected
    assert (
        str(report)
        == f"{len(state)} of {len(state)} tensors of the network were loaded."
    )


def test_safetensors_are_loaded(tmp_path, state):
    path = tmp_path / "weights.safetensors"
    save_file(state, path)
    network, report = load_state_dict_file(path, SPEC)
    assert same(network, state)
    assert report.complete


def test_the_older_format_of_torch_is_loaded(path, state):
    torch.save(state, path, _use_new_zipfile_serialization=False)
    assert same(load_state_dict_file(path, SPEC)[0], state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_converted(path, state, dtype):
    held = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
    torch.save(held, path)
    network, report = load_state_dict_file(path, SPEC)
    assert report.complete
    assert same(network, held)


def test_counters_that_older_versions_lack_are_zero(path, state):
    held = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    torch.save(held, path)
    assert load_state_dict_file(path, SPEC)[1].complete


def test_other_names_are_matched_by_order_if_all_shapes_agree(path, state):
    held = {
        f"part{n}.{k.rpartition('.')[2]}": v for n, (k, v) in enumerate(state.items())
    }
    torch.save(held, path)
    network, report = load_state_dict_file(path, SPEC)
    assert same(network, state)
    assert ("part0.weight", FIRST) in report.renamed
    assert "matched by their order" in str(report)


def test_other_names_in_another_order_are_matched_only_where_it_is_unambiguous(
    path, state
):
    items = list(state.items())
    held = {f"p{n}.{k.rpartition('.')[2]}": v for n, (k, v) in enumerate(items)}
    held = dict(reversed(held.items()))
    torch.save(held, path)
    network, report = load_state_dict_file(path, SPEC)
    assert not report.complete
    for theirs, ours in report.renamed:
        assert torch.equal(network.state_dict()[ours], held[theirs])
        same_kind = [
            k
            for k, v in state.items()
            if v.shape == state[ours].shape and k.endswith(ours.rpartition(".")[2])
        ]
        assert same_kind == [ours]


def test_channels_and_classes_of_a_named_network_follow_the_file(path):
    network = build("unet-16", in_channels=3, num_classes=4)
    torch.save(network.state_dict(), path)
    model, report = complete_model(path, "unet-16")
    assert report.complete
    assert model.card.spec == network.spec
    assert (model.card.target, model.card.class_values) == ("classes", (0, 1, 2, 3))


# --- files that do not


def test_the_report_names_what_is_missing_unexpected_and_reshaped(path, state):
    wide = state.pop("head.weight")
    state["head.weight"] = torch.zeros(7, *wide.shape[1:])
    del state["encoder.1.0.bias"]
    state["extra.thing"] = torch.zeros(3, 3)
    torch.save(state, path)
    network, report = load_state_dict_file(path, SPEC)
    assert report.missing == ("encoder.1.0.bias",)
    assert report.unexpected == ("extra.thing",)
    assert report.reshaped == (("head.weight", (7, 2, 1, 1), (1, 2, 1, 1)),)
    assert torch.equal(network.state_dict()[FIRST], state[FIRST])
    text = str(report)
    for line in (
        f"{len(state) - 2} of {len(state)} tensors",
        "freshly drawn (1):\n  encoder.1.0.bias",
        "not in the network (1):\n  extra.thing",
        "head.weight: 7 x 2 x 1 x 1 in the file, 1 x 2 x 1 x 1 here",
    ):
        assert line in text
    with pytest.raises(IncompleteStateError, match="does not fill") as caught:
        complete_model(path, SPEC)
    assert caught.value.report == report


def test_extra_tensors_alone_do_not_keep_a_model_from_being_used(path, state):
    torch.save({**state, "extra": torch.zeros(3)}, path)
    model, report = complete_model(path, SPEC)
    assert report.unexpected == ("extra",)
    assert "extra" in model.card.notes


def test_long_lists_are_cut(path, state):
    torch.save({**state, **{f"e{n}": torch.zeros(2) for n in range(999)}}, path)
    text = str(load_state_dict_file(path, SPEC)[1])
    assert "and 987 more" in text
    assert len(text.splitlines()) < 20


def test_weights_of_another_network_altogether_are_refused(path):
    torch.save({"a": torch.zeros(3, 3), "b": torch.zeros(1)}, path)
    with pytest.raises(IncompleteStateError, match="fits nothing of this unet network"):
        load_state_dict_file(path, SPEC)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nan_is_refused(path, state, bad):
    state[FIRST][0, 0, 0, 0] = bad
    torch.save(state, path)
    with pytest.raises(ModelFileError, match=f"'{FIRST}' contains NaN or infinity"):
        load_state_dict_file(path, SPEC)


def test_integers_do_not_pass_for_weights(path, state):
    state[FIRST] = torch.ones_like(state[FIRST], dtype=torch.int32)
    torch.save(state, path)
    assert load_state_dict_file(path, SPEC)[1].reshaped[0][0] == FIRST


def test_a_foreign_network_takes_no_weights(path, state):
    torch.save(state, path)
    with pytest.raises(ConfigError, match="cannot be given other weights"):
        load_state_dict_file(path, ForeignSpec(digest="0" * 64))


# --- files that are something else


class Exploit:
    """Pickled, it would write a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_nothing_in_a_file_is_executed(path, tmp_path, state):
    mark = tmp_path / "executed"
    for held in (Exploit(str(mark)), {**state, "a": Exploit(str(mark))}):
        for form in (True, False):
            torch.save(held, path, _use_new_zipfile_serialization=form)
            with pytest.raises(ModelFileError, match="programs in it are not run"):
                load_state_dict_file(path, SPEC)
        path.write_bytes(pickle.dumps(held))
        with pytest.raises(ModelFileError):
            load_state_dict_file(path, SPEC)
    assert not mark.exists()


def test_a_whole_module_is_refused_with_the_remedy(path):
    torch.save(build(SPEC), path)
    with pytest.raises(ModelFileError, match=r"torch\.save\(network\.state_dict\(\)"):
        load_state_dict_file(path, SPEC)


@pytest.mark.parametrize(
    "held", [{}, [1, 2], {"a": 1}, torch.zeros(3), "text", {5: torch.zeros(3)}], ids=str
)
def test_what_is_no_state_dict_is_refused(path, held):
    torch.save(held, path)
    with pytest.raises(ModelFileError, match="holds no state dict"):
        load_state_dict_file(path, SPEC)


@pytest.mark.parametrize("data", [b"", b"text", b"PK\x03\x04", b"\x80\x02", bytes(999)])
def test_other_files_are_refused(path, data):
    path.write_bytes(data)
    with pytest.raises(ModelFileError):
        load_state_dict_file(path, SPEC)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(StorageError, match="Check the path"):
        load_state_dict_file(tmp_path / "absent.pt", SPEC)


def test_a_zip_that_unpacks_to_far_more_is_refused(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(2**26))
    with pytest.raises(ModelFileError, match="would unpack to"):
        load_state_dict_file(path, SPEC)


def test_the_first_format_of_torch_is_refused():
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    with pytest.raises(ModelFileError, match="gave up in 2017"):
        read_tensors(data.getvalue(), "weights")


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_many_damaged_files_end_in_one_kind_of_error(tmp_path, state, form):
    path = tmp_path / "weights"
    if form == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    data, rng = path.read_bytes(), random.Random(0)
    for _ in range(700):
        broken = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        if rng.random() < 0.2:
            del broken[rng.randrange(len(broken)) :]
        try:
            tensors = read_tensors(bytes(broken), "weights")
        except ModelFileError:
            continue
        assert all(isinstance(t, torch.Tensor) for t in tensors.values())
