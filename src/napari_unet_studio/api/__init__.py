"""Blocking functions for scripts and the console; each drains the task of its name.

Arrays go in, arrays come out; or files, for images larger than the memory. The widgets
run the same tasks in a thread.
"""

from napari_unet_studio.api.prediction import predict, predict_zarr, segment
from napari_unet_studio.api.training import evaluate, prune, train
from napari_unet_studio.core.deform import elastic_deform
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.core.weights import separation_weights
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.tasks.predict import PredictConfig, Prediction
from napari_unet_studio.tasks.stream import StoredPrediction
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.pairs import Pair

__all__ = [
    "Model",
    "ObjectConfig",
    "Pair",
    "PredictConfig",
    "Prediction",
    "StoredPrediction",
    "TrainConfig",
    "elastic_deform",
    "evaluate",
    "load_model",
    "predict",
    "predict_zarr",
    "prune",
    "segment",
    "separation_weights",
    "train",
]
