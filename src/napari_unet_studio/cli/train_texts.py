"""What ``unet-studio train`` says to people: findings, times, memory."""

from collections.abc import Iterator, Mapping
from typing import Any

from napari_unet_studio.core.amounts import duration, rough

_KINDS = {"error": "wrong", "doubt": "doubtful", "note": "note"}


def check_lines(found: Mapping[str, Any]) -> Iterator[str]:
    r"""Yield what a check found, and what the training will take.

    Parameters
    ----------
    found
        What ``train --check --json`` prints.

    Examples
    --------
    >>> found = {"findings": ["doubt: Few objects. Paint more."], "minutes": 107.4371}
    >>> found |= {"more_memory_mb": 1310, "device": "CPU", "parameters": 1941105}
    >>> print(*check_lines(found), sep="\n")
    doubtful: Few objects. Paint more.
    takes about 1.8 h on CPU; needs about 1.3 GB more memory
    1,941,105 parameters are trained
    >>> list(check_lines({"findings": []}))
    ['nothing is wrong or doubtful']
    """
    for finding in found["findings"]:
        kind, _, text = finding.partition(": ")
        yield f"{_KINDS[kind]}: {text}"
    if not found["findings"]:
        yield "nothing is wrong or doubtful"
    if "minutes" in found:
        yield expectation(found)
        yield f"{found['parameters']:,} parameters are trained"


def expectation(found: Mapping[str, Any]) -> str:
    """Say how long a training will take, and how much memory beyond what is taken.

    Examples
    --------
    >>> expectation({"minutes": None, "more_memory_mb": 350, "device": "CPU"})
    'runs on CPU; needs about 350 MB more memory'
    """
    size = found["more_memory_mb"]
    memory = f"{size} MB" if size < 950 else f"{size / 1000:.1f} GB"
    time = "runs"
    if found["minutes"] is not None:
        time = f"takes about {rough(60 * found['minutes'])}"
    return f"{time} on {found['device']}; needs about {memory} more memory"


def trained_lines(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of a training with its time as people read it.

    Examples
    --------
    >>> trained_lines({"updates": 20, "seconds": 18.0})
    {'updates': 20, 'time': '18 s'}
    """
    told: dict[str, Any] = {}
    for name, value in result.items():
        if name == "seconds":
            told["time"] = duration(value)
        else:
            told[name] = value
    return told
