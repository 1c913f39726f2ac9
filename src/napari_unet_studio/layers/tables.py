"""The table in ``layer.features``, beside the columns that the user made there."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.measure_columns import is_measured
from napari_unet_studio.layers.channels import channels_of, unnamed_channels
from napari_unet_studio.layers.finding import layer_named
from napari_unet_studio.layers.reading import id_column
from napari_unet_studio.layers.source import Source, source_of

if TYPE_CHECKING:
    import napari

    from napari_unet_studio.core.measure import MeasureConfig
    from napari_unet_studio.tasks.measure import ObjectTable

ChannelOf = str | tuple[str, Channel]
"""The name of a layer, or that and the number of a channel."""


def measure_layer(
    viewer: "napari.Viewer",
    layer: str,
    images: Sequence[str] | Mapping[str, ChannelOf] = (),
    config: "MeasureConfig | Mapping[str, Any] | None" = None,
    *,
    classes: str | None = None,
    add: bool = True,
) -> "ObjectTable":
    """Measure the objects of a labels layer of a viewer.

    Parameters
    ----------
    viewer
        A napari viewer.
    layer
        Name of a Labels layer.
    images
        Names of Image layers on the same pixels, whose intensities are measured, all of
        their channels; or a mapping from the names of columns to a layer, or to a layer
        and the number of its channel.
    config
        A :class:`.MeasureConfig`, or some of its fields.
    classes
        Name of a layer with the class of each pixel.
    add
        Put the table into the layer's features, where napari's status bar and the dock
        *Object table* find it. Columns of the user's own stay.

    Returns
    -------
    ObjectTable
        A mapping of columns; ``table.to_csv("cells.csv")`` writes them.

    Raises
    ------
    StudioError
        If layers or settings cannot be used, with the remedy.

    Examples
    --------
    >>> import napari_unet_studio as us
    >>> from napari.components import ViewerModel
    >>> viewer = ViewerModel()
    >>> cells = viewer.add_labels(np.array([[1, 1, 0, 2]]), name="cells")
    >>> dapi = viewer.add_image(np.array([[10, 20, 0, 30]]), name="dapi")
    >>> table = us.measure_layer(viewer, "cells", ["dapi"])
    >>> table["area"].tolist(), table["mean dapi"].tolist()
    ([2.0, 1.0], [15.0, 30.0])
    >>> cells.features["index"].tolist()
    [1, 2]
    """
    from napari_unet_studio.api import measure

    labels = layer_named(viewer, layer, "Labels")
    source = source_of(labels)
    arrays: dict[str, Any] = {}
    if isinstance(images, Mapping):
        for name, of in images.items():
            image, channel = (of, None) if isinstance(of, str) else of
            arrays[name] = _pixels(layer_named(viewer, image), labels, channel)
    else:
        for image in [images] if isinstance(images, str) else images:
            arrays |= _channels(layer_named(viewer, image), labels)
    kinds = None if classes is None else layer_named(viewer, classes)
    table = measure(
        source.data,
        arrays or None,
        axes=source.axes,
        spacing=source.spacing,
        unit=unit_of_source(source),
        classes=None if kinds is None else source_of(kinds).data,
        config=config,
    )
    if add:
        labels.features = with_features(labels, table)
    return table


def _pixels(image: Any, labels: Any, channel: Channel | None) -> Any:
    axes = unnamed_channels(image, labels)
    return source_of(image, axes, channel=channel).data


def _channels(image: Any, labels: Any) -> dict[str, Any]:
    """Return the channels of a layer by name; the only one has that of the layer."""
    channels = channels_of(image, unnamed_channels(image, labels))
    if not channels:
        return {image.name: _pixels(image, labels, None)}
    return {
        f"{image.name} {name.replace(' – ', ' ')}": _pixels(image, labels, channel)
        for name, channel in channels
        if channel != "grey"
    }


def unit_of_source(source: Source) -> str:
    """Return the unit of lengths of a layer.

    A pixel size without a unit is of one that nobody stated.
    """
    if source.unit == "pixel" and set(source.spacing) != {1.0}:
        return ""
    return source.unit


def with_features(layer: Any, table: "ObjectTable") -> Any:
    """Return the features of a labels layer with a table in it, as a data frame.

    Notes
    -----
    napari finds the row of a label in the column "index"; where there is none, the
    number of a row is its label. A column "label" of numbers, as scikit-image gives it,
    is taken for the ids before that, and is called "index" from then on. Columns that
    are no measures stay, and so do rows of labels that the table does not know. What
    has time points keeps them apart. Of an id with rows at several ones, napari's
    status bar shows the last: see `with_time_last`.
    """
    before = layer.features
    frame = type(before)  # of pandas, which comes with napari
    measured = {name: column for name, column in table.items() if name != "label"}
    made = frame({"index": table["label"], **measured})
    column = id_column(before)
    known = column is not None and before[column].dtype.kind in "iuf"
    ids = before[column] if known else before.index
    kept = [
        name
        for name in before.columns
        if name not in made.columns and not is_measured(str(name))
    ]
    if not kept:
        return made
    rest = before[kept].assign(index=ids.to_numpy())
    keys = ["index"]
    if "t" in made.columns and "t" in before.columns:
        rest, keys = rest.assign(t=before["t"]), ["index", "t"]
    rest = rest[rest[kept].notna().any(axis=1)].drop_duplicates(keys)
    return made.merge(rest, on=keys, how="outer", sort=False)


def with_time_last(features: Any, now: int) -> Any:
    """Return features whose rows of one time point come last, the others in time.

    Parameters
    ----------
    features
        A data frame with the columns "index" and "t".
    now
        The time point.
    """
    times = features["t"].to_numpy()
    order = np.lexsort((features["index"].to_numpy(), times, times == now))
    return features.iloc[order].reset_index(drop=True)
