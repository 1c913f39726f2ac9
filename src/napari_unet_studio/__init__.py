"""Train and run U-Nets on the images open in napari, from a console or a shell.

The public names load when they are first used, so importing this package costs next to
nothing. By convention ``import napari_unet_studio as us``.

Examples
--------
>>> import napari_unet_studio as us
>>> us.NETWORKS["unet-2015"].output_shape((572, 572))
(388, 388)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_unet_studio.api import (
        Comparison,
        ExportConfig,
        Exported,
        FeatureMaps,
        InspectConfig,
        MeasureConfig,
        Model,
        ModelEntry,
        ObjectConfig,
        ObjectTable,
        Pair,
        PredictConfig,
        Prediction,
        Saliency,
        Scores,
        StoredPrediction,
        TrainConfig,
        compare,
        download_model,
        elastic_deform,
        evaluate,
        export,
        feature_maps,
        import_model,
        load_model,
        measure,
        models,
        predict,
        predict_zarr,
        prune,
        saliency,
        segment,
        separation_weights,
        train,
    )
    from napari_unet_studio.core.instances import label_objects
    from napari_unet_studio.core.linking import link_objects
    from napari_unet_studio.core.networks.catalog import NETWORKS, build
    from napari_unet_studio.core.weights import (
        carve_gap,
        class_weights,
        nearest_objects,
        separation_term,
    )
    from napari_unet_studio.layers import (
        feature_layer,
        predict_layer,
        saliency_layer,
        train_layers,
    )

_HOMES = {
    "NETWORKS": "core.networks.catalog",
    "build": "core.networks.catalog",
    **dict.fromkeys(
        (
            "carve_gap",
            "class_weights",
            "nearest_objects",
            "separation_term",
            "separation_weights",
        ),
        "core.weights",
    ),
    "elastic_deform": "core.deform",
    "feature_layer": "layers",
    "label_objects": "core.instances",
    "link_objects": "core.linking",
    "predict_layer": "layers",
    "saliency_layer": "layers",
    "train_layers": "layers",
    **dict.fromkeys(
        (
            "Comparison",
            "ExportConfig",
            "Exported",
            "FeatureMaps",
            "InspectConfig",
            "MeasureConfig",
            "Model",
            "ModelEntry",
            "ObjectConfig",
            "ObjectTable",
            "Pair",
            "PredictConfig",
            "Prediction",
            "Saliency",
            "Scores",
            "StoredPrediction",
            "TrainConfig",
            "compare",
            "download_model",
            "evaluate",
            "export",
            "feature_maps",
            "import_model",
            "load_model",
            "measure",
            "models",
            "predict",
            "predict_zarr",
            "prune",
            "saliency",
            "segment",
            "train",
        ),
        "api",
    ),
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("napari-unet-studio")
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
