"""What a batch did, as it is read from ``batch.json`` in the folder of its results."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from napari_unet_studio.core.errors import StorageError
from napari_unet_studio.io.record_parts import Entry, Run, Written

__all__ = [
    "NAME",
    "Entry",
    "Record",
    "Run",
    "Written",
    "first_difference",
    "read_record",
    "results_in",
]

NAME = "batch.json"
SCHEMA = 1
# Around the images of a record, which are the last thing in it, each on a line.
FIRST, LAST = b',\n "items": [\n', b"\n ]\n}\n"
_NOTHING: Mapping[bytes, Entry] = MappingProxyType({})


@dataclass(frozen=True)
class Record:
    """The record of all that was done into a folder.

    Parameters
    ----------
    folder
        Of the results.
    runs
        One for each set of settings.
    latest
        Number of the run that was begun, or gone on with, last.
    items
        By name.
    shared
        Files that belong to all images, by kind.
    """

    folder: Path
    runs: tuple[Run, ...] = ()
    latest: int = 0
    items: Mapping[str, Entry] = field(default_factory=dict)
    shared: Mapping[str, Written] = field(default_factory=dict)

    @property
    def last(self) -> Run:
        """The latest run.

        Raises
        ------
        StorageError
            If there was none.
        """
        if not self.runs:
            raise StorageError(
                f"{self.folder / NAME} tells of no run; choose the record of a batch."
            )
        return self.runs[self.latest]

    def images(self) -> list[Path]:
        """Return the images of the latest run that are files, as paths from here."""
        return list(self.named().values())

    def named(self) -> dict[str, Path]:
        """Return the same by the names of their results."""
        return {
            entry.name: self.path_of(entry)
            for entry in self.items.values()
            if entry.run == self.latest and entry.sha256 and entry.modified
        }

    def path_of(self, entry: Entry) -> Path:
        """Return the path of an image from here."""
        return Path(os.path.normpath(self.folder / entry.image))

    def files(self) -> Iterator[Path]:
        """Yield all results."""
        for entry in self.items.values():
            for each in entry.results.values():
                yield self.folder / each.path
        for each in self.shared.values():
            yield self.folder / each.path

    def head(self) -> dict[str, Any]:
        """Return all but the images as plain JSON types."""
        return {
            "schema": SCHEMA,
            "program": "napari-unet-studio",
            "latest": self.latest,
            "runs": [asdict(run) for run in self.runs],
            "shared": {kind: asdict(each) for kind, each in self.shared.items()},
        }


def read_record(path: str | Path, known: Mapping[bytes, Entry] = _NOTHING) -> Record:
    """Read the record of a batch.

    Parameters
    ----------
    path
        The file ``batch.json``, or its folder.
    known
        Images by their lines in the file; these are not parsed again.

    Raises
    ------
    StorageError
        If it is none, broken, or of a newer version.
    """
    path = Path(path)
    if path.is_dir():
        path = path / NAME
    try:
        values, entries = _parsed(path.read_bytes(), known)
        schema = values["schema"]
        if isinstance(schema, int) and schema > SCHEMA:
            raise StorageError(
                f"{path} is of a newer version of napari-unet-studio, schema {schema}; "
                f"this one reads up to {SCHEMA}. Update it, or choose another folder."
            )
        if entries is None:
            entries = [_entry(each) for each in values["items"]]
        return _record(path.parent, values, entries)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read: {error.strerror or error}. Check the path."
        ) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StorageError(
            f"{path} is damaged or no record of a batch. Move it away, or choose "
            "another folder; the results beside it stay as they are."
        ) from error


def results_in(folder: str | Path) -> list[Path]:
    """Return the results that batches have written into a folder; they are no images.

    Raises
    ------
    StorageError
        If the record cannot be read.
    """
    folder = Path(folder)
    return list(read_record(folder).files()) if (folder / NAME).exists() else []


def first_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return the first setting that differs, such as "threshold was 0.5, not 0.6".

    Examples
    --------
    >>> first_difference({"objects": {"split": 0}}, {"objects": {"split": 2.5}})
    'split was 0, not 2.5'
    """
    for name in dict.fromkeys((*new, *old)):
        before, now = old.get(name), new.get(name)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            found = first_difference(before, now)
            if found:
                return f"the {name} differs" if name == "model" else found
        elif before != now:
            return f"{name} was {_brief(before)}, not {_brief(now)}"
    return ""


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 60 else f"{text[:60]}…"


def _parsed(
    data: bytes, known: Mapping[bytes, Entry]
) -> tuple[Any, list[Entry] | None]:
    """Return what a file holds, and its images if each is a line of it."""
    head, first, rest = data.partition(FIRST)
    if first and rest.endswith(LAST):
        lines = rest.removesuffix(LAST).split(b",\n")
        try:
            values = json.loads(head + b"\n}")
            return values, [
                known.get(line) or _entry(json.loads(line)) for line in lines if line
            ]
        except ValueError:
            pass  # somebody has written it otherwise
    return json.loads(data), None


def _entry(values: Mapping[str, Any]) -> Entry:
    own = {"notes": tuple(values["notes"]), "results": _written(values["results"])}
    return Entry(**{**values, **own})


def _record(
    folder: Path, values: Mapping[str, Any], entries: Sequence[Entry]
) -> Record:
    """Return a record, checking what was found."""
    runs = tuple(Run(**run) for run in values["runs"])
    for entry in entries:
        if not (isinstance(entry.name, str) and 0 <= entry.run < len(runs)):
            raise ValueError("an item is no item")
    latest, items = values["latest"], {entry.name: entry for entry in entries}
    if runs and not 0 <= latest < len(runs):
        raise ValueError("there is no such run")
    return Record(folder, runs, latest, items, _written(values["shared"]))


def _written(values: Mapping[str, Mapping[str, Any]]) -> dict[str, Written]:
    found = {kind: Written(**each) for kind, each in values.items()}
    for each in found.values():
        parts: Sequence[str] = Path(each.path).parts
        if ".." in parts or Path(each.path).is_absolute():
            raise ValueError("a result lies outside")
    return found
