"""What has come of a file from the web so far."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from napari_unet_studio.core.errors import StorageError
from napari_unet_studio.io.download import Answer
from napari_unet_studio.io.guard import writing


@dataclass
class Part:
    """What has come of a file so far, beside the place where the whole of it will be.

    Parameters
    ----------
    path
        The file, once it is whole.
    url
        Where it comes from.
    """

    path: Path
    url: str
    validator: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.file = self.path.with_name(f"{self.path.name}.part")
        self._facts = self.path.with_name(f"{self.path.name}.part.json")
        known: Any = None
        with suppress(OSError, ValueError):
            known = json.loads(self._facts.read_text(encoding="utf-8"))
        if isinstance(known, dict) and known.get("url") == self.url:
            self.validator = str(known.get("validator", ""))
        elif self.size:  # of another file
            self.discard()

    @property
    def size(self) -> int:
        """Bytes that are there."""
        try:
            return self.file.stat().st_size
        except OSError:
            return 0

    @contextmanager
    def appending(self, answer: Answer) -> Iterator[IO[bytes]]:
        """Open the file for what comes, from the place on where it begins.

        Raises
        ------
        StorageError
            If it cannot be written, or the server begins beyond what is there.
        """
        if answer.start > self.size:
            raise StorageError(
                f"{self.url} cannot be downloaded: the server begins at byte "
                f"{answer.start}, but there are {self.size}. Try again."
            )
        self.validator = answer.validator
        with writing(self.file):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            facts = {"url": self.url, "validator": self.validator}
            self._facts.write_text(json.dumps(facts), encoding="utf-8")
            with self.file.open("ab") as file:
                file.truncate(answer.start)
                yield file

    def finish(self) -> Path:
        """Put the whole file in its place."""
        with writing(self.path):
            with self.file.open("rb+") as file:
                os.fsync(file.fileno())
            self.file.replace(self.path)
        self.discard()
        return self.path

    def discard(self) -> None:
        """Remove what has come."""
        for left in (self.file, self._facts):
            with suppress(OSError):
                left.unlink(missing_ok=True)
