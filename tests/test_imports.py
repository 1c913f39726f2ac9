"""The lower rooms know neither napari nor Qt, and the front door opens quickly."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GUI = (
    "napari",
    "npe2",
    "magicgui",
    "superqt",
    "psygnal",
    "qtpy",
    "PyQt5",
    "PyQt6",
    "PySide6",
)


def _python(code: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def _loaded_after(code: str, names: tuple[str, ...]) -> set[str]:
    """Names of the top-level packages among ``names`` that ``code`` imports."""
    check = f"import sys; print(*(n for n in {names!r} if n in sys.modules))"
    return set(_python(f"{code}\n{check}").split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ("torch", "numba", "numpy", "scipy", "skimage", "dask", "zarr", *GUI)
    assert not _loaded_after("import napari_unet_studio", heavy)


def test_type_checkers_see_all_public_names() -> None:
    import napari_unet_studio as us

    tree = ast.parse(Path(us.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {name.name for line in block.body for name in line.names}
    assert seen == {*us.__all__} - {"__version__"}


def test_no_module_below_the_layers_loads_a_gui() -> None:
    code = """
import importlib, pkgutil
import napari_unet_studio as us
skipped = ("layers", "widgets", "__main__")
for found in pkgutil.iter_modules(us.__path__, "napari_unet_studio."):
    if found.name.rpartition(".")[2] in skipped:
        continue
    module = importlib.import_module(found.name)
    path = getattr(module, "__path__", ())
    for inner in pkgutil.walk_packages(path, f"{found.name}."):
        importlib.import_module(inner.name)
"""
    assert not _loaded_after(code, GUI)


def test_dask_is_loaded_for_those_who_use_it_only() -> None:
    code = "import napari_unet_studio.api, napari_unet_studio.cli"
    assert not _loaded_after(code, ("distributed",))
    # Its library is optional: what explains that has to load without.
    code = "import sys; sys.modules['distributed'] = None"
    _python(f"{code}\nimport napari_unet_studio.distributed")


def test_settings_load_without_torch() -> None:
    code = (
        "from napari_unet_studio.tasks.train_config import TrainConfig; TrainConfig()"
    )
    assert not _loaded_after(code, ("torch",))


def test_every_public_name_is_there() -> None:
    code = """
import napari_unet_studio as us
for name in us.__all__:
    getattr(us, name)
    assert name in dir(us), name
"""
    _python(code)


def test_arrows_between_rooms_point_one_way() -> None:
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    report = _python(
        "from importlinter.cli import lint_imports\n"
        "raise SystemExit(lint_imports(no_cache=True, no_logo=True))"
    )
    assert " 0 broken" in report
