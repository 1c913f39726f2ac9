"""Prediction of OME-Zarr stores on several processes or machines."""

from napari_unet_studio.distributed.dask import DaskMapper

__all__ = ["DaskMapper"]
