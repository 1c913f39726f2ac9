"""What a shell offers after a tab: names of models, recipes, samples and settings.

Nothing here loads torch: a shell waits for it at every tab. Words of a :class:`Literal`
need no function, and a path is left to the shell.
"""

from collections.abc import Iterable
from pathlib import Path

_SUFFIX = ".unet"


def models(incomplete: str) -> list[str]:
    """Return names of models, and files and folders where they may be."""
    from napari_unet_studio.io.registry import available_models

    return [*_beginning(available_models(), incomplete), *_files(incomplete)]


def own_models(incomplete: str) -> list[str]:
    """Return the names of the user's models, which can be changed."""
    from napari_unet_studio.io.registry import known_models

    known = known_models().items()
    return _beginning([n for n, k in known if k.source == "yours"], incomplete)


def recipes(incomplete: str) -> list[str]:
    """Return the names of recipes."""
    from napari_unet_studio.tasks.recipes import RECIPES

    return _beginning(RECIPES, incomplete)


def networks(incomplete: str) -> list[str]:
    """Return the names of networks in the catalog."""
    from napari_unet_studio.core.networks.catalog import NETWORKS

    return _beginning(NETWORKS, incomplete)


def samples(incomplete: str) -> list[str]:
    """Return the names of samples."""
    from napari_unet_studio.tasks.demo import FOREIGN, KNOWN

    return _beginning((*KNOWN, *FOREIGN), incomplete)


def settings(incomplete: str) -> list[str]:
    """Return the names of the settings that hold for all."""
    from napari_unet_studio.core.config import field_types
    from napari_unet_studio.io.settings import Settings

    return _beginning(field_types(Settings), incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _files(incomplete: str) -> list[str]:
    """Return model files, and folders to go on into, that begin like this."""
    place, _, start = incomplete.rpartition("/")
    folder = Path(place or ("/" if incomplete.startswith("/") else "."))
    found = []
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    head = f"{place}/" if "/" in incomplete else ""
    for path in entries:
        if path.name.startswith(".") or not path.name.startswith(start):
            continue
        if path.is_dir():
            found.append(f"{head}{path.name}/")
        elif path.suffix == _SUFFIX:
            found.append(f"{head}{path.name}")
    return found
