"""The pages name what there is: links, pictures, commands, settings, names."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
import yaml

import napari_unet_studio as us
from napari_unet_studio.tasks.nvidia import CUDA_BUILDS

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)
_NAMES = [page.relative_to(DOCS).as_posix() for page in PAGES]
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", re.DOTALL)
_IMAGE = re.compile(
    r"!\[[^\]]*\]\(([^)\s]+)\)|^[`:]{3,}\{(?:figure|image)\} *(\S+)", re.MULTILINE
)
_FENCE = re.compile(r"^(`{3,}|:{3,})(\{?[\w-]*\}?)[^\n]*\n(.*?)^\1", re.M | re.DOTALL)
_PICTURES = (".png", ".svg", ".webp", ".gif")
_OURS = "raw.githubusercontent.com/napari-unet-studio/napari-unet-studio/main/docs/"


@cache
def script(name: str) -> ModuleType:
    """Import a program of the folder of the docs."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@cache
def prose(page: Path) -> str:
    """A page without its code."""
    return _FENCE.sub(
        lambda found: "" if found[2] and found[2][0] != "{" else found[0], text(page)
    )


def blocks(page: Path, *languages: str) -> Iterator[str]:
    for _, language, code in _FENCE.findall(text(page)):
        if language in languages:
            yield code


@cache
def anchors(page: Path) -> frozenset[str]:
    """What a link to a page may name: its headings and its labels."""
    found = set(re.findall(r"^\(([\w-]+)\)=$", text(page), re.MULTILINE))
    for title in re.findall(r"^#{1,3} (.+)$", prose(page), re.MULTILINE):
        kept = re.sub(r"[^\w\- ]", "", title.lower()).strip()
        found.add(kept.replace(" ", "-"))
    return frozenset(found)


def images(page: Path) -> Iterator[Path]:
    for plain, figure in _IMAGE.findall(text(page)):
        if "://" not in (plain or figure):
            yield (page.parent / (plain or figure)).resolve()


@pytest.mark.parametrize("name", _NAMES)
def test_links_within_the_pages_lead_somewhere(name: str) -> None:
    page = DOCS / name
    for link in _LINK.findall(prose(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        place, _, anchor = unquote(link).partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.is_file(), f"{name} links to {link}, which is not there"
        if anchor:
            assert anchor in anchors(target), f"{name} links to {link}: no such part"


@pytest.mark.parametrize("name", _NAMES)
def test_pictures_of_a_page_are_there(name: str) -> None:
    for image in images(DOCS / name):
        assert image.is_file(), f"{name} shows {image.name}, which is not there"


def test_every_picture_is_shown_somewhere() -> None:
    shown = {image for page in PAGES for image in images(page)}
    readme = text(ROOT / "README.md")
    folder = DOCS / "images"
    pictures = [p for p in folder.rglob("*") if p.suffix in _PICTURES]
    assert pictures
    for picture in pictures:
        known = f"{_OURS}{picture.relative_to(DOCS).as_posix()}" in readme
        known = known or f"docs/{picture.relative_to(DOCS).as_posix()}" in readme
        assert known or picture in shown, f"no page shows {picture.relative_to(DOCS)}"


def test_every_page_is_in_the_menu_of_the_site() -> None:
    listed = set()
    for page in PAGES:
        for block in blocks(page, "{toctree}"):
            for line in block.splitlines():
                if line and not line.startswith(":"):
                    entry = line.rpartition("<")[2].rstrip(">").strip()
                    listed.add((page.parent / f"{entry}.md").resolve())
    assert listed >= set(PAGES) - {DOCS / "index.md"}


def _commands(page: Path) -> Iterator[str]:
    for code in blocks(page, "console", "bash", "sh"):
        for line in code.replace("\\\n", " ").splitlines():
            yield line.removeprefix("$ ")
    yield from re.findall(r"`(unet-studio [^`]+)`", prose(page))


@pytest.mark.parametrize("name", _NAMES)
def test_commands_of_a_page_exist_with_their_options(name: str) -> None:
    shell = script("parameters").shell_command
    for line in _commands(DOCS / name):
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # a part of a longer document
            continue
        if "unet-studio" not in words:
            continue
        command, rest = shell(words[words.index("unet-studio") + 1 :])
        known = {each for part in command.params for each in part.opts}
        known |= {each for part in command.params for each in part.secondary_opts}
        known |= {"--help", "--install-completion", "--show-completion", "--version"}
        for word in rest:
            if word in ("|", ">", "&&", ";", "&", "2>"):
                break
            option = word.partition("=")[0]
            if option.startswith("--"):
                assert option in known, f"{name}: no option {option} in: {line}"


@pytest.mark.parametrize("name", _NAMES)
def test_names_that_a_page_takes_from_the_package_exist(name: str) -> None:
    code = "\n".join(blocks(DOCS / name, "python"))
    code += "\n".join(re.findall(r"`([^`\n]+)`", prose(DOCS / name)))
    for attribute in set(re.findall(r"\bus\.([A-Za-z_]\w*)", code)):
        assert hasattr(us, attribute), f"{name}: there is no us.{attribute}"


def test_lines_that_install_torch_are_those_that_the_program_gives() -> None:
    page = text(DOCS / "howto" / "install.md")
    for build in CUDA_BUILDS:
        assert f"`{build.command}`" in page
        assert f"{build.driver} or newer" in page
    known = {build.index for build in CUDA_BUILDS}
    for each in [*PAGES, ROOT / "README.md"]:
        indices = set(re.findall(r"whl/(cu\d+)", text(each)))
        assert indices <= known, f"{each.name} names {indices - known}"


def test_page_of_settings_is_what_its_program_writes(qtbot: "QtBot") -> None:
    """If not: ``python docs/parameters.py``."""
    written = text(DOCS / "parameters.md")
    assert script("parameters").page() == written


def test_page_of_settings_has_every_configuration() -> None:
    from napari_unet_studio.core.config import Config

    def below(config: type[Config]) -> Iterator[type[Config]]:
        for each in config.__subclasses__():
            yield each
            yield from below(each)

    parameters = script("parameters")
    told = {parameters.found(group) for group in parameters.GROUPS}
    ours = {c for c in below(Config) if c.__module__.startswith("napari_unet_studio")}
    assert ours <= told


def test_every_dock_has_its_picture_and_its_words() -> None:
    manifest = yaml.safe_load(text(ROOT / "napari.yaml"))
    docks = [each["display_name"] for each in manifest["contributions"]["widgets"]]
    windows = script("windows")
    assert set(windows.DOCKS.values()) == set(docks)
    assert set(windows.DOCKS) == set(windows.PICTURES)
    for dock in docks:
        assert f"\n{dock}\n: " in text(DOCS / "index.md")


def test_questions_have_answers_of_some_sentences() -> None:
    asked: list[Any] = re.findall(
        r"^(\S.*)\n: (.+(?:\n  .+)*)", text(DOCS / "faq.md"), re.M
    )
    assert len(asked) > 30
    for question, answer in asked:
        assert question.endswith(("?", ".")), question
        assert 20 <= len(answer) <= 500, question
