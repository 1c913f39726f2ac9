"""What the commands show: a progress bar on stderr, results on stdout."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import rich.progress
from rich.console import Console
from rich.table import Table

from napari_unet_studio.tasks.progress import Progress

err = Console(stderr=True)
out = Console()


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[Progress], None]]:
    """Show a progress bar while the block runs; yields the function to report to."""
    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.TaskProgressColumn(),
        rich.progress.TimeRemainingColumn(),
        rich.progress.TextColumn("{task.fields[note]}"),
    )
    with rich.progress.Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(title, total=None, note="")

        def report(progress: Progress) -> None:
            note = {}
            loss, scores = getattr(progress, "loss", None), getattr(progress, "scores", None)
            if scores:
                shown = "  ".join(f"{name} {value:.3f}" for name, value in scores.items())
                err.print(f"update {progress.step}: {shown}", highlight=False)
            if loss is not None:
                note = {"note": f"loss {loss:.4f}"}
            bar.update(
                task,
                completed=progress.step,
                total=progress.total,
                description=progress.message or title,
                **note,
            )

        yield report


def show(result: Mapping[str, Any], as_json: bool) -> None:
    """Print a result as JSON, or line by line for people."""
    if as_json:
        sys.stdout.write(json.dumps(result, default=str) + "\n")
        return
    for key, value in result.items():
        text = f"{value:.4f}" if isinstance(value, float) else str(value)
        out.print(f"{key}: {text}", highlight=False, soft_wrap=True)


def show_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool
) -> None:
    """Print rows as a table, or as JSON."""
    if as_json:
        sys.stdout.write(json.dumps(list(rows), default=str) + "\n")
        return
    table = Table(*columns, box=None)
    for row in rows:
        table.add_row(*(str(row.get(column, "")) for column in columns))
    out.print(table)
