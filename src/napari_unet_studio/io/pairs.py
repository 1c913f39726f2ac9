"""Files that belong together, by their names."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.folders import find_images, is_folder, is_pattern


def are_several(paths: Sequence[Path]) -> bool:
    """Return whether paths name more than one file, or may: a folder, a pattern."""
    return len(paths) != 1 or is_folder(paths[0]) or is_pattern(paths[0])


def find_pairs(images: Sequence[Path], labels: Path) -> list[tuple[Path, Path]]:
    """Pair images and labels: two files, or files of the same stems.

    Parameters
    ----------
    images
        Files, folders and patterns.
    labels
        A file, a folder or a pattern.

    Raises
    ------
    InputError
        If an image has no labels, or several files that could be them; or if several
        images would have the same ones.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("a/1.tif", "a/2.tif", "b/1.png", "b/2.png"):
    ...     (folder / name).parent.mkdir(exist_ok=True)
    ...     _ = (folder / name).write_text("")
    >>> found = find_pairs([folder / "a/1.tif", folder / "a/2.tif"], folder / "b")
    >>> [(one.name, other.name) for one, other in found]
    [('1.tif', '1.png'), ('2.tif', '2.png')]
    """
    paths, candidates = find_images(images), find_images([labels])
    if not are_several(images) and not are_several([labels]):
        return [(paths[0], candidates[0])]
    for alike in by_stem(paths).values():
        if len(alike) > 1:
            raise InputError(
                f"{alike[0]} and {alike[1]} would both go with the file called "
                f"{alike[0].stem} in {labels}; leave one, or give each a name of its "
                "own."
            )
    named, pairs = by_stem(candidates), []
    for path in paths:
        found = named.get(path.stem, [])
        if not found:
            raise InputError(
                f"{path.name} has no file of its name in {labels}; give each file one."
            )
        if len(found) > 1:
            names = " and ".join(other.name for other in found)
            raise InputError(
                f"{path.name} has {len(found)} files of its name in {labels}, {names}; "
                "leave one."
            )
        pairs.append((path, found[0]))
    return pairs


def by_stem(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Return files by their names without endings.

    Examples
    --------
    >>> [path.suffix for path in by_stem([Path("a/1.tif"), Path("b/1.png")])["1"]]
    ['.tif', '.png']
    """
    named: dict[str, list[Path]] = {}
    for path in paths:
        named.setdefault(path.stem, []).append(path)
    return named
