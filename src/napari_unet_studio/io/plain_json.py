"""JSON that every program reads: no NaN, no infinity, no types of numpy's."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def dumps(values: Any, indent: int | None = None) -> str:
    """Return values as JSON; null stands for NaN and infinity, which JSON lacks.

    Raises
    ------
    TypeError
        For a value that JSON cannot hold.

    Examples
    --------
    >>> dumps({"f1": float("nan"), "n": np.int64(3)})
    '{"f1": null, "n": 3}'
    """
    return json.dumps(finite(values), indent=indent, allow_nan=False, default=_plain)


def finite(values: Any) -> Any:
    """Replace NaN and infinity by None in nested mappings and sequences."""
    if isinstance(values, np.generic):
        values = values.item()
    if isinstance(values, Mapping):
        return {key: finite(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [finite(value) for value in values]
    if isinstance(values, float) and not math.isfinite(values):
        return None
    return values


def _plain(value: Any) -> Any:
    raise TypeError(f"{type(value).__name__} does not go into JSON")
