"""The viewer that a script works in, and the layers that it begins with."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_unet_studio.core.errors import InputError

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

_PLUGIN = "napari-unet-studio"


def current_viewer() -> "napari.Viewer":
    """Return the viewer that is open, or a new one.

    Examples
    --------
    >>> viewer = current_viewer()  # doctest: +SKIP
    """
    import napari

    return napari.current_viewer() or napari.Viewer()


def open_layer(
    viewer: "napari.Viewer",
    name: str,
    path: str | Path | None = None,
    *,
    sample: str | tuple[str, str] | None = None,
    plugin: str | None = None,
    kind: Literal["image", "labels"] | None = None,
    scale: Sequence[float] | None = None,
    translate: Sequence[float] | None = None,
    units: Sequence[str] | None = None,
    axis_labels: Sequence[str] | None = None,
) -> "Layer":
    """Return a layer of a viewer, opened from its file or sample if it is not there.

    Parameters
    ----------
    viewer
        A napari viewer.
    name
        Of the layer. A file with a single layer is opened under this name.
    path
        A file or folder that napari opens.
    sample
        Of *File > Open Sample*: its key, such as "nuclei_2d", or the name of another
        plugin and the key. Opening it brings all of its layers.
    plugin
        The reader of the file; by default napari chooses.
    kind
        What the layer of a file is to be.
    scale, translate, units, axis_labels
        Of the layer, where the file does not state the same.

    Raises
    ------
    InputError
        If there is no such file or sample, or it has no layer of that name.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_unet_studio as us
    >>> from napari.components import ViewerModel
    >>> viewer = ViewerModel()
    >>> cells = viewer.add_image(np.zeros((8, 9)), name="cells")
    >>> us.open_layer(viewer, "cells", "cells.tif") is cells  # it is there already
    True
    """
    before = {layer.name for layer in viewer.layers}
    if name in before:
        return viewer.layers[name]
    if sample is not None:
        source = (_PLUGIN, sample) if isinstance(sample, str) else sample
        try:
            opened = viewer.open_sample(*source)
        except KeyError as error:
            raise InputError(
                f"There is no sample {source[1]!r} of {source[0]!r}; File > Open "
                "Sample lists those there are."
            ) from error
        for layer in opened:  # of those that were there, a second one is not needed
            if layer.name not in before and _stem(layer.name) in before:
                viewer.layers.remove(layer)
    elif path is not None:
        options: dict[str, Any] = {} if kind is None else {"layer_type": kind}
        if not Path(path).exists():
            raise InputError(
                f"There is no file {str(path)!r} for the layer {name!r}; save the "
                "layer there, or open it in napari."
            )
        opened = viewer.open(str(path), plugin=plugin, **options)
        if len(opened) == 1:
            opened[0].name = name
    else:
        raise InputError(
            f"The viewer has no layer {name!r}; open or add it, or name its file."
        )
    if name not in {layer.name for layer in viewer.layers}:
        there = ", ".join(repr(layer.name) for layer in opened)
        raise InputError(
            f"There is no layer {name!r} in {sample or str(path)!r}, but {there}; name "
            "one of these."
        )
    layer = viewer.layers[name]
    place = {
        "scale": scale,
        "translate": translate,
        "units": units,
        "axis_labels": axis_labels,
    }
    for key, value in place.items():
        if value is not None:
            setattr(layer, key, tuple(value))
    return layer


def _stem(name: str) -> str:
    """Return a name without the number that napari adds where it is taken."""
    stem, _, number = name.rpartition(" [")
    return stem if stem and number.rstrip("]").isdigit() else name
