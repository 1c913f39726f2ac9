"""The tutorials are run: their code as it stands there, their steps in a real window.

A block of Python or of a shell runs as it is, in an empty folder. The text block behind
it is what it prints, up to the tolerance of its numbers; "..." stands for anything. A
comment before a block may say more: ``<!-- file: NAME -->`` writes the block to a file,
``<!-- not run: WHY -->`` leaves it alone, ``<!-- tolerance: 0.2 -->`` is for the text.
"""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = ROOT / "docs" / "tutorials"
PAGES = sorted(path.stem for path in TUTORIALS.glob("*.md") if path.stem != "index")
PICTURES = ROOT / "docs" / "images" / "tutorials"


def text_of(page: str) -> str:
    return (TUTORIALS / f"{page}.md").read_text(encoding="utf-8")


DRAWN = [page for page in PAGES if "## In the window" in text_of(page)]

_BLOCK = re.compile(
    r"(?P<notes>(?:<!--[^\n]*-->\n)*)```(?P<kind>\w+)\n(?P<code>.*?)```\n", re.DOTALL
)
_NOTE = re.compile(r"<!-- (?P<what>file|not run|tolerance): (?P<value>.*?) -->")
_NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
_STEP = re.compile(r"^\d+\. .*?(?=^\d+\. |^\S|\Z)", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"(?<![*\w])\*([^*]+)\*(?![*\w])")
TOLERANCE = 0.05  # of a number that is printed: computers round differently


@dataclass(frozen=True)
class Block:
    """A block of code, what its comments say, and what it prints."""

    kind: str
    code: str
    line: int
    notes: dict[str, str] = field(default_factory=dict)
    printed: str | None = None
    tolerance: float = TOLERANCE


def blocks_of(text: str) -> Iterator[Block]:
    """Find the blocks of a page in their order, each with the text behind it."""
    found = list(_BLOCK.finditer(text))
    for number, match in enumerate(found):
        if match["kind"] == "text":
            continue
        after = found[number + 1] if number + 1 < len(found) else None
        printed, tolerance = None, TOLERANCE
        if after is not None and after["kind"] == "text":
            between = text[match.end() : after.start()]
            if not between.strip():
                printed = after["code"]
                told = notes_of(after["notes"])
                tolerance = float(told.get("tolerance", TOLERANCE))
        line = text.count("\n", 0, match.start("code"))
        notes = notes_of(match["notes"])
        yield Block(match["kind"], match["code"], line, notes, printed, tolerance)


def notes_of(comments: str) -> dict[str, str]:
    """Read the comments before a block."""
    return {note["what"]: note["value"] for note in _NOTE.finditer(comments)}


def same(printed: str, expected: str, tolerance: float) -> bool:
    """Compare two texts: words, numbers within a tolerance, spaces not at all."""
    pattern = ""
    wanted: list[float] = []
    for part in re.split(rf"(\.\.\.|{_NUMBER.pattern})", " ".join(expected.split())):
        if part == "...":
            pattern += ".*?"
        elif part and _NUMBER.fullmatch(part):
            pattern += f"({_NUMBER.pattern})"
            wanted.append(_number(part))
        else:
            pattern += r"\s*".join(map(re.escape, re.split(r"\s+", part)))
    match = re.fullmatch(pattern, " ".join(printed.split()), re.DOTALL)
    if match is None:
        return False
    return all(
        abs(_number(got) - want) <= max(tolerance, tolerance * abs(want))
        for got, want in zip(match.groups(), wanted, strict=True)
    )


def _number(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))


def names_of(text: str) -> list[str]:
    """Return what the steps of a page call by its name on the screen."""
    window = text.partition("## In the window")[2].partition("\n## ")[0]
    steps = " ".join(step.group() for step in _STEP.finditer(window))
    return [" ".join(name.split()) for name in _NAME.findall(steps)]


def test_text_is_compared_by_words_and_roughly_by_numbers():
    assert same("106 objects, F1 0.98\n", "105 objects,   F1 1.0", 0.05)
    assert same("a 1,000 b", "a 1000 ...", 0.05)
    assert not same("106 objects", "106 cells", 0.05)
    assert not same("F1 0.5", "F1 0.98", 0.05)
    assert not same("106 objects and more", "106 objects", 0.05)


