"""Times measured on this computer, kept in the user's folder of cached things."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari_unet_studio.core.errors import StorageError
from napari_unet_studio.io.images import write_json
from napari_unet_studio.io.kept import cache_folder

# The oldest entries go when there are more.
_MOST = 200


def recall(key: str) -> dict[str, Any]:
    """Return what was measured under a key, nothing if nothing was or can be read."""
    found = _read().get(key)
    return found if isinstance(found, dict) else {}


def remember(key: str, values: dict[str, Any]) -> None:
    """Keep what was measured; a folder that cannot be written to is no error."""
    entries = _read()
    entries.pop(key, None)
    entries[key] = values
    with suppress(OSError, StorageError):
        _file().parent.mkdir(parents=True, exist_ok=True)
        write_json(_file(), dict(list(entries.items())[-_MOST:]))


def _file() -> Path:
    return cache_folder() / "measured.json"


def _read() -> dict[str, Any]:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
