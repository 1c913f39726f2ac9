"""Settings and files as the words of a shell command, and messages in these words."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any


def options(config: Any, default: Any, prefix: str = "--") -> list[str]:
    """Return the options for the settings that differ from others.

    Parameters
    ----------
    config, default
        Two of one dataclass.
    prefix
        What the names of the options begin with.

    Examples
    --------
    >>> from napari_unet_studio.core.weights import WeightConfig
    >>> options(WeightConfig(sigma=3, inside=True), WeightConfig())
    ['--sigma', '3.0', '--inside']
    """
    words: list[str] = []
    for field in fields(config):
        value, usual = getattr(config, field.name), getattr(default, field.name)
        option = prefix + field.name.replace("_", "-")
        if is_dataclass(value):
            words += options(value, usual, f"{option}-")
        elif value != usual and isinstance(value, bool):
            words.append(option if value else f"--no-{option[2:]}")
        elif value != usual:
            words += [option, str(value)]
    return words


def line(words: Iterable[object]) -> str:
    """Return a command, its words quoted where a shell needs it.

    Examples
    --------
    >>> line(["unet-studio", "predict", "my cells.tif"])
    "unet-studio predict 'my cells.tif'"
    """
    return " ".join(shlex.quote(str(word)) for word in words)


def written(file: object, text: str) -> str:
    """Return the command that writes a text to a file, as a here-document."""
    return f"cat > {shlex.quote(str(file))} <<'END'\n{text}\nEND\n"


def numbers(values: Iterable[float]) -> str:
    """Return numbers as an option takes them, exactly.

    Examples
    --------
    >>> numbers((2.0, 0.5, 0.1))
    '2,0.5,0.1'
    """
    return ",".join(repr(float(value)).removesuffix(".0") for value in values)


def slices(region: Iterable[slice]) -> str:
    """Return a region of an image as an option takes it.

    Examples
    --------
    >>> slices((slice(3, 67), slice(0, 40)))
    '3:67,0:40'
    """
    return ",".join(f"{part.start}:{part.stop}" for part in region)


# Messages are written for all who may read them: a script, a dock and a shell.
_PLACES = re.compile(r"\S+ \(in napari: [^;)]*; in a shell: ([^)]*)\)")
_ARGUMENT = re.compile(
    r"(?<![\w.{?&])(?<!\w\()([a-z][a-z_]*)=('[^']*'|\"[^\"]*\"|(?:True|False)\b)"
)
_SET = re.compile(r"\b([Ss]et) ([a-z]+_[a-z_]+) to '?([\w.+-]*\w)'?")
_NAMES = (("another name of us.NETWORKS", "another of unet-studio networks"),)


def spoken(message: str) -> str:
    """Return a message with arguments of Python as options of a shell.

    Examples
    --------
    >>> spoken("Give authors='Ada Lovelace' and trust=True.")
    "Give --authors 'Ada Lovelace' and --trust."
    >>> spoken("State the spacing, or set pixel_size to 'image'.")
    'State the spacing, or set --pixel-size to image.'
    >>> spoken("import it with trust=True (in napari: tick; in a shell: --trust).")
    'import it with --trust.'
    """
    for python, shell in _NAMES:
        message = message.replace(python, shell)
    message = _PLACES.sub(r"\1", message)
    message = _SET.sub(lambda m: f"{m[1]} {_option(m[2])} to {m[3]}", message)
    return _ARGUMENT.sub(lambda m: _given(m[1], m[2]), message)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _given(name: str, value: str) -> str:
    """Return an argument of Python, as it is written there, as an option."""
    if value in ("True", "False"):
        return _option(name) if value == "True" else f"--no-{_option(name)[2:]}"
    return f"{_option(name)} {shlex.quote(value.strip(chr(39) + chr(34)))}"
