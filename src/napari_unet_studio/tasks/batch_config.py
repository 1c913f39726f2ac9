"""The one description of a batch: form, command line, JSON and manifest."""

from dataclasses import dataclass, field
from typing import Annotated

from napari_unet_studio.core.config import Config
from napari_unet_studio.tasks.predict_config import PredictConfig


@dataclass(frozen=True)
class BatchConfig(Config):
    """How many images go through a model, and what is written of each.

    Parameters
    ----------
    prediction
        Where and how the network runs.
    probabilities
        Also write the probabilities of each image, as float32 in the folder
        "probabilities". Zarr stores always hold them.
    table
        Also measure the objects of each image, into the folder "tables", and put all of
        them into one table, "objects.csv".
    store
        Make each result an OME-Zarr store with labels and probabilities, for images of
        any size, instead of a TIFF of labels. What is done of an image is kept, too, if
        the batch is stopped or killed.

    Examples
    --------
    >>> BatchConfig(PredictConfig(tile=512), table=True).to_dict()["table"]
    True
    """

    prediction: PredictConfig = field(default_factory=PredictConfig)
    probabilities: Annotated[bool, {"label": "Write probabilities"}] = False
    table: Annotated[bool, {"label": "Write table of objects"}] = False
    store: Annotated[bool, {"label": "Write zarr stores"}] = False
