"""The command line: the functions of :mod:`napari_unet_studio.api` from the shell."""

from napari_unet_studio.cli.app import main

__all__ = ["main"]
