"""Results of a batch come to their places by way of its record, ``batch.json``.

A result is written into the folder ``.batch`` first. Then the record is written, with
the SHA-256 of the result, and then the result is renamed. So a process that is killed
at any moment leaves a record that tells what is done, and a result that the next run
brings to its place; nothing is in the way that nobody knows about.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from napari_unet_studio.core.errors import InputError, StudioError
from napari_unet_studio.io.atomic import check_writable, sweep
from napari_unet_studio.io.claims import Claims
from napari_unet_studio.io.digests import Fingerprint, fingerprint
from napari_unet_studio.io.guard import writing
from napari_unet_studio.io.manifest_places import Places
from napari_unet_studio.io.manifest_shared import SharedFiles
from napari_unet_studio.io.record import (
    NAME,
    Entry,
    Record,
    Run,
    Written,
    first_difference,
    read_record,
    results_in,
)
from napari_unet_studio.io.record_file import Draft, RecordFile
from napari_unet_studio.io.staging import Staging

__all__ = ["Entry", "Manifest", "Record", "Run", "read_record", "results_in"]


class Manifest:
    """Writes the results of a run into a folder, and its record.

    Several processes may write into one folder, each its own images: the record is
    locked while one of them changes it.

    Parameters
    ----------
    folder
        Of the results; made if need be.
    run
        Settings. The results of an earlier run with the same ones are kept.
    inputs
        Files that no result may replace.
    overwrite
        Whether results may replace files that are there.

    Raises
    ------
    StorageError
        If the folder cannot be written, or holds a record that cannot be read.

    Examples
    --------
    >>> folder = getfixture("tmp_path")
    >>> image = folder / "a.txt"
    >>> _ = image.write_text("an image")
    >>> manifest = Manifest(folder / "found", Run("weights", config={"sigma": 5.0}))
    >>> source = fingerprint(image)
    >>> manifest.kept("a", source, {"weights": "a.tif"})
    >>> _ = manifest.staged("a.tif").write_text("a result")
    >>> entry = manifest.done("a", image, source, {"weights": "a.tif"}, seconds=1.5)
    >>> manifest.close()
    >>> (folder / "found/a.tif").read_text(), entry.image
    ('a result', '../a.txt')
    >>> manifest.kept("a", source, {"weights": "a.tif"}).seconds
    1.5
    """

    def __init__(
        self,
        folder: str | Path,
        run: Run,
        inputs: Collection[Path] = (),
        overwrite: bool = False,
    ) -> None:
        self.folder = Path(folder)
        self._places = Places(self.folder, inputs, overwrite)
        self._staging = Staging(self.folder)
        self._file = RecordFile(self.folder / NAME, self._staging.lock)
        self.of_all = SharedFiles(self.folder, self._file, self._staging, self._places)
        self._claims = Claims(self._staging.claims)
        self._asked: dict[str, Entry | None] = {}  # what the record held, by name
        self._sources: dict[str, str] = {}  # of the images, by file of the results
        check_writable(self.path, "Choose another folder with --out")
        run = replace(run, version=version("napari-unet-studio"), began=_now())
        self._run = run
        try:
            with self._file.change() as draft:
                sweep(self.path)
                number = draft.number(run)
                began = draft.runs[number].began
                draft.runs[number] = replace(run, began=began)
                draft.latest = number
        except StudioError:  # a full disk, or a broken record: nothing was changed
            self._staging.tidy(())
            raise

    @property
    def path(self) -> Path:
        """The record."""
        return self._file.path

    @property
    def record(self) -> Record:
        """What the record held when it was read or written last."""
        return self._file.record

    def kept(
        self, name: str, source: Fingerprint, files: Mapping[str, str]
    ) -> Entry | None:
        """Return what an earlier run did of an image, or None if it is to be done now.

        Parameters
        ----------
        name
            Of the results.
        source
            Of the image.
        files
            Paths of the results by kind, relative to the folder, with "/".

        Raises
        ------
        InputError
            If there is a file in the way that must stay: an image; or, unless they may
            be replaced, a result of other settings or another image, or one that was
            changed, or a file of somebody else. Or if another run is at it just now.
        """
        self._claims.take(name)
        try:
            self._file.refresh()
            entry = self._kept(name, source, files)
        except BaseException:
            self._claims.give_back(name)
            raise
        if entry is not None:
            self._claims.give_back(name)
        return entry

    def _kept(
        self, name: str, source: Fingerprint, files: Mapping[str, str]
    ) -> Entry | None:
        entry = self.record.items.get(name)
        reasons: dict[str, str] = {}
        self._sources |= dict.fromkeys(files.values(), source.sha256)
        self._asked[name] = entry
        if entry is not None and entry.status == "done":
            self._staging.bring(entry.results.values(), entry.sha256)
            run = self.record.runs[entry.run]
            difference = first_difference(run.compared(), self._run.compared())
            reason = "was changed after it was made"
            if difference:
                reason = f"was made with other settings: {difference}"
            elif entry.sha256 != source.sha256:
                reason = "is the result of another image"
            else:
                right = self._unchanged(entry)
                # Those come out as they are, if they are made again with the others.
                files = {k: f for k, f in files.items() if k not in right}
                if not files:
                    return entry
            reasons = dict.fromkeys(entry.results, reason)
        for kind, file in files.items():
            self._places.check_free(file, reasons.get(kind, "exists already"))
        return None

    def staged(self, file: str) -> Path:
        """Return where a result is written first; ask `kept` before.

        What a writer left there when it was killed is removed, but for an unfinished
        zarr store, which is gone on with.
        """
        return self._staging.cleared(file, self._sources.get(file, ""))

    def done(
        self,
        name: str,
        image: Path | str,
        source: Fingerprint,
        files: Mapping[str, str],
        *,
        objects: int | None = None,
        seconds: float = 0.0,
        notes: tuple[str, ...] = (),
    ) -> Entry:
        """Record an image whose results are staged, and bring them to their places.

        Parameters
        ----------
        name, source, files
            As in `kept`.
        image
            Its file, or the name of an image in memory.
        objects, seconds, notes
            See :class:`.Entry`.

        Raises
        ------
        StorageError
            If the disk is full or gone.
        InputError
            If another run has come first with another image of this name.
        """
        with writing(self.path):
            results = {
                kind: Written(file, *self._staged(file, source.sha256))
                for kind, file in files.items()
            }
            with self._file.change() as draft:
                number = draft.number(self._run)
                self._check_meanwhile(name, source, number, draft)
                before = draft.items.get(name)
                if before and (before.sha256, before.run) == (source.sha256, number):
                    results = {**before.results, **results}
                entry = draft.items[name] = Entry(
                    name,
                    self._places.told(image),
                    *source,
                    number,
                    "done",
                    results,
                    objects,
                    round(seconds, 3),
                    notes,
                )
            self._staging.bring(results.values(), source.sha256)
            if before is not None:
                self._places.drop_stale(before, entry)
        self._claims.give_back(name)
        return entry

    def drop(self, files: Mapping[str, str]) -> None:
        """Remove what is staged of an image that is not done."""
        for file in files.values():
            self._staging.drop(file, self._sources.get(file, ""))

    def failed(
        self, name: str, image: Path | str, source: Fingerprint | None, error: str
    ) -> None:
        """Record an image that could not be done; what was done of it before stays."""
        with self._file.change() as draft:
            before = draft.items.get(name)
            if before is None or before.status == "failed":
                known = source or Fingerprint("", 0, 0)
                own = name, self._places.told(image), *known, draft.number(self._run)
                draft.items[name] = Entry(*own, "failed", error=error)
        self._claims.give_back(name)

    def close(self, ended: bool = True) -> None:
        """Note the end of the run, and tidy up; what is unfinished stays.

        Parameters
        ----------
        ended
            False if it was stopped before its end.
        """
        if ended:
            with self._file.change() as draft:
                number = draft.number(self._run)
                draft.runs[number] = replace(draft.runs[number], ended=_now())
        self._claims.give_all_back()
        self._staging.tidy(set(self._sources.values()))

    def _unchanged(self, entry: Entry) -> set[str]:
        """Return the kinds of results that are as they were written."""
        return {kind for kind, each in entry.results.items() if each.fits(self.folder)}

    def _staged(self, file: str, source: str) -> Fingerprint:
        return fingerprint(self._staging.path(file, source))

    def _check_meanwhile(
        self, name: str, source: Fingerprint, number: int, draft: Draft
    ) -> None:
        """Raise an InputError if another run made a result of this name meanwhile."""
        now = draft.items.get(name)
        if now is None or now.status != "done" or now == self._asked.get(name):
            return
        if (now.sha256, now.run) != (source.sha256, number):
            raise InputError(
                f"Another run has written a result called {name} meanwhile; choose "
                "another folder with --out, or do all images in one run."
            )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
