"""One option for each field of a configuration, and its file of settings."""

import json
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import typer

from napari_unet_studio.cli import completion
from napari_unet_studio.core.config import field_types, help_texts
from napari_unet_studio.core.errors import ConfigError, StorageError
from napari_unet_studio.io.model_file import SUFFIX, read_card

NESTED = "__"
# Fields whose words a shell completes; those of a Literal it knows anyway.
_COMPLETED: Mapping[str, Callable[[str], list[str]]] = MappingProxyType(
    {"start": completion.models}
)


def option_fields(
    config: type,
    panel: str,
    panels: Mapping[str, str] = MappingProxyType({}),
    defaults: bool = True,
    prefix: str = "",
) -> dict[str, Any]:
    """Return name -> annotation of every option, nested fields as parent__field.

    Parameters
    ----------
    config
        The dataclass.
    panel, panels
        Heading in the help; and another one of some fields, by name.
    defaults
        Without it the help says that they are those of the model.
    prefix
        Of all names.
    """
    texts = help_texts(config)
    usual = config()
    flat: dict[str, Any] = {}
    for name, (kind, metadata) in field_types(config).items():
        heading = panels.get(name, panel)
        if is_dataclass(kind) and isinstance(kind, type):
            inner = f"{prefix}{name}{NESTED}"
            flat |= option_fields(kind, heading, {}, defaults, inner)
            continue
        if "choices" in metadata:
            kind = Literal[tuple(metadata["choices"])]
        default = getattr(usual, name) if defaults else "the model's"
        text = texts.get(name, "")
        complete = _COMPLETED.get(name)
        if "suggestions" in metadata:
            text += f" Names: {', '.join(metadata['suggestions'])}."
            complete = _among(metadata["suggestions"])
        option = option_of(prefix + name)
        names = f"{option}/--no-{option[2:]}" if kind is bool else option
        flat[prefix + name] = Annotated[
            kind | None,
            typer.Option(
                names,
                help=text,
                show_default=str(default),
                rich_help_panel=heading,
                autocompletion=complete,
            ),
        ]
    return flat


def option_of(name: str) -> str:
    """Return the option of a field.

    Examples
    --------
    >>> option_of("weights__w0"), option_of("min_size")
    ('--weights-w0', '--min-size')
    """
    return "--" + name.replace(NESTED, "-").replace("_", "-")


def in_options(message: str, given: Mapping[str, Any]) -> str:
    """Return a message about a field with the option that was given for it.

    What stands in a file of settings keeps the name that it has there.

    Examples
    --------
    >>> in_options("sigma is 0.0; choose 1.", {"weights__sigma": 0.0, "patch": None})
    '--weights-sigma is 0.0; choose 1.'
    """
    word, space, rest = message.partition(" ")
    named = [
        name
        for name, value in given.items()
        if value is not None and name.split(NESTED)[-1] == word
    ]
    if space and len(named) == 1:
        return f"{option_of(named[0])} {rest}"
    return message


def read_settings_file(path: Path | None, whole: bool = False) -> dict[str, Any]:
    """Read a settings file; of a model also the pairs, if all of it is wanted.

    Raises
    ------
    StorageError, ConfigError
        If there is no such file, or it holds something else.
    """
    if path is None:
        return {}
    if path.suffix == SUFFIX:
        training = read_card(path).training
        known = dict(training.get("config", {}))
        if not whole or "pairs" not in training:
            return known
        return {"config": known, "pairs": list(training["pairs"])}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON document: {error}.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no JSON object with settings.")
    return values


def _among(names: tuple[str, ...]) -> Callable[[str], list[str]]:
    """Return what completes a word to one of some names."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return complete
