"""A model that is dropped onto napari, or opened in it, is offered to the docks."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_MODEL, _PACKAGE = ".unet", ".zip"
_DESCRIPTIONS = ("rdf.yaml", "rdf.yml", "bioimageio.yaml", "bioimageio.yml")
_LARGEST = 1 << 20  # bytes of a description that are looked at

LayerData = tuple[Any, ...]
Reader = Callable[[Any], list[LayerData]]


def get_reader(path: str | Path | Sequence[str | Path]) -> Reader | None:
    """Return a function that offers models to the docks, None if a path is no model.

    napari asks this for everything that is dropped onto it, so it decides quickly and
    never raises.

    Parameters
    ----------
    path
        A file, or several.
    """
    ours = []
    with suppress(Exception):  # whatever a foreign file does to who looks at it
        paths = [path] if isinstance(path, str | Path) else list(path)
        ours = [_is_model(Path(each)) for each in paths]
    return open_models if ours and all(ours) else None


def open_models(path: str | Path | Sequence[str | Path]) -> list[LayerData]:
    """Open Segment with a model, or the import of a package; no layers come of it.

    What cannot be used is told in a notification: an error would have napari suggest
    other plugins.
    """
    from napari import current_viewer
    from napari.utils.notifications import show_error

    from napari_unet_studio.core.errors import StudioError
    from napari_unet_studio.io.model_file import read_card
    from napari_unet_studio.io.recent import remember_file
    from napari_unet_studio.widgets._docks import in_front
    from napari_unet_studio.widgets.models import ModelsWidget
    from napari_unet_studio.widgets.segment import SegmentWidget

    paths = [path] if isinstance(path, str | Path) else list(path)
    viewer = current_viewer()
    for each in map(Path, paths):
        file = each.absolute()
        model = file.suffix.lower() == _MODEL
        if model:
            try:
                read_card(file)
            except StudioError as error:
                show_error(str(error))
                continue
            remember_file(file)
        if viewer is None:
            continue
        if model:
            in_front(viewer, SegmentWidget, "Segment").models.choose(file)
        else:
            in_front(viewer, ModelsWidget, "Models").show_import(file)
    return [(None,)]


def _is_model(path: Path) -> bool:
    if not path.is_file():
        return False
    if path.suffix.lower() == _MODEL:
        return True
    if path.suffix.lower() == _PACKAGE:
        return _is_package(path)
    return path.name.endswith(_DESCRIPTIONS) and _is_description(path)


def _is_package(path: Path) -> bool:
    """Whether a zip has a description of a model on top; nothing is unpacked."""
    import zipfile

    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        return any(n.endswith(_DESCRIPTIONS) and n.count("/") < 2 for n in names)


def _is_description(path: Path) -> bool:
    """Whether a text says that it describes a model."""
    with path.open(encoding="utf-8", errors="replace") as file:
        text = file.read(_LARGEST)
    return "format_version:" in text and "weights:" in text
