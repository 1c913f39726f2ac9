"""Where models live: those bundled with the package and those of the user."""

import os
from pathlib import Path

import platformdirs

from napari_unet_studio.core.errors import ModelFileError
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.model_file import SUFFIX, load_model_file

HOME_VARIABLE = "UNET_STUDIO_HOME"
_BUNDLED = Path(__file__).parents[1] / "models"


def user_folder() -> Path:
    """Folder of this user's models and unfinished trainings.

    The environment variable ``UNET_STUDIO_HOME`` overrides the platform's usual place.
    """
    home = os.environ.get(HOME_VARIABLE)
    return Path(home) if home else platformdirs.user_data_path("napari-unet-studio")


def models_folder() -> Path:
    """Folder of this user's models."""
    return user_folder() / "models"


def available_models() -> dict[str, Path]:
    """Return the models by name: bundled ones first, then the user's by age.

    A model of the user's hides a bundled one of the same name.

    Examples
    --------
    >>> "nuclei" in available_models()
    True
    """
    found = {path.stem: path for path in sorted(_BUNDLED.glob(f"*{SUFFIX}"))}
    own = [p for p in models_folder().glob(f"*{SUFFIX}") if p.is_file()]
    for path in sorted(own, key=lambda p: p.stat().st_mtime):
        found[path.stem] = path
    return found


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
    known = available_models()
    if str(name_or_path) in known:
        return load_model_file(known[str(name_or_path)])
    path = Path(name_or_path)
    if path.suffix or path.exists():
        return load_model_file(path)
    raise ModelFileError(
        f"There is no model named {str(name_or_path)!r}; known are "
        f"{', '.join(known) or 'none'}. Give one of these or the path of a {SUFFIX} "
        "file."
    )
