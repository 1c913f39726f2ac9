"""The manifest at the root is the one napari finds, and all it promises is there."""

from collections.abc import Callable
from copy import deepcopy
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from npe2 import PluginManifest
from npe2.manifest.contributions import ContributionPoints

from napari_unet_studio.io.settings import Settings

if TYPE_CHECKING:
    from napari import Viewer
    from pytestqt.qtbot import QtBot

ROOT = Path(__file__).resolve().parents[1]
NAME = "napari-unet-studio"
MANIFEST = PluginManifest.from_file(ROOT / "napari.yaml")
RAW = yaml.safe_load((ROOT / "napari.yaml").read_text(encoding="utf-8"))
COMMANDS = {command.id: command for command in MANIFEST.contributions.commands or ()}
WIDGETS = MANIFEST.contributions.widgets or []
SAMPLES = MANIFEST.contributions.sample_data or []
READERS = MANIFEST.contributions.readers or []
MENUS = MANIFEST.contributions.menus or {}


def _target(command_id: str) -> Any:
    module, name = str(COMMANDS[command_id].python_name).split(":")
    return getattr(import_module(module), name)


def test_installed_manifest_is_the_one_at_the_root() -> None:
    installed = PluginManifest.from_distribution(NAME)
    assert installed.contributions == MANIFEST.contributions
    assert installed.display_name == MANIFEST.display_name
    assert installed.categories == MANIFEST.categories


def test_manifest_is_named_after_the_distribution() -> None:
    assert MANIFEST.name == NAME
    assert all(command.startswith(f"{NAME}.") for command in COMMANDS)


def test_every_command_can_be_imported() -> None:
    MANIFEST.validate_imports()


def problems(raw: dict[str, Any]) -> list[str]:
    """Find what npe2 lets pass and napari then passes over in silence."""
    from napari._app_model.constants import MenuId

    shown = raw["contributions"]
    declared = {command["id"] for command in shown.get("commands", ())}
    submenus = {submenu["id"] for submenu in shown.get("submenus", ())}
    menus = shown.get("menus", {})
    items = [item for menu in menus.values() for item in menu]
    used = {part["command"] for part in items if "command" in part}
    for kind in ("widgets", "readers", "writers", "sample_data"):
        used |= {part["command"] for part in shown.get(kind, ()) if "command" in part}
    opened = {part["submenu"] for part in items if "submenu" in part}
    contributable = {str(menu) for menu in MenuId.contributables()}
    known = set(PluginManifest.model_fields)
    # An older npe2 does not know them yet, and passes over them, too.
    points = {*ContributionPoints.model_fields, "configurations"}
    found = {
        "no such key": (set(raw) - known) | (set(shown) - points),
        "no such menu": set(menus) - contributable - submenus,
        "command without a declaration": used - declared,
        "command without a use": declared - used,
        "submenu without a declaration": opened - submenus,
        "submenu that nothing opens": submenus - opened,
        "submenu without entries": submenus - set(menus),
    }
    return [f"{why}: {name}" for why, names in found.items() for name in sorted(names)]


def test_napari_passes_over_nothing_in_the_manifest() -> None:
    assert MENUS
    assert problems(RAW) == []


def _leading_slash(shown: dict[str, Any]) -> None:
    shown["menus"]["/napari/layers/segment"] = shown["menus"]["napari/layers/segment"]


def _closed_menu(shown: dict[str, Any]) -> None:
    shown["menus"]["napari/layers/context"] = shown["menus"]["napari/layers/segment"]


def _undeclared_submenu(shown: dict[str, Any]) -> None:
    shown["menus"]["napari/layers/segment"].append({"submenu": "unet_more"})


def _undeclared_command(shown: dict[str, Any]) -> None:
    shown["menus"]["napari/layers/segment"].append({"command": f"{NAME}.absent"})


def _unused_command(shown: dict[str, Any]) -> None:
    segment = shown["commands"][0]
    shown["commands"].append({**segment, "id": f"{NAME}.spare"})


def _empty_submenu(shown: dict[str, Any]) -> None:
    shown["submenus"] = [{"id": "unet_more", "label": "More"}]
    shown["menus"]["napari/layers/segment"].append({"submenu": "unet_more"})


def _misspelt_section(shown: dict[str, Any]) -> None:
    shown["settings"] = shown["configurations"]


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (_leading_slash, "no such menu: /napari/layers/segment"),
        (_closed_menu, "no such menu: napari/layers/context"),
        (_undeclared_submenu, "submenu without a declaration: unet_more"),
        (_undeclared_command, f"command without a declaration: {NAME}.absent"),
        (_unused_command, f"command without a use: {NAME}.spare"),
        (_empty_submenu, "submenu without entries: unet_more"),
        (_misspelt_section, "no such key: settings"),
    ],
)
def test_mistake_that_npe2_accepts_is_found(
    spoil: Callable[[dict[str, Any]], None], problem: str, tmp_path: Path
) -> None:
    raw = deepcopy(RAW)
    spoil(raw["contributions"])
    path = tmp_path / "napari.yaml"
    path.write_text(yaml.safe_dump(raw))
    PluginManifest.from_file(path)
    assert problem in problems(raw)


def test_icon_is_a_picture_in_the_package() -> None:
    package, _, name = str(MANIFEST.icon).partition(":")
    assert files(package).joinpath(name).read_text(encoding="utf-8").startswith("<svg")


def test_every_widget_is_in_a_menu() -> None:
    in_menus = {item.command for items in MENUS.values() for item in items}
    assert {widget.command for widget in WIDGETS} == in_menus


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([command.title for command in COMMANDS.values()], id="commands"),
        pytest.param([widget.display_name for widget in WIDGETS], id="widgets"),
        pytest.param([sample.display_name for sample in SAMPLES], id="samples"),
        pytest.param([sample.key for sample in SAMPLES], id="sample keys"),
    ],
)
def test_names_are_unique(names: list[str]) -> None:
    assert names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.command)
def test_readers_claim_nothing_that_is_not_theirs(reader: Any, tmp_path: Path) -> None:
    get_reader = _target(reader.command)
    for name in ("a.unet", "a.zip", "rdf.yaml", "a.tif", "a.zarr"):
        (tmp_path / name).mkdir()
        assert get_reader(str(tmp_path / name)) is None
    assert get_reader(str(tmp_path / "absent.unet")) is None
    assert get_reader([]) is None


def test_every_setting_of_the_preferences_is_one_of_ours() -> None:
    # An npe2 that knows of no settings passes over them.
    found = getattr(MANIFEST.contributions, "configurations", None) or {}
    assert found or not hasattr(MANIFEST.contributions, "configurations")
    ours = Settings().to_dict()
    shown = {n: p for part in found.values() for n, p in part.properties.items()}
    assert set(shown) <= set(ours)
    for name, setting in shown.items():
        assert setting.title
        assert setting.description
        assert setting.default == (ours[name] if name != "model_lists" else "")


def test_widgets_opened_one_after_the_other_share_tabs(
    viewer: "Viewer", qtbot: "QtBot"
) -> None:
    names = ("Separation weights", "Elastic deformation", "Segment")
    viewer.window._qt_window.show()
    docks = []
    for name in names:
        dock, _ = viewer.window.add_plugin_dock_widget(NAME, name)
        docks.append(dock)
        qtbot.wait(50)
    window = viewer.window._qt_window
    assert set(window.tabifiedDockWidgets(docks[0])) == set(docks[1:])
    viewer.window.remove_dock_widget(docks[1])
    qtbot.wait(50)