@pytest.mark.parametrize("page", PAGES)
def test_page_has_an_end_for_each_block_and_text_behind_code_only(page):
    text = text_of(page)
    assert text.count("\n```") % 2 == 0
    kinds = {match["kind"] for match in _BLOCK.finditer(text)}
    assert kinds <= {"python", "console", "bash", "json", "text"}
    for block in blocks_of(text):
        assert block.kind in ("python", "console") or block.notes, block.line


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_code_of_a_page_runs_from_its_text_alone(page, tmp_path, monkeypatch):
    monkeypatch.setenv("UNET_STUDIO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    folders = [write_slurm(tmp_path), sysconfig.get_path("scripts"), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(folders))
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    text = text_of(page)
    namespace: dict[str, Any] = {"__name__": "tutorial"}
    for block in blocks_of(text):
        where = f"{page}.md, line {block.line}"
        if "file" in block.notes:
            Path(block.notes["file"]).write_text(block.code)
            if block.kind == "bash":
                run_shell(f"bash -n {block.notes['file']}", where)
            continue
        if "not run" in block.notes or block.kind not in ("python", "console"):
            continue
        if block.kind == "python":
            printed = run_python(block.code, namespace, where)
        else:
            printed = run_shell(block.code, where)
        if block.printed is not None:
            assert same(printed, block.printed, block.tolerance), f"{where}:\n{printed}"


# What SLURM does, on one computer: a script is run as a job, or as the jobs of its
# array, with the variables that it has there; what they have started ends with them.
_SBATCH = """#!/usr/bin/env python
import os, re, signal, subprocess, sys
script = open(sys.argv[1]).read()
array = re.search(r"--array=(\\d+)-(\\d+)", script)
cpus = re.search(r"--cpus-per-task=(\\d+)", script)
numbers = range(int(array[1]), int(array[2]) + 1) if array else [None]
for number in numbers:
    job = {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "1", "SLURM_JOB_NODELIST": "localhost"}
    job |= {"SLURM_CPUS_PER_TASK": cpus[1], "SLURM_NNODES": "1"}
    job |= {} if number is None else {"SLURM_ARRAY_TASK_ID": str(number)}
    command, environment = ["bash", sys.argv[1]], {**os.environ, **job}
    how = {"env": environment, "start_new_session": True, "stderr": subprocess.STDOUT}
    with open("slurm-1.out", "ab") as out:
        done = subprocess.Popen(command, stdout=out, **how)
        code = done.wait()
    try:
        os.killpg(done.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    if code:
        sys.exit(open("slurm-1.out").read())
print("Submitted batch job 1")
"""
_SRUN = '#!/bin/bash\nexec "$@"\n'


def write_slurm(folder: Path) -> str:
    """Write stand-ins for the programs of SLURM, and return where they are."""
    programs = folder / "slurm"
    programs.mkdir()
    for name, text in (("sbatch", _SBATCH), ("srun", _SRUN)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return str(programs)


def run_python(code: str, namespace: dict[str, Any], where: str) -> str:
    """Run a block where those before it left off."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, where, "exec"), namespace)
    return printed.getvalue()


def run_shell(code: str, where: str) -> str:
    """Run a block line by line, as somebody would who stops at the first error."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, f"{where}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> dict[str, dict[str, list[str]]]:
    """Let the hands do all pages, each training for a moment, and say what they saw."""
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        pytest.skip("no display to open napari on")
    folder = tmp_path_factory.mktemp("drawn")
    script = [sys.executable, str(TUTORIALS / "draw.py"), "--quick"]
    options = ["--out", str(folder), "--words", str(folder / "words.json")]
    done = subprocess.run(
        [*script, *options], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "words.json").read_text())


@pytest.mark.gui
@pytest.mark.slow
def test_all_pages_with_steps_are_drawn(words):
    assert sorted(words) == DRAWN


@pytest.mark.gui
@pytest.mark.slow
@pytest.mark.parametrize("page", DRAWN)
def test_steps_of_a_page_are_those_that_the_hands_did(page, words):
    told = names_of(text_of(page))
    used, seen = words[page]["used"], words[page]["seen"]
    unknown = [name for name in told if name not in seen and name not in used]
    assert not unknown, "not on the screen"
    rest = iter(told)
    missing = [name for name in used if name not in rest]
    assert not missing, "not in the text, or in another order"


@pytest.mark.parametrize("page", DRAWN)
def test_pictures_of_a_page_exist_and_none_is_left_over(page):
    text = text_of(page)
    shown = set(re.findall(r"\.\./images/tutorials/([\w-]+\.png)", text))
    there = {
        path.name for path in (ROOT / "docs/images/tutorials").glob(f"{page}-*.png")
    }
    assert shown == there
