import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_unet_studio.core.errors import StorageError
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.io.ledger import Ledger


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path / "cells.zarr.part" / "ledger")
    assert made.begin({"tile": 512}) is False
    return made


def test_a_new_ledger_knows_of_no_block(tmp_path):
    assert Ledger(tmp_path).done("objects") == set()
    assert Ledger(tmp_path).summaries("objects") == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    marks=st.dictionaries(
        st.integers(0, 10**9), st.none() | st.binary(max_size=50), max_size=6
    )
)
def test_what_is_marked_is_done_and_summaries_come_back(ledger, marks):
    stage = f"stage-{time.monotonic_ns()}"
    for number, summary in marks.items():
        ledger.mark(stage, number, summary)
    again = Ledger(ledger.folder)
    assert again.done(stage) == set(marks)
    kept = {number: data for number, data in marks.items() if data is not None}
    assert again.summaries(stage) == kept
    assert list(again.summaries(stage)) == sorted(kept)


def test_stages_are_apart_and_a_second_mark_replaces_the_first(ledger):
    ledger.mark("a", 1, b"first")
    ledger.mark("a", 1, b"second")
    ledger.mark("b", 2)
    assert (ledger.done("a"), ledger.done("b")) == ({1}, {2})
    assert ledger.summaries("a") == {1: b"second"}


@pytest.mark.parametrize("stage", ["", "a/b", "..", "a b"])
def test_a_stage_that_is_no_name_of_a_folder_is_refused(ledger, stage):
    with pytest.raises(ValueError, match="letters and digits"):
        ledger.mark(stage, 0)


# --- settings


def test_a_job_goes_on_with_equal_settings_whatever_types_json_makes_of_them(ledger):
    values = {"shape": (5, 6), "config": asdict(ObjectConfig()), "n": np.int64(3)}
    folder = ledger.folder.parent / "other"
    assert Ledger(folder).begin(values) is False
    assert Ledger(folder).begin({**values, "shape": [5, 6], "n": 3}) is True


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"tile": 256}, "tile was 512, not 256"),
        ({"tile": True}, "tile was 512, not true"),
        ({"extra": 1}, "extra was null, not 1"),
        ({"config": {"margin": "fast", "heads": 1}}, 'margin was "exact", not "fast"'),
        ({"config": {"margin": "exact"}}, "config.heads was 1, not null"),
    ],
)
def test_other_settings_are_refused_by_the_first_key_that_differs(
    tmp_path, changes, sentence
):
    values = {"tile": 512, "config": {"margin": "exact", "heads": 1}}
    Ledger(tmp_path / "ledger").begin(values)
    with pytest.raises(StorageError, match="start anew with --overwrite") as caught:
        Ledger(tmp_path / "ledger").begin({**values, **changes})
    assert sentence in str(caught.value)
    assert Ledger(tmp_path / "ledger").begin(values) is True


def test_settings_that_cannot_be_read_are_an_error_that_names_their_file(ledger):
    (ledger.folder / "job.json").write_text("{")
    with pytest.raises(StorageError, match=r"job\.json cannot be read as the settings"):
        ledger.begin({})


# --- failures


@pytest.mark.parametrize("summary", [None, b"", b"some summary"])
def test_a_damaged_mark_is_not_counted(ledger, summary):
    ledger.mark("a", 1)
    ledger.mark("a", 2, summary)
    file = ledger.folder / "a" / "2"
    data = file.read_bytes()
    for end in range(len(data)):
        file.write_bytes(data[:end])
        assert ledger.done("a") == {1}
    file.write_bytes(bytes(len(data)))
    assert ledger.done("a") == {1}
    file.write_bytes(data)
    assert ledger.done("a") == {1, 2}


def test_a_ledger_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="could not be written"):
        Ledger(tmp_path / "file").begin({})
    with pytest.raises(StorageError, match="could not be written"):
        Ledger(tmp_path / "file").mark("a", 1)


WRITER = """
import sys
from napari_unet_studio.io.ledger import Ledger
first, last, step = map(int, sys.argv[2:])
ledger = Ledger(sys.argv[1])
print("ready", flush=True)
for number in range(first, last, step):
    ledger.mark("a", number, str(number).encode() * 50)
"""


def writer(ledger, *numbers):
    arguments = [str(ledger.folder), *map(str, numbers)]
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE, text=True
    )


def test_processes_mark_at_the_same_time(ledger):
    processes = [writer(ledger, first, 300, 3) for first in range(3)]
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    expected = {number: str(number).encode() * 50 for number in range(300)}
    assert ledger.summaries("a") == expected


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_a_killed_process_leaves_whole_marks_only(ledger):
    process = writer(ledger, 0, 10**7, 1)
    process.stdout.readline()
    while len(ledger.done("a")) < 50:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    names = {int(p.name) for p in (ledger.folder / "a").iterdir() if p.name.isdecimal()}
    assert ledger.done("a") == names == set(range(max(names) + 1))
    assert all(d == str(n).encode() * 50 for n, d in ledger.summaries("a").items())
