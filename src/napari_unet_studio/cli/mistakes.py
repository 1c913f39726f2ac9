"""What is said of words that a command does not understand."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import typer

_LEAKED = "Value error, "  # of the library that checks the values
_CHOICE = re.compile(r"'(?P<word>.*?)' is not one of (?P<names>'.*')\.?", re.DOTALL)


def explain(
    error: typer.BadParameter, parameters: Sequence[Any], words: Sequence[str]
) -> None:
    """Let an error say what is likely meant, and name what is really missing.

    Parameters
    ----------
    error
        Is changed.
    parameters
        Of the command.
    words
        That it was given.
    """
    error.message = helpful(error.message)
    if not error.message and any(not word.startswith("-") for word in words):
        _name_the_last(error, parameters)


def helpful(message: str) -> str:
    """Return a message about a value, with the name that was likely meant.

    Examples
    --------
    >>> helpful("Value error, 'unett' is not one of 'unet', 'unet-16'.")
    "'unett' is not one of 'unet', 'unet-16'. Did you mean 'unet'?"
    >>> helpful("Value error, 'x' is not one of 'unet', 'unet-16'.")
    "'x' is not one of 'unet', 'unet-16'."
    """
    message = message.removeprefix(_LEAKED)
    found = _CHOICE.fullmatch(message)
    if found is None:
        return message
    names = re.findall(r"'([^']*)'", found["names"])
    near = get_close_matches(found["word"], names, 1)
    return f"{message.rstrip('.')}. Did you mean {near[0]!r}?" if near else message


def _name_the_last(error: typer.BadParameter, parameters: Sequence[Any]) -> None:
    """Name the last argument as missing, where words went to it.

    Of "evaluate LABELS... REFERENCE" a single word is taken for the reference, but who
    wrote it meant the labels.
    """
    arguments = [each for each in parameters if each.param_type_name == "argument"]
    missing = error.param
    if missing is not None and missing in arguments[:-1] and missing.nargs == -1:
        error.param = arguments[-1]
