"""Commands that take one option for each field of a configuration dataclass."""

import copy
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from napari_unet_studio.cli.option_fields import (
    NESTED,
    in_options,
    option_fields,
    read_settings_file,
)
from napari_unet_studio.cli.panels import INPUT, SETTINGS
from napari_unet_studio.core.config import Config
from napari_unet_studio.core.errors import ConfigError

Settings = TypeVar("Settings", bound=Config)
# Finds the settings in a settings file's document, given the command's arguments.
Reader = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
_NO_PANELS: Mapping[str, str] = MappingProxyType({})

FILE_HELP = (
    "JSON file with settings, or a model: those it was made with. Options win over it."
)
RECORD_HELP = (
    "JSON file with settings; or a model, or a batch.json: those it was made with. "
    "Options win over it."
)


def _as_it_is(document: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Take the document as the settings."""
    return document


def with_config(
    config: type[Settings],
    read: Reader = _as_it_is,
    panel: str = SETTINGS,
    panels: Mapping[str, str] = _NO_PANELS,
    file_help: str = FILE_HELP,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option per field, and the built configuration as ``config``.

    The command also gets ``--config FILE`` with a JSON document as
    :meth:`.Config.to_dict` writes it; options on the command line win over the file.

    Parameters
    ----------
    config
        The dataclass.
    read
        Finds the settings in a document that holds more. The command gets all of it as
        ``document`` if it has a parameter of that name.
    panel, panels
        Heading of the options in the help; and another one of some fields, by name. A
        field that is a configuration has one for all that is in it.
    file_help
        What the file may be.
    """
    flat = option_fields(config, panel, panels)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        names = inspect.signature(command).parameters

        def wrapped(**arguments: Any) -> None:
            given = {name: arguments.pop(name) for name in flat}
            whole = read_settings_file(arguments.pop("config"), "document" in names)
            if "document" in names:
                arguments["document"] = whole
            document = copy.deepcopy(read(whole, arguments))
            for name, value in given.items():
                if value is None:
                    continue  # not given
                *parents, last = name.split(NESTED)
                place = document
                for parent in parents:
                    place = place.setdefault(parent, {})
                    if not isinstance(place, dict):
                        raise ConfigError(
                            f"{parent} is {place!r} in the settings file, but a JSON "
                            "object is expected."
                        )
                place[last] = value
            try:
                built = config.from_dict(document)
            except ConfigError as error:
                raise ConfigError(in_options(str(error), given)) from error
            command(config=built, **arguments)

        own = [p for p in names.values() if p.name not in ("config", "document")]
        extra = {
            "config": Annotated[
                Path | None, typer.Option(help=file_help, rich_help_panel=INPUT)
            ],
            **flat,
        }
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [
            *(p.replace(kind=keyword) for p in own),
            *(
                inspect.Parameter(name, keyword, default=None, annotation=hint)
                for name, hint in extra.items()
            ),
        ]
        hints = get_type_hints(command, include_extras=True)
        for name in ("config", "document"):
            hints.pop(name, None)
        wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {**hints, **extra}
        wrapped.__doc__, wrapped.__name__ = command.__doc__, command.__name__
        return wrapped

    return decorate


def with_given(
    config: type[Settings], name: str, panel: str = SETTINGS
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option per field, and those that were given as a dict.

    For settings whose defaults are found later, such as those of a model.

    Parameters
    ----------
    config
        The dataclass.
    name
        Parameter of the command that takes the dict.
    panel
        Heading of the options in the help.
    """
    flat = option_fields(config, panel, defaults=False)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def wrapped(**arguments: Any) -> None:
            given = {field: arguments.pop(field) for field in flat}
            arguments[name] = {k: v for k, v in given.items() if v is not None}
            try:
                command(**arguments)
            except ConfigError as error:
                raise ConfigError(in_options(str(error), given)) from error

        keyword = inspect.Parameter.KEYWORD_ONLY
        own = inspect.signature(command).parameters.values()
        parameters = [
            *(p.replace(kind=keyword) for p in own if p.name != name),
            *(
                inspect.Parameter(field, keyword, default=None, annotation=hint)
                for field, hint in flat.items()
            ),
        ]
        hints = get_type_hints(command, include_extras=True)
        hints.pop(name, None)
        wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {**hints, **flat}
        wrapped.__doc__, wrapped.__name__ = command.__doc__, command.__name__
        return wrapped

    return decorate
