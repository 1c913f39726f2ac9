"""The files of trainings that were stopped: finding, reserving and removing them."""

import time
from collections.abc import Sequence
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
_NAMED = 4  # images of a training; of more the number is told
_MINUTES, _SECONDS = "%d %b %Y, %H:%M", "%d %b %Y, %H:%M:%S"
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
    written
        When, in seconds since the epoch.
    """

    path: Path
    card: ModelCard
    written: float

    @property
    def config(self) -> TrainConfig:
        """The settings it was started with."""
        return TrainConfig.from_dict(self.card.training["config"])

    @property
    def made_with(self) -> str:
        """What it can be resumed with, in a sentence or two."""
        data = self.card.data
        images = [f"{pair.get('name')!r} ({pair.get('role')})" for pair in data]
        named = ", ".join(images[:_NAMED])
        more = len(images) - _NAMED
        if more > 0:
            named += f" and {more} more"
        return (
            f"The training {self.card.name!r} was begun with {named}"
            f"{', in this order' * (len(images) > 1)}. Labels painted in a layer that "
            "is gone have to be opened again, as they were then."
        )

    def title(self, form: str = _MINUTES) -> str:
        """Return name, progress and time for people.

        Parameters
        ----------
        form
            Of the time.
        """
        done = updates_done(self.card.training)
        when = datetime.fromtimestamp(self.written)
        return f"{self.card.name}: {done}, {when:{form}}"


def trainings_folder() -> Path:
    """Folder of the checkpoints of this user's unfinished trainings."""
    return user_folder() / "trainings"


def unfinished() -> list[Unfinished]:
    """Return the trainings that can be resumed, the latest first."""
    found = []
    for path in trainings_folder().glob(f"*{CHECKPOINT_SUFFIX}"):
        try:
            with Archive(path, "checkpoint") as archive:
                card = ModelCard.from_dict(archive.document("card"))
            training = Unfinished(path, card, path.stat().st_mtime)
            training.title()  # of a card without what is told of it, none
            found.append(training)
        except (StudioError, OSError, KeyError):
            continue
    return sorted(found, key=lambda training: training.written, reverse=True)


def titles(found: Sequence[Unfinished]) -> list[str]:
    """Return what trainings are called in a list; alike ones are told with seconds."""
    usual = [training.title() for training in found]
    return [
        training.title(_SECONDS) if usual.count(title) > 1 else title
        for training, title in zip(found, usual, strict=True)
    ]


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
