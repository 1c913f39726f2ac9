"""Scores of layers against a reference layer, from the console."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.layers.channels import training_source
from napari_unet_studio.layers.console import add_tuples
from napari_unet_studio.layers.errors import errors_tuple
from napari_unet_studio.layers.finding import layer_named
from napari_unet_studio.layers.source import source_of

if TYPE_CHECKING:  # at run time these load torch, which a widget opens without
    from pathlib import Path

    import napari

    from napari_unet_studio.api import Comparison, Model
    from napari_unet_studio.tasks.evaluate import Kind


def evaluate_layers(
    viewer: "napari.Viewer",
    reference: str,
    labels: str | Sequence[str] = (),
    models: "Mapping[str, Model | str | Path] | Sequence[str | Path]" = (),
    image: str | None = None,
    *,
    kind: "Kind" = "objects",
    axes: str | None = None,
    channel: Channel | None = None,
    errors_of: str | None = None,
    add: bool = True,
    connected: bool | None = None,
    split: float = 0.0,
    ignore: int | None = None,
    specks: int = 0,
) -> "Comparison":
    """Score labels layers and models against a reference layer of a viewer.

    Parameters
    ----------
    viewer
        A napari viewer.
    reference
        Name of the Labels layer that is right.
    labels
        Names of Labels layers that are judged.
    models, image
        Models that are judged by what they make of an Image layer, and its name.
    kind
        What the labels are: "objects", "classes" or "membranes", see :func:`evaluate`.
    axes
        Names of the axes of the reference, such as "TYX", if its ``axis_labels`` do not
        say.
    channel
        The channel of an image with several that models of one channel are given.
    errors_of
        Of objects: name of the candidate whose errors are shown; by default the first.
    add
        Add a layer of its errors to the viewer.
    connected, split, ignore, specks
        See :func:`.compare`.

    Returns
    -------
    Comparison
        A row of scores for each candidate; printed, it is a table. What cannot be done
        with a candidate, as with labels of another shape, stands in its row and below
        the table.

    Raises
    ------
    StudioError
        If there is nothing to judge, or layers cannot be used.

    Examples
    --------
    >>> import napari_unet_studio as us
    >>> from napari.components import ViewerModel
    >>> from napari_unet_studio.sample_data import SAMPLES
    >>> viewer, sample = ViewerModel(), SAMPLES["nuclei_2d"]((64, 64))
    >>> truth = viewer.add_labels(sample.labels, name="truth")
    >>> found = viewer.add_labels(sample.labels % 3, name="found")
    >>> comparison = us.evaluate_layers(viewer, "truth", "found")
    >>> comparison["found"].scores["iou"] < 1, viewer.layers[-1].name
    (True, 'found errors')
    """
    from napari_unet_studio.api import compare

    truth = layer_named(viewer, reference, "Labels")
    place = source_of(truth)
    names = [labels] if isinstance(labels, str) else list(labels)
    shown = None if image is None else layer_named(viewer, image, "Image")
    picture = None if shown is None else training_source(shown, truth)
    comparison = compare(
        None if picture is None else picture.data,
        place.data,
        models,
        {name: source_of(layer_named(viewer, name, "Labels")).data for name in names},
        kind=kind,
        axes=axes or place.axes,
        channel_axis=None if picture is None else picture.channel_axis,
        spacing=None if picture is None else picture.spacing,
        channel=channel,
        connected=connected,
        split=split,
        ignore=ignore,
        specks=specks,
        keep=add and kind == "objects",
    )
    if add and kind == "objects":
        row = comparison[errors_of] if errors_of else comparison.rows[0]
        if row.images and row.images[0].errors is not None:
            facts: dict[str, Any] = {"reference": reference, "axes": axes or place.axes}
            made = errors_tuple(row.images[0].errors, place, row.name, facts)
            for layer in add_tuples(viewer, [made]):
                layer.editable = False  # it is no labels to paint on
    return comparison
