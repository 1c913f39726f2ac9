"""The command that tells about networks, and the page it writes."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from napari_unet_studio.cli import main
from napari_unet_studio.cli.measure import measured_shape
from napari_unet_studio.cli.network_page import FIGURES, figure, page, read_times
from napari_unet_studio.core.networks.catalog import NETWORKS
from napari_unet_studio.core.networks.papers import SECTIONS

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def call(monkeypatch, capfd, tmp_path):
    """Run the command in an empty folder; gives its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["unet-studio", "networks", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capfd.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return call


def test_the_table_has_every_network(call) -> None:
    code, out, err = call()
    assert code == 0
    assert err == ""
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(NETWORKS)
    assert "31.03 M" in next(line for line in lines if "unet-2015" in line)
    assert "whole image" in next(line for line in lines if "guided" in line)


def test_the_table_as_json(call) -> None:
    _, out, _ = call("--json")
    rows = {row["network"]: row for row in json.loads(out)}
    for name, spec in NETWORKS.items():
        assert rows[name]["parameters"] == spec.parameters
        assert tuple(rows[name]["receptive_field"]) == spec.receptive_field
        assert rows[name]["heads"] == spec.num_heads


def test_a_network_of_another_width(call) -> None:
    code, out, _ = call("unet", "--width=0.25")
    assert code == 0
    assert f"parameters: {NETWORKS['unet-16'].parameters:,}" in out
    for width in ("0", "-1", "nan"):
        code, _, err = call("unet", f"--width={width}")
        assert code == 2
        assert f"The width factor is {float(width)}" in err


def test_one_network(call) -> None:
    code, out, _ = call("unet-2015", "--shape=572", "--batch=2")
    assert code == 0
    assert "parameters: 31,030,658" in out
    assert "output shape: (388, 388)" in out
    assert "smallest input: (188, 188)" in out
    assert "MiB" in out


def test_one_network_as_json(call) -> None:
    _, out, _ = call("unet-3d", "--shape=32x64x64", "--json")
    found, spec = json.loads(out), NETWORKS["unet-3d"]
    assert found["training_bytes"] == spec.costs((32, 64, 64)).training_bytes
    assert found["halo"] == list(spec.halo)
    assert (found["norm"], found["init"]) == (spec.norm, spec.init)


def test_a_figure(call, tmp_path) -> None:
    code, out, _ = call("unet++", "--figure=new/unet.svg")
    assert code == 0
    assert "new/unet.svg" in out
    assert ET.parse(tmp_path / "new/unet.svg").getroot().tag.endswith("svg")
    code, _, err = call("unet++", "--figure=new/unet.svg")
    assert code == 2
    assert "--overwrite" in err
    assert call("unet++", "--figure=new/unet.svg", "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nonsense",), "no network named 'nonsense'"),
        (("unet", "--shape=big"), "write it like 512x512"),
        (("unet", "--shape=8x8x8"), "3 axes"),
        (("unet-2015", "--shape=8"), "leaves no output"),
        (("--figure=all.svg",), "give its name"),
        (("unet", "--page=docs"), "leave out the name"),
        (("--shape=64x64",), "--shape asks for the costs of one network"),
    ],
)
def test_a_mistake_is_one_sentence(call, arguments, message) -> None:
    code, out, err = call(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("unet-studio: ")
    assert err.count("\n") == 1
    assert message in err


def test_a_network_is_measured(call) -> None:
    code, out, err = call("unet-16", "--measure", "--json")
    assert code == 0
    assert "measuring unet-16" in err
    found = json.loads(out)
    assert found["seconds"] > 0
    per_pixel = found["cpu_seconds"] / (found["output"][0] * found["output"][1])
    assert found["cpu_seconds_per_megapixel"] == pytest.approx(
        1e6 * per_pixel, rel=0.01
    )
    assert found["machine"]["threads"] >= 1


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_measured_stays_small(name) -> None:
    spec = NETWORKS[name]
    shape = measured_shape(spec)
    assert len(shape) == spec.ndim
    assert spec.costs(spec.input_shape(shape)).flops < 1e12


def test_a_page_without_times(call, tmp_path) -> None:
    code, _, _ = call("--page=docs")
    assert code == 0
    text = (tmp_path / "docs/networks.md").read_text(encoding="utf-8")
    assert text == page({})
    assert "Measured on" not in text
    for section in SECTIONS:
        assert (tmp_path / "docs" / FIGURES / f"{section.slug}.svg").exists()


AGAIN = "run: unet-studio networks --page docs --overwrite"


def test_the_page_of_the_documentation_agrees_with_the_specs() -> None:
    written = (DOCS / "networks.md").read_text(encoding="utf-8")
    assert written == page(read_times(DOCS)), AGAIN


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.slug)
def test_the_figures_of_the_documentation_agree_with_the_specs(section) -> None:
    path = DOCS / FIGURES / f"{section.slug}.svg"
    assert path.read_text(encoding="utf-8") == figure(section), AGAIN
