"""What the README shows works, and its links lead somewhere, also from the hub."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "urls"
]
SITE = URLS["Documentation"]
SOURCE = URLS["Source Code"]
PICTURES = f"{SOURCE.replace('github.com', 'raw.githubusercontent.com')}/main/"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def _shell_lines() -> list[str]:
    lines = [line for block in _blocks("console") for line in block.splitlines()]
    commands = [part.strip() for line in lines for part in line.split("&&")]
    return [line for line in commands if "unet" in line and "pip" not in line]


def test_links_are_absolute_and_lead_to_pages_that_exist() -> None:
    # A path would be broken where others show this text.
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    for link in links:
        assert link.startswith("https://")
        if link.startswith(PICTURES):
            assert (ROOT / link.removeprefix(PICTURES)).is_file(), link
        elif link.startswith(SITE):
            page = link.removeprefix(SITE).strip("/").partition("#")[0] or "index.html"
            assert (ROOT / "docs" / page).with_suffix(".md").is_file(), link
        elif link.startswith(f"{SOURCE}/blob/main/"):
            assert (ROOT / link.removeprefix(f"{SOURCE}/blob/main/")).is_file(), link


def test_three_pictures_with_words_for_those_who_do_not_see_them() -> None:
    pictures = re.findall(r"!\[([^]]*)\]\(([^)]+)\)", README)
    assert len(pictures) == 3
    for words, link in pictures:
        assert len(words) > 20
        assert link.startswith(PICTURES)


def test_command_for_the_tests_is_the_one_that_ends_the_checks() -> None:
    install, tests = (block.strip() for block in _blocks("console")[::2])
    assert install.endswith("'.[all]' && unet-studio demo")
    checks = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert checks.rstrip().splitlines()[-1] == tests


@pytest.mark.parametrize("line", _shell_lines())
def test_command_of_the_shell_has_these_options(line: str) -> None:
    from napari_unet_studio.cli.app import app

    words = shlex.split(line, comments=True)
    while words.pop(0) not in ("unet-studio", "napari_unet_studio"):
        pass  # torchrun, with options of its own
    shown = CliRunner().invoke(app, [words[0], "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    options = set(re.findall(r"(?<!\S)--?[\w-]+", shown.output.replace(",", " ")))
    assert {word for word in words if word.startswith("-")} <= options


@pytest.mark.slow
def test_python_of_the_readme_runs_in_an_empty_folder(tmp_path: Path) -> None:
    (code,) = _blocks("python")
    lines = [line for line in code.splitlines() if line]
    assert len(lines) == 10
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "f1" in done.stdout.lower()
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"objects.csv", "cells.unet", "cells.pt"}
