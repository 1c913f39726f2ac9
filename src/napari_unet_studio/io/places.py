"""Folders of the user's: what is theirs, and what can be made again."""

import os
from pathlib import Path

import platformdirs

HOME_VARIABLE = "UNET_STUDIO_HOME"


def user_folder() -> Path:
    """Folder of this user's settings, models and unfinished trainings.

    The environment variable ``UNET_STUDIO_HOME`` overrides the platform's usual place.
    """
    home = os.environ.get(HOME_VARIABLE)
    return Path(home) if home else platformdirs.user_data_path("napari-unet-studio")
