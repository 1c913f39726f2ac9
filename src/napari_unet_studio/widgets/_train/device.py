"""Where a training would run, and how much memory there is."""

import sys

import psutil

from napari_unet_studio.core.amounts import memory
from napari_unet_studio.core.errors import StudioError


def device_text(device: str) -> str:
    """Say where a training runs; the GPU is only known once torch is loaded.

    Parameters
    ----------
    device
        As in the settings.
    """
    if "torch" not in sys.modules:
        # Which device "auto" is, the line at the foot of the dock says.
        where = "" if device == "auto" else f"Runs on {device!r}; "
        free = psutil.virtual_memory().available
        return f"{where}{memory(free)} of memory are free."
    import torch

    from napari_unet_studio.tasks.device import choose_device, describe_device

    try:
        chosen = choose_device(device)
    except StudioError as error:
        return str(error)
    free = psutil.virtual_memory().available
    if chosen.startswith("cuda"):
        free = torch.cuda.mem_get_info(chosen)[0]
    return f"Runs on {describe_device(chosen)}; {memory(free)} of memory are free."
