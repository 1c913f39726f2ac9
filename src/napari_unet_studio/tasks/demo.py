"""What the demonstration does, with a window and without: samples, model, training."""

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.tasks.train_config import TrainConfig

MODEL = "nuclei"
# Names only: a command's help lists them, and making them takes heavier imports.
KNOWN = ("nuclei_2d", "nuclei_timelapse")
FOREIGN = ("phase_cells_2d", "membranes_2d", "nuclei_3d", "tissue_rgb")

# From here on touching nuclei come apart; a quarter of it finds a third of them.
UPDATES = 600
# Of an update in the plane and in a volume, on two cores of a usual processor.
_SECONDS = {2: 0.12, 3: 1.0}


def check_sample(name: str, with_training: bool) -> None:
    """See that there is such a sample, and a model or a training for it.

    Raises
    ------
    InputError
        If not.

    Examples
    --------
    >>> check_sample("nuclei_2d", with_training=False)
    """
    if name not in (*KNOWN, *FOREIGN):
        raise InputError(
            f"There is no sample {name!r}; choose {', '.join((*KNOWN, *FOREIGN))}."
        )
    if name in FOREIGN and not with_training:
        raise InputError(
            f"The model that comes with the package knows fluorescent nuclei in 2D, "
            f"not {name!r}; train one for it first, with --train, or choose "
            f"{' or '.join(KNOWN)}."
        )


def training_of(axes: str, updates: int) -> TrainConfig:
    """Return how the demonstration trains on a sample with these axes."""
    if "Z" in axes:  # larger patches or batches would take an hour
        return TrainConfig(network="unet-3d", updates=updates, patch=48, batch=2)
    return TrainConfig(network="unet-16", updates=updates, patch=96, batch=4)


def expected_time(name: str, updates: int) -> str:
    """Say before a training how long it takes, roughly.

    Examples
    --------
    >>> expected_time("nuclei_2d", 600)
    'Training 600 updates takes about 70 seconds on a processor, less on a GPU.'
    """
    seconds = updates * _SECONDS[3 if name.endswith("_3d") else 2]
    if seconds < 100:
        time = f"{max(10, round(seconds, -1)):.0f} seconds"
    else:
        time = f"{round(seconds / 60)} minutes"
    return (
        f"Training {updates} update{'s' * (updates != 1)} takes about {time} on a "
        "processor, less on a GPU."
    )
