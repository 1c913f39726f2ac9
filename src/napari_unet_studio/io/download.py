"""Reading from the web: the address and the server's answer."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib import error as web_errors
from urllib import request
from urllib.parse import quote, urlsplit, urlunsplit

from napari_unet_studio.core.errors import ConfigError, StorageError
from napari_unet_studio.io.settings import check_url

TIMEOUT = 20.0
"""Seconds without a word from the server after which it counts as gone."""

_CHUNK = 2**16
_KEPT_AS_IT_IS = "%/:=&?~#+!$,;'@()*[]"
_GONE = (OSError, HTTPException, ValueError)


class Interrupted(StorageError):
    """The connection broke off; what has come can be gone on from."""


class Unreachable(StorageError):
    """There is no network, or no such server."""


@dataclass
class Answer:
    """What a server answers to the wish for a file.

    Parameters
    ----------
    url
        What was asked for.
    response
        The server's.
    start
        Place in the file of the first byte that comes.
    total
        Bytes of the whole file; None if the server does not tell.
    validator
        What tells this version of the file from others; "" if the server tells none.
    """

    url: str
    response: HTTPResponse
    start: int
    total: int | None
    validator: str

    def chunks(self) -> Iterator[bytes]:
        """Yield what comes, as it comes.

        Raises
        ------
        Interrupted
            If the connection breaks off before the end.
        """
        place = self.start
        while True:
            try:
                data = self.response.read1(_CHUNK)
            except _GONE as error:
                raise Interrupted(self._broken(place, error)) from error
            if not data:
                break
            place += len(data)
            yield data
        if self.total is not None and place < self.total:
            raise Interrupted(self._broken(place, "the server hung up"))

    def _broken(self, place: int, reason: object) -> str:
        of = "" if self.total is None else f" of {self.total}"
        return (
            f"The connection to {urlsplit(self.url).hostname} broke off at byte "
            f"{place}{of} ({reason}). Start again; it goes on from there."
        )


@contextmanager
def opened(
    url: str, start: int = 0, validator: str = "", timeout: float = TIMEOUT
) -> Iterator[Answer]:
    """Ask a server for a file, from a byte on; only http and https are spoken.

    Parameters
    ----------
    url
        The address. What it leads to must be on the web, too, and not less safe.
    start
        Byte to begin with. Servers may begin with another one: see the answer.
    validator
        Of the version whose beginning is there already.
    timeout
        Seconds to wait for each word of the server.

    Raises
    ------
    ConfigError
        If it is no address on the web.
    Unreachable
        If there is no answer.
    StorageError
        If the server refuses.
    """
    check_url(url)
    headers = {"User-Agent": "napari-unet-studio", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    wish = request.Request(quote(url, safe=_KEPT_AS_IT_IS), headers=headers)
    try:
        response = _opener().open(wish, timeout=timeout)
    except web_errors.HTTPError as error:
        error.close()
        if error.code == 416 and start:  # it has no byte there
            with opened(url, 0, timeout=timeout) as answer:
                yield answer
            return
        raise _refused(url, error) from error
    except _GONE as error:
        reason = getattr(error, "reason", error)
        raise Unreachable(
            f"The server {urlsplit(url).hostname} cannot be reached ({reason}). Check "
            "the network, and try again."
        ) from error
    with response:
        yield _answer(url, response)


def _answer(url: str, response: HTTPResponse) -> Answer:
    headers = response.headers
    begin, total = 0, None
    if response.status == 206:
        begin, total = _range_of(url, headers.get("Content-Range", ""))
    elif (headers.get("Content-Length") or "").isdecimal():
        total = int(headers["Content-Length"])
    validator = headers.get("ETag") or ""
    if not validator or validator.startswith("W/"):  # that one may not be asked for
        validator = headers.get("Last-Modified") or ""
    return Answer(url, response, begin, total, validator)


def _range_of(url: str, text: str) -> tuple[int, int | None]:
    """Return the first byte and the size that "bytes 5-9/10" tells."""
    try:
        unit, _, rest = text.partition(" ")
        span, _, total = rest.partition("/")
        first = int(span.partition("-")[0])
        assert unit == "bytes"
        return first, None if total == "*" else int(total)
    except (AssertionError, ValueError) as error:
        raise StorageError(
            f"{url} cannot be downloaded: the server sends a part of the file and does "
            f"not say which ({text!r:.80}). Delete what was downloaded, and try again."
        ) from error


def _refused(url: str, error: web_errors.HTTPError) -> StorageError:
    if 300 <= error.code < 400:
        place = (error.headers.get("Location") or "") if error.headers else ""
        return StorageError(
            f"{url} cannot be downloaded: it leads to {place!r:.200}, which is not a "
            "safe place on the web. Check the address."
        )
    return StorageError(
        f"{url} cannot be downloaded: the server answers {error.code} "
        f"({error.reason}). Check the address."
    )


class _Redirects(request.HTTPRedirectHandler):
    """Follows to other places on the web, but not from a safe one to an unsafe one."""

    max_redirections = 5

    def redirect_request(
        self, req: request.Request, fp: Any, code: int, msg: str, headers: Any, new: str
    ) -> request.Request | None:
        """Return what to ask instead, or raise an HTTPError."""
        scheme = urlsplit(new).scheme
        downgraded = urlsplit(req.full_url).scheme == "https" and scheme != "https"
        if scheme not in ("http", "https") or downgraded:
            raise web_errors.HTTPError(req.full_url, code, msg, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, new)


def _opener() -> request.OpenerDirector:
    # Not build_opener: it would also read file:, ftp: and data:.
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.UnknownHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPDefaultErrorHandler(),
        _Redirects(),
        request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def public_url(url: str) -> str:
    """Return an address without what may be secret: names, passwords, keys.

    It goes into cards, which travel with their models.

    Examples
    --------
    >>> public_url("https://me:word@a.org:8000/cells.unet?token=12#top")
    'https://a.org:8000/cells.unet'
    """
    parts = urlsplit(url)
    return urlunsplit(
        (parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")
    )


def check_space(folder: Path, needed: int) -> None:
    """Raise a StorageError if a disk has no space for so many bytes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be written to: {error.strerror or error}. Choose another "
            "folder in the settings."
        ) from error
    if needed > free:
        raise StorageError(
            f"The download needs {needed / 1e6:.0f} MB, but {folder} has "
            f"{free / 1e6:.0f} MB left; make space, or choose another folder."
        )


def checked_digest(text: str) -> str:
    """Return a SHA-256 digest in small letters, "" for none.

    Raises
    ------
    ConfigError
        If it is none.
    """
    digest = text.strip().lower()
    if digest and (len(digest) != 64 or set(digest) - set("0123456789abcdef")):
        raise ConfigError(
            f"{text!r:.80} is no SHA-256 digest; those have 64 digits from 0 to f."
        )
    return digest


def pieces(path: Path) -> Iterator[bytes]:
    """Yield the content of a file, MiB by MiB."""
    with path.open("rb") as file:
        while data := file.read(2**20):
            yield data


def digest_of(path: Path) -> str:
    """Return the SHA-256 digest of a file."""
    found = hashlib.sha256()
    for data in pieces(path):
        found.update(data)
    return found.hexdigest()
