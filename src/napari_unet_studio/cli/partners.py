"""Files that belong together, by their names."""

from collections.abc import Sequence
from pathlib import Path

from napari_unet_studio.core.errors import InputError
from napari_unet_studio.io.folders import (
    by_stem,
    find_images,
    find_pairs,
    is_folder,
    is_pattern,
)


def are_several(paths: Sequence[Path]) -> bool:
    """Return whether paths name more than one file, or may: a folder, a pattern."""
    return len(paths) != 1 or is_folder(paths[0]) or is_pattern(paths[0])


def pairs_of(paths: Sequence[Path], others: Path) -> list[tuple[Path, Path]]:
    """Pair files with those of the same names, or one file with one.

    Parameters
    ----------
    paths
        Files, folders and patterns.
    others
        A file, a folder or a pattern.

    Raises
    ------
    InputError
        If a file has no partner, or several.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("a/1.tif", "a/2.tif", "b/1.png", "b/2.png"):
    ...     (folder / name).parent.mkdir(exist_ok=True)
    ...     _ = (folder / name).write_text("")
    >>> found = pairs_of([folder / "a/1.tif", folder / "a/2.tif"], folder / "b")
    >>> [(one.name, other.name) for one, other in found]
    [('1.tif', '1.png'), ('2.tif', '2.png')]
    """
    if len(paths) == 1:
        return find_pairs(paths[0], others)
    named = by_stem(find_images([others]))
    found = []
    for path in find_images(paths):
        own = named.get(path.stem, [])
        if len(own) != 1:
            number = f"{len(own)} files" if own else "no file"
            raise InputError(
                f"{path.name} has {number} of its name in {others}; give each file one."
            )
        found.append((path, own[0]))
    return found
