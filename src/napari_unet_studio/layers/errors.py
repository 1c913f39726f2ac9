"""The layer that shows where a segmentation errs: a colour for each kind of error."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet_studio.layers.results import LayerTuple, labels_tuple
from napari_unet_studio.layers.source import Source

ERRORS = "errors"
"""Key in a layer's metadata that tells an error map from other labels."""

NAMES: Mapping[int, str] = MappingProxyType(
    {1: "matched", 2: "missed", 3: "spurious", 4: "merged", 5: "split"}
)
"""What each value of an error map means, see :class:`.Verdict`; 0 is background."""

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "matched": "#009e7359",
        "missed": "#d55e00ff",
        "spurious": "#56b4e9ff",
        "merged": "#f0e442ff",
        "split": "#0072b2ff",
    }
)
"""Colours as #rrggbbaa: the vivid ones that differ most, with every colour vision, of
the palette of Okabe and Ito (Color Universal Design, 2008); what is right is faint."""


def errors_tuple(
    errors: NDArray[np.uint8],
    source: Source,
    name: str,
    provenance: Mapping[str, Any] | None = None,
    only: int | None = None,
) -> LayerTuple:
    """Return a Labels layer of an error map, with a name for each value.

    Parameters
    ----------
    errors
        The :class:`.Verdict` of each pixel.
    source
        The reference, on whose pixels it lies.
    name
        Of the candidate.
    provenance
        More for the metadata.
    only
        Show this value alone; None shows all.
    """
    return labels_tuple(
        errors,
        source,
        f"{name} errors",
        {ERRORS: name, **(provenance or {})},
        colormap=colours_of(only),
        features={
            # Of the background nothing is to be said.
            "index": [0, *NAMES],
            "object": [None, *NAMES.values()],
        },
        opacity=0.8,
    )


def colours_of(only: int | None = None) -> dict[int | None, NDArray[np.float32]]:
    """Return the colours of an error map, (4,) each, with the opacity last.

    Parameters
    ----------
    only
        Give all other values no colour.

    Examples
    --------
    >>> colours_of(only=2)[2].round(2).tolist(), colours_of(only=2)[3].tolist()
    ([0.83..., 0.37..., 0.0, 1.0], [0.0, 0.0, 0.0, 0.0])
    """
    clear = np.zeros(4, np.float32)
    colours: dict[int | None, NDArray[np.float32]] = {None: clear, 0: clear}
    for value, name in NAMES.items():
        shown = only is None or only == value
        colours[value] = _rgba(COLOURS[name]) if shown else clear
    if only is not None:  # alone it need not be faint
        colours[only] = np.array([*colours[only][:3], 1], np.float32)
    return colours


def _rgba(text: str) -> NDArray[np.float32]:
    parts = [int(text[place : place + 2], 16) for place in (1, 3, 5, 7)]
    return (np.array(parts) / 255).astype(np.float32)
