"""Where models live: those bundled with the package, and those of the user."""

from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from napari_unet_studio.core.errors import ModelFileError
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.model_file import SUFFIX, load_model_file
from napari_unet_studio.io.places import HOME_VARIABLE, user_folder
from napari_unet_studio.io.recent import recent_files
from napari_unet_studio.io.settings import read_settings

__all__ = [
    "HOME_VARIABLE",
    "Known",
    "available_models",
    "find_model",
    "free_name",
    "known_models",
    "load_model",
    "models_folder",
    "user_folder",
]

Source = Literal["bundled", "yours", "file"]
_BUNDLED = Path(__file__).parents[1] / "models"


class Known(NamedTuple):
    """A model file at hand.

    Parameters
    ----------
    path
        The file.
    source
        "bundled" with the package, "yours" in your models folder, or a "file" elsewhere
        that was opened lately.
    """

    path: Path
    source: Source


def models_folder() -> Path:
    """Folder of this user's models: that of the settings, else the usual one."""
    chosen = read_settings().models_folder
    return Path(chosen).expanduser() if chosen else user_folder() / "models"


def known_models() -> dict[str, Known]:
    """Return the models by name, with where they come from.

    Bundled ones first, then the user's by age, then files that were opened lately.
    """
    found = {p.stem: Known(p, "bundled") for p in sorted(_BUNDLED.glob(f"*{SUFFIX}"))}
    own: list[tuple[float, Path]] = []
    for path in models_folder().glob(f"*{SUFFIX}"):
        with suppress(OSError):  # one that goes at this moment
            if path.is_file() and not path.name.startswith("."):
                own.append((path.stat().st_mtime, path))
    for _, path in sorted(own):
        found[path.stem] = Known(path, "yours")
    there = {known.path for known in found.values()}
    for path in recent_files():
        if path.suffix == SUFFIX and path not in there:
            name = path.stem
            if name in found:
                name = f"{name} ({path.parent})"
            found[name] = Known(path, "file")
    return found


def available_models() -> dict[str, Path]:
    """Return the model files by name; see :func:`known_models`.

    A model of the user's hides a bundled one of the same name.

    Examples
    --------
    >>> "nuclei" in available_models()
    True
    """
    return {name: known.path for name, known in known_models().items()}


def free_name(name: str) -> str:
    """Return `name`, or `name 2`, `name 3`, ... if a model has it already.

    Names that differ in case alone are one file on many disks, so they count as taken.
    """
    taken = {known.casefold() for known in available_models()}
    candidate, number = name, 1
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{name} {number}"
    return candidate


def load_model(name_or_path: str | Path | Model) -> Model:
    """Load a model by its name or from a file; a :class:`Model` is returned as it is.

    Raises
    ------
    ModelFileError
        If there is no model of that name, or the file is broken or foreign.
    StorageError
        If the file cannot be read.

    Examples
    --------
    >>> load_model("nuclei").card.target
    'objects'
    """
    if isinstance(name_or_path, Model):
        return name_or_path
    return load_model_file(find_model(name_or_path))


def find_model(name_or_path: str | Path) -> Path:
    """Return the file of a model by its name, or of a path that path itself.

    Raises
    ------
    ModelFileError
        If there is no model of that name.
    """
    known = available_models()
    if str(name_or_path) in known:
        return known[str(name_or_path)]
    path = Path(name_or_path)
    if path.suffix or path.exists():
        return path
    raise ModelFileError(
        f"There is no model named {str(name_or_path)!r}; known are "
        f"{', '.join(known) or 'none'}. Give one of these or the path of a {SUFFIX} "
        "file."
    )
