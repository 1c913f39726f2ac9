"""Which blocks of a long job are done, so that a killed one goes on where it was."""

import json
import os
import re
import uuid
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari_unet_studio.core.errors import StorageError
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.guard import reading, writing
from napari_unet_studio.io.plain_json import dumps

_STAGE = re.compile(r"[A-Za-z0-9_-]+")
_EMPTY, _SUMMARY = b"0", b"1"
_CHECK = 4  # bytes of the checksum in front of a mark


class Ledger:
    """Marks of finished blocks, one small file each, and the settings of their job.

    Any number of processes may mark blocks at the same time, also on a file system
    that several machines share. A mark appears whole or not at all, whenever a process
    is killed: it is written beside its place and renamed. Mark a block after its data
    are written.

    What the system still holds in memory is lost when the power fails. Marks are not
    forced to the disk, as the data of zarr arrays are not either. A mark that such a
    failure damaged is not counted; after one, start the job anew to be sure.

    Parameters
    ----------
    folder
        Made by `begin`.

    Examples
    --------
    >>> ledger = Ledger(getfixture("tmp_path") / "ledger")
    >>> ledger.begin({"tile": 512})
    False
    >>> ledger.mark("objects", 3, b"17 objects")
    >>> ledger.done("objects"), ledger.summaries("objects")
    ({3}, {3: b'17 objects'})
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def begin(self, settings: Mapping[str, Any]) -> bool:
        """Note the settings of a job, or check that they are those noted already.

        One process calls this before any other writes marks.

        Returns
        -------
        bool
            Whether the job goes on from an earlier run.

        Raises
        ------
        StorageError
            If the earlier run had other settings, or its note cannot be read, or
            nothing can be written.
        """
        file = self.folder / "job.json"
        wanted = json.loads(dumps(settings))
        if not file.exists():
            with atomic_write(file) as out:
                out.write(dumps(wanted, indent=1).encode())
            return False
        with reading(file, "the settings of an unfinished job"):
            earlier = json.loads(file.read_text(encoding="utf-8"))
        difference = _first_difference(earlier, wanted)
        if difference is not None:
            key, old, new = difference
            raise StorageError(
                f"The unfinished result in {self.folder.parent} was made with other "
                f"settings: {key} was {old}, not {new}. Use the same settings to go "
                "on, or start anew with --overwrite."
            )
        return True

    def mark(self, stage: str, number: int, summary: bytes | None = None) -> None:
        """Note that a block is done.

        Parameters
        ----------
        stage
            Letters, digits, "-" and "_".
        number
            Of the block.
        summary
            What later stages need to know about it, small.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        folder = self._folder(stage)
        content = _EMPTY if summary is None else _SUMMARY + summary
        check = zlib.crc32(content).to_bytes(_CHECK, "big")
        temporary = folder / f".{number}.{uuid.uuid4().hex}"
        with writing(folder):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                temporary.write_bytes(check + content)
                temporary.replace(folder / str(number))
            except OSError:
                with suppress(OSError):
                    temporary.unlink()
                raise

    def done(self, stage: str) -> set[int]:
        """Return the numbers of the blocks that are done."""
        return set(self._marks(stage))

    def summaries(self, stage: str) -> dict[int, bytes]:
        """Return the summaries of the blocks that are done and have one, in order."""
        marks = sorted(self._marks(stage).items())
        return {number: content for number, content in marks if content is not None}

    def _folder(self, stage: str) -> Path:
        if not _STAGE.fullmatch(stage):
            raise ValueError(f"a stage is named by letters and digits, not {stage!r}")
        return self.folder / stage

    def _marks(self, stage: str) -> dict[int, bytes | None]:
        folder = self._folder(stage)
        found: dict[int, bytes | None] = {}
        if not folder.is_dir():
            return found
        with reading(folder, "the notes of an unfinished job"):
            with os.scandir(folder) as entries:
                names = [entry.name for entry in entries if entry.name.isdecimal()]
            for name in names:
                data = (folder / name).read_bytes()
                check, content = data[:_CHECK], data[_CHECK:]
                if content and check == zlib.crc32(content).to_bytes(_CHECK, "big"):
                    summary = content[:1] == _SUMMARY
                    found[int(name)] = content[1:] if summary else None
        return found


def _first_difference(old: Any, new: Any, key: str = "") -> tuple[str, str, str] | None:
    """Return the first key whose values differ, with both values, or None."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*new, *(name for name in old if name not in new)]:
            inner = f"{key}.{name}" if key else name
            if name not in old or name not in new:
                return inner, _brief(old.get(name)), _brief(new.get(name))
            found = _first_difference(old[name], new[name], inner)
            if found is not None:
                return found
        return None
    # Numbers of different types are different settings: 1 is not True.
    if type(old) is type(new) and old == new:
        return None
    return key or "they", _brief(old), _brief(new)


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 60 else f"{text[:60]}…"
