"""Configuration dataclasses: one definition for form, command line, JSON and checks.

A field's annotation says its type and, in ``Annotated[..., {...}]``, its limits and label.
The same metadata limit the widget, the command line option and the constructor.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, Self, get_args, get_origin, get_type_hints

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
    napari_unet_studio.core.errors.ConfigError: sigma is -1; choose from 0.0 to 9.0.
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
        unknown = sorted(set(values) - set(types))
        if unknown:
            raise ConfigError(
                f"{cls.__name__} has no setting {unknown[0]!r}; it has "
                f"{', '.join(types)}."
            )
        arguments = {}
        for name, value in values.items():
            kind, _ = types[name]
            if is_dataclass(kind) and isinstance(value, Mapping):
                value = kind.from_dict(value)  # type: ignore[attr-defined]
            arguments[name] = value
        return cls(**arguments)


@cache
def field_types(config: type) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Return each field's type and options (min, max, step, label, ...) in order."""
    hints = get_type_hints(config, include_extras=True)
    found = {}
    for field in fields(config):
        hint, options = hints[field.name], {}
        if get_origin(hint) is Annotated:
            hint, *metadata = get_args(hint)
            options = {k: v for m in metadata if isinstance(m, dict) for k, v in m.items()}
        found[field.name] = (hint, options)
    return found


def _checked(name: str, value: Any, kind: Any, options: Mapping[str, Any]) -> Any:
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ConfigError(
                f"{name} is {value!r}; choose one of {', '.join(map(str, get_args(kind)))}."
            )
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(kind, type) and (
        not isinstance(value, kind) or (kind is int and isinstance(value, bool))
    ):
        raise ConfigError(
            f"{name} is {value!r}, but a value of type {kind.__name__} is expected."
        )
    low, high = options.get("min"), options.get("max")
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        raise ConfigError(f"{name} is {value:g}; choose from {low} to {high}.")
    choices = options.get("choices")
    if choices is not None and value not in choices:
        raise ConfigError(
            f"{name} is {value!r}; choose one of {', '.join(map(str, choices))}."
        )
    return value
