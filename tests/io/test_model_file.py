import io
import json
import math
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save as to_safetensors

from napari_unet_studio.core.errors import ModelFileError, StorageError, StudioError
from napari_unet_studio.core.intensity import Normalisation
from napari_unet_studio.core.networks.catalog import NETWORKS, build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.core.networks.unetpp import UNetPlusPlusSpec
from napari_unet_studio.core.weights import WeightConfig
from napari_unet_studio.io.model import SCHEMA_VERSION, Model, ModelCard
from napari_unet_studio.io.model_file import load_model_file, read_card

SPEC = UNetSpec(channels=(2, 3), norm="batch")


def made(spec=SPEC, **fields):
    torch.manual_seed(1)
    thumbnail = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    return Model(build(spec), ModelCard(name="cells", spec=spec, **fields), thumbnail)


@pytest.fixture
def model():
    return made()


@pytest.fixture
def path(model, tmp_path):
    return model.save(tmp_path / "cells")


def same_weights(a, b):
    first, second = a.network.state_dict(), b.network.state_dict()
    return first.keys() == second.keys() and all(
        torch.equal(first[k], second[k]) and first[k].dtype == second[k].dtype
        for k in first
    )


def contents(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path, changes, compression=zipfile.ZIP_STORED):
    """Replace entries of an archive; None takes one away."""
    entries = {**contents(path), **changes}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            if data is not None:
                archive.writestr(name, data)


def change_card(path, change):
    card = json.loads(contents(path)["card.json"])
    change(card)
    rewrite(path, {"card.json": json.dumps(card)})


def change_weights(path, model, change):
    tensors = {k: v.clone() for k, v in model.network.state_dict().items()}
    change(tensors)
    rewrite(path, {"weights.safetensors": to_safetensors(tensors)})


# --- round trips


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        UNetSpec(ndim=3, channels=((2,), (3, 4)), padding="valid", dropout=0.25),
        UNetPlusPlusSpec(channels=(2, 3, 4), in_channels=3, num_classes=5),
    ],
    ids=lambda s: f"{s.family} {s.ndim}d",
)
def test_a_loaded_model_is_the_saved_one_to_the_last_bit(spec, tmp_path):
    values = tuple(range(max(2, spec.num_classes)))
    model = made(spec, target="classes", class_values=values)
    loaded = load_model_file(model.save(tmp_path / "a"))
    assert loaded.card == model.card
    assert same_weights(loaded, model)
    assert np.array_equal(loaded.thumbnail, model.thumbnail)
    shape = spec.input_shape((8,) * spec.ndim)
    x = torch.rand(1, spec.in_channels, *shape)
    with torch.inference_mode():
        assert torch.equal(loaded.network(x), model.network.eval()(x))


def test_a_loaded_network_predicts_at_once_and_can_be_trained_on(path):
    network = load_model_file(path).network
    assert not network.training
    assert all(p.requires_grad for p in network.parameters())
    assert {p.device.type for p in network.parameters()} == {"cpu"}
    network.train()(torch.rand(2, 1, 8, 8)).sum().backward()


def test_everything_on_the_card_comes_back(tmp_path):
    model = made(
        normalisation=Normalisation("fixed", 10.0, 200.0),
        spacing=(0.5, 0.25),
        unit="um",
        threshold=0.4,
        gap=1,
        description="µm, 細胞",
        licence="CC0",
        training={"updates": 3, "weights": {"w0": 10.0}},
        scores={"iou": 0.9, "f1": float("nan")},
        data=({"name": "a", "sha256": "00"},),
        versions={"torch": "2"},
        created="2020-02-02T02:02:02",
        authors=("Ada",),
        cite=("10.1007/978-3-319-24574-4_28",),
        limits="Not for plants.",
        notes="slide 3",
        tests=({"name": "val", "images": 2, "scores": {"f1": 0.5}},),
        origin={"format": "onnx"},
    )
    card = load_model_file(model.save(tmp_path / "a")).card
    assert card == replace(model.card, scores={"iou": 0.9})


def test_a_score_that_could_not_be_measured_is_no_invalid_json(tmp_path):
    path = made(scores={"iou": 0.9, "f1": float("nan")}).save(tmp_path / "a")
    with zipfile.ZipFile(path) as archive:
        text = archive.read("card.json").decode()
    assert "NaN" not in text
    assert json.loads(text)["scores"] == {"iou": 0.9}


