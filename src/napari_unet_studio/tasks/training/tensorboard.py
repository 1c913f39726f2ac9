"""The curves of a training for TensorBoard."""

from pathlib import Path

from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.tasks.progress import Progress, TrainProgress


class TensorBoard:
    """Writes what a training reports; needs the package ``tensorboard``.

    Parameters
    ----------
    folder
        Where TensorBoard looks for curves.

    Raises
    ------
    ConfigError
        If the package is not installed.

    Notes
    -----
    ``us.train(..., callback=TensorBoard("runs/cells").add)`` writes the same from a
    script.
    """

    def __init__(self, folder: str | Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "TensorBoard is not installed; install it with: pip install "
                "'napari-unet-studio[tensorboard]'"
            ) from error
        self._writer = SummaryWriter(str(folder))

    def add(self, progress: Progress) -> None:
        """Write the numbers of a record, and its preview."""
        if not isinstance(progress, TrainProgress):
            return
        numbers = {
            "loss": progress.loss,
            "learning rate": progress.learning_rate,
            "patches per second": progress.patches_per_second,
            **{f"validation/{k}": v for k, v in (progress.scores or {}).items()},
        }
        for name, value in numbers.items():
            if value is not None:
                self._writer.add_scalar(name, value, progress.step)
        preview = progress.preview
        if preview is not None and preview.probability.ndim == 2:
            highest = max(1.0, float(preview.probability.max()))
            picture = preview.probability[None] / highest
            self._writer.add_image("preview", picture, progress.step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
