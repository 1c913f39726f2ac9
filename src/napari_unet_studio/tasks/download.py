"""Getting models from the web, and lists of them, as tasks."""

import hashlib
import shutil
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from napari_unet_studio.core.errors import (
    ConfigError,
    ModelFileError,
    StudioError,
)
from napari_unet_studio.io.archive import Archive
from napari_unet_studio.io.download import (
    Unreachable,
    checked_digest,
    digest_of,
    opened,
    public_url,
)
from napari_unet_studio.io.library import add_model, describe_model
from napari_unet_studio.io.model_entries import list_models
from napari_unet_studio.io.model_file import SUFFIX, read_card
from napari_unet_studio.io.model_list import (
    LARGEST,
    ListedModel,
    cached_list,
    keep_list,
    listed_models,
    parse_list,
)
from napari_unet_studio.io.names import as_name, checked_name
from napari_unet_studio.io.places import user_folder
from napari_unet_studio.io.settings import check_url, read_settings
from napari_unet_studio.tasks.fetch import download
from napari_unet_studio.tasks.progress import Progress, ShouldStop, never

if TYPE_CHECKING:
    from napari_unet_studio.io.model import Model

__all__ = ["FetchedLists", "download", "download_model", "downloaded", "fetch_lists"]

_ABANDONED = 7 * 24 * 3600.0  # seconds


@dataclass(frozen=True)
class FetchedLists:
    """What the lists of models on the web name.

    Parameters
    ----------
    models
        The models, of all lists.
    notes
        What is to be said: which lists are not there, or as they were some time ago.
    """

    models: tuple[ListedModel, ...]
    notes: tuple[str, ...] = ()


def fetch_lists(
    urls: Sequence[str] | None = None,
    *,
    timeout: float = 10.0,
    should_stop: ShouldStop = never,
) -> Generator[Progress, None, FetchedLists | None]:
    """Fetch the lists of models; without a network they are as they were last.

    Parameters
    ----------
    urls
        Addresses of the lists; None takes those of the settings.
    timeout
        Seconds to wait for each word of a server.
    should_stop
        Asked before each list.

    Yields
    ------
    Progress
        Before each list.

    Returns
    -------
    FetchedLists or None
        What they name; None if stopped. A list that is not there is a note and no
        error.
    """
    urls = read_settings().model_lists if urls is None else urls
    models: dict[tuple[str, str], ListedModel] = {}
    notes = []
    for number, url in enumerate(urls):
        if should_stop():
            return None
        yield Progress(number, len(urls), f"Asking {urlsplit(url).hostname}")
        try:
            data = _small(url, timeout)
            found = parse_list(data, url)
            keep_list(url, data)
        except (StudioError, OSError) as error:
            kept = cached_list(url)
            if kept is None:
                notes.append(str(error))
                continue
            found = kept
            why = "offline" if isinstance(error, Unreachable) else str(error)
            notes.append(f"{found.name} is shown as it was last seen: {why}")
        models |= {(model.name, model.sha256): model for model in found.models}
    return FetchedLists(tuple(models.values()), tuple(notes))


def _small(url: str, timeout: float) -> bytes:
    """Return a document, or a little more than its largest size of it."""
    data = bytearray()
    with opened(url, timeout=timeout) as answer:
        for chunk in answer.chunks():
            data += chunk
            if len(data) > LARGEST:
                break
    return bytes(data)


