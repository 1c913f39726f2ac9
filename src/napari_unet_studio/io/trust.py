"""Which programs of other people this user trusts, by the digests of their files."""

import json
from pathlib import Path

from napari_unet_studio.core.errors import ModelFileError
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.places import user_folder

_MOST = 10_000  # digests in a file that this package wrote


class UntrustedError(ModelFileError):
    """A file holds a program that this user has not said to trust.

    Parameters
    ----------
    message
        A sentence with the remedy.
    digest
        SHA-256 of the program, for :func:`trust`.
    """

    def __init__(self, message: str, digest: str = "") -> None:
        super().__init__(message)
        self.digest = digest


def trust(digest: str) -> None:
    """Remember that this user trusts the program of a digest.

    Raises
    ------
    StorageError
        If that cannot be written.
    """
    known = _known()
    if digest not in known:
        text = json.dumps([*known, digest][-_MOST:], indent=1)
        with atomic_write(_path()) as file:
            file.write(text.encode())


def is_trusted(digest: str) -> bool:
    """Whether this user has said to trust the program of a digest."""
    return digest in _known()


def check_trusted(digest: str, what: str) -> None:
    """Raise an UntrustedError unless this user trusts a program.

    Parameters
    ----------
    digest
        Of the program.
    what
        What it is, for the message: the name of a file or model.
    """
    if not is_trusted(digest):
        raise UntrustedError(
            f"{what} holds a TorchScript program, which would run with all your "
            "rights. If you trust where it comes from, import it with trust=True (in "
            "napari: tick 'I trust this file'; in a shell: --trust).",
            digest,
        )


def _path() -> Path:
    return user_folder() / "trusted.json"


def _known() -> list[str]:
    """Return the digests; none if the file is absent or damaged."""
    try:
        found = json.loads(_path().read_bytes())
    except (OSError, ValueError, RecursionError):
        return []
    if not isinstance(found, list):
        return []
    return [digest for digest in found if isinstance(digest, str)]
