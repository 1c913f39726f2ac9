"""The card of a model as others may see it: file names, but no folders, no notes."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PureWindowsPath
from typing import Any

from napari_unet_studio.core import shell
from napari_unet_studio.io.model import ModelCard

# A text that is a whole path, in words such as those of settings.
_ROOTED = re.compile(r"~?[/\\]|~\w*[/\\]|[A-Za-z]:[/\\]|file:", re.IGNORECASE)
_DOCUMENT = re.compile(r"cat > (?P<file>.*?) <<'END'\n(?P<text>.*?)\nEND\n", re.DOTALL)
# What stands between commands in a line, and an option or variable with its value.
_BETWEEN = ("&&", "||", "|", ";")
_ASSIGNED = re.compile(r"([-\w]+=|)(.*)", re.DOTALL)
_SLASH = re.compile(r"[/\\]")
# Under these names are files, absolute or not.
_FILES = ("image", "labels", "out", "start", "file")


def shared_card(card: ModelCard) -> ModelCard:
    """Return a card without the folders of the one who trained the model.

    Folders tell names of people, projects and machines. The user's own notes are left
    out as well.

    Parameters
    ----------
    card
        It stays as it is. What its author wrote for others (description, limits,
        authors, references) is taken over word by word.

    Examples
    --------
    >>> from napari_unet_studio.core.networks.catalog import get_spec
    >>> training = {"command": "unet-studio train /home/ada/a /home/ada/b --batch 2"}
    >>> card = ModelCard(name="a", spec=get_spec("unet-16"), training=training)
    >>> shared_card(card).training["command"]
    'unet-studio train a b --batch 2'
    """
    return replace(
        card,
        notes="",
        training=_without(card.training),
        data=_without(card.data),
        tests=_without(card.tests),
        origin=_without(card.origin),
    )


def _without(value: Any, name: str = "") -> Any:
    """Return nested values without folders; `name` is what the value is called."""
    if isinstance(value, Mapping):
        return {key: _without(part, str(key)) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_without(part, name) for part in value)
    if not isinstance(value, str):
        return value
    if name == "command":
        return _command(value)
    if name in _FILES or _ROOTED.match(value):
        return _last(value)
    return value


def _last(path: str) -> str:
    """Return the last part of a path of any system."""
    if "://" in path and not path.lower().startswith("file:"):
        return path
    # It divides at both kinds of slashes.
    return PureWindowsPath(path).name or path.strip("/\\")


def _command(text: str) -> str:
    """Return a shell command whose files lie in the current folder.

    One that cannot be taken apart is left out: nobody could tell what is a path in it.
    """
    found = _DOCUMENT.match(text)
    try:
        line = _line(text[found.end() :] if found else text)
        if not found:
            return line
        (file,) = shlex.split(found["file"])
        inside = json.dumps(_without(json.loads(found["text"])), indent=1)
    except ValueError:  # of shlex, json or the unpacking
        return ""
    return shell.written(_last(file), inside) + line


def _line(text: str) -> str:
    """Return commands, one a line, with the last parts of paths."""
    lines = text.replace("\\\n", " ").strip().splitlines()
    return "\n".join(" ".join(map(_word, shlex.split(line))) for line in lines)


def _word(word: str) -> str:
    if word in _BETWEEN:
        return word
    name, value = _ASSIGNED.fullmatch(word).groups()  # type: ignore[union-attr]
    return shlex.quote(f"{name}{_last(value) if _SLASH.search(value) else value}")
