"""The dock widget "Models": what there is, where from, and what can be done with it."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari.viewer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.tasks.progress import Progress, ShouldStop
from napari_unet_studio.widgets._asking import agreed
from napari_unet_studio.widgets._base import show_warning
from napari_unet_studio.widgets._docks import in_front
from napari_unet_studio.widgets._models.dock import ModelsDock
from napari_unet_studio.widgets._models.entries import Entry
from napari_unet_studio.widgets._models.exporting import Sent
from napari_unet_studio.widgets._models.offers import download_task
from napari_unet_studio.widgets._models.taking import (
    FILTER,
    MODEL,
    PACKAGE,
    Wanted,
    kind_of_file,
)
from napari_unet_studio.widgets._models.texts import sent_text, taken_text
from napari_unet_studio.widgets._saving import ask_where
from napari_unet_studio.widgets._worker import Failure, Job

if TYPE_CHECKING:  # loads torch
    from napari_unet_studio.tasks.export import Exported


class ModelsWidget(ModelsDock):
    """Lists the models at hand and on the web, and takes models in and out.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer)
        self._taking: Job[Any] | None = None
        queued = Qt.ConnectionType.QueuedConnection  # the list is being edited
        self.list.used.connect(self.run)
        self.list.renamed.connect(self._on_renamed, queued)
        self.list.deleting.connect(self.delete)
        self.details.noted.connect(self._on_noted)
        self.importing.wanted.connect(self.take_in)
        self.exporting.wanted.connect(self.ask_export)
        for panel in (self.importing, self.exporting):
            panel.failed.connect(self.complain)
        self.importing.leave.clicked.connect(lambda: self.say(""))
        self.import_button.clicked.connect(self.ask_import)
        self.rename_button.clicked.connect(self.list.edit_name)
        self.duplicate_button.clicked.connect(self.duplicate)
        self.delete_button.clicked.connect(self.delete)

    def on_failure(self, failure: Failure) -> None:
        """Tell what went wrong; a program needs the user's trust first."""
        from napari_unet_studio.io.trust import UntrustedError

        taking = self.job is not None and self.job is self._taking
        if taking and isinstance(failure.error, UntrustedError):
            self.importing.ask_trust()
            self.say("The model in this file is a program; see above.")
            return
        super().on_failure(failure)
        self.refresh()

    # -- what is done with a model ----------------------------------------------------

    def run(self) -> None:
        """Use the chosen model, or download it."""
        entry = self.entry
        if self.running or entry is None:
            return
        self.details.save_notes()
        if entry.offer is not None:
            self.load_torch()  # to check what has come
            task = download_task(entry.offer)
            self.launch(task, f"Downloading {entry.name}", self._on_downloaded)
            return
        if entry.card is None or entry.path is None:
            self.say(entry.trouble, error=True)
            return
        from napari_unet_studio.widgets.segment import SegmentWidget

        self.say("")
        segment = in_front(self.viewer, SegmentWidget, "Segment")
        segment.models.refresh()
        segment.models.open(entry.path)

    def _on_downloaded(self, path: Path | None) -> None:
        if path is None or self._closed:
            return
        self.refresh(path)
        self.say(f"{path.stem} is among your models.")

    def duplicate(self) -> None:
        """Copy the chosen model into the user's."""
        from napari_unet_studio.io.library import duplicate_model

        self._change(lambda entry: duplicate_model(entry.name), "Copied as {}.")

    def _on_renamed(self, entry: Entry, name: str) -> None:
        from napari_unet_studio.io.library import rename_model

        self._change(lambda _: rename_model(entry.name, name), "Renamed to {}.")

    def _on_noted(self, entry: Entry, text: str) -> None:
        from napari_unet_studio.io.library import set_notes

        try:
            set_notes(entry.name, text)
        except StudioError as error:
            self.complain(error)
            self.details.keep_notes(entry, text)
        self._soon.start()  # not at once: another entry is being shown

    def delete(self) -> None:
        """Ask, and move the chosen model to the trash."""
        entry = self.entry
        if entry is None or not self.delete_button.isEnabled():
            return
        question = f"Move the model {entry.name!r} to the trash?"
        if entry.source == "file":
            question = f"Take {entry.name!r} off the list? Its file stays."
        if not agreed(self, "Delete a model", question):
            return
        # While the question was open the file may have gone or got another name, and
        # the list has chosen its neighbour then.
        if self.entry is None or self.entry.key != entry.key:
            self.say(f"Nothing was deleted: {entry.name!r} is no longer chosen.")
            return
        from napari_unet_studio.io.library import delete_model

        self._change(lambda entry: delete_model(entry.name), "{}")

    def _change(self, done: Callable[[Entry], Path | str], told: str) -> None:
        """Do something to the chosen model's file and say so."""
        entry = self.entry
        if entry is None or self.running:
            return
        self.details.save_notes()

        def task(_: ShouldStop) -> Generator[Progress, None, Path | str]:
            yield Progress(0, 1, "Writing")
            return done(entry)

        def tell(made: Path | str) -> None:
            if not self._closed:
                self.refresh(made if isinstance(made, Path) else None)
                self.say(told.format(made.stem if isinstance(made, Path) else made))

        # In a thread: a file of a model may have hundreds of megabytes.
        self.launch(task, "Writing the model", tell, listed=False)
        self.details.notes.setEnabled(False)  # they go into the same file

    def set_running(self, running: bool) -> None:
        """Enable and disable what may be pressed or typed while a job runs."""
        super().set_running(running)
        if not running:
            self.details.notes.setEnabled(True)

    # -- in and out -------------------------------------------------------------------

    def ask_import(self) -> None:
        """Ask for a file and take it in, or ask what has to be known about it."""
        file, _ = QFileDialog.getOpenFileName(
            self, "Import a model", str(Path.home()), FILTER
        )
        if not file:
            return
        self.show_import(Path(file))
        if kind_of_file(Path(file)) in (MODEL, PACKAGE):
            self.take_in(self.importing.value())

    def show_import(self, path: Path) -> None:
        """Open the section for a file that is to be taken in."""
        if self.running:
            show_warning(
                f"{path.name} was not opened: wait until the dock Models has done its "
                "work, and open it again."
            )
            return
        self.importing.show_file(path)

    def take_in(self, wanted: Wanted) -> None:
        """Import a file."""
        if self.running:
            return
        try:
            wanted.spec()
        except StudioError as error:
            self.complain(error)
            return
        self.importing.say("")
        self.load_torch()
        self.launch(wanted.task, f"Importing {wanted.path.name}", self._on_taken)
        self._taking = self.job

    def _on_taken(self, taken: "tuple[Path, Any] | None") -> None:
        if taken is None or self._closed:
            return
        path, found = taken
        self.importing.say(taken_text(found))
        self.importing.take_note()
        self.refresh(path)
        self.say(f"{path.stem} is among your models.")

    def ask_export(self) -> None:
        """Ask for a file and export the chosen model to it."""
        entry = self.entry
        if self.running or entry is None or entry.path is None:
            return
        if self.exporting.absent:
            self.say(self.exporting.absent, error=True)
            return
        lacking = self.exporting.lacking()
        if lacking:
            self.exporting.form.editor(lacking[0]).native.setFocus()
            self.say(
                f"A package has to state {' and '.join(lacking)}; type them first.",
                error=True,
            )
            return
        suffix, kind = self.exporting.suffix, self.exporting.kind
        kinds = {f"{kind[0].upper()}{kind[1:]} (*{suffix})": suffix}
        path = ask_where(self, "Export the model", entry.path.stem, kinds)
        if path is not None:
            self.export(path)

    def export(self, path: Path) -> None:
        """Export the chosen model to a file."""
        entry = self.entry
        if self.running or entry is None or entry.path is None:
            return
        try:
            sent = Sent(
                entry.path, path, self.exporting.value(), self.exporting.source()
            )
        except StudioError as error:
            self.complain(error)
            return
        self.details.save_notes()
        self.load_torch()
        self.launch(sent.task, f"Exporting {entry.name}", self._on_exported)

    def _on_exported(self, done: "Exported | None") -> None:
        if done is not None:
            self.say(sent_text(done))
