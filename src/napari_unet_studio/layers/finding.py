"""The layers of a viewer by the names that a user gives."""

from typing import TYPE_CHECKING, Literal

from napari_unet_studio.core.errors import InputError

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

Kind = Literal["Image", "Labels"]


def layer_named(
    viewer: "napari.Viewer", name: str, kind: Kind | None = None
) -> "Layer":
    """Return a layer of a viewer by its name.

    Parameters
    ----------
    viewer
        A napari viewer.
    name
        Of the layer.
    kind
        What it has to be; by default anything.

    Raises
    ------
    InputError
        If there is none of that name, or it is of another kind.

    Examples
    --------
    >>> from napari.components import ViewerModel
    >>> layer_named(ViewerModel(), "cells")
    Traceback (most recent call last):
    napari_unet_studio.core.errors.InputError: The viewer has no layer 'cells'; it has
    none at all.
    """
    try:
        layer = viewer.layers[name]
    except (LookupError, TypeError, ValueError):
        there = ", ".join(repr(each.name) for each in viewer.layers)
        raise InputError(
            f"The viewer has no layer {name!r}; it has {there or 'none at all'}."
        ) from None
    found = layer.__class__.__name__
    if kind is not None and found != kind:
        # napari offers it for an Image layer of whole numbers.
        remedy = ", or turn it into one: Convert to Labels, with a right click on it"
        raise InputError(
            f"The layer {layer.name!r} is of type {found}; choose one of type {kind}"
            f"{remedy * ((found, kind) == ('Image', 'Labels'))}."
        )
    return layer
