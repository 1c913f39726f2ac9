"""From napari layers to arrays and back; besides the widgets only this knows them.

Layers are read once, when work begins (:class:`Source`), so that a user who switches,
renames or removes a layer meanwhile changes nothing. Results are plain
``LayerDataTuple``s that lie exactly on their source.
"""

from napari_unet_studio.layers.channels import (
    channels_of,
    combined_source,
    fitting_channels,
    training_source,
    unnamed_channels,
)
from napari_unet_studio.layers.console import (
    add_tuples,
    pair_of,
    predict_layer,
    train_layers,
)
from napari_unet_studio.layers.deformed import deform_layer
from napari_unet_studio.layers.features import (
    feature_layer,
    features_tuple,
    saliency_layer,
    saliency_tuple,
)
from napari_unet_studio.layers.naming import (
    axes_of,
    found_axes,
    full_axes_of,
    read_axes,
)
from napari_unet_studio.layers.opening import current_viewer, open_layer
from napari_unet_studio.layers.place import SPATIAL, Region, part_of
from napari_unet_studio.layers.regions import shapes_region, visible_region
from napari_unet_studio.layers.results import (
    METADATA_KEY,
    PROBABILITY,
    LayerTuple,
    image_tuple,
    labels_tuple,
    prediction_tuples,
    provenance_of,
)
from napari_unet_studio.layers.scored import evaluate_layers
from napari_unet_studio.layers.source import (
    Source,
    level_shapes,
    moved,
    source_of,
)
from napari_unet_studio.layers.stored import stored_tuples
from napari_unet_studio.layers.tables import measure_layer
from napari_unet_studio.layers.weighted import weights_layer

__all__ = [
    "METADATA_KEY",
    "PROBABILITY",
    "SPATIAL",
    "LayerTuple",
    "Region",
    "Source",
    "add_tuples",
    "axes_of",
    "channels_of",
    "combined_source",
    "current_viewer",
    "deform_layer",
    "evaluate_layers",
    "feature_layer",
    "features_tuple",
    "fitting_channels",
    "found_axes",
    "full_axes_of",
    "image_tuple",
    "labels_tuple",
    "level_shapes",
    "measure_layer",
    "moved",
    "open_layer",
    "pair_of",
    "part_of",
    "predict_layer",
    "prediction_tuples",
    "provenance_of",
    "read_axes",
    "saliency_layer",
    "saliency_tuple",
    "shapes_region",
    "source_of",
    "stored_tuples",
    "train_layers",
    "training_source",
    "unnamed_channels",
    "visible_region",
    "weights_layer",
]
