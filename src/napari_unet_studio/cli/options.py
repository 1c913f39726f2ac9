"""Command line options made from configuration dataclasses."""

import inspect
import json
from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import typer

from napari_unet_studio.core.config import Config, field_types, help_texts
from napari_unet_studio.core.errors import ConfigError, StorageError

Settings = TypeVar("Settings", bound=Config)
_NESTED = "__"


def with_config(
    config: type[Settings],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option per field, and the built configuration as ``config``.

    The command also gets ``--config FILE`` with a JSON document as
    :meth:`.Config.to_dict` writes it; options on the command line win over the file.
    """
    flat = _flatten(config)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def wrapped(**arguments: Any) -> None:
            document = _read(arguments.pop("config"))
            for name in flat:
                value = arguments.pop(name)
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

        own = [
            p
            for p in inspect.signature(command).parameters.values()
            if p.name != "config"
        ]
        extra = {
            "config": Annotated[
                Path | None,
                typer.Option(help="JSON file with settings; options win over it."),
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
        hints.pop("config", None)
        wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {**hints, **extra}
        wrapped.__doc__, wrapped.__name__ = command.__doc__, command.__name__
        return wrapped

    return decorate


def _flatten(config: type, prefix: str = "") -> dict[str, Any]:
    """Return name -> annotation of every option, nested fields as parent__field."""
    texts = help_texts(config)
    defaults = config()
    flat: dict[str, Any] = {}
    for name, (kind, options) in field_types(config).items():
        if is_dataclass(kind) and isinstance(kind, type):
            flat |= _flatten(kind, f"{prefix}{name}{_NESTED}")
            continue
        if "choices" in options:
            kind = Literal[tuple(options["choices"])]
        default = getattr(defaults, name)
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


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON document: {error}.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no JSON object with settings.")
    return values
