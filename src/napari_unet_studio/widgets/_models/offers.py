"""Models that lists on the web offer, asked for quietly: offline is no error."""

from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_unet_studio.io.model_list import ListedModel, listed_models
from napari_unet_studio.io.settings import Settings, read_settings
from napari_unet_studio.tasks.progress import Progress, ShouldStop
from napari_unet_studio.widgets._settings import follow_page
from napari_unet_studio.widgets._worker import Failure, Job, Task

if TYPE_CHECKING:
    from napari_unet_studio.tasks.download import FetchedLists


class Offers(QObject):
    """What the lists of the settings name: at first as they were last seen.

    Attributes
    ----------
    models
        What can be downloaded.
    notes
        What there is to say about the lists.
    """

    changed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.models: tuple[ListedModel, ...] = tuple(listed_models())
        self.notes: tuple[str, ...] = ()
        self._asked = read_settings().model_lists
        self._job: Job[Any] | None = None
        follow_page(self, self._on_settings)

    def fetch(self) -> None:
        """Ask for the lists, if there are any; `changed` follows."""
        if self._job is not None or not self._asked:
            return
        self._job = Job(_fetch, "Lists of models", self)
        self._job.succeeded.connect(self._on_fetched)
        self._job.failed.connect(self._on_failed)
        self._job.finished.connect(self._on_finished)
        self._job.start()

    def stop(self) -> None:
        """Ask for nothing more."""
        self._asked = ()
        if self._job is not None:
            self._job.stop()

    def _on_settings(self, settings: Settings) -> None:
        if settings.model_lists == self._asked:
            return
        self._asked = settings.model_lists
        self.models, self.notes = tuple(listed_models()), ()
        self.changed.emit()
        if self._job is not None:
            self._job.stop()  # asked again when it has ended
        self.fetch()

    def _on_fetched(self, found: "FetchedLists | None") -> None:
        if found is not None and self._asked:
            self.models, self.notes = found.models, found.notes
            self.changed.emit()

    def _on_failed(self, failure: Failure) -> None:
        self.notes = (str(failure.error),)
        self.changed.emit()

    def _on_finished(self) -> None:
        again = self._job is not None and self._job.stopping
        self._job = None
        if again:
            self.fetch()


def _fetch(should_stop: ShouldStop) -> Generator[Progress, None, Any]:
    from napari_unet_studio.tasks.download import fetch_lists

    return (yield from fetch_lists(should_stop=should_stop))


def download_task(offer: ListedModel) -> Task[Path | None]:
    """Return the task that downloads a model into the user's."""
    return partial(_download, offer)


def _download(
    offer: ListedModel, should_stop: ShouldStop
) -> Generator[Progress, None, Path | None]:
    from napari_unet_studio.tasks.download import download_model

    return (yield from download_model(offer, should_stop=should_stop))
