"""Settings for all docks: napari's page of them, kept like the file that all read.

napari 0.9 and later show a page of preferences for a plugin. What is changed there is
written to the file of the settings, which the command line reads too, and what was
changed in the file is shown on the page. Without such a page there is the file alone.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from qtpy.QtCore import QObject

from napari_unet_studio.core.config import Config
from napari_unet_studio.core.errors import ConfigError, StorageError
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.registry import user_folder
from napari_unet_studio.io.settings import Settings, read_settings, write_settings
from napari_unet_studio.widgets._controls import follow, timer
from napari_unet_studio.widgets._docks import PLUGIN

Kind = TypeVar("Kind", bound=Config)

_PLACES = {
    "device": "computing",
    "precision": "computing",
    "memory_limit": "computing",
    "models_folder": "models",
    "model_lists": "models",
    "download_limit": "models",
}
"""Where on the page each setting is, as in the manifest."""
_BEGUN = ("device", "precision")
"""What the forms of docks begin with."""
_PAUSE = 300  # milliseconds without a change, for somebody who types
_SEEN: dict[Path, dict[str, Any]] = {}
"""What the page of this process showed last, by the file that keeps it: another napari
writes that file too, and has a page of its own."""


def napari_page() -> Any:
    """Return napari's settings of this plugin; None if it has no page for them."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:  # before napari 0.9
        return None
    try:
        page = get_plugin_settings(PLUGIN)
        _values(page)
    except (AttributeError, KeyError):  # an npe2 that does not know of settings
        return None
    return page


def current_settings() -> Settings:
    """Return the settings that hold, after page and file were made alike.

    Where both changed, the page wins, because the user has just set it.
    """
    settings, page = read_settings(), napari_page()
    if page is None:
        return settings
    shown, last = _values(page), _last_values(page)
    changed = settings
    for name, value in shown.items():
        if value != last.get(name):
            with suppress(ConfigError):  # half an address: not yet
                changed = replace(changed, **{name: _as_setting(name, value)})
    if changed != settings:
        with suppress(StorageError):  # it holds for this session, on the page
            write_settings(changed)
    _show(page, changed, shown, last)
    return changed


def follow_page(owner: QObject, callback: Callable[[Settings], object]) -> None:
    """Call back with the settings after the user changed them on napari's page.

    Parameters
    ----------
    owner
        As long as it exists.
    callback
        Called when nothing was changed for a moment.
    """
    current_settings()
    page = napari_page()
    if page is not None:

        def tell() -> None:
            callback(current_settings())

        clock = timer(owner, _PAUSE, tell)
        follow(owner, page.events.changed, lambda _: clock.start())


def begun_with(config: Kind, settings: Settings | None = None) -> Kind:
    """Return a configuration with the device and the precision of the settings.

    Parameters
    ----------
    config
        With a field of one of these names; kept as it is where they do not fit.
    settings
        Those that hold by default.
    """
    found = current_settings() if settings is None else settings
    given: Any = config
    values = {n: getattr(found, n) for n in _BEGUN if hasattr(config, n)}
    with suppress(ConfigError):
        given = replace(given, **values)
    return given  # type: ignore[no-any-return]


def follow_start(owner: QObject, form: Any) -> None:
    """Let a form follow the settings, as far as it shows what it began with.

    Parameters
    ----------
    owner
        As long as it exists.
    form
        With ``value()`` and ``set()`` of a configuration, see :func:`begun_with`.
    """
    last = current_settings()

    def on_changed(settings: Settings) -> None:
        nonlocal last
        before, last = last, settings
        with suppress(ConfigError):  # half a word in it
            config = form.value()
            fresh = {
                name: getattr(settings, name)
                for name in _BEGUN
                if getattr(config, name, None) == getattr(before, name)
            }
            form.set(replace(config, **fresh))

    follow_page(owner, on_changed)


def _values(page: Any) -> dict[str, Any]:
    return {name: getattr(getattr(page, at), name) for name, at in _PLACES.items()}


def _as_setting(name: str, value: Any) -> Any:
    return tuple(value.replace(",", " ").split()) if name == "model_lists" else value


def _as_shown(name: str, value: Any) -> Any:
    return " ".join(value) if name == "model_lists" else value


def _show(
    page: Any, settings: Settings, shown: dict[str, Any], last: Mapping[str, Any]
) -> None:
    """Bring the page up to the settings, and remember what it shows now."""
    for name, at in _PLACES.items():
        value = _as_shown(name, getattr(settings, name))
        same = _as_setting(name, shown[name]) == getattr(settings, name)
        touched = shown[name] != last.get(name)
        if not same and not touched:
            with suppress(ValueError):  # a value that only newer versions know
                setattr(getattr(page, at), name, value)
                shown[name] = value
    _SEEN[_memory()] = shown
    if shown != last:
        with suppress(StorageError), atomic_write(_memory()) as file:
            file.write(json.dumps(shown, indent=1).encode())


def _memory() -> Path:
    return user_folder() / "napari-page.json"


def _last_values(page: Any) -> dict[str, Any]:
    """Return what the page showed when it was last compared with the file."""
    if _memory() in _SEEN:
        return _SEEN[_memory()]
    with suppress(OSError, ValueError):
        values = json.loads(_memory().read_text(encoding="utf-8"))
        if isinstance(values, dict):
            return values
    parts = {at: type(getattr(page, at))() for at in set(_PLACES.values())}
    return {name: getattr(parts[at], name) for name, at in _PLACES.items()}
