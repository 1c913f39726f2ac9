"""Getting one file from the web, as a task that goes on where it was stopped."""

import hashlib
import time
from collections.abc import Generator
from pathlib import Path

from napari_unet_studio.core.errors import ModelFileError, StorageError, StudioError
from napari_unet_studio.io.download import (
    TIMEOUT,
    Answer,
    Interrupted,
    Unreachable,
    check_space,
    checked_digest,
    opened,
    pieces,
)
from napari_unet_studio.io.part import Part
from napari_unet_studio.io.settings import read_settings
from napari_unet_studio.tasks.progress import Progress, ShouldStop, never

_TRIES, _PAUSE = 4, 0.3  # without much that is new; seconds before the next one
_WORTH = 2**16  # bytes, the least that is worth a further try
_OFTEN = 0.1  # seconds between two records
_GB = 10**9


def download(
    url: str,
    path: str | Path,
    *,
    sha256: str = "",
    size: int = 0,
    limit: int | None = None,
    timeout: float = TIMEOUT,
    should_stop: ShouldStop = never,
) -> Generator[Progress, None, Path | None]:
    """Download a file; what has come is kept, and gone on from the next time.

    Parameters
    ----------
    url
        Beginning with https:// or http://.
    path
        Where the file goes once it is whole; until then it grows in ``NAME.part``.
    sha256
        Its digest; another file is refused. "" takes what comes.
    size
        Bytes it should have; 0 takes any number.
    limit
        Most bytes; None is what the settings say.
    timeout
        Seconds without a word from the server after which it counts as gone.
    should_stop
        Asked often.

    Yields
    ------
    Progress
        Steps are kilobytes.

    Returns
    -------
    Path or None
        The file; None if stopped.

    Raises
    ------
    ConfigError
        If the address is none.
    StorageError
        If there is no network, the server refuses, or the file is too large or cannot
        be written.
    ModelFileError
        If the file is another one than expected; it is not kept.
    """
    digest = checked_digest(sha256)
    most = int(read_settings().download_limit * _GB) if limit is None else limit
    part = Part(Path(path), url)
    if part.size and not digest and not part.validator:
        part.discard()  # nothing would tell if the beginning is of another version
    tries, furthest = 0, part.size
    while True:
        try:
            whole = yield from _fetched(part, size, most, timeout, should_stop)
            break
        except Interrupted:
            # A server may begin anew, so that what came before does not count.
            further = part.size >= furthest + _WORTH
            furthest = max(furthest, part.size)
            tries = 0 if further else tries + 1
            if tries >= _TRIES:
                raise
        except Unreachable:
            tries += 1
            if not part.size or tries >= _TRIES:  # never reached, or gone for good
                raise
        if should_stop():
            return None
        time.sleep(_PAUSE * (tries + 1))
    if not whole:
        return None
    if digest:
        found = yield from _digest(part.file, should_stop)
        if found is None:
            return None
        if found != digest:
            part.discard()
            raise ModelFileError(
                f"The file from {url} is damaged, or another one than expected: its "
                f"SHA-256 begins with {found[:12]}, not with {digest[:12]}. It was not "
                "kept; try again, or ask those who made it."
            )
    return part.finish()


def _fetched(
    part: Part, size: int, most: int, timeout: float, should_stop: ShouldStop
) -> Generator[Progress, None, bool]:
    """Let a part grow to the whole; returns whether it is, and not stopped."""
    if size and part.size == size:
        return True
    name = part.path.name
    yield Progress(
        part.size // 1000, max(size, part.size) // 1000 + 1, f"Asking for {name}"
    )
    if should_stop():
        return False
    with opened(part.url, part.size, part.validator, timeout) as answer:
        if answer.start and answer.validator != part.validator:
            part.discard()  # not every server heeds what tells versions apart
            raise Interrupted(
                f"The file at {part.url} has changed since a part of it was "
                "downloaded; try again."
            )
        _check(part, answer, size, most)
        total, shown = answer.total or size, 0.0
        with part.appending(answer) as file:
            place = answer.start
            for data in answer.chunks():
                place += len(data)
                if place > min(size or most, most):
                    part.discard()
                    raise _too_large(part.url, place, size, most)
                file.write(data)
                if time.monotonic() - shown > _OFTEN:
                    shown = time.monotonic()
                    of = max(total, place) if total else place + len(data)
                    text = f"{name}: {place / 1e6:.1f}"
                    text += f" of {of / 1e6:.1f} MB" if total else " MB"
                    yield Progress(place // 1000, of // 1000 + 1, text)
                    if should_stop():
                        return False
    if size and place != size:
        part.discard()
        raise ModelFileError(
            f"The file from {part.url} has {place} bytes, but {size} are expected; it "
            "was not kept. Ask those who made the list."
        )
    return True


def _check(part: Part, answer: Answer, size: int, most: int) -> None:
    """Raise if what a server offers is not what is wanted, or too much."""
    total = answer.total
    if total is None:
        return
    if (size and total != size) or total > most:
        part.discard()
        raise _too_large(part.url, total, size, most)
    check_space(part.path.parent, total - min(part.size, answer.start))


def _too_large(url: str, found: int, size: int, most: int) -> StudioError:
    if size and size <= most:
        return ModelFileError(
            f"The file from {url} has {found} bytes or more, but {size} are expected; "
            "it was not kept. Ask those who made the list."
        )
    return StorageError(
        f"The file from {url} has {found / 1e9:.2f} GB or more, and downloads may have "
        f"{most / 1e9:g} GB; allow more in the settings."
    )


def _digest(
    path: Path, should_stop: ShouldStop
) -> Generator[Progress, None, str | None]:
    found, done, shown = hashlib.sha256(), 0, time.monotonic()
    total = path.stat().st_size
    for data in pieces(path):
        found.update(data)
        done += len(data)
        if time.monotonic() - shown > _OFTEN:
            shown = time.monotonic()
            yield Progress(done // 1000, total // 1000 + 1, "Checking the file")
            if should_stop():
                return None
    return found.hexdigest()
