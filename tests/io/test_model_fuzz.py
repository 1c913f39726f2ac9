"""Files that were changed at random, and writers that were killed on the way."""

import copy
import json
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as to_safetensors

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.model_file import load_model_file, read_card

SPEC = UNetSpec(channels=(2, 3), norm="batch")
# What mutations put in the place of values of a card: what JSON can hold at its worst.
ODD = (
    None, True, -1, 0, 2**31, 2**70, 1e308, -1e-300, "", "x", "\x00", "../../x",
    [], [[]], [None], [1] * 50, {}, {"a": {}}, {"family": "unet"},
)  # fmt: skip


@pytest.fixture
def path(tmp_path):
    torch.manual_seed(0)
    thumbnail = np.zeros((8, 8, 3), np.uint8)
    card = ModelCard(name="cells", spec=SPEC, training={"config": {"updates": 3}})
    return Model(build(SPEC), card, thumbnail).save(tmp_path / "in" / "cells")


def read_or_refuse(path):
    """Read a file in both ways; whether it was taken. Anything but a refusal fails."""
    try:
        read_card(path)
        model = load_model_file(path)
    except StudioError:
        return False
    assert all(p.isfinite().all() for p in model.network.parameters())
    return True


def nothing_else(path):
    """Whether the folder above the file's holds nothing but that folder."""
    return [p.name for p in path.parents[1].iterdir()] == [path.parent.name]


@pytest.mark.slow
def test_bytes_changed_at_random_are_read_or_refused(path):
    data, rng = path.read_bytes(), random.Random(0)
    taken = 0
    for _ in range(2000):
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8, 64))):
            place = rng.randrange(len(changed))
            kind = rng.randrange(4)
            if kind == 0:
                changed[place] ^= 1 << rng.randrange(8)
            elif kind == 1:
                changed[place] = rng.choice((0, 1, 127, 128, 255))
            elif kind == 2:
                del changed[place : place + rng.randrange(1, 40)]
            else:
                changed[place:place] = rng.randbytes(rng.randrange(1, 40))
        path.write_bytes(changed)
        taken += read_or_refuse(path)
    assert taken < 2000
    assert nothing_else(path)


def rewritten(path, card, weights, name="weights.safetensors"):
    """Write an archive whose checksums are right, whatever it holds."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("card.json", card)
        archive.writestr(name, weights)


@pytest.mark.slow
def test_cards_changed_at_random_are_read_or_refused(path):
    rng = random.Random(1)
    with zipfile.ZipFile(path) as archive:
        card = json.loads(archive.read("card.json"))
        weights = archive.read("weights.safetensors")

    def places(values, before=()):
        items = values.items() if isinstance(values, dict) else enumerate(values)
        for key, value in items:
            yield (*before, key)
            if isinstance(value, dict | list):
                yield from places(value, (*before, key))

    everywhere = list(places(card))
    for _ in range(1500):
        changed = json.loads(json.dumps(card))
        for place in rng.sample(everywhere, rng.choice((1, 1, 2, 4))):
            inside = changed
            try:
                for key in place[:-1]:
                    inside = inside[key]
                if rng.random() < 0.2:
                    del inside[place[-1]]
                else:
                    inside[place[-1]] = copy.deepcopy(rng.choice(ODD))
            except (KeyError, IndexError, TypeError):
                continue  # another change took the place away
        rewritten(path, json.dumps(changed), weights)
        read_or_refuse(path)
    assert nothing_else(path)


@pytest.mark.slow
def test_weights_changed_at_random_are_read_or_refused(path):
    rng = random.Random(2)
    with zipfile.ZipFile(path) as archive:
        card = archive.read("card.json")
        weights = archive.read("weights.safetensors")
    header = int.from_bytes(weights[:8], "little") + 8
    for _ in range(1500):
        changed = bytearray(weights)
        for _ in range(rng.choice((1, 2, 8))):
            # The header is where things go wrong: most changes go there.
            end = header if rng.random() < 0.8 else len(changed)
            changed[rng.randrange(end)] = rng.randrange(256)
        rewritten(path, card, bytes(changed))
        read_or_refuse(path)
    assert nothing_else(path)


@pytest.mark.parametrize(
    "name", ["../out.safetensors", "/tmp/out.safetensors", "C:\\out", "a/../../b"]
)
def test_entries_with_paths_are_left_where_they_are(path, name):
    state = {k: v.contiguous() for k, v in build(SPEC).state_dict().items()}
    with zipfile.ZipFile(path) as archive:
        card = archive.read("card.json")
    rewritten(path, card, to_safetensors(state), name)
    assert not read_or_refuse(path)
    assert nothing_else(path)


KILLED = """
import os, resource, signal, sys, zipfile
from pathlib import Path
import torch
from napari_unet_studio.io.model_file import load_model_file
from napari_unet_studio.core.errors import StorageError

def entries(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}

path, new, how = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
old, model = path.read_bytes(), load_model_file(new)
size = new.stat().st_size
ends = set()
for limit in [0, 1, 30, *range(64, size, size // 60), size - 1, size + 4096]:
    child = os.fork()
    if not child:
        # The kernel lets a process write so many bytes and no more.
        default = signal.SIG_DFL if how == "killed" else signal.SIG_IGN
        signal.signal(signal.SIGXFSZ, default)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            model.save(path)
        except StorageError:
            os._exit(3)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if how == "killed" and os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGXFSZ, status
        end = "killed"
    else:
        end = {0: "whole", 3: "refused"}[os.waitstatus_to_exitcode(status)]
    ends.add(end)
    if end == "whole":
        assert entries(path) == entries(new)
        path.write_bytes(old)
    else:
        assert path.read_bytes() == old, (limit, end)
    # What a killed writer had begun stays, under another name.
    assert how == "killed" or os.listdir(path.parent) == [path.name]
print(sorted(ends))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of a Unix kernel")
@pytest.mark.parametrize("how", ["killed", "full"])
@pytest.mark.slow
def test_a_writer_that_ends_at_any_byte_leaves_the_old_file_whole(path, how, tmp_path):
    torch.manual_seed(1)
    new = Model(build(SPEC), ModelCard(name="new", spec=SPEC)).save(tmp_path / "new")
    again = subprocess.run(
        [sys.executable, "-c", KILLED, path, new, how],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert again.returncode == 0, again.stderr
    assert again.stdout.strip() == str(
        ["killed", "whole"] if how == "killed" else ["refused", "whole"]
    )
    assert read_or_refuse(path)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_read_only_folder_is_refused(path):
    folder = Path(path.parent)
    folder.chmod(0o500)
    try:
        with pytest.raises(StudioError, match="choose a folder that is writable"):
            load_model_file(path).save(path)
    finally:
        folder.chmod(0o700)
    assert read_or_refuse(path)
