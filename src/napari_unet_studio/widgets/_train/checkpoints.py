"""The files of trainings that were stopped: finding, reserving and removing them."""

import time
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.io.archive import Archive
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.io.model_file import SUFFIX
from napari_unet_studio.io.registry import user_folder
from napari_unet_studio.tasks.train_config import TrainConfig
from napari_unet_studio.widgets._train.texts import updates_done

CHECKPOINT_SUFFIX = ".ckpt"
_RESERVED = 24 * 3600  # seconds; a training has written a checkpoint long before


@dataclass(frozen=True)
class Unfinished:
    """A training that can be resumed.

    Parameters
    ----------
    path
        Its checkpoint.
    card
        Of the network as it is in the checkpoint.
    """

    path: Path
    card: ModelCard

    @property
    def config(self) -> TrainConfig:
        """The settings it was started with."""
        return TrainConfig.from_dict(self.card.training["config"])

    @property
    def title(self) -> str:
        """Name of the file, progress and time for people.

        Trainings of one name have files of several.
        """
        done = updates_done(self.card.training)
        when = datetime.fromtimestamp(self.path.stat().st_mtime)
        return f"{self.path.stem}: {done}, {when:%d %b %Y, %H:%M}"


def trainings_folder() -> Path:
    """Folder of the checkpoints of this user's unfinished trainings."""
    return user_folder() / "trainings"


def unfinished() -> list[Unfinished]:
    """Return the trainings that can be resumed, the latest first."""
    found = []
    for path in trainings_folder().glob(f"*{CHECKPOINT_SUFFIX}"):
        try:
            with Archive(path, "checkpoint") as archive:
                training = Unfinished(
                    path, ModelCard.from_dict(archive.document("card"))
                )
            found.append((path.stat().st_mtime, training.title, training))
        except (StudioError, OSError, KeyError):
            continue
    return [training for *_, training in sorted(found, key=lambda f: f[:2])[::-1]]


def reserve_checkpoint(name: str) -> Path | None:
    """Return a new empty file for a checkpoint, or None where none can be written."""
    folder = trainings_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    _sweep(folder)
    for number in count(1):
        path = (
            folder / f"{name}{'' if number == 1 else f' {number}'}{CHECKPOINT_SUFFIX}"
        )
        try:
            path.open("x").close()
        except FileExistsError:
            continue
        except OSError:
            return None
        return path
    return None


def _sweep(folder: Path) -> None:
    """Delete files that were reserved by a program that was killed."""
    for path in folder.glob(f"*{CHECKPOINT_SUFFIX}"):
        try:
            left = path.stat().st_mtime < time.time() - _RESERVED
        except OSError:
            continue
        if left:
            remove_if_empty(path)


def whole_name(path: Path) -> Path:
    """Return a file name with its suffix.

    Raises
    ------
    InputError
        If it had none and there is such a file: the dialog that asks before a file is
        replaced has only seen the name as it was typed.

    Examples
    --------
    >>> whole_name(Path("cells v1.2")).name
    'cells v1.2.unet'
    """
    whole = path.with_name(path.name.removesuffix(SUFFIX) + SUFFIX)
    if whole != path and whole.exists():
        raise InputError(
            f"There is a file {whole} already; choose that file to replace it, or "
            "another name."
        )
    return whole


def remove(path: Path | None) -> None:
    """Delete a file, if there is one and it can be deleted."""
    if path is not None:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            return  # it stays in the list of unfinished trainings


def remove_if_empty(path: Path | None) -> None:
    """Delete a file that was reserved and never written."""
    if path is not None and path.is_file() and not path.stat().st_size:
        remove(path)
