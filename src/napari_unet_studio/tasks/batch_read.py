"""The images of a batch, read ahead of the network, unless they are done already."""

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from napari_unet_studio.core.channels import Channel
from napari_unet_studio.core.errors import InputError, StorageError, StudioError
from napari_unet_studio.io.digests import Fingerprint, digest_of_array, fingerprint
from napari_unet_studio.io.folders import BatchItem, is_folder
from napari_unet_studio.io.image_file import ImageFile, described, one_channel
from napari_unet_studio.io.images import read_image
from napari_unet_studio.io.manifest import Entry, Manifest
from napari_unet_studio.tasks.batch_config import BatchConfig

# What one image may fail with; anything else is a fault of the program.
FAILURES = (StudioError, OSError, MemoryError)
# What the disk answers if no image can be written any more.
_FULL = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EIO", "ESTALE")
    if hasattr(errno, name)
)


@dataclass(frozen=True)
class Reading:
    """How all images of a batch are read.

    Parameters
    ----------
    axes, spacing, unit
        Instead of what the files say.
    channel
        The one to take, or None for all.
    level
        Resolution, of images with several.
    """

    axes: str | None = None
    spacing: tuple[float, ...] | None = None
    unit: str | None = None
    channel: Channel | None = None
    level: int = 0

    def open(self, image: Path | ImageFile) -> "Opened":
        """Read an image, or take it as it is; lazily where it is large."""
        path = None
        if not isinstance(image, ImageFile):
            path = image
            if is_folder(path):
                _check_rights(path)
            image = read_image(path, self.level)
        whole = described(image, self.axes, self.spacing, self.unit)
        one = one_channel(whole, self.channel)
        return Opened(one, whole, path, self.channel, self.level)


@dataclass(frozen=True, eq=False)
class Opened:
    """An image to predict.

    Parameters
    ----------
    image
        The channels that are wanted.
    whole
        All channels.
    path
        Its file, if it has one.
    channel, level
        As in :class:`Reading`.
    """

    image: ImageFile
    whole: ImageFile
    path: Path | None
    channel: Channel | None
    level: int


@dataclass(frozen=True, eq=False)
class Prepared:
    """An image that is ready, or why it need not or cannot be done.

    Parameters
    ----------
    source
        What it is known again by.
    kept
        What an earlier run did of it.
    opened
        The image.
    error
        What went wrong.
    """

    source: Fingerprint | None = None
    kept: Entry | None = None
    opened: Opened | None = None
    error: str = ""


def files_of(item: BatchItem, config: BatchConfig) -> dict[str, str]:
    """Return the results of an item by kind, relative to the folder.

    Examples
    --------
    >>> files_of(BatchItem("day/1", Path("1.tif")), BatchConfig(table=True))
    {'labels': 'day/1.tif', 'table': 'tables/day/1.csv'}
    """
    if config.store:
        files = {"labels": f"{item.name}.zarr"}
    else:
        files = {"labels": f"{item.name}.tif"}
        if config.probabilities:
            # Not beside the labels: they are to be a folder of labels only.
            files["probabilities"] = f"probabilities/{item.name}.tif"
    return files | ({"table": f"tables/{item.name}.csv"} if config.table else {})


def prepare(
    item: BatchItem,
    reading: Reading,
    manifest: Manifest | None,
    files: Mapping[str, str],
) -> Prepared:
    """Read one image, unless its results are there; in a thread.

    Parameters
    ----------
    manifest
        None if nothing is written.
    files
        Its results, see :func:`files_of`.
    """
    source = kept = opened = None
    try:
        if manifest is None:
            return Prepared(opened=reading.open(item.image))
        try:
            source = _source_of(item)
        except FAILURES:
            reading.open(item.image)  # tells better what is wrong
            raise
        kept = manifest.kept(item.name, source, files)
        if kept is None:
            opened = reading.open(item.image)
    except FAILURES as error:
        denied = isinstance(error.__cause__, PermissionError)
        reason = error.__cause__ if denied else error
        return Prepared(source, error=sentence_of(reason or error, item))
    return Prepared(source, kept, opened)


def check_items(
    items: Sequence[BatchItem], config: BatchConfig, out: Path | None
) -> list[str]:
    """Return what speaks against each item before anything is read, "" if nothing.

    Raises
    ------
    InputError
        If there are none, or the results would lie within an image.
    """
    if not items:
        raise InputError("There are no images; give some.")
    if out is not None:
        place = out.resolve()
        for item in items:
            path = item.image
            if isinstance(path, Path) and path.suffix == ".zarr":
                image = path.resolve()
                if image == place or image in place.parents:
                    raise InputError(
                        f"{out} lies within the image {path}; choose another folder "
                        "with --out."
                    )
    taken: dict[str, int] = {}
    complaints = []
    for number, item in enumerate(items):
        complaint = ""
        pure = PurePosixPath(item.name)
        if not pure.name or pure.is_absolute() or ".." in pure.parts:
            complaint = f"Its results cannot be called {item.name!r}; rename it."
        for file in files_of(item, config).values():
            other = taken.setdefault(file.casefold(), number)
            if other != number and not complaint:
                complaint = (
                    f"{file} would be its result and that of another image, "
                    f"{items[other].name}; rename one of them, or choose another "
                    "folder for it."
                )
        complaints.append(complaint)
    return complaints


def sentence_of(error: BaseException, item: BatchItem) -> str:
    """Return what went wrong with an item as a sentence."""
    if isinstance(error, StudioError):
        return str(error)
    if isinstance(error, MemoryError):
        return (
            "There is not enough memory for this image; choose a region of it, or let "
            "results be zarr stores."
        )
    name = item.name if isinstance(item.image, ImageFile) else item.image
    reason = getattr(error, "strerror", None) or error
    return f"{name} cannot be read: {reason}. Check the path and its rights."


def is_full(error: BaseException) -> bool:
    """Return whether an error says that nothing can be written any more."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return True
        cause = cause.__cause__
    return False


def _source_of(item: BatchItem) -> Fingerprint:
    if not isinstance(item.image, ImageFile):
        return fingerprint(item.image)
    image = item.image
    pixels = item.digest or digest_of_array(image.array)
    told = f"{pixels} {image.axes} {image.channel_axis} {image.spacing} {image.unit}"
    return Fingerprint(told, int(image.array.nbytes), 0).hashed()


def _check_rights(folder: Path) -> None:
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be read: {error.strerror or error}. Check the rights of "
            "the folder."
        ) from error
