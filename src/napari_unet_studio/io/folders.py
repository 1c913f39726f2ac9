"""Finding images in folders and by patterns, and naming them apart."""

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import NamedTuple

from napari_unet_studio.core.errors import InputError, StorageError
from napari_unet_studio.io.image_file import ImageFile
from napari_unet_studio.io.images import SUFFIXES, is_in_zarr

_WILD = re.compile(r"[*?[]")
_DIGITS = re.compile(r"(\d+)")


class BatchItem(NamedTuple):
    """One image of a batch.

    Parameters
    ----------
    name
        Of its results, without a suffix; may hold "/" for folders within that of the
        results.
    image
        The file, or an image in memory.
    digest
        SHA-256 of an image in memory, if it is known; "" finds it out.
    """

    name: str
    image: Path | ImageFile
    digest: str = ""


def find_images(paths: Sequence[str | Path]) -> list[Path]:
    """Return the images that paths name: files, folders and patterns.

    Parameters
    ----------
    paths
        Files and zarr stores stay as they are. Of a folder its images are taken, not
        those of folders in it. A pattern such as ``data/**/*.tif`` takes what it
        matches; ``**`` stands for any folders. Hidden files are left out.

    Returns
    -------
    list of Path
        In the order of the paths; those of a folder or a pattern in natural order, so
        that "2.tif" comes before "10.tif". Each one once.

    Raises
    ------
    InputError
        If there is none, or a path does not exist.
    StorageError
        If a folder cannot be read.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("10.tif", "2.tif", "notes.txt", ".hidden.tif"):
    ...     _ = (folder / name).write_text("")
    >>> [path.name for path in find_images([folder / "*"])]
    ['2.tif', '10.tif']
    """
    found = [path for given in paths for path in _images_of(Path(given))]
    if not found:
        raise _no_images(paths)
    return list(dict.fromkeys(found))


