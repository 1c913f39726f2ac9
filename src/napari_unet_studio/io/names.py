"""Names of models, which are names of files too."""

import re

from napari_unet_studio.core.errors import InputError

LONGEST = 100
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
# Windows keeps these for devices, whatever suffix follows.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def checked_name(name: str) -> str:
    """Return a model name that can be a file name everywhere.

    Raises
    ------
    InputError
        If it cannot.

    Examples
    --------
    >>> checked_name(" my cells ")
    'my cells'
    """
    name = name.strip().rstrip(". ")
    if not name:
        raise InputError("The model has no name; type one.")
    found = _FORBIDDEN.search(name)
    if found or name.startswith("."):
        raise InputError(
            f"The model name {name!r} cannot be a file name because of "
            f"{found.group() if found else '.'!r}; use letters, digits, spaces and "
            "hyphens."
        )
    if _DEVICES.fullmatch(name):
        raise InputError(f"Windows keeps the name {name!r} for itself; choose another.")
    if len(name) > LONGEST:
        raise InputError(
            f"The model name has {len(name)} letters; use at most {LONGEST}."
        )
    return name


def as_name(text: str) -> str:
    """Return a text of any origin as a name, as near to it as can be.

    Examples
    --------
    >>> as_name("nuclei/2D: v1.0"), as_name("../.."), as_name("NUL")
    ('nuclei 2D v1.0', 'model', 'NUL model')
    """
    name = " ".join(_FORBIDDEN.sub(" ", text).split()).lstrip(". ")[:LONGEST]
    name = name.rstrip(". ") or "model"
    return f"{name} model" if _DEVICES.fullmatch(name) else name