@pytest.mark.parametrize("undefined", [float("nan"), None])
def test_a_card_of_the_first_schema_is_read_as_one_of_today(undefined):
    old = {
        "schema": 1,
        "name": "old",
        "spec": SPEC.to_dict(),
        "normalisation": {"method": "percentile", "low": 1.0, "high": 99.8},
        "class_values": [0, 1],
        "scores": {"iou": 0.9, "f1": undefined},
        "data": [{"name": "a", "sha256": "00"}],
    }
    card = ModelCard.from_dict(json.loads(json.dumps(old)))
    assert card.scores == {"iou": 0.9}
    assert card.data == ({"name": "a", "sha256": "00"},)
    assert card.tests == card.authors == ()
    assert card.to_dict()["schema"] == SCHEMA_VERSION == 2


def test_numbers_of_numpy_go_onto_the_card(tmp_path):
    model = made(scores={"iou": np.float32(0.5), "n": np.int64(3)})
    assert read_card(model.save(tmp_path / "a")).scores == {"iou": 0.5, "n": 3}


def test_weights_in_half_precision_are_close_and_half_the_size(tmp_path):
    model = made(UNetSpec(channels=(16, 32), norm="batch"))
    whole, half = (
        model.save(tmp_path / "whole"),
        model.save(tmp_path / "half", half=True),
    )
    loaded = load_model_file(half)
    for name, tensor in model.network.state_dict().items():
        found = loaded.network.state_dict()[name]
        assert found.dtype == tensor.dtype
        torch.testing.assert_close(found, tensor, rtol=1e-3, atol=1e-6)
    sizes = [len(contents(p)["weights.safetensors"]) for p in (whole, half)]
    assert sizes[1] < 0.55 * sizes[0]


def test_weights_too_large_for_half_precision_survive_it(model, tmp_path):
    with torch.no_grad():
        model.network.get_submodule("encoder.0.1").running_var.fill_(1e6)
    loaded = load_model_file(model.save(tmp_path / "a", half=True))
    assert (loaded.network.get_submodule("encoder.0.1").running_var == 1e6).all()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a", "a.unet"),
        ("a.unet", "a.unet"),
        ("v1.2", "v1.2.unet"),
        ("ä 細", "ä 細.unet"),
    ],
)
def test_the_suffix_is_added_where_it_is_absent(model, tmp_path, given, expected):
    assert model.save(str(tmp_path / given)) == tmp_path / expected
    assert (tmp_path / expected).is_file()


def test_saving_makes_missing_folders_and_replaces_an_older_model(model, tmp_path):
    path = model.save(tmp_path / "new" / "folder" / "a")
    model.renamed("second").save(path)
    assert load_model_file(path).name == "second"
    assert [p.name for p in path.parent.iterdir()] == ["a.unet"]


