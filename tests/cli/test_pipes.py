"""The program among others: pipes, closed streams, languages, Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-c", "from napari_unet_studio.cli import main; main()"]
ESCAPE = "\x1b"
posix = pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")


def run(*words: str, **settings: Any) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, **settings.pop("env", {})}
    given = {"capture_output": True, "text": True, "check": False, **settings}
    return subprocess.run([*COMMAND, *words], env=env, **given)


@posix
@pytest.mark.parametrize("words", [("networks",), ("networks", "--json"), ("--help",)])
def test_a_reader_that_goes_away_is_no_error(words: tuple[str, ...]) -> None:
    with subprocess.Popen(
        [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, err = process.communicate(timeout=120)
    assert process.returncode in (0, 141)
    assert err == b""


@posix
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$0" "$@" {closed}', *COMMAND, "models"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@posix
def test_an_error_without_anywhere_to_tell_it_has_its_exit_code() -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" "$@" 2>&-', *COMMAND, "models", "info", "nothing"],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_pipe_has_no_colours_no_bar_and_whole_lines(tmp_path: Path) -> None:
    done = run("networks", env={"COLUMNS": "40"}, cwd=tmp_path)
    assert ESCAPE not in done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if line.strip()]
    assert all(len(row.split()) >= 5 for row in rows)
    wrong = run("models", "info", "nothing", cwd=tmp_path)
    assert ESCAPE not in wrong.stderr
    assert wrong.stderr.count("\n") == 1


@posix
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_language_without_utf_8_is_written_in_too(
    tmp_path: Path, encoding: str
) -> None:
    env = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "LC_ALL": "C"}
    for words in (("networks",), ("--help",), ("weights", "\u03bcm \u2013 \u4e2d.tif")):
        done = run(*words, env=env, cwd=tmp_path, text=False, encoding=encoding)
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 2)
        assert done.stdout or "does not exist" in done.stderr


@posix
@pytest.mark.parametrize(("no_colour", "coloured"), [("", True), ("1", False)])
def test_a_terminal_has_colours_unless_they_are_not_wanted(
    no_colour: str, coloured: bool, tmp_path: Path
) -> None:
    import pty

    parent, child = pty.openpty()
    env = {"NO_COLOR": no_colour, "TERM": "xterm-256color", "COLUMNS": "30"}
    with subprocess.Popen(
        [*COMMAND, "settings", "get", "nothing"],
        env={**os.environ, **env},
        stdin=child,
        stdout=child,
        stderr=child,
        cwd=tmp_path,
    ) as process:
        os.close(child)
        written = b""
        try:
            while piece := os.read(parent, 4096):
                written += piece
        except OSError:  # the other end was closed
            pass
        os.close(parent)
    assert process.returncode == 2
    assert (re.search(rb"\x1b\[[0-9;]*3[0-9]", written) is not None) is coloured
    assert b"There is no setting" in written


@posix
@pytest.mark.slow
def test_ctrl_c_is_one_line_and_130() -> None:
    words = ("benchmark", "weights", "--seconds", "600")
    # What a shell starts in the background, such as these tests, ignores Ctrl-C.
    with subprocess.Popen(
        [*COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("measuring a fresh process")
        assert process.stderr.readline().startswith("measuring")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, "")
    said = [line for line in err.splitlines() if not line.startswith("measuring")]
    assert said == ["unet-studio: stopped."]


def test_json_is_json_whatever_the_terminal(tmp_path: Path) -> None:
    done = run("info", "--json", env={"COLUMNS": "10"}, cwd=tmp_path)
    assert done.stderr == ""
    assert json.loads(done.stdout)["packages"]["numpy"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("words", [("networks", "--json"), ("networks",)])
def test_output_for_which_there_is_no_space_is_one_line(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = run(*words, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


@posix
@pytest.mark.parametrize("place", ["--figure=f.svg", "--page=docs"])
def test_a_figure_or_a_page_is_written_whole_or_not_at_all(
    place: str, tmp_path: Path
) -> None:
    import resource

    def tiny_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    words = ("networks", *(["unet"] if "figure" in place else []), place)
    done = run(*words, cwd=tmp_path, preexec_fn=tiny_files)
    assert done.returncode == 2
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert "could not be written" in done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
