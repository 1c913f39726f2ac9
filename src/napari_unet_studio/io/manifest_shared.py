"""Results of a batch that belong to all images, such as the table of all objects."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_unet_studio.io.digests import fingerprint
from napari_unet_studio.io.guard import writing
from napari_unet_studio.io.manifest_lock import locked
from napari_unet_studio.io.manifest_places import Places
from napari_unet_studio.io.record import Written
from napari_unet_studio.io.record_file import RecordFile
from napari_unet_studio.io.staging import Staging


class SharedFiles:
    """Files of all images in the folder of a batch.

    Parameters
    ----------
    folder
        Of the results.
    record, staging, places
        Of the batch.
    """

    def __init__(
        self, folder: Path, record: RecordFile, staging: Staging, places: Places
    ) -> None:
        self._folder, self._record = folder, record
        self._staging, self._places = staging, places

    def check(self, kind: str, file: str) -> None:
        """Raise an InputError if such a file is in the way: not ours, or changed."""
        if self.is_ours(kind, file):
            return
        known = self._record.record.shared.get(kind)
        reason = "exists already" if known is None else "was changed after it was made"
        self._places.check_free(file, reason)

    def is_ours(self, kind: str, file: str) -> bool:
        """Return whether a file is there as a run has written it."""
        known = self._record.record.shared.get(kind)
        if known is None or known.path != file:
            return False
        self._staging.bring([known], "")
        return known.fits(self._folder)

    @contextmanager
    def alone(self, file: str) -> Iterator[Path]:
        """Yield where to write a file first, while no other process does.

        The record is read anew, with all that other processes have done.
        """
        with locked(self._staging.lock_of_all):
            self._record.refresh()
            yield self._staging.cleared(file, "")

    def done(self, kind: str, file: str) -> Path:
        """Record a file that was written, and bring it to its place.

        Ask `check` first, before there is any work.
        """
        path = self._folder / file
        with writing(path):
            found = Written(file, *fingerprint(self._staging.path(file, "")))
            with self._record.change() as draft:
                draft.shared[kind] = found
            self._staging.bring([found], "")
        return path

    def drop(self, kind: str, file: str) -> None:
        """Remove a file of nothing any more, if it is as it was written."""
        if self.is_ours(kind, file):
            with self._record.change() as draft:
                del draft.shared[kind]
            with writing(self._folder / file):
                (self._folder / file).unlink(missing_ok=True)
