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
        Model,
        ObjectConfig,
        Pair,
        PredictConfig,
        Prediction,
        StoredPrediction,
        TrainConfig,
        elastic_deform,
        evaluate,
        load_model,
        predict,
        predict_zarr,
        prune,
        segment,
        separation_weights,
        train,
    )
    from napari_unet_studio.core.networks.catalog import NETWORKS, build
    from napari_unet_studio.core.weights import (
        carve_gap,
        class_weights,
        nearest_objects,
        separation_term,
    )
    from napari_unet_studio.layers import predict_layer, train_layers

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
    "predict_layer": "layers",
    "train_layers": "layers",
    **dict.fromkeys(
        (
            "Model",
            "ObjectConfig",
            "Pair",
            "PredictConfig",
            "Prediction",
            "StoredPrediction",
            "TrainConfig",
            "evaluate",
            "load_model",
            "predict",
            "predict_zarr",
            "prune",
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