def test_the_card_is_readable_without_torch(path):
    code = (
        "import sys\n"
        "from napari_unet_studio.io.model_file import read_card\n"
        "print(read_card(sys.argv[1]).name, 'torch' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.split() == ["cells", "False"]


def test_the_card_is_plain_json_that_other_programs_read(path):
    values = json.loads(contents(path)["card.json"])
    assert values["schema"] == SCHEMA_VERSION
    assert values["spec"]["family"] == "unet"
    assert ModelCard.from_dict(values) == read_card(path)


def test_info_gives_the_key_figures_as_json(model):
    info = json.loads(json.dumps(model.info()))
    assert info["parameters"] == sum(p.numel() for p in model.network.parameters())
    assert info["divisor"] == [2, 2]


# --- disks


def test_a_failing_write_leaves_the_old_model(path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(StorageError, match="No space left"):
        made().renamed("other").save(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["cells.unet"]


def test_a_card_that_json_cannot_hold_leaves_the_old_model(path):
    before = path.read_bytes()
    with pytest.raises(TypeError, match="set does not go into JSON"):
        made(training={"bad": {1, 2}}).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["cells.unet"]


def test_a_path_under_a_file_is_refused(model, path):
    with pytest.raises(StorageError, match="could not be written"):
        model.save(path / "below")


@pytest.mark.parametrize("path", ["", ".", "/"])
def test_a_path_without_a_name_is_refused(model, path):
    with pytest.raises(StorageError, match="names no file"):
        model.save(path)


@pytest.mark.parametrize("read", [load_model_file, read_card])
def test_a_missing_file_and_a_folder_are_refused_by_their_path(read, tmp_path):
    with pytest.raises(
        StorageError, match=r"missing\.unet cannot be read: No such file"
    ):
        read(tmp_path / "missing.unet")
    (tmp_path / "folder.unet").mkdir()
    with pytest.raises(StorageError, match=r"folder\.unet cannot be read"):
        read(tmp_path / "folder.unet")


# --- broken and foreign files


def assert_refused(path, message="."):
    with pytest.raises(ModelFileError, match=message) as caught:
        load_model_file(path)
    assert path.name in str(caught.value)


@pytest.mark.parametrize("tenth", range(10))
def test_a_truncated_file_is_refused(path, tenth):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * tenth // 10])
    assert_refused(path, "is not a usable model file")


def test_a_file_with_flipped_bytes_is_read_or_refused_and_never_more(path):
    data = path.read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        broken = bytearray(data)
        # The card lies at the start, the directory of the archive at the end.
        for start in (0, len(data) - 400):
            broken[start + generator.integers(400)] = generator.integers(256)
        path.write_bytes(bytes(broken))
        try:
            load_model_file(path)
        except StudioError:
            refused += 1
    assert refused > 200


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"text", bytes(999)]
)
def test_what_is_no_archive_or_an_empty_one_is_refused(path, data):
    path.write_bytes(data)
    assert_refused(path, "is not a usable model file")


def test_a_foreign_archive_is_refused(path):
    rewrite(path, dict.fromkeys(contents(path)) | {"word/document.xml": b"<w/>"})
    assert_refused(path, r"it holds no card\.json")


class Exploit:
    """Pickled, it would write a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_what_is_wrong_with_a_file_is_told_apart(path, tmp_path):
    cut = tmp_path / "cut.unet"
    cut.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ModelFileError, match="its end is missing"):
        load_model_file(cut)
    text = tmp_path / "text.unet"
    text.write_text("a letter")
    with pytest.raises(ModelFileError, match="is not a zip archive"):
        load_model_file(text)
    nothing = tmp_path / "nothing.unet"
    nothing.touch()
    with pytest.raises(ModelFileError, match="is empty"):
        load_model_file(nothing)


def test_nothing_in_a_file_is_executed(path, tmp_path, model):
    mark = tmp_path / "executed"
    bomb = pickle.dumps(Exploit(str(mark)))
    torch_file = io.BytesIO()
    torch.save({"a": Exploit(str(mark))}, torch_file)
    for data in (bomb, torch_file.getvalue()):
        path.write_bytes(data)
        assert_refused(path)
    for name in ("card.json", "weights.safetensors"):
        model.save(path)
        rewrite(path, {name: bomb})
        assert_refused(path)
    model.save(path)
    rewrite(path, {"thumbnail.png": bomb, "data.pkl": bomb, "__init__.py": b"1/0"})
    assert load_model_file(path).thumbnail is None
    assert not mark.exists()


def test_entries_with_paths_out_of_the_archive_are_never_unpacked(path, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    rewrite(path, {"../evil.txt": b"x", "/etc/evil.txt": b"x", "a/../../evil": b"x"})
    assert load_model_file(path).name == "cells"
    assert sorted(tmp_path.rglob("*")) == before
    assert not (tmp_path.parent / "evil.txt").exists()


@pytest.mark.parametrize("name", ["card.json", "weights.safetensors"])
def test_an_absent_entry_is_refused_by_its_name(path, name):
    rewrite(path, {name: None})
    assert_refused(path, f"it holds no {name}")


# --- archives made to exhaust memory


def claim(path, name, size):
    """Let the directory of an archive claim another size for an entry."""
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    while data[at + 46 : at + 46 + len(name)] != name.encode():
        at = data.index(b"PK\x01\x02", at + 1)
    data[at + 24 : at + 28] = struct.pack("<I", size)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("name", ["card.json", "weights.safetensors"])
@pytest.mark.parametrize("size", [10, 2**31, 2**32 - 2])
def test_an_entry_that_misstates_its_size_is_refused(path, name, size):
    claim(path, name, size)
    assert_refused(path)


def test_an_entry_that_unpacks_to_far_more_than_it_takes_is_refused(path):
    rewrite(path, {"weights.safetensors": None})
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("weights.safetensors", "w") as entry,
    ):
        for _ in range(100):
            entry.write(bytes(2**20))
    assert path.stat().st_size < 2**20
    assert_refused(path, "claims 104857600 bytes")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_card_larger_than_any_card_is_refused(path, method):
    rewrite(path, {"card.json": b" " * (65 * 2**20)}, method)
    assert_refused(path, r"card\.json claims")


def test_deeply_nested_json_is_refused(path):
    rewrite(path, {"card.json": b"[" * 100_000})
    assert_refused(path, "no JSON")


HUGE = [
    [[10**9, 10**9], [10**9, 10**9]],
    [[2**62], [2**62]],
    [[10**30], [1]],
    [[1, 1]] * 100_000,
    [[1] * 100_000, [1]],
]


@pytest.mark.parametrize("channels", HUGE, ids=range(len(HUGE)))
def test_a_card_of_a_gigantic_network_is_refused_before_anything_is_made(
    path, channels
):
    change_card(path, lambda card: card["spec"].update(channels=channels))
    assert_refused(path, "channels")


@pytest.mark.parametrize("name", ["unet-2015", "unet-3d-2016"])
def test_a_card_of_a_large_network_with_few_weights_allocates_none_of_it(
    path, name, monkeypatch
):
    spec = NETWORKS[name]
    fields = {"target": "classes", "class_values": [*range(spec.num_classes)]}
    change_card(path, lambda card: card.update(spec=spec.to_dict(), **fields))
    allocated = []
    normal = torch.Tensor.normal_
    monkeypatch.setattr(
        torch.Tensor,
        "normal_",
        lambda self, *a, **k: (
            allocated.append(self.device.type) or normal(self, *a, **k)
        ),
    )
    assert_refused(path, "do not fit")
    assert set(allocated) <= {"meta"}  # where nothing is allocated


def encrypted(data):
    """Mark every entry of an archive as encrypted."""
    data = bytearray(data)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(signature, at + 1)
    return bytes(data)


def test_an_encrypted_archive_is_refused(path):
    path.write_bytes(encrypted(path.read_bytes()))
    assert_refused(path, "encrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_packed_again_by_another_program_is_read(path, model, method):
    rewrite(path, {}, method)
    assert same_weights(load_model_file(path), model)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packing_that_cannot_be_undone_piece_by_piece_is_refused(path, method):
    rewrite(path, {}, method)
    assert_refused(path, "packed by another method")


@pytest.mark.parametrize("name", ["card.json", "weights.safetensors"])
def test_an_entry_that_claims_too_little_is_not_unpacked_whole(path, name):
    rewrite(path, {name: bytes(2**26)}, zipfile.ZIP_DEFLATED)
    claim(path, name, 10)
    tracemalloc.start()
    try:
        assert_refused(path, "damaged")
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


# --- weights


def set_item(name, value):
    return lambda tensors: tensors.__setitem__(name, value)


FIRST = "encoder.0.0.weight"  # (2, 1, 3, 3)
WRONG_WEIGHTS = {
    "missing": lambda tensors: tensors.pop(FIRST),
    "none": lambda tensors: tensors.clear(),
    "extra": set_item("more", torch.zeros(3)),
    "renamed": lambda tensors: tensors.update(other=tensors.pop(FIRST)),
    "wrong shape": set_item(FIRST, torch.zeros(2, 1, 3, 4)),
    "transposed": set_item(FIRST, torch.zeros(1, 2, 3, 3)),
    "scalar": set_item(FIRST, torch.tensor(1.0)),
    "empty": set_item(FIRST, torch.zeros(2, 1, 3, 0)),
    "integers": set_item(FIRST, torch.ones(2, 1, 3, 3, dtype=torch.int32)),
    "bool": set_item(FIRST, torch.ones(2, 1, 3, 3, dtype=torch.bool)),
    "8 bits": set_item(FIRST, torch.ones(2, 1, 3, 3).to(torch.float8_e4m3fn)),
    "complex": set_item(FIRST, torch.ones(2, 1, 3, 3, dtype=torch.complex64)),
    "a counter as float": set_item(
        "encoder.0.1.num_batches_tracked", torch.tensor(1.5)
    ),
}


@pytest.mark.parametrize("change", WRONG_WEIGHTS.values(), ids=WRONG_WEIGHTS)
def test_weights_that_do_not_fit_the_network_are_refused(path, model, change):
    change_weights(path, model, change)
    assert_refused(path, r"weights do not fit its network \(first: ")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_weights_with_nan_or_infinity_are_refused(path, model, bad):
    change_weights(path, model, lambda tensors: tensors[FIRST][1, 0, 2].fill_(bad))
    assert_refused(path, rf"NaN or infinity \(in {FIRST}\)")


def test_weights_too_large_for_the_network_are_refused(path, model):
    wide = torch.full((2, 1, 3, 3), 1e300, dtype=torch.float64)
    change_weights(path, model, set_item(FIRST, wide))
    assert_refused(path, rf"NaN or infinity \(in {FIRST}\)")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_taken_in_that_of_the_network(
    path, model, dtype
):
    change_weights(
        path,
        model,
        lambda t: t.update({k: v.to(dtype) for k, v in t.items() if v.ndim}),
    )
    loaded = load_model_file(path)
    assert loaded.network.state_dict()[FIRST].dtype == torch.float32


@pytest.mark.parametrize(
    "header",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"a": 5}',
        b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}',
    ],
)
@pytest.mark.parametrize("length", [None, 2**40])
def test_weights_with_a_broken_header_are_refused(path, header, length):
    size = struct.pack("<Q", len(header) if length is None else length)
    rewrite(path, {"weights.safetensors": size + header})
    assert_refused(path)


# --- cards


def set_field(*names, value):
    def change(card):
        for name in names[:-1]:
            card = card[name]
        card[names[-1]] = value

    return change


def test_a_newer_schema_is_refused_with_the_remedy(path):
    change_card(path, set_field("schema", value=SCHEMA_VERSION + 1))
    assert_refused(path, "Update napari-unet-studio")


@pytest.mark.parametrize("schema", [None, "1", 0, -1, 1.0, [1]])
def test_a_card_without_a_schema_version_is_refused(path, schema):
    change_card(path, set_field("schema", value=schema))
    assert_refused(path, "states no schema version")


@pytest.mark.parametrize(
    "text",
    ["[]", "5", "null", '"card"', "", "{", '{"a": 1', "\xff", '{"schema": 1}', "{}"],
)
def test_a_card_that_is_no_card_is_refused(path, text):
    rewrite(path, {"card.json": text.encode("latin1")})
    assert_refused(path)


@pytest.mark.parametrize("name", ["name", "spec", "normalisation", "class_values"])
def test_a_card_without_a_field_is_refused_by_its_name(path, name):
    change_card(path, lambda card: card.pop(name))
    assert_refused(path, name)


WRONG_FIELDS = [
    (("more",), 1),
    (("name",), 5),
    (("name",), None),
    (("spec",), None),
    (("spec",), "unet"),
    (("spec",), {}),
    (("spec", "family"), "transformer"),
    (("spec", "family"), ["unet"]),
    (("spec", "ndim"), 2.5),
    (("spec", "in_channels"), "1"),
    (("spec", "in_channels"), 1.5),
    (("spec", "channels"), None),
    (("spec", "channels"), [[2.5, 2], [3, 3]]),
    (("spec", "channels"), [[math.inf], [3]]),
    (("spec", "norm"), "layer"),
    (("spec", "padding"), 3),
    (("normalisation",), None),
    (("normalisation",), [1, 2]),
    (("normalisation", "method"), "median"),
    (("normalisation", "method"), ["percentile"]),
    (("normalisation", "low"), "1"),
    (("normalisation", "low"), math.nan),
    (("normalisation", "low"), 10**400),
    (("normalisation", "high"), -5),
    (("normalisation", "more"), 1),
    (("target",), "stars"),
    (("target",), None),
    (("class_values",), None),
    (("class_values",), 5),
    (("class_values",), ["a"]),
    (("class_values",), [math.inf]),
    (("class_values",), [0, 2**40]),
    (("spacing",), [1.0]),
    (("spacing",), [1.0, 0.0]),
    (("spacing",), [1.0, -1.0]),
    (("spacing",), [1.0, math.nan]),
    (("spacing",), [1.0, math.inf]),
    (("spacing",), "ab"),
    (("spacing",), 1.0),
    (("unit",), None),
    (("threshold",), None),
    (("threshold",), "0.5"),
    (("threshold",), 0),
    (("threshold",), 1.5),
    (("threshold",), math.nan),
    (("gap",), -1),
    (("gap",), "wide"),
    (("training",), 5),
    (("training",), None),
    (("scores",), [1]),
    (("data",), 5),
    (("data",), "ab"),
    (("versions",), "torch"),
    (("description",), ["a"]),
    (("created",), 5),
]


@pytest.mark.parametrize(("names", "value"), WRONG_FIELDS, ids=lambda v: str(v)[:30])
def test_a_card_with_a_field_that_makes_no_sense_is_refused(path, names, value):
    change_card(path, set_field(*names, value=value))
    assert_refused(path, "damaged or foreign")


def test_classes_need_a_label_value_each(tmp_path):
    spec = UNetSpec(channels=(2, 3), num_classes=3)
    model = made(spec, target="classes", class_values=(0, 5, 9))
    path = model.save(tmp_path / "a")
    assert load_model_file(path).card.class_values == (0, 5, 9)
    for values in ([0, 5], [0, 1, 2, 3], []):
        change_card(path, set_field("class_values", value=values))
        assert_refused(path, f"{len(values)} values for 3 classes")


def test_objects_of_more_than_two_logits_are_refused(path, tmp_path):
    # Prediction would take one of them for the foreground and drop the others.
    two = made(UNetSpec(channels=(2, 3), num_classes=2)).save(tmp_path / "two")
    assert load_model_file(two).card.target == "objects"
    spec = UNetSpec(channels=(2, 3), num_classes=3).to_dict()
    change_card(path, set_field("spec", value=spec))
    assert_refused(path, "objects have 1 or 2 logits, not 3")


@pytest.mark.parametrize("gap", [0, 1, 19, 20])
def test_a_model_trained_with_any_gap_can_be_loaded(tmp_path, gap):
    WeightConfig(gap=gap)  # the trainings there are
    card = load_model_file(made(gap=gap).save(tmp_path / "a")).card
    assert card.objects.close_gaps == (gap + 2 if gap else 0)


def test_fields_that_may_be_absent_have_their_defaults(path):
    kept = {"schema", "name", "spec", "normalisation", "class_values"}

    def only_those(card):
        for name in set(card) - kept:
            del card[name]

    change_card(path, only_those)
    assert load_model_file(path).card == ModelCard(name="cells", spec=SPEC)


# --- thumbnails


def png(width, height, body=b""):
    """A PNG file that claims a size."""

    def chunk(kind, data):
        code = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", code)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(body))
        + chunk(b"IEND", b"")
    )


def encoded(picture, kind):
    buffer = io.BytesIO()
    picture.save(buffer, format=kind)
    return buffer.getvalue()


BAD_PICTURES = {
    "empty": b"",
    "text": b"no picture at all, but a long enough text",
    "truncated": png(4, 4, bytes(52))[:-30],
    "without data": png(4, 4),
    "gigantic": png(2**30, 2**30),
    "larger than Pillow allows": png(20_000, 20_000),
    "larger than any thumbnail": encoded(Image.new("1", (9_000, 2_000)), "PNG"),
    "no size": png(0, 0),
    "another format": encoded(Image.new("RGB", (4, 4)), "JPEG"),
}


@pytest.mark.parametrize("data", BAD_PICTURES.values(), ids=BAD_PICTURES)
def test_a_broken_thumbnail_does_not_keep_a_model_from_loading(path, model, data):
    rewrite(path, {"thumbnail.png": data})
    loaded = load_model_file(path)
    assert loaded.thumbnail is None
    assert same_weights(loaded, model)


def test_a_model_needs_no_thumbnail(tmp_path, model):
    model.thumbnail = None
    assert load_model_file(model.save(tmp_path / "a")).thumbnail is None


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_a_thumbnail_of_any_kind_becomes_rgb(path, mode):
    rewrite(path, {"thumbnail.png": encoded(Image.new(mode, (6, 5)), "PNG")})
    found = load_model_file(path).thumbnail
    assert (found.shape, found.dtype) == ((5, 6, 3), np.uint8)
    assert found.flags.writeable
