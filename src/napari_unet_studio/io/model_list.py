"""Lists of models on the web: a JSON document that says where they are.

.. code-block:: json

    {
      "schema": 1,
      "name": "Models of our laboratory",
      "models": [
        {
          "name": "bacteria",
          "url": "bacteria.unet",
          "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
          "size": 3929111,
          "description": "Bacteria in phase contrast: 120 images.",
          "licence": "CC-BY-4.0"
        }
      ]
    }

An address may be relative to that of the list.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from napari_unet_studio.core.errors import ConfigError, ModelFileError, StorageError
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.kept import cache_folder
from napari_unet_studio.io.names import LONGEST, as_name
from napari_unet_studio.io.settings import check_url, read_settings

SCHEMA = 1
LARGEST = 8 * 2**20  # bytes of a list
_MOST = 10_000  # models of a list
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ListedModel:
    """A model on the web.

    Parameters
    ----------
    name
        What it is chosen by.
    url
        Where its file is.
    sha256
        Digest of the file.
    size
        Of the file, in bytes; 0 if the list does not tell.
    description, licence
        For people.
    list_name
        Of the list that names it.
    """

    name: str
    url: str
    sha256: str
    size: int = 0
    description: str = ""
    licence: str = ""
    list_name: str = ""

    @property
    def purpose(self) -> str:
        """The first statement of the description."""
        return re.split(r"[:.](?:\s|$)|\n", self.description, maxsplit=1)[0].strip()


@dataclass(frozen=True)
class ModelList:
    """A list of models on the web.

    Parameters
    ----------
    name
        Of the list.
    url
        Where it is.
    models
        What it names.
    """

    name: str
    url: str
    models: tuple[ListedModel, ...]


def parse_list(data: bytes, url: str) -> ModelList:
    """Read a list, checking all of it.

    Parameters
    ----------
    data
        The document.
    url
        Where it came from.

    Raises
    ------
    ModelFileError
        If it is no list of models, or one that only a newer version reads.
    """
    if len(data) > LARGEST:
        raise _wrong(url, f"it has more than {LARGEST} bytes")
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _wrong(url, f"it is no JSON ({error})") from error
    if not isinstance(values, dict) or not isinstance(values.get("schema"), int):
        raise _wrong(url, "it states no schema version")
    if values["schema"] > SCHEMA:
        raise ModelFileError(
            f"The list of models {url} has schema version {values['schema']}; this "
            f"version reads up to {SCHEMA}. Update napari-unet-studio to use it."
        )
    entries = values.get("models")
    if not isinstance(entries, list) or len(entries) > _MOST:
        raise _wrong(url, "it names no models")
    name = _text(values, "name", url) or url
    models = tuple(_model(entry, url, name) for entry in entries)
    counts = Counter(model.name for model in models).most_common(1)
    if counts and counts[0][1] > 1:
        raise _wrong(url, f"it names {counts[0][0]!r} twice")
    return ModelList(name, url, models)


def cached_list(url: str) -> ModelList | None:
    """Return a list as it was when it was last fetched, None if it never was."""
    try:
        return parse_list(_cache(url).read_bytes(), url)
    except (OSError, ModelFileError):
        return None


def keep_list(url: str, data: bytes) -> None:
    """Keep a fetched list for when there is no network; failing is no error."""
    with suppress(OSError, StorageError), atomic_write(_cache(url)) as file:
        file.write(data)


def listed_models() -> list[ListedModel]:
    """Return what the lists of the settings name, as they were last fetched."""
    lists = (cached_list(url) for url in read_settings().model_lists)
    return [model for found in lists if found is not None for model in found.models]


def _cache(url: str) -> Path:
    key = hashlib.sha256(url.encode()).hexdigest()[:32]
    return cache_folder() / "lists" / f"{key}.json"


def _model(entry: Any, url: str, list_name: str) -> ListedModel:
    if not isinstance(entry, Mapping):
        raise _wrong(url, "a model in it is no JSON object")
    name = _text(entry, "name", url)
    if not name or name != as_name(name) or len(name) > LONGEST:
        raise _wrong(url, f"the name {name!r:.80} cannot be that of a file")
    place = _text(entry, "url", url)
    try:
        place = urljoin(url, place)
        check_url(place)
    except (ConfigError, ValueError) as error:
        raise _wrong(url, f"the model {name!r} has no address on the web") from error
    digest = _text(entry, "sha256", url).lower()
    if not _DIGEST.fullmatch(digest):
        raise _wrong(url, f"the model {name!r} has no SHA-256 digest")
    size = entry.get("size", 0)
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise _wrong(url, f"the model {name!r} has the size {size!r:.40}")
    return ListedModel(
        name,
        place,
        digest,
        size,
        _text(entry, "description", url),
        _text(entry, "licence", url),
        list_name,
    )


def _text(values: Mapping[str, Any], key: str, url: str) -> str:
    value = values.get(key, "")
    if not isinstance(value, str):
        raise _wrong(url, f"its {key} is {value!r:.40} and no text")
    return value.strip()


def _wrong(url: str, reason: str) -> ModelFileError:
    return ModelFileError(
        f"The list of models {url} cannot be used: {reason}. Tell those who made it, "
        "or take it out of the settings."
    )