def download_model(
    source: str | ListedModel,
    *,
    sha256: str = "",
    name: str | None = None,
    lists: Sequence[str] | None = None,
    should_stop: ShouldStop = never,
) -> Generator[Progress, None, Path | None]:
    """Download a model into the user's models.

    Parameters
    ----------
    source
        A listed model, the name of one, or the address of a file: a ``.unet`` file, or
        what :func:`.import_model` takes but programs.
    sha256
        Digest of the file at an address. A list tells it.
    name
        What the model is called; by default as the list or the file says.
    lists
        Addresses of lists in which the name is looked for; None takes those of the
        settings.
    should_stop
        Asked often.

    Yields
    ------
    Progress
        Of the download.

    Returns
    -------
    Path or None
        File of the model; None if stopped. If it was downloaded before, that file, and
        nothing is asked of the network.

    Raises
    ------
    StudioError
        If there is no such model, no network, or the file cannot be used. Nothing but
        what can be gone on from is left behind.
    """
    if name is not None:
        name = checked_name(name)
    wanted: ListedModel | None
    if isinstance(source, str):
        wanted = yield from _listed(source, sha256, lists, should_stop)
    else:
        wanted = source
    if wanted is None or should_stop():
        return None
    if wanted.sha256 and (before := downloaded(wanted.sha256)) is not None:
        return before
    folder = user_folder() / "downloads"
    _sweep(folder)
    key = hashlib.sha256(wanted.url.encode()).hexdigest()[:16]
    place = folder / key / _file_name(wanted.url)
    path = yield from download(
        wanted.url,
        place,
        sha256=wanted.sha256,
        size=wanted.size,
        should_stop=should_stop,
    )
    if path is None:
        return None
    try:
        return (yield from _taken_in(path, wanted, name))
    finally:
        shutil.rmtree(place.parent, ignore_errors=True)


def downloaded(sha256: str) -> Path | None:
    """Return the model at hand that came from a file of this digest, or None."""
    for entry in list_models():
        if entry.card is not None and entry.card.origin.get("sha256") == sha256:
            return entry.path
    return None


def _listed(
    text: str, sha256: str, lists: Sequence[str] | None, should_stop: ShouldStop
) -> Generator[Progress, None, ListedModel | None]:
    """Return the model at an address, or of a name in the lists."""
    digest = checked_digest(sha256)
    if "://" in text:
        check_url(text)
        return ListedModel("", text, digest)
    known = listed_models() if lists is None else []
    found = [model for model in known if model.name == text]
    if not found:
        fetched = yield from fetch_lists(lists, should_stop=should_stop)
        if fetched is None:
            return None
        known = list(fetched.models)
        found = [model for model in known if model.name == text]
        if not found:
            names = ", ".join(model.name for model in known) or "none"
            notes = "".join(f" {note}" for note in fetched.notes)
            raise ModelFileError(
                f"No list of models names {text!r}; listed are {names}. Give one of "
                f"these, or an address that begins with https://.{notes}"
            )
    if digest and found[0].sha256 != digest:
        raise ConfigError(
            f"The list says that {text!r} has another SHA-256 than {digest[:12]}...; "
            "leave the digest out, or ask those who made the list."
        )
    return found[0]


def _taken_in(
    path: Path, source: ListedModel, name: str | None
) -> Generator[Progress, None, Path]:
    """Put a downloaded file among the user's models."""
    wanted = name or source.name
    if _is_model_file(path):
        wanted = wanted or read_card(path).name
        about = {"format": "unet", "file": path.name}
        made: Path | Model = path
    else:
        # Here, because model files of ours need none of it.
        from napari_unet_studio.tasks.importing import import_file

        made = (yield from import_file(path)).model
        wanted, about = wanted or made.name, {}
    about |= {
        "url": public_url(source.url),
        "sha256": source.sha256 or digest_of(path),
    }
    added = add_model(made, as_name(wanted), about)
    # Those who offer a model say more of it than a training can.
    said = {"description": source.description, "licence": source.licence}
    given = {field: text for field, text in said.items() if text}
    return describe_model(added, given) if given else added


def _is_model_file(path: Path) -> bool:
    if path.suffix == SUFFIX:
        return True
    try:
        with Archive(path, "model file") as archive:
            return "card.json" in archive
    except StudioError:
        return False


def _file_name(url: str) -> str:
    """Return the name of the file at an address.

    Examples
    --------
    >>> _file_name("https://a.org/records/5/files/my%20cells.zip/content?download=1")
    'my cells.zip'
    """
    parts = [as_name(unquote(part)) for part in urlsplit(url).path.split("/") if part]
    named = [part for part in parts if Path(part).suffix]
    return named[-1] if named else "model"


def _sweep(folder: Path) -> None:
    """Remove what was begun long ago and never gone on with."""
    with suppress(OSError):
        for begun in folder.iterdir():
            if time.time() - begun.stat().st_mtime > _ABANDONED:
                shutil.rmtree(begun, ignore_errors=True)
