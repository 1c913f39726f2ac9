"""What the Segment widget says about a run."""

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from napari_unet_studio.core.amounts import sides, time_left
from napari_unet_studio.tasks.progress import Progress

if TYPE_CHECKING:
    from napari_unet_studio.widgets._run import Run


def progress_text(progress: Progress) -> str:
    """Say how far a run is, short enough for the progress bar.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_unet_studio.tasks.progress import PredictProgress
    >>> known = np.zeros((1, 9, 9), np.float32)
    >>> progress_text(PredictProgress(12, 91, "Predicting", 22.0, known))
    '12 of 90 tiles, about 20 s left'
    >>> progress_text(PredictProgress(5, 20, "Writing overviews", 7.0))
    'Writing overviews, 25 %, a few seconds left'
    >>> progress_text(Progress(0, 0, "Loading the model"))
    'Loading the model'
    """
    text = progress.message
    if text == "Predicting" and getattr(progress, "probabilities", None) is not None:
        # The last step is that of the objects.
        text = f"{progress.step} of {progress.total - 1} tiles"
    elif progress.total > 1 and progress.step < progress.total - 1:
        text += f", {100 * progress.step // progress.total} %"
    else:
        return text
    seconds = getattr(progress, "seconds_left", None)
    return text if seconds is None else f"{text}, {time_left(seconds)}"


def made_text(config: Any, ndim: int, tiles: int, shape: Sequence[int]) -> str:
    """Say in a line how a network was run.

    Parameters
    ----------
    config
        A :class:`.PredictConfig` with what "auto" became.
    ndim
        Spatial axes of the network.
    tiles
        How many there were, 0 if that is not known.
    shape
        Of what was segmented, channels not counted.

    Examples
    --------
    >>> from napari_unet_studio.tasks.predict_config import PredictConfig
    >>> config = PredictConfig(device="cpu", precision="float32", tile=1040)
    >>> made_text(config, 2, 9, (2500, 2400))
    'cpu, float32, tiles of 1040 × 1040, 9 tiles'
    >>> made_text(config, 2, 1, (512, 500)), made_text(config, 2, 7, (7, 512, 500))
    ('cpu, float32, 512 × 500 px in one tile', 'cpu, float32, 7 tiles of 512 × 500 px')
    """
    words = [config.device, config.precision]
    if config.engine != "torch":
        words.append(config.engine)
    words += _tiles_text(config.tile, tiles, shape[:-ndim], shape[-ndim:])
    if config.margin != "exact":
        words.append(f"{config.margin} margins")
    if config.average != "none":
        words.append(f"averaged over {config.average}")
    if config.level:
        words.append(f"level {config.level}")
    return ", ".join(words)


def closed_text(run: "Run") -> str:
    """Say that a run stops with its dock, and what is kept."""
    rest = "Nothing is kept."
    if run.out is not None:
        rest = "What is done is kept: Segment goes on from there."
    title = run.source.title
    return f"The segmentation of {title!r} stops, for its dock was closed. {rest}"


def hidden_text(names: Sequence[str]) -> str:
    """Say which layers a new result hid, or nothing."""
    was = "was" if len(names) == 1 else "were"
    return f"Of another model, {', '.join(names)} {was} hidden." if names else ""


def _tiles_text(
    side: int, tiles: int, stack: Sequence[int], frame: Sequence[int]
) -> list[str]:
    """Say how large the tiles were: no larger than the image, whatever was allowed."""
    if tiles == prod(stack):  # each frame in one
        whole = f"{sides(frame)} px"
        return [f"{whole} in one tile" if tiles == 1 else f"{tiles} tiles of {whole}"]
    words = []
    if side:
        words.append(f"tiles of {sides([min(side, n) for n in frame])}")
    if tiles:
        words.append(f"{tiles} tile{'s' * (tiles != 1)}")
    return words
