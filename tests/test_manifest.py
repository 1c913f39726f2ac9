"""The manifest at the root is the one napari finds, and all it promises is there."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from napari.layers import Labels, Layer
from npe2 import PluginManifest

from napari_unet_studio.io.settings import Settings

if TYPE_CHECKING:
    from napari import Viewer

ROOT = Path(__file__).resolve().parents[1]
NAME = "napari-unet-studio"
MANIFEST = PluginManifest.from_file(ROOT / "napari.yaml")
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


def test_every_command_used_is_declared_and_every_declared_one_used() -> None:
    used = {widget.command for widget in WIDGETS}
    used |= {sample.command for sample in SAMPLES}
    used |= {reader.command for reader in READERS}
    used |= {item.command for items in MENUS.values() for item in items}
    assert used == set(COMMANDS)


def test_menus_are_open_to_plugins() -> None:
    from napari._app_model.constants import MenuId

    contributable = {str(menu) for menu in MenuId.contributables()}
    assert MENUS
    assert set(MENUS) <= contributable


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


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.key)
def test_sample_gives_an_image_with_its_labels(sample: Any) -> None:
    layers = [Layer.create(*data) for data in _target(sample.command)()]
    assert {layer._type_string for layer in layers} >= {"image", "labels"}
    for layer in layers:
        assert layer.name
        assert layer.data.size
        if isinstance(layer, Labels):
            assert layer.data.max() > 0


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.key)
def test_sample_opens_in_napari(sample: Any, viewer: "Viewer") -> None:
    layers = viewer.open_sample(NAME, sample.key)
    assert layers
    assert list(viewer.layers) == layers


@pytest.mark.parametrize("widget", WIDGETS, ids=lambda widget: widget.display_name)
def test_widget_docks_in_an_empty_viewer(widget: Any, viewer: "Viewer") -> None:
    dock, inner = viewer.window.add_plugin_dock_widget(NAME, widget.display_name)
    assert isinstance(inner, _target(widget.command))
    assert widget.display_name in dock.name


def test_widgets_opened_one_after_the_other_share_tabs(viewer, qtbot) -> None:
    names = ("Separation weights", "Elastic deformation", "Segment")
    viewer.window._qt_window.show()
    docks = []
    for name in names:
        dock, _ = viewer.window.add_plugin_dock_widget("napari-unet-studio", name)
        docks.append(dock)
        qtbot.wait(50)
    window = viewer.window._qt_window
    assert set(window.tabifiedDockWidgets(docks[0])) == set(docks[1:])
    viewer.window.remove_dock_widget(docks[1])
    qtbot.wait(50)
