"""Names as the BioImage Model Zoo allows them."""

import re

_UNITS = {
    "um": "micrometer",
    "µm": "micrometer",
    "micron": "micrometer",
    "micrometer": "micrometer",
    "micrometre": "micrometer",
    "nm": "nanometer",
    "nanometer": "nanometer",
    "nanometre": "nanometer",
    "mm": "millimeter",
    "millimeter": "millimeter",
    "millimetre": "millimeter",
}
_SHORTEST, _LONGEST = 5, 64


def clean_name(name: str) -> str:
    """Return a name of the allowed letters and of an allowed length.

    Examples
    --------
    >>> clean_name("Zellkörper / 2"), clean_name("egg")
    ('Zellk-rper - 2', 'egg model')
    """
    kept = re.sub(r"[^A-Za-z0-9_+\-() ]", "-", name).strip()[:_LONGEST].rstrip()
    return kept if len(kept) >= _SHORTEST else f"{kept} model".strip()


def space_unit(unit: str) -> str | None:
    """Return a unit of length by the name that the format knows.

    Examples
    --------
    >>> space_unit("um"), space_unit("pixel")
    ('micrometer', None)
    """
    return _UNITS.get(unit.replace("\u03bc", "\u00b5").lower())
