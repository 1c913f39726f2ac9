"""A model file with another card: everything else is copied as it is."""

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from napari_unet_studio.io.archive import Archive
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.model import ModelCard
from napari_unet_studio.io.model_file import read_card_of
from napari_unet_studio.io.plain_json import dumps

_CARD = "card.json"
_CHUNK = 2**20
_LARGEST = 32 * 2**30
# What unpacks to more in all, and to so many times the file, is no model: many small
# entries make a bomb as well as a large one.
_LARGE, _LARGEST_RATIO = 256 * 2**20, 100


def rewrite_card(
    path: str | Path,
    change: Callable[[ModelCard], ModelCard],
    target: str | Path | None = None,
) -> Path:
    """Write a model file with a changed card, whole or not at all.

    Parameters
    ----------
    path
        A model file.
    change
        Takes its card and returns the new one.
    target
        Where to write; by default in place of the old file.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    StorageError
        If a file cannot be read or written; what was there stays.
    ModelFileError
        If it is no model file.
    """
    target = Path(path if target is None else target)
    with Archive(path, "model file") as archive:
        card = change(read_card_of(archive))
    ModelCard.from_dict(card.to_dict())  # what could not be read is not written
    # The old file is closed when the new one takes its place, as Windows asks for.
    with (
        atomic_write(target) as file,
        Archive(path, "model file") as archive,
        zipfile.ZipFile(file, "w") as new,
    ):
        text = dumps(card.to_dict(), indent=1)
        new.writestr(_CARD, text, zipfile.ZIP_DEFLATED)
        # Of entries of one name the last is what is read.
        entries = {e.filename: e for e in archive.zip.infolist() if e.filename != _CARD}
        total = sum(entry.file_size for entry in entries.values())
        if total > max(_LARGE, _LARGEST_RATIO * Path(path).stat().st_size):
            raise archive.broken(f"it would unpack to {total} bytes")
        for entry in entries.values():
            _copy(archive, entry, new)
    return target


def renamed(name: str) -> Callable[[ModelCard], ModelCard]:
    """Return what gives a card another name, for :func:`rewrite_card`."""
    return lambda card: replace(card, name=name)


def _copy(archive: Archive, entry: zipfile.ZipInfo, new: zipfile.ZipFile) -> None:
    size = entry.file_size
    archive.check(entry, _LARGEST)
    info = zipfile.ZipInfo(entry.filename, entry.date_time)
    info.compress_type = entry.compress_type
    info.file_size = size
    with new.open(info, "w", force_zip64=size > 2**31 - 2**20) as out:
        try:
            source = archive.zip.open(entry)
        except Exception as error:  # zipfile raises many kinds
            raise archive.broken(f"{entry.filename} is damaged ({error})") from error
        with source:
            while True:
                try:
                    data = source.read(_CHUNK)
                except Exception as error:
                    raise archive.broken(
                        f"{entry.filename} is damaged ({error})"
                    ) from error
                if not data:
                    return
                out.write(data)
