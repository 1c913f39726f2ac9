"""A batch goes from image to image, and tells how far it is."""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import cast

from napari_unet_studio.core.errors import StorageError
from napari_unet_studio.io.folders import BatchItem
from napari_unet_studio.io.image_file import ImageFile
from napari_unet_studio.io.manifest import Manifest
from napari_unet_studio.tasks.ahead import ahead
from napari_unet_studio.tasks.batch_config import BatchConfig
from napari_unet_studio.tasks.batch_one import Found, Work
from napari_unet_studio.tasks.batch_outcome import (
    BatchProgress,
    Outcome,
    kept_outcome,
    labels_of,
)
from napari_unet_studio.tasks.batch_read import (
    FAILURES,
    Prepared,
    Reading,
    files_of,
    is_full,
    prepare,
    sentence_of,
)
from napari_unet_studio.tasks.progress import PredictProgress

Ready = Generator[tuple[int, Prepared], None, None]
_STEPS = 100  # of progress for each image
_PREDICTING = 0.9  # of the work, where objects are measured, too


class Course:
    """Goes from item to item, and tells how far it is."""

    def __init__(
        self,
        items: Sequence[BatchItem],
        config: BatchConfig,
        complaints: Sequence[str],
        work: Work,
        reading: Reading,
        manifest: Manifest | None,
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.stopped = False
        self._items, self._config = items, config
        self._complaints = complaints
        self._work, self._reading, self._manifest = work, reading, manifest
        self._seconds: list[float] = []  # of the images that were predicted

    @property
    def has_done(self) -> bool:
        """Whether an image was done, not kept."""
        return bool(self._seconds)

    def run(self) -> Generator[BatchProgress, None, None]:
        """Do all items."""
        numbers = range(len(self._items))
        reading = cast("Ready", ahead(self._prepared, numbers, depth=1))
        with closing(reading) as ready:
            while True:
                if self._work.should_stop():
                    self.stopped = len(self.outcomes) < len(self._items)
                    return
                number, prepared = next(ready, (-1, None))
                if prepared is None:
                    return
                outcome = yield from self._one(number, prepared)
                del prepared  # its pixels
                if outcome is None:
                    self.stopped = True
                    return
                self.outcomes.append(replace(outcome, prediction=None))
                record = self._told(number, 1.0, outcome=outcome)
                del outcome
                yield record
                del record

    def _prepared(self, number: int) -> Prepared:
        """Read an item; in a thread."""
        if self._complaints[number]:
            return Prepared(error=self._complaints[number])
        item = self._items[number]
        files = files_of(item, self._config)
        return prepare(item, self._reading, self._manifest, files)

    def _one(
        self, number: int, prepared: Prepared
    ) -> Generator[BatchProgress, None, Outcome | None]:
        """Do one item; None if it was stopped."""
        item, manifest = self._items[number], self._manifest
        image = item.name if isinstance(item.image, ImageFile) else str(item.image)
        outcome = Outcome(item.name, image, "failed", error=prepared.error)
        if prepared.kept is not None:
            assert manifest is not None
            return kept_outcome(outcome, prepared.kept, manifest)
        files = files_of(item, self._config)
        began = time.monotonic()
        if not prepared.error:
            try:
                found = yield from self._found(number, prepared, files)
                if found is None:
                    self._drop(files)
                    return None
                seconds = time.monotonic() - began
                done = replace(
                    outcome,
                    status="done",
                    objects=found.objects,
                    seconds=seconds,
                    notes=found.notes,
                    prediction=found.prediction,
                )
                if manifest is not None:
                    done = self._recorded(item, done, found, prepared, files)
                self._seconds.append(seconds)
                return done
            except FAILURES as error:
                self._drop(files)
                if is_full(error):
                    raise StorageError(
                        f"{sentence_of(error, item)} The {len(self.outcomes)} images "
                        "before are kept, and the same call goes on from there."
                    ) from error
                outcome = replace(outcome, error=sentence_of(error, item))
        if manifest is not None:
            told = item.image if isinstance(item.image, Path) else item.name
            manifest.failed(item.name, told, prepared.source, outcome.error)
        return outcome

    def _drop(self, files: Mapping[str, str]) -> None:
        """Remove the files that were staged of an item."""
        if self._manifest is not None:
            self._manifest.drop(files)

    def _found(
        self, number: int, prepared: Prepared, files: Mapping[str, str]
    ) -> Generator[BatchProgress, None, Found | None]:
        """Go through the work on one image, and tell of it as a part of the batch."""
        assert prepared.opened is not None
        if self._manifest is None:
            task = self._work.predicted(prepared.opened.image)
        else:
            task = self._work.written(prepared.opened, files, self._manifest)
        predicting = _PREDICTING if self._config.table else 1.0
        began, share = time.monotonic(), 0.0
        with closing(task):
            while True:
                try:
                    step = next(task)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]
                part = min(step.step / max(step.total, 1), 1.0)
                left = None
                if isinstance(step, PredictProgress):
                    share, left = max(share, part * predicting), step.seconds_left
                else:  # the objects are measured
                    share = max(share, predicting + part * (1 - predicting))
                yield self._told(number, share, began, left)

    def _recorded(
        self,
        item: BatchItem,
        outcome: Outcome,
        found: Found,
        prepared: Prepared,
        files: Mapping[str, str],
    ) -> Outcome:
        """Bring what is staged to its place."""
        manifest = self._manifest
        assert manifest is not None
        assert prepared.source is not None
        entry = manifest.done(
            item.name,
            item.image if isinstance(item.image, Path) else item.name,
            prepared.source,
            files,
            objects=outcome.objects,
            seconds=outcome.seconds,
            notes=outcome.notes,
        )
        return replace(outcome, labels=labels_of(entry, manifest))

    def _told(
        self,
        number: int,
        share: float,
        began: float | None = None,
        left: float | None = None,
        outcome: Outcome | None = None,
    ) -> BatchProgress:
        """Return a record of how far the batch is.

        Parameters
        ----------
        share
            Of the item that is done.
        began
            When it was begun, if it is under way.
        left
            Seconds until it is done, if they are known.
        """
        count = len(self._items)
        return BatchProgress(
            number * _STEPS + int(share * _STEPS),
            count * _STEPS,
            f"{number + 1} of {count}: {self._items[number].name}",
            self._left(count - number - 1, share, began, left),
            number=number,
            outcome=outcome,
        )

    def _left(
        self, further: int, share: float, began: float | None, left: float | None
    ) -> float | None:
        spent = 0.0 if began is None else time.monotonic() - began
        if self._seconds:
            usual = sum(self._seconds) / len(self._seconds)
        elif left is not None:
            usual = spent + left
        else:
            return None
        if left is None:
            left = max(usual * (1 - share), 0.0)
        return left + usual * further
