"""Every entry of napari's menus and of its command palette does what it says."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from npe2 import PluginManifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari import Viewer
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QAction, QMenu

NAME = "napari-unet-studio"
MANIFEST = PluginManifest.from_distribution(NAME)
SHOWN = MANIFEST.contributions
WIDGETS = SHOWN.widgets or []
SAMPLES = SHOWN.sample_data or []
READERS = SHOWN.readers or []
KINDS = {command.id: str(command.python_name) for command in SHOWN.commands or ()}

# Where napari lists widgets and samples of its own accord.
PLUGINS = ("Plugins", str(MANIFEST.display_name))
OPEN_SAMPLE = ("File", "Open Sample", str(MANIFEST.display_name))


def _walk(
    menu: "QMenu", path: tuple[str, ...]
) -> "Iterator[tuple[tuple[str, ...], str, QAction]]":
    menu.aboutToShow.emit()
    for action in menu.actions():
        if action.menu() is None:
            yield path, action.objectName(), action
        else:
            yield from _walk(action.menu(), (*path, action.text().replace("&", "")))


def _entries(viewer: "Viewer") -> "dict[tuple[tuple[str, ...], str], QAction]":
    """Return what the menu bar offers of ours, by its menus and its command."""
    bar = viewer.window._qt_window.menuBar()
    tops = [(action.menu(), action.text().replace("&", "")) for action in bar.actions()]
    return {
        (path, command): action
        for menu, name in tops
        if menu is not None
        for path, command, action in _walk(menu, (name,))
        if command.startswith(f"{NAME}.")
    }


def _promised() -> set[tuple[tuple[str, ...], str]]:
    """Return what the manifest puts into menus, the same way."""
    promised = {(PLUGINS, widget.command) for widget in WIDGETS}
    promised |= {(OPEN_SAMPLE, f"{NAME}.{sample.key}") for sample in SAMPLES}
    for menu, items in (SHOWN.menus or {}).items():
        path = tuple(part.capitalize() for part in menu.split("/")[1:])
        promised |= {(path, item.command) for item in items}
    return promised


def test_menus_show_what_the_manifest_promises_and_no_more(viewer: "Viewer") -> None:
    assert set(_entries(viewer)) == _promised()


@pytest.mark.parametrize("widget", WIDGETS, ids=lambda widget: widget.display_name)
def test_every_entry_of_a_widget_opens_its_dock(
    widget: Any, viewer: "Viewer", qtbot: "QtBot"
) -> None:
    module, _, name = KINDS[widget.command].partition(":")
    kind = getattr(import_module(module), name)
    actions = [a for (_, c), a in _entries(viewer).items() if c == widget.command]
    assert len(actions) >= 2  # under Layers, and under Plugins
    for action in actions:
        assert widget.display_name in action.text()
        assert action.isEnabled()
        before = dict(viewer.window.dock_widgets)
        action.trigger()
        qtbot.wait(20)
        shown = viewer.window.dock_widgets
        (title,) = set(shown) - set(before)
        assert widget.display_name in title
        assert type(shown[title]) is kind
        viewer.window.remove_dock_widget(shown[title])
        qtbot.wait(20)


@pytest.mark.parametrize("widget", WIDGETS, ids=lambda widget: widget.display_name)
def test_dock_that_another_dock_opened_is_the_one_of_the_menu(
    widget: Any, viewer: "Viewer", qtbot: "QtBot"
) -> None:
    from napari_unet_studio.widgets._docks import in_front

    module, _, name = KINDS[widget.command].partition(":")
    kind = getattr(import_module(module), name)
    opened = in_front(viewer, kind, widget.display_name)
    (action,) = (
        action
        for (path, command), action in _entries(viewer).items()
        if command == widget.command and path == PLUGINS
    )
    action.trigger()
    qtbot.wait(20)
    docks = viewer.window.dock_widgets.values()
    assert [dock for dock in docks if type(dock) is kind] == [opened]
    assert in_front(viewer, kind, widget.display_name) is opened


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.key)
def test_every_entry_of_a_sample_opens_an_image_with_labels(
    sample: Any, viewer: "Viewer", qtbot: "QtBot"
) -> None:
    action = _entries(viewer)[OPEN_SAMPLE, f"{NAME}.{sample.key}"]
    assert sample.display_name in action.text()
    action.trigger()
    qtbot.wait(20)
    kinds = {layer._type_string: layer for layer in viewer.layers}
    assert set(kinds) >= {"image", "labels"}
    assert all(layer.name and layer.data.size for layer in viewer.layers)
    assert kinds["labels"].data.max() > 0


@pytest.mark.slow
def test_command_palette_runs_every_command_that_it_offers(
    viewer: "Viewer", qtbot: "QtBot"
) -> None:
    from napari._app_model import get_app_model

    app = get_app_model()
    ours = [command for command, _ in app.commands if command.startswith(f"{NAME}.")]
    readers = {reader.command for reader in READERS}
    assert readers <= set(ours)
    for command in ours:
        enablement = app.registered_actions[command].enablement
        if command in readers:  # they need a path, which the palette has not
            assert not enablement.eval({})
            continue
        assert enablement is None
        docks, layers = len(viewer.window.dock_widgets), len(viewer.layers)
        app.commands.execute_command(command).result()
        qtbot.wait(20)
        opened = len(viewer.window.dock_widgets) - docks, len(viewer.layers) - layers
        assert sum(opened) >= 1


# Runs napari as its command does; a second after its window is there, notes the docks.
_COMMAND = """
import json, sys
import napari
from napari.__main__ import main
from qtpy.QtCore import QTimer

picture = sys.argv.pop()
run = napari.run

def look():
    window = napari.current_viewer().window
    docks = {name: type(inner).__name__ for name, inner in window.dock_widgets.items()}
    window.screenshot(picture, flash=False)
    print(json.dumps(docks))
    window.close()

def run_and_look(*args, **settings):
    QTimer.singleShot(1000, look)
    run(*args, **settings)

napari.run = run_and_look
main()
"""


@pytest.mark.slow
def test_napari_opens_two_docks_from_its_command_line(tmp_path: Path) -> None:
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        pytest.skip("napari draws its window only where there is a display")
    picture = tmp_path / "window.png"
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, "-w", NAME, "Segment", "Train", str(picture)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    docks = json.loads(done.stdout.splitlines()[-1])
    assert sorted(docks.values()) == ["SegmentWidget", "TrainWidget"]
    assert picture.stat().st_size > 10_000
