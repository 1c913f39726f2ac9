"""Dock widget "Compare": labels and models beside a reference, errors in colour."""

import time
from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path

import napari.viewer
from napari.layers import Labels
from qtpy.QtCore import QSignalBlocker

from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.layers import add_tuples
from napari_unet_studio.tasks.comparison import Comparison
from napari_unet_studio.tasks.progress import Progress
from napari_unet_studio.widgets._base import StudioWidget
from napari_unet_studio.widgets._colours import tone_of
from napari_unet_studio.widgets._compare.code import as_python, as_shell
from napari_unet_studio.widgets._compare.form import CompareForm
from napari_unet_studio.widgets._compare.outcome import Outcome
from napari_unet_studio.widgets._compare.overlay import ErrorOverlay
from napari_unet_studio.widgets._compare.plan import Plan, plan_of
from napari_unet_studio.widgets._compare.rows import Rows
from napari_unet_studio.widgets._compare.shown import Shown
from napari_unet_studio.widgets._compare.stamps import Asked
from napari_unet_studio.widgets._compare.texts import hidden_layers, summary
from napari_unet_studio.widgets._compare.versions import Versions
from napari_unet_studio.widgets._controls import SETTLED, copy_button, soon, timer
from napari_unet_studio.widgets._session import record


class CompareWidget(StudioWidget):
    """Scores labels and models against reference labels, and shows where they err.

    Parameters
    ----------
    napari_viewer
        The viewer.
    """

    computes = True
    welcome = (
        "No labels are open yet. Open an image with labels that are right, or a sample:"
    )
    samples = ("nuclei_2d",)
    needed = Labels

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__(napari_viewer, "Compare")
        self.run_button.setToolTip("Score all candidates that are ticked.")
        self._shown = Rows()
        self._plan: Plan | None = None
        self._closed = False
        self._told = ""
        self._away = False  # no errors, as they are of what is not chosen now
        self.versions = Versions(lambda: soon(self._mark_timer))
        self.overlay = ErrorOverlay(self.viewer)
        self.form = CompareForm(self.viewer)
        self.outcome = Outcome()
        self.results, self.legend = self.outcome.results, self.outcome.legend
        self._mark_timer = timer(self, SETTLED, self._mark)
        self._sync_timer = timer(self, 0, self._sync)
        self._build()
        self.reset_choices()

    def _build(self) -> None:
        self.add_choice(self.form.reference)
        self.add_choice(self.form.image)
        self.copy = copy_button(
            self.as_python,
            "Copy code that compares the same: Python for napari's console, or a "
            "command of the shell.",
            self.as_shell,
        )
        self.buttons.addWidget(self.copy, 1)
        self.body.addWidget(self.form)
        self.body.addWidget(self.outcome)
        self.body.addStretch(1)
        self.form.changed.connect(self._on_form)
        self.form.failed.connect(self.complain)
        self.results.chosen.connect(self._on_row)
        self.results.clicked_again.connect(self._on_clicked)
        self.legend.picked.connect(self._on_kind)
        self.outcome.save_asked.connect(self._on_save)
        self.outcome.keep_asked.connect(self.keep_labels)

    # -- choices ----------------------------------------------------------------------

    def reset_choices(self, event: object = None) -> None:
        """Follow the viewer: new, renamed and removed layers."""
        if self._closed or self.overlay.busy:
            return
        super().reset_choices(event)
        self.overlay.tidy()
        self.form.refresh()
        self._follow()
        self._mark()
        self._show_buttons()

    def _on_form(self) -> None:
        """Follow the form; an error was of what it showed before."""
        if tone_of(self.status) and not self.running:
            self.say("")
        self.reset_choices()

    def _follow(self) -> None:
        """Notice edits of all that is or was compared."""
        there, image = self.viewer.layers, self.form.image.value
        wanted = [*self.form.labels(), *self._shown.layers, image]
        layers = {id(x): x for x in wanted if x is not None and x in there}
        self.versions.follow(list(layers.values()))

    def _mark(self) -> None:
        """Mark the rows that do not hold any more, and say so."""
        if self._closed:
            return
        self.results.mark(self._outdated())
        self._sync_timer.start()
        before, self._told = self._told, self._shown.news(self.versions, self._now)
        new = self._told != before and not self.running
        if new and (self._told or self.status.text() == before):
            self.say(self._told)

    def _outdated(self) -> dict[Hashable, str]:
        return self._shown.outdated(self.versions, self.viewer.layers, self._now)

    def _sync(self) -> None:
        """Show errors only while what they are of is chosen."""
        if self._closed or self.running:
            return
        shown = self._chosen
        away = shown is not None and bool(shown.elsewhere(self._now))
        if away != self._away:
            self._show_errors()

    def _show_buttons(self) -> None:
        shown = self._chosen
        self.outcome.setVisible(bool(self._shown))
        errors = shown is not None and shown.errors is not None
        self.legend.setVisible(errors and not self._away)
        self.outcome.keep_button.setEnabled(
            shown is not None and shown.row.kind == "model" and shown.labels is not None
        )

    @property
    def _now(self) -> Asked:
        return Asked.of(self.form)

    @property
    def _chosen(self) -> Shown | None:
        key = self.results.key
        return None if key is None else self._shown.get(key)

    # -- running ----------------------------------------------------------------------

    def run(self) -> None:
        """Score the candidates."""
        if self.running:
            return
        try:
            plan = self._planned()
        except StudioError as error:
            self.complain(error)
            return
        if plan.predicts:
            self.load_torch()
        self._plan = plan
        if not all(s.asked.beside(plan.asked) for s in self._shown.values()):
            self._forget()
        self.launch(plan.task, "Comparing", self._on_result, self._on_step)

    def _planned(self) -> Plan:
        return plan_of(self.form, self.versions, self._shown.known)

    def set_running(self, running: bool) -> None:
        """Keep the choices while a job runs."""
        super().set_running(running)
        self.form.setEnabled(not running)

    def _on_step(self, progress: Progress) -> None:
        """Show a candidate that is done."""
        row = getattr(progress, "row", None)
        plan = self._plan
        if row is None or plan is None or self._closed:
            return
        shown = Shown.of(row, plan)
        self._shown[shown.key] = shown
        self._show_rows()

    def _on_result(self, comparison: Comparison | None) -> None:
        plan = self._plan
        if comparison is None or plan is None or self._closed:
            return
        done = {entry.key for entry in plan.entries}
        self._shown = Rows({k: s for k, s in self._shown.items() if k in done})
        self._show_rows()
        seconds = time.monotonic() - plan.started
        text = " ".join((summary(comparison.rows, seconds), *comparison.notes))
        if plan.reference not in self.viewer.layers:
            text += f" The reference {plan.source.name!r} was removed meanwhile."
        if self._chosen is None:
            good = [k for k, s in self._shown.items() if s.errors is not None]
            with QSignalBlocker(self.results):
                self.results.choose(next(iter(good), None))
            hidden = self._show_errors()
            self.overlay.pick()
        else:
            hidden = self._show_errors()
        self._told = self._shown.news(self.versions, self._now)
        self.say(" ".join(filter(None, [text, hidden])))
        record(self, "Compare", as_python(_renamed(plan), None), plan.layers)

    def _on_finished(self) -> None:
        stopped = self.job is not None and self.job.stopping
        super()._on_finished()
        self._plan = None
        if stopped and self._shown and not self._closed:
            self.say("Stopped; what was scored before stays in the table.")

    def _show_rows(self) -> None:
        rows = {key: shown.row for key, shown in self._shown.items()}
        self._follow()
        self.results.show_rows(rows, self._outdated())
        self._show_buttons()

    def _forget(self) -> None:
        self._shown = Rows()
        self.overlay.remove()
        self._show_rows()

    # -- errors -----------------------------------------------------------------------

    def _on_row(self, key: object) -> None:
        """Show the errors of a candidate that was chosen."""
        hidden = self._show_errors()
        self.overlay.pick()
        if hidden or self._away:
            self.say(hidden or self._told)

    def _on_clicked(self) -> None:
        """Bring the errors of the chosen row back, if they were removed."""
        if not self.overlay.alive:
            self._on_row(self.results.key)

    def _on_kind(self, value: int | None) -> None:
        """Show one kind of error alone, also after the layer was removed."""
        self._on_clicked()
        self.overlay.show_only(value)

    def _show_errors(self) -> str:
        """Show the errors of the chosen row; returns what there is to say."""
        shown, hidden = self._chosen, []
        if self._closed:
            return ""
        self._away = shown is not None and bool(shown.elsewhere(self._now))
        if shown is None or shown.errors is None or self._away:
            self.overlay.remove()
        else:
            self.legend.show_counts(shown.row.scores)
            hidden = self.overlay.show(shown, self.legend.only, self.form.labels())
        self.reset_choices()
        return hidden_layers(hidden)

    def keep_labels(self) -> None:
        """Add what the chosen model found to the viewer."""
        shown = self._chosen
        if shown is None or shown.labels is None:
            return
        add_tuples(self.viewer, [shown.labels_layer()])

    # -- results ----------------------------------------------------------------------

    def comparison(self) -> Comparison:
        """Return the rows of the table, in the order they were made."""
        return self._shown.comparison

    def as_python(self) -> str:
        """Return code that compares what is ticked."""
        try:
            plan = self._planned()
        except StudioError as error:
            self.complain(error)
            return ""
        shown = self._chosen
        names = [] if shown is None else [shown.row.name]
        return as_python(plan, next((n for n in names if n in plan.names), None))

    def as_shell(self) -> str:
        """Return a command that compares the files of what is ticked."""
        try:
            return as_shell(self._planned())
        except StudioError as error:
            self.complain(error)
            return ""

    def save(self, path: str | Path) -> None:
        """Write the scores to a CSV file.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        with atomic_write(path) as file:
            file.write(self.comparison().to_csv().encode())

    def _on_save(self, path: Path) -> None:
        try:
            self.save(path)
        except StudioError as error:
            self.complain(error)
        else:
            self.say(f"The scores are in {path}.")

    def on_closed(self) -> None:
        """Stop what runs, and take the errors out of the viewer."""
        if self._closed:
            return
        super().on_closed()
        self._closed = True
        self._mark_timer.stop()
        self._sync_timer.stop()
        self.versions.follow([])
        self.overlay.remove()


def _renamed(plan: Plan) -> Plan:
    """Return a plan with the names that its layers have now."""
    source, picture = replace(plan.source, name=plan.reference.name), plan.picture
    if picture is not None:
        picture = replace(picture, name=plan.image.name)
    return replace(plan, source=source, picture=picture)
