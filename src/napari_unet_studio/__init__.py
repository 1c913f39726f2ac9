"""Train and run U-Nets on the images open in napari, from a console or a shell.

The public names load when they are first used, so importing this package costs next to
nothing. By convention ``import napari_unet_studio as us``; ``help(us.predict)`` tells
of a name.

On arrays and files:

- use a model: `segment`, `predict`, `predict_zarr`, `batch`; settings `PredictConfig`,
  `BatchConfig`; results `Prediction`, `StoredPrediction`, `BatchResult`
- probabilities to objects: `label_objects`, `link_objects`, `ObjectConfig`
- train: `train`, `TrainConfig`, `Pair`, `prune`
- see what training sees: `separation_weights`, `class_weights`, `separation_term`,
  `nearest_objects`, `carve_gap`, `elastic_deform`
- measure and judge: `measure`, `MeasureConfig`, `ObjectTable`; `evaluate`, `Scores`;
  `compare`, `Comparison`
- models: `models`, `ModelEntry`, `load_model`, `Model`, `download_model`,
  `import_model`, `export`, `ExportConfig`, `Exported`
- networks: `NETWORKS`, `build`; look inside: `feature_maps`, `FeatureMaps`, `saliency`,
  `Saliency`, `InspectConfig`

On the layers of a napari viewer, as the docks do it:

- `predict_layer`, `train_layers`, `weights_layer`, `deform_layer`, `measure_layer`,
  `evaluate_layers`, `feature_layer`, `saliency_layer`
- for scripts: `current_viewer`, `open_layer`

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
        BatchConfig,
        BatchResult,
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
        batch,
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
        current_viewer,
        deform_layer,
        evaluate_layers,
        feature_layer,
        measure_layer,
        open_layer,
        predict_layer,
        saliency_layer,
        train_layers,
        weights_layer,
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
    "label_objects": "core.instances",
    "link_objects": "core.linking",
    **dict.fromkeys(
        (
            "current_viewer",
            "deform_layer",
            "evaluate_layers",
            "feature_layer",
            "measure_layer",
            "open_layer",
            "predict_layer",
            "saliency_layer",
            "train_layers",
            "weights_layer",
        ),
        "layers",
    ),
    **dict.fromkeys(
        (
            "BatchConfig",
            "BatchResult",
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
            "batch",
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
