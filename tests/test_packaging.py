"""What the package says of itself to pip, to the hub and to those who cite it."""

import re
import tomllib
from importlib.metadata import metadata
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
NAME = "napari-unet-studio"
META = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = META["project"]
EXTRAS = PROJECT["optional-dependencies"]
CITATION = yaml.safe_load((ROOT / "docs/CITATION.cff").read_text(encoding="utf-8"))
BINDINGS = {"pyqt5", "pyqt6", "pyside2", "pyside6"}


def _required(lines: list[str]) -> dict[str, Requirement]:
    return {Requirement(line).name.lower(): Requirement(line) for line in lines}


def test_dependencies_bring_neither_napari_nor_a_qt_binding() -> None:
    # An environment that has napari has chosen its binding; a cluster wants none.
    assert not {*BINDINGS, "napari"} & set(_required(PROJECT["dependencies"]))
    assert EXTRAS["all"] == ["napari[all]"]
    for_users = set(EXTRAS) - {"all", "dev", "test"}
    assert not any(BINDINGS & set(_required(EXTRAS[extra])) for extra in for_users)


@pytest.mark.parametrize("extra", ["", *sorted(set(EXTRAS) - {"all", "dev"})])
def test_every_dependency_has_a_lower_bound_and_no_upper_one(extra: str) -> None:
    # An upper bound keeps plugins of one napari from living together.
    lines = EXTRAS[extra] if extra else PROJECT["dependencies"]
    for name, requirement in _required(lines).items():
        operators = {specifier.operator for specifier in requirement.specifier}
        assert operators == {">="}, name


def test_every_pin_of_the_tests_is_allowed_by_the_metadata() -> None:
    text = (ROOT / ".ci/constraints.txt").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE))
    pins = {name.lower().replace("_", "-"): pin for name, pin in pins.items()}
    lines = [*PROJECT["dependencies"], *(line for e in EXTRAS.values() for line in e)]
    for name, requirement in _required(lines).items():
        if name in (NAME, "tensorboard"):
            continue
        assert pins[name] in requirement.specifier, name


def test_classifiers_are_known_and_name_napari() -> None:
    known = pytest.importorskip("trove_classifiers").classifiers
    assert set(PROJECT["classifiers"]) <= known
    assert "Framework :: napari" in PROJECT["classifiers"]
    assert sorted(PROJECT["classifiers"]) == PROJECT["classifiers"]


def test_pythons_of_the_classifiers_are_those_of_the_tests() -> None:
    start = "Programming Language :: Python :: 3."
    named = [c for c in PROJECT["classifiers"] if c.startswith(start)]
    pythons = [c.rpartition(" ")[2] for c in named]
    workflow = yaml.safe_load(
        (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
    )
    assert pythons == workflow["jobs"]["tests"]["strategy"]["matrix"]["python"]
    assert PROJECT["requires-python"] == f">={pythons[0]}"


def test_hub_finds_what_it_shows() -> None:
    # The hub reads the metadata of the index: summary, readme, licence and addresses.
    found = metadata(NAME)
    assert found["Summary"] == PROJECT["description"]
    assert found["License-Expression"] == "BSD-3-Clause"
    assert len(found["Summary"]) < 200
    assert {"Homepage", "Documentation", "Source Code", "Bug Tracker"} <= set(
        PROJECT["urls"]
    )
    assert all(url.startswith("https://") for url in PROJECT["urls"].values())


def test_types_and_models_come_with_the_package() -> None:
    package = files("napari_unet_studio")
    for name in ("py.typed", "napari.yaml", "icon.svg", "models/nuclei.unet"):
        assert package.joinpath(name).is_file()


def test_citation_names_this_version_and_licence() -> None:
    assert CITATION["version"] == PROJECT["version"]
    assert CITATION["license"] == PROJECT["license"]
    assert CITATION["repository-code"] == PROJECT["urls"]["Source Code"]
    assert CITATION["title"].startswith(NAME)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"version = {{{PROJECT['version']}}}" in readme
    assert f"title   = {{{CITATION['title']}}}" in readme
