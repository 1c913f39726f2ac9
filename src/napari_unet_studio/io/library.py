"""What a user does with model files: add, rename, duplicate, annotate, delete."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_unet_studio.core.errors import (
    InputError,
    ModelFileError,
    StorageError,
)
from napari_unet_studio.io.guard import writing
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.model_file import SUFFIX, load_model_file
from napari_unet_studio.io.names import as_name, checked_name
from napari_unet_studio.io.recard import renamed, rewrite_card
from napari_unet_studio.io.recent import forget_file, remember_file
from napari_unet_studio.io.registry import (
    Known,
    find_model,
    free_name,
    known_models,
    models_folder,
)
from napari_unet_studio.io.trash import to_trash


def add_model(
    path_or_model: str | Path | Model,
    name: str | None = None,
    origin: Mapping[str, str] | None = None,
) -> Path:
    """Add a model file, or a model, to the user's models; returns the new file.

    Nothing is replaced: a name that is taken gets the next number.

    Parameters
    ----------
    path_or_model
        A ``.unet`` file, which is copied after a look at all of it, or a model.
    name
        By default that of the file, or of a model in memory its own.
    origin
        What the card is to say about where it comes from.

    Raises
    ------
    InputError
        If the name cannot be that of a file.
    ModelFileError
        If the file is broken or foreign.
    StorageError
        If a file cannot be read or written.
    """
    if isinstance(path_or_model, Model):
        model, usual = path_or_model, path_or_model.name
    else:
        model = load_model_file(path_or_model)  # its weights are checked, too
        usual = Path(path_or_model).stem
    wanted = as_name(usual) if name is None else checked_name(name)
    chosen = free_name(wanted)
    target = models_folder() / f"{chosen}{SUFFIX}"

    def known(card: ModelCard) -> ModelCard:
        return replace(card, name=chosen, origin={**card.origin, **(origin or {})})

    if isinstance(path_or_model, Model):
        return Model(model.network, known(model.card), model.thumbnail).save(target)
    return rewrite_card(path_or_model, known, target)


def rename_model(name: str, new: str) -> Path:
    """Give a model of the user's another name; returns its new file.

    Raises
    ------
    InputError
        If it comes with the package, or the new name is taken or no name.
    StudioError
        If the file is broken, or cannot be written.
    """
    known = _changeable(name, "renamed")
    new = checked_name(new)
    if new == name:
        return known.path
    target = known.path.with_name(f"{new}{SUFFIX}")
    taken = {other.casefold() for other in known_models()} - {name.casefold()}
    # Of one name in two cases many disks say that both are there.
    there = target.exists() and not target.samefile(known.path)
    if new.casefold() in taken or there:
        raise InputError(f"There is a model named {new!r} already; choose another.")
    rewrite_card(known.path, renamed(new))
    with writing(target):
        known.path.replace(target)
    if known.source == "file":
        forget_file(known.path)
        remember_file(target)
    return target


def duplicate_model(name: str) -> Path:
    """Copy a model into the user's models, under the next free name.

    Bundled ones, too. Returns the new file.

    Raises
    ------
    StudioError
        If there is no such model, its file is broken, or nothing can be written.
    """
    return copy_model(_known(name).path)


def copy_model(
    name_or_path: str | Path,
    out: str | Path | None = None,
    *,
    half: bool = False,
    overwrite: bool = False,
) -> Path:
    """Copy a model into the user's models under the next free name, or to a file.

    Parameters
    ----------
    name_or_path
        A model, a bundled one too, or a model file.
    out
        The file to copy to; its name becomes that of the model.
    half
        Store weights in half precision.
    overwrite
        Whether a file may be replaced.

    Raises
    ------
    StorageError
        If the file is there already, or nothing can be written.
    ModelFileError
        If there is no such model, or its file is broken.
    """
    path = find_model(name_or_path)
    if out is None:
        chosen = free_name(as_name(path.stem))
        target = models_folder() / f"{chosen}{SUFFIX}"
    else:
        target = Path(out) if Path(out).suffix == SUFFIX else Path(f"{out}{SUFFIX}")
        chosen = checked_name(target.stem)
        if target.exists() and not overwrite:
            raise StorageError(
                f"{target} exists already; give another name, or allow to overwrite."
            )
    if half:
        return load_model_file(path).renamed(chosen).save(target, half=True)
    return rewrite_card(path, renamed(chosen), target)


def delete_model(name: str) -> str:
    """Move a model of the user's to the system's trash; returns what was done.

    A file outside of the models folder stays where it is and is only taken off the
    list.

    Raises
    ------
    InputError
        If it comes with the package.
    StorageError
        If there is no trash, with what to do.
    """
    known = _changeable(name, "deleted")
    if known.source == "file":
        forget_file(known.path)
        return f"{name} is no longer listed; its file stays in {known.path.parent}."
    to_trash(known.path)
    return f"{name} is in the trash."


def set_notes(name: str, text: str) -> None:
    """Write the user's notes into a model file of theirs.

    Raises
    ------
    InputError
        If the model comes with the package.
    StudioError
        If the file is broken, or cannot be written.
    """
    describe_model(name, {"notes": text})


def describe_model(name_or_path: str | Path, changes: Mapping[str, Any]) -> Path:
    """Write fields of the card into a model file; returns the file.

    Parameters
    ----------
    name_or_path
        A model of the user's, or the path of a model file.
    changes
        New values by the names of :class:`.ModelCard`'s fields.

    Raises
    ------
    InputError
        If the model comes with the package.
    StudioError
        If the file is broken, or cannot be written.
    """
    path = _own_file(name_or_path, "changed")
    return rewrite_card(path, lambda card: replace(card, **changes))


def add_test(name_or_path: str | Path, test: Mapping[str, Any]) -> Path:
    """Write what a model was worth on a set of images into its card.

    A test of the same name is replaced. Returns the file.

    Parameters
    ----------
    name_or_path
        A model of the user's, or the path of a model file.
    test
        "name", "images" (their number), "scores", "command" and "date".

    Raises
    ------
    InputError
        If the model comes with the package.
    StudioError
        If there is no such model, or its file cannot be written.
    """
    path = _own_file(name_or_path, "given scores")

    def tested(card: ModelCard) -> ModelCard:
        others = (t for t in card.tests if t.get("name") != test["name"])
        return replace(card, tests=(*others, test))

    return rewrite_card(path, tested)


def _own_file(name_or_path: str | Path, how: str) -> Path:
    """Return the file of a model that may be changed, or of a path that path."""
    path = find_model(name_or_path)
    if str(name_or_path) in known_models():
        return _changeable(str(name_or_path), how).path
    return path


def _known(name: str) -> Known:
    models = known_models()
    if name not in models:
        raise ModelFileError(
            f"There is no model named {name!r}; known are {', '.join(models)}."
        )
    return models[name]


def _changeable(name: str, how: str) -> Known:
    known = _known(name)
    if known.source == "bundled":
        raise InputError(
            f"The model {name!r} comes with the package and cannot be {how}; duplicate "
            "it and change the copy."
        )
    return known
