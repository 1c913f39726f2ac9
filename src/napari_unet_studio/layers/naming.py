"""What a layer's axes are called: as it, its file or its units say, or as typed."""

from typing import TYPE_CHECKING

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.layers.unnamed import axes_besides, has_names

if TYPE_CHECKING:
    from napari.layers import Layer

_NAMES = {"t": "T", "time": "T", "z": "Z", "y": "Y", "x": "X", "c": "C", "channel": "C"}
_MOST = 5  # time, channels, z, y and x


def axes_of(layer: "Layer") -> str:
    """Return the names of a layer's axes but the channels; see :func:`.source_of`.

    Time after z is told as it is, though nothing reads it so.
    """
    named = [name for name in found_axes(layer) if name != "C"]
    known = None not in named and len(set(named)) == len(named)
    ordered = named == [a for a in "TZYX" if a in named]
    if known and (ordered or named == list("ZTYX")):
        return "".join(map(str, named))
    first = found_axes(layer).index(named[0]) if len(named) == 3 else -1
    if first >= 0 and (named[0] == "T" or _is_time(layer, first)):
        return "TYX"
    return "TZYX"[-len(named) :]


def full_axes_of(layer: "Layer") -> str:
    """Return the names of a layer's axes, one letter each, as far as can be told.

    Of five axes without names, the second holds the channels, as in most files. The
    colours of an RGB layer are no axis of it.

    Examples
    --------
    >>> import numpy as np
    >>> from napari.layers import Image
    >>> full_axes_of(Image(np.zeros((2, 5, 9, 9)), axis_labels=("c", "z", "y", "x")))
    'CZYX'
    >>> full_axes_of(Image(np.zeros((5, 9, 9))))
    'ZYX'
    """
    found = found_axes(layer)
    if found.count("C") == 1:
        place, rest = found.index("C"), axes_of(layer)
        return rest[:place] + "C" + rest[place:]
    if layer.ndim >= _MOST:
        return "TCZYX"
    return axes_of(layer)


def found_axes(layer: "Layer") -> list[str | None]:
    """Return the name of each axis of a layer that is known, None for the others.

    They are its ``axis_labels``. A layer without names of its own has those of the
    image file that napari read it from, or those that its model was given.
    """
    if has_names(layer):
        return named_axes(layer)
    return [a if a in _NAMES.values() else None for a in axes_besides(layer)]


def named_axes(layer: "Layer") -> list[str | None]:
    """Return the name of each axis of a layer that its ``axis_labels`` tell."""
    return [_NAMES.get(str(label).lower()) for label in layer.axis_labels]


def read_axes(layer: "Layer", text: str) -> tuple[str, int | None]:
    """Read the names of a layer's axes, such as "CZYX".

    Parameters
    ----------
    layer
        The layer.
    text
        One letter for each axis. The channels may be left out where the layer itself
        says which axis they are.

    Returns
    -------
    axes
        Names of the axes but the channels, such as "ZYX".
    channel_axis
        Axis of the layer that holds channels, or None.

    Raises
    ------
    InputError
        If the names do not fit the layer.
    """
    axes = "".join(c for c in text.upper() if not c.isspace() and c not in ",;")
    letters = [c for c in axes if c not in "TCZYX"]
    if letters:
        raise InputError(
            f"The axes {text!r} of {layer.name!r} have the letter {letters[0]!r}; name "
            "each axis T, C, Z, Y or X."
        )
    rgb = bool(getattr(layer, "rgb", False))
    if rgb and axes.endswith("C") and len(axes) == layer.ndim + 1:
        axes = axes[:-1]
    found = found_axes(layer)
    if "C" not in axes and found.count("C") == 1 and len(axes) == layer.ndim - 1:
        place = found.index("C")
        axes = axes[:place] + "C" + axes[place:]
    if layer.ndim > _MOST:
        raise InputError(
            f"The layer {layer.name!r} has {layer.ndim} axes, at most time, channels, "
            "z, y and x can be used; split it first."
        )
    if len(axes) != layer.ndim:
        raise InputError(
            f"The layer {layer.name!r} has {layer.ndim} axes, which cannot be named "
            f"{text!r}; give one letter for each."
        )
    twice = [c for c in axes if axes.count(c) > 1]
    if twice:
        raise InputError(
            f"The axes {text!r} of {layer.name!r} name {twice[0]} twice; give each "
            "axis a letter of its own."
        )
    if rgb and "C" in axes:
        raise InputError(
            f"The layer {layer.name!r} has colours, so none of its axes can be the "
            f"channels as in {text!r}."
        )
    names = axes.replace("C", "")
    if list(names) != [a for a in "TZYX" if a in names] or not names.endswith("YX"):
        raise InputError(
            f"The axes {text!r} of {layer.name!r} are not in order: T before Z before "
            "Y before X, the last two always there, C anywhere."
        )
    return names, axes.index("C") if "C" in axes else None


def _is_time(layer: "Layer", axis: int) -> bool:
    """Return whether the unit of an axis is one of time."""
    unit = getattr(layer, "units", (None,) * layer.ndim)[axis]
    return hasattr(unit, "is_compatible_with") and unit.is_compatible_with("second")
