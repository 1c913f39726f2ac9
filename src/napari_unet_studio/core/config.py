"""Configuration dataclasses: one definition for form, command line, JSON and checks.

A field's annotation says its type and, in ``Annotated[..., {...}]``, its limits and
label. The same metadata limit the widget, the command line option and the constructor.
"choices" lists all values; "suggestions" lists some, and "check" is called with a value
and raises a :class:`.ConfigError` unless it fits. "zero" is what a form shows for 0.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from functools import cache
from typing import Annotated, Any, Literal, Self, get_args, get_origin, get_type_hints

import numpy as np

from napari_unet_studio.core.errors import ConfigError

# Choices that several configurations offer.
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32"]


class Config:
    """Base of the frozen configuration dataclasses: checks values, speaks JSON.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Blur(Config):
    ...     sigma: Annotated[float, {"min": 0.0, "max": 9.0}] = 1.0
    >>> Blur.from_dict({"sigma": 2})
    Blur(sigma=2.0)
    >>> Blur(sigma=-1)
    Traceback (most recent call last):
    ...
    napari_unet_studio.core.errors.ConfigError: sigma is -1.0; choose from 0.0 to 9.0.
    """

    def __post_init__(self) -> None:
        for name, (kind, options) in field_types(type(self)).items():
            value = _checked(name, getattr(self, name), kind, options)
            object.__setattr__(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain JSON types; nested ones as nested dicts."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild a configuration from :meth:`to_dict`; absent fields keep defaults.

        Raises
        ------
        ConfigError
            If a field is unknown or a value does not fit.
        """
        types = field_types(cls)
        if not isinstance(values, Mapping):
            raise ConfigError(
                f"{cls.__name__} is made of names and values, not of {values!r:.80}."
            )
        unknown = [name for name in values if name not in types]
        if unknown:
            raise ConfigError(
                f"{cls.__name__} has no setting {unknown[0]!r}; it has "
                f"{', '.join(types)}."
            )
        arguments = {}
        for name, value in values.items():
            kind, _ = types[name]
            if isinstance(value, Mapping) and _is_config(kind):
                value = kind.from_dict(value)
            arguments[name] = value
        return cls(**arguments)


def _is_config(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Config)


def field_types(config: Any) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Return each field's type and options (min, max, step, label, ...) in order."""
    return _field_types(config)


@cache
def _field_types(config: type[Any]) -> dict[str, tuple[Any, dict[str, Any]]]:
    hints = get_type_hints(config, include_extras=True)
    found = {}
    for field in fields(config):
        hint, options = hints[field.name], {}
        if get_origin(hint) is Annotated:
            hint, *metadata = get_args(hint)
            options = {
                k: v for m in metadata if isinstance(m, dict) for k, v in m.items()
            }
        found[field.name] = (hint, options)
    return found


@cache
def help_texts(config: type) -> Mapping[str, str]:
    """Return the description of each field from the class's docstring.

    Examples
    --------
    >>> from napari_unet_studio.core.instances import ObjectConfig
    >>> help_texts(ObjectConfig)["threshold"]
    'Pixels of at least this probability belong to objects.'
    """
    from docstring_parser import parse

    texts = {}
    for parameter in parse(config.__doc__ or "").params:
        for name in parameter.arg_name.split(","):
            texts[name.strip()] = " ".join((parameter.description or "").split())
    return texts


def _checked(name: str, value: Any, kind: Any, options: Mapping[str, Any]) -> Any:
    if get_origin(kind) is Literal:
        _check_choice(name, value, get_args(kind))
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        with suppress(OverflowError):  # left whole, it is refused below
            value = float(value)
    if isinstance(kind, type) and (
        not isinstance(value, kind) or (kind is int and isinstance(value, bool))
    ):
        raise ConfigError(
            f"{name} is {value!r:.80}, but a value of type {kind.__name__} is expected."
        )
    low, high = options.get("min"), options.get("max")
    if (low is not None and not value >= low) or (
        high is not None and not value <= high
    ):
        limits = f"from {low} to {high}"
        if low is None or high is None:
            limits = f"{low} or more" if high is None else f"{high} or less"
        raise ConfigError(f"{name} is {value}; choose {limits}.")
    if options.get("choices") is not None:
        _check_choice(name, value, options["choices"])
    if "check" in options:
        options["check"](value)
    return value


def _check_choice(name: str, value: Any, choices: Collection[Any]) -> None:
    # By type too: True equals 1, and is even an int.
    kinds = tuple({type(choice) for choice in choices})
    fits = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
    if not fits or value not in choices:
        raise ConfigError(
            f"{name} is {value!r:.80}; choose one of {', '.join(map(str, choices))}."
        )
