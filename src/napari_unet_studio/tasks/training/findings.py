"""What is wrong or doubtful about a training, in plain words, with a way out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from napari_unet_studio.core.config import Config

Kind = Literal["error", "doubt", "note"]
Settings = TypeVar("Settings", bound=Config)

# Where the messages of this package go on from what is wrong to what to do.
_REMEDY = re.compile(r"; |: (?=(?:choose|give|name|use) )|\. (?=[A-Z])")


@dataclass(frozen=True)
class Finding:
    """One thing that the user should know.

    Parameters
    ----------
    kind
        "error": it would fail; "doubt": it may well go wrong; "note": good to know.
    text
        What there is, with the numbers.
    remedy
        What to do about it; empty if nothing need be done.
    changes
        Settings that would mend it, by name; those of nested configurations as
        dictionaries. See :func:`changed`.
    """

    kind: Kind
    text: str
    remedy: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.text} {self.remedy}".strip()


def finding_of(
    error: Exception, changes: Mapping[str, Any] | None = None, kind: Kind = "error"
) -> Finding:
    """Return an exception of this package as a finding.

    Examples
    --------
    >>> finding = finding_of(ValueError("The role is 'x'; choose train or off."))
    >>> finding.text, finding.remedy
    ("The role is 'x'.", 'Choose train or off.')
    """
    message = str(error).strip() or type(error).__name__
    text, *more = _REMEDY.split(message, maxsplit=1)
    remedy = more[0][:1].upper() + more[0][1:] if more else ""
    return Finding(kind, text.rstrip(".") + ".", remedy, changes or {})


def changed(config: Settings, changes: Mapping[str, Any]) -> Settings:
    """Return a configuration with the changes of a finding.

    Raises
    ------
    ConfigError
        If a setting is unknown or a value does not fit.

    Examples
    --------
    >>> from napari_unet_studio.tasks.train_config import TrainConfig
    >>> config = changed(TrainConfig(), {"batch": 2, "weights": {"gap": 3}})
    >>> config.batch, config.weights.gap, config.weights.w0
    (2, 3, 10.0)
    """
    return type(config).from_dict(_merged(config.to_dict(), changes))


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(values)
    for name, value in changes.items():
        before = result.get(name)
        nested = isinstance(value, Mapping) and isinstance(before, Mapping)
        result[name] = _merged(before, value) if nested else value  # type: ignore[arg-type]
    return result
