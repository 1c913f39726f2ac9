"""What the user chose once for all: ``settings.json`` in the user's folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from napari_unet_studio.core.config import Config, Device, Precision, field_types
from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.places import user_folder
from napari_unet_studio.io.plain_json import dumps

_SCHEMA = 1


def _check_folder(value: str) -> None:
    try:
        whole = not value or Path(value).expanduser().is_absolute()
    except RuntimeError:  # "~name" of somebody who is not known here
        whole = False
    if not whole:
        raise ConfigError(
            f"models_folder is {value!r}; give the whole path of a folder, or nothing "
            "for the usual one."
        )


def _check_lists(value: Any) -> None:
    if not isinstance(value, tuple) or not all(isinstance(u, str) for u in value):
        raise ConfigError(
            f"model_lists is {value!r:.80}; give addresses that begin with https://."
        )
    for url in value:
        check_url(url)


def check_url(url: str) -> None:
    """Raise a ConfigError unless a text is the address of something on the web."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # raises if it is no number
    except ValueError:
        fits = False
    if not fits or any(letter.isspace() or not letter.isprintable() for letter in url):
        raise ConfigError(
            f"{url!r:.200} is no address on the web; give one that begins with "
            "https:// or http://."
        )


@dataclass(frozen=True)
class Settings(Config):
    """What holds for all docks.

    Parameters
    ----------
    models_folder
        Where your models are kept; empty is the usual folder.
    model_lists
        Addresses of lists of models on the web, which are offered for download.
    device
        What the docks start with; "auto" takes the fastest device.
    precision
        What the docks start with; "auto" takes half precision where it is safe and
        fast.
    memory_limit
        GB of memory that a prediction or a training plans to take, of the computer or
        of the GPU. 0 is what is free.
    download_limit
        GB that a download may have.

    Examples
    --------
    >>> Settings(memory_limit=8).memory_limit
    8.0
    >>> Settings(model_lists=["ftp://models"])
    Traceback (most recent call last):
    ...
    napari_unet_studio.core.errors.ConfigError: 'ftp://models' is no address on ...
    """

    models_folder: Annotated[str, {"check": _check_folder}] = ""
    model_lists: Annotated[tuple[str, ...], {"check": _check_lists}] = ()
    device: Device = "auto"
    precision: Precision = "auto"
    memory_limit: Annotated[
        float, {"min": 0.0, "max": 1e5, "zero": "automatic", "label": "Memory (GB)"}
    ] = 0.0
    download_limit: Annotated[
        float, {"min": 0.001, "max": 1e4, "label": "Largest download (GB)"}
    ] = 4.0

    def __post_init__(self) -> None:
        lists: Any = self.model_lists
        if isinstance(lists, list):  # JSON knows no tuples
            object.__setattr__(self, "model_lists", tuple(lists))
        super().__post_init__()


def settings_file() -> Path:
    """File of the settings; it need not exist."""
    return user_folder() / "settings.json"


def read_settings() -> Settings:
    """Return the settings; what is absent or broken has its default."""
    return load_settings()[0]


def load_settings() -> tuple[Settings, str]:
    """Return the settings, and a sentence about what is wrong with the file, or "".

    What is right in it still holds.
    """
    path = settings_file()
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings(), ""
    except (OSError, ValueError, RecursionError) as error:
        return Settings(), (
            f"The settings in {path} cannot be read ({error}); the usual ones hold. "
            "Saving settings writes the file anew."
        )
    if not isinstance(values, dict):
        return Settings(), (
            f"The settings in {path} are no JSON object; the usual ones hold. Saving "
            "settings writes the file anew."
        )
    kept, wrong = {}, []
    for name in field_types(Settings):  # a newer version may have written more
        if name not in values:
            continue
        try:
            kept[name] = getattr(Settings.from_dict({name: values[name]}), name)
        except ConfigError as error:
            wrong.append(str(error))
    note = f"In {path}: {' '.join(wrong)} The usual value holds." if wrong else ""
    return Settings(**kept), note


def write_settings(settings: Settings) -> Path:
    """Write the settings, whole or not at all, and return their file.

    Raises
    ------
    StorageError
        If the user's folder cannot be written.
    """
    path = settings_file()
    with atomic_write(path) as file:
        values = {"schema": _SCHEMA, **settings.to_dict()}
        file.write(dumps(values, indent=1).encode())
    return path
