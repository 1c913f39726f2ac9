"""Blocking functions for scripts and the console; each drains the task of its name.

Arrays go in, arrays come out; or files, for images larger than the memory. The widgets
run the same tasks in a thread.
"""

from napari_unet_studio.api.batch import batch
from napari_unet_studio.api.comparison import compare
from napari_unet_studio.api.evaluation import evaluate
from napari_unet_studio.api.export import export
from napari_unet_studio.api.importing import import_model
from napari_unet_studio.api.inspection import feature_maps, saliency
from napari_unet_studio.api.library import download_model, models
from napari_unet_studio.api.measure import measure
from napari_unet_studio.api.prediction import predict, predict_zarr, segment
from napari_unet_studio.api.training import prune, train
from napari_unet_studio.core.deform import elastic_deform
from napari_unet_studio.core.instances import ObjectConfig
from napari_unet_studio.core.measure import MeasureConfig
from napari_unet_studio.core.weights import separation_weights
from napari_unet_studio.io.model import Model
from napari_unet_studio.io.model_entries import ModelEntry
from napari_unet_studio.io.registry import load_model
from napari_unet_studio.tasks.batch import BatchConfig, BatchResult
from napari_unet_studio.tasks.comparison import Comparison
from napari_unet_studio.tasks.export import Exported
from napari_unet_studio.tasks.export_config import ExportConfig
from napari_unet_studio.tasks.inspect import FeatureMaps
from napari_unet_studio.tasks.inspect_config import InspectConfig
from napari_unet_studio.tasks.measure import ObjectTable
from napari_unet_studio.tasks.predict import PredictConfig, Prediction
from napari_unet_studio.tasks.saliency import Saliency
from napari_unet_studio.tasks.scores import Scores
from napari_unet_studio.tasks.stream import StoredPrediction
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.tasks.training.pairs import Pair

__all__ = [
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
    "elastic_deform",
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
    "separation_weights",
    "train",
]
