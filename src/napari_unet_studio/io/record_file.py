"""The file of a record, of which each image is a line.

What stayed as it was is neither parsed nor made into text again, so that ten thousand
images are no burden.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Lock

from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.guard import writing
from napari_unet_studio.io.manifest_lock import locked
from napari_unet_studio.io.plain_json import dumps
from napari_unet_studio.io.record import FIRST, LAST, Entry, Record, Run, read_record

Stamp = tuple[int, int, int]


class Draft:
    """What a record is going to hold.

    Parameters
    ----------
    record
        What it holds.
    """

    def __init__(self, record: Record) -> None:
        self.runs = list(record.runs)
        self.latest = record.latest
        self.items = dict(record.items)
        self.shared = dict(record.shared)

    def number(self, run: Run) -> int:
        """Return the number of a run; it is appended if it is new."""
        wanted = run.compared()
        for number, each in enumerate(self.runs):
            if each.compared() == wanted:
                return number
        self.runs.append(run)
        return len(self.runs) - 1


class RecordFile:
    """A record that several processes read and write.

    Parameters
    ----------
    path
        Of the record.
    lock
        A file that is locked while the record is read and changed.
    """

    def __init__(self, path: Path, lock: Path) -> None:
        self.path = path
        self.record = Record(path.parent)  # what it held when it was read last
        self._lock = lock
        self._mutex = Lock()  # a thread reads ahead, also on a disk without locks
        self._stamp: Stamp | None = None
        self._lines: dict[str, tuple[Entry, bytes]] = {}  # by name

    @contextmanager
    def change(self) -> Iterator[Draft]:
        """Change the record, while nobody else does.

        Raises
        ------
        StorageError
            If it cannot be read or written.
        """
        with self._mutex, writing(self.path), locked(self._lock):
            self._read()
            draft = Draft(self.record)
            yield draft
            self._write(
                Record(
                    self.path.parent,
                    tuple(draft.runs),
                    draft.latest,
                    draft.items,
                    draft.shared,
                )
            )

    def refresh(self) -> None:
        """Read what other processes have written."""
        with self._mutex, writing(self.path), locked(self._lock):
            self._read()

    def _read(self) -> None:
        stamp = _stamp(self.path)
        if stamp is not None and stamp != self._stamp:
            known = {line: entry for entry, line in self._lines.values()}
            self.record, self._stamp = read_record(self.path, known), stamp

    def _write(self, record: Record) -> None:
        lines = {}
        for name, entry in record.items.items():
            known = self._lines.get(name)
            if known is None or known[0] is not entry:
                known = entry, dumps(asdict(entry)).encode()
            lines[name] = known
        with atomic_write(self.path) as file:
            file.write(dumps(record.head(), indent=1).encode().removesuffix(b"\n}"))
            file.write(FIRST)
            file.write(b",\n".join(line for _, line in lines.values()))
            file.write(LAST)
        self.record, self._lines = record, lines
        self._stamp = _stamp(self.path)


def _stamp(path: Path) -> Stamp | None:
    """Return what changes whenever a file is replaced; None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
