"""What every test may rely on: a quiet Qt, a drained viewer, no real user folders."""

import gc
import itertools
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari import Viewer
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QApplication

ROOT = Path(__file__).resolve().parents[1]

# Everything below has to be in place before torch, Qt or napari's settings load.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What napari compiles sets the number of threads that torch takes, to this one: two
# processes with two spinning threads each are five times slower.
os.environ.setdefault("NUMBA_NUM_THREADS", "1")
if "numba" in sys.modules:  # with napari's plugin of pytest, before this file
    sys.modules["numba"].config.reload_config()
os.environ.setdefault("QT_API", "pyqt6")
os.environ.setdefault("PYTEST_QT_API", os.environ["QT_API"])

# No test reads or writes the folders of the person who runs it.
_user_folder = tempfile.TemporaryDirectory(
    prefix="unet-studio-tests-", ignore_cleanup_errors=True
)
for _variable, _folder in {
    "UNET_STUDIO_HOME": "home",
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
    "XDG_STATE_HOME": "state",
}.items():
    _path = Path(_user_folder.name, _folder)
    _path.mkdir()
    os.environ[_variable] = str(_path)
os.environ["NAPARI_CONFIG"] = ""  # napari reads no settings, and writes none

_GUI_FIXTURES = {
    "make_napari_viewer",
    "make_napari_viewer_proxy",
    "qapp",
    "qtbot",
    "viewer",
}


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose a Qt without windows where there is no X server."""
    # pytest-xvfb has started its server by now, if it can: one for each process that
    # runs tests, which inherits the variables of the process that starts it.
    starts_others = config.getoption("numprocesses", None) and not hasattr(
        config, "workerinput"
    )
    if starts_others:
        return
    if sys.platform == "linux" and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def pytest_unconfigure() -> None:
    _user_folder.cleanup()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures they use and skip those that need a GPU."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & _GUI_FIXTURES:
            item.add_marker("gui")
        if "data_dir" in fixtures:
            item.add_marker("data")
    on_gpu = [item for item in items if item.get_closest_marker("cuda")]
    if on_gpu and not _cuda_is_available():
        for item in on_gpu:
            item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU"))


def _cuda_is_available() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real images with ground truth; the test is skipped without it."""
    folder = Path(os.environ.get("UNET_STUDIO_DATA") or ROOT.parent / "shared/data")
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}: set UNET_STUDIO_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def gl_limits(qapp: "QApplication") -> None:
    """Have napari ask for the limits of OpenGL once, and tell them if there is none.

    napari keeps the answers, but asks when the first image is added, where it depends
    on what was drawn before whether there is a context of OpenGL to ask. Without an X
    server there is none at all, and it cannot add an image (vispy issue 2736). The
    names are private, hence the guards: a napari that moved them is left as it is.
    """
    try:
        from napari._vispy.utils import gl

        if gl.get_gl_extensions() and all(gl.get_max_texture_sizes()):
            return
    except (AttributeError, ImportError):
        pass
    patch = pytest.MonkeyPatch()
    try:
        from napari._vispy import canvas
        from napari._vispy.layers import base, image, labels

        patch.setattr(image, "get_gl_extensions", lambda: "texture_float")
        for module in (base, image, labels, canvas):
            patch.setattr(module, "get_max_texture_sizes", lambda: (16384, 2048))
    except (AttributeError, ImportError):
        patch.undo()


@pytest.fixture(scope="module")
def small_heap() -> None:
    """Keep what earlier tests and imports left out of the garbage collector's sight.

    It takes longer the more objects there are: half of the time of a test late in the
    run, where each collects garbage.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def viewers_so_far() -> "itertools.count[int]":
    """Give the number of viewers that were made before."""
    return itertools.count()


@pytest.fixture
def no_old_garbage(viewers_so_far: "itertools.count[int]") -> None:
    """Do the same for napari's fixture, which collects garbage around each viewer.

    The viewer before is still there and stays in memory if it is hidden: one of ten is.
    """
    if next(viewers_so_far) % 10 == 0:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def known_plugins() -> "Iterator[None]":
    """Let napari read the manifests of all plugins once and not for every viewer.

    None is installed while tests run.
    """
    from npe2 import PluginManager

    look = PluginManager.discover
    known: WeakSet[PluginManager] = WeakSet()

    def look_once(
        manager: PluginManager,
        paths: "Sequence[str]" = (),
        clear: bool = False,
        include_npe1: bool = False,
    ) -> int:
        if manager in known and not (paths or clear):
            return 0
        known.add(manager)
        return look(manager, paths, clear, include_npe1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginManager, "discover", look_once)
        yield


@pytest.fixture
def make_napari_viewer(
    gl_limits: None,
    known_plugins: None,
    no_old_garbage: None,
    make_napari_viewer: "Callable[..., Viewer]",
) -> "Callable[..., Viewer]":
    """Make napari viewers, as napari's own fixture does, also without OpenGL."""
    return make_napari_viewer


@pytest.fixture
def viewer(
    make_napari_viewer: "Callable[..., Viewer]", qtbot: "QtBot"
) -> "Iterator[Viewer]":
    """Give a napari viewer whose workers are stopped before it closes."""
    from qtpy.QtWidgets import QApplication
    from superqt.utils import WorkerBase

    viewer = make_napari_viewer()
    yield viewer
    WorkerBase.await_workers(10_000)
    for _ in range(3):
        QApplication.processEvents()