def batch_items(
    paths: Sequence[str | Path], leave_out: Sequence[Path] = ()
) -> list[BatchItem]:
    """Return the images that paths name, with names for their results.

    A name is that of the file without its suffix. Below a pattern such as
    ``data/**/*.tif`` the folders from the first wildcard on are kept. Where two images
    would have one name, it takes the suffix or the folders that tell them apart.

    Parameters
    ----------
    paths
        As for :func:`find_images`; a folder that cannot be read is kept, for a batch to
        say so.
    leave_out
        Files that are no images of the batch, such as results of an earlier one.

    Raises
    ------
    InputError
        If there is no image, or a path does not exist.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("a/1.tif", "b/1.tif", "b/1.png"):
    ...     (folder / name).parent.mkdir(exist_ok=True)
    ...     _ = (folder / name).write_text("")
    >>> [item.name for item in batch_items([folder / "*/*.tif"])]
    ['a/1', 'b/1']
    >>> [item.name for item in batch_items([folder / "b"])]
    ['1.png', '1.tif']
    """
    unwanted, left_out = {path.resolve() for path in leave_out}, False
    names: dict[Path, str] = {}
    for given in map(Path, paths):
        try:
            images = _images_of(given)
        except StorageError:
            names.setdefault(given, given.name or "folder")
            continue
        root = fixed_part(given) if is_pattern(given) else None
        for path in images:
            if unwanted and path.resolve() in unwanted:
                left_out = True
                continue
            inner = path.parent / path.stem
            if root is not None and inner.is_relative_to(root):
                names.setdefault(path, inner.relative_to(root).as_posix())
            else:
                names.setdefault(path, path.stem)
    if not names and left_out:
        raise InputError(
            f"{', '.join(map(str, paths))}: these are results of an earlier run; give "
            "the images that they were made of, or others."
        )
    if not names:
        raise _no_images(paths)
    return [BatchItem(name, path) for path, name in _told_apart(names).items()]


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder of images; a zarr store is one image."""
    return path.is_dir() and not is_in_zarr(path)


def is_pattern(path: str | Path) -> bool:
    """Return whether a path is a pattern; a file whose name has brackets is none.

    Examples
    --------
    >>> is_pattern("data/**/*.tif"), is_pattern("data/a.tif")
    (True, False)
    """
    return bool(_WILD.search(str(path))) and not os.path.lexists(path)


def fixed_part(pattern: str | Path) -> Path:
    """Return the folder of a pattern before its first wildcard.

    Examples
    --------
    >>> fixed_part("data/day ?/*.tif").as_posix(), fixed_part("*.tif").as_posix()
    ('data', '.')
    """
    parts = Path(pattern).parts
    first = next(i for i, part in enumerate(parts) if _WILD.search(part))
    return Path(*parts[:first])


def natural_key(path: Path) -> list[tuple[tuple[int, int, str], ...]]:
    """Return what sorts paths folder by folder, and numbers in names by their value.

    Examples
    --------
    >>> sorted([Path("b10"), Path("b9"), Path("a/x")], key=natural_key)[1].name
    'b9'
    """
    return [
        tuple(
            (0, int(word), "") if word.isdecimal() else (1, 0, word.casefold())
            for word in _DIGITS.split(part)
            if word
        )
        for part in path.parts
    ]


def _no_images(paths: Sequence[str | Path]) -> InputError:
    return InputError(
        f"There are no images in {', '.join(map(str, paths))}; readable are "
        f"{', '.join(sorted(SUFFIXES))}."
    )


def _images_of(path: Path) -> list[Path]:
    """Return the images that one path names."""
    if is_pattern(path):
        matches = [Path(match) for match in glob.glob(str(path), recursive=True)]  # noqa: PTH207
        if not matches:
            raise InputError(f"Nothing matches {path}; check the pattern.")
        # Chunks of a store are files too; only what the pattern names itself counts.
        within = is_in_zarr(fixed_part(path))
        outside = [p for p in matches if within or not is_in_zarr(p.parent)]
        found = [p for p in outside if not is_folder(p) and _is_image(p)]
        for folder in filter(is_folder, outside):
            found += _images_in(folder)
        return sorted(dict.fromkeys(found), key=natural_key)
    if not os.path.lexists(path):
        raise InputError(f"{path} does not exist; check the path.")
    return _images_in(path) if is_folder(path) else [path]


def _images_in(folder: Path) -> list[Path]:
    try:
        return sorted(filter(_is_image, folder.iterdir()), key=natural_key)
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be read: {error.strerror or error}. Check the rights of "
            "the folder."
        ) from error


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _told_apart(names: dict[Path, str]) -> dict[Path, str]:
    """Return the names with those lengthened that several images have.

    A disk may hold "A" and "a" to be one name.
    """
    # Each way of naming is tried on those that the ways before left alike.
    ways: tuple[Callable[[Path], str], ...] = (
        lambda path: f"{Path(names[path]).parent / path.name}",
        lambda path: _below(path, clashing, path.stem),
        lambda path: _below(path, clashing, path.name),
    )
    found = dict(names)
    for way in ways:
        clashing = _clashing(found)
        if not clashing:
            break
        better = {path: Path(way(path)).as_posix() for path in clashing}
        found |= _unlike(better, names, clashing)
    for number, path in enumerate(_clashing(found), start=2):
        found[path] = f"{found[path]}-{number}"
    return found


def _clashing(names: dict[Path, str]) -> list[Path]:
    counts = Counter(name.casefold() for name in names.values())
    return [path for path, name in names.items() if counts[name.casefold()] > 1]


def _unlike(
    better: dict[Path, str], names: dict[Path, str], clashing: Sequence[Hashable]
) -> dict[Path, str]:
    """Return the better names, group by group, where all of a group differ."""
    groups: dict[str, list[Path]] = {}
    for path in better:
        groups.setdefault(names[path].casefold(), []).append(path)
    return {
        path: better[path]
        for group in groups.values()
        if len({better[path].casefold() for path in group}) == len(group)
        for path in group
    }


def _below(path: Path, group: Sequence[Path], name: str) -> str:
    """Return a name with the folders that a group of paths does not share."""
    folders = [os.path.abspath(each.parent) for each in group]  # noqa: PTH100
    try:
        shared = os.path.commonpath(folders)
    except ValueError:  # several drives
        return name
    return (Path(os.path.abspath(path.parent)) / name).relative_to(shared).as_posix()  # noqa: PTH100
