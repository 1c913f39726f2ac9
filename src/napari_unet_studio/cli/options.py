"""Command line options made from configuration dataclasses."""

import copy
import inspect
import json
from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import typer

from napari_unet_studio.core.config import Config, field_types, help_texts
from napari_unet_studio.core.errors import ConfigError, StorageError
from napari_unet_studio.io.model_file import SUFFIX, read_card

Settings = TypeVar("Settings", bound=Config)
# Finds the settings in a settings file's document, given the command's arguments.
Reader = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
_NESTED = "__"


def _as_it_is(document: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Take the document as the settings."""
    return document


def with_config(
    config: type[Settings], read: Reader = _as_it_is
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
    """
    flat = _flatten(config)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        names = inspect.signature(command).parameters

        def wrapped(**arguments: Any) -> None:
            given = {name: arguments.pop(name) for name in flat}
            whole = _read(arguments.pop("config"), "document" in names)
            if "document" in names:
                arguments["document"] = whole
            document = copy.deepcopy(read(whole, arguments))
            for name, value in given.items():
                if value is None:
                    continue  # not given
                *parents, last = name.split(_NESTED)
                place = document
                for parent in parents:
                    place = place.setdefault(parent, {})
                    if not isinstance(place, dict):
                        raise ConfigError(
                            f"{parent} is {place!r} in the settings file, but a JSON "
                            "object is expected."
                        )
                place[last] = value
            command(config=config.from_dict(document), **arguments)

        own = [p for p in names.values() if p.name not in ("config", "document")]
        extra = {
            "config": Annotated[
                Path | None,
                typer.Option(
                    help="JSON file with settings, or a model: those it was made "
                    "with. Options win over it."
                ),
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
    config: type[Settings], name: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option per field, and those that were given as a dict.

    For settings whose defaults are found later, such as those of a model.

    Parameters
    ----------
    config
        The dataclass.
    name
        Parameter of the command that takes the dict.
    """
    flat = _flatten(config, defaults=False)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def wrapped(**arguments: Any) -> None:
            given = {field: arguments.pop(field) for field in flat}
            arguments[name] = {k: v for k, v in given.items() if v is not None}
            command(**arguments)

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


def _flatten(config: type, prefix: str = "", defaults: bool = True) -> dict[str, Any]:
    """Return name -> annotation of every option, nested fields as parent__field.

    Without `defaults` the help says that they are those of the model.
    """
    texts = help_texts(config)
    usual = config()
    flat: dict[str, Any] = {}
    for name, (kind, options) in field_types(config).items():
        if is_dataclass(kind) and isinstance(kind, type):
            flat |= _flatten(kind, f"{prefix}{name}{_NESTED}", defaults)
            continue
        if "choices" in options:
            kind = Literal[tuple(options["choices"])]
        default = getattr(usual, name) if defaults else "the model's"
        text = texts.get(name, "")
        if "suggestions" in options:
            text += f" Names: {', '.join(options['suggestions'])}."
        option = "--" + f"{prefix}{name}".replace(_NESTED, "-").replace("_", "-")
        names = f"{option}/--no-{option[2:]}" if kind is bool else option
        flat[prefix + name] = Annotated[
            kind | None,
            typer.Option(names, help=text, show_default=str(default)),
        ]
    return flat


def _read(path: Path | None, whole: bool) -> dict[str, Any]:
    """Read a settings file; of a model also the pairs, if all of it is wanted."""
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
