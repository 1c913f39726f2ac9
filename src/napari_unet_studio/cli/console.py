"""What the commands show: a progress bar on stderr, results on stdout."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:  # loads numpy
    from napari_unet_studio.tasks.progress import Progress

# Paths and messages are printed as they are: brackets in them are no markup.
err = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
out = Console(markup=False, highlight=False)


@contextmanager
def progress_bar(
    title: str, quiet: bool = False
) -> "Iterator[Callable[[Progress], None]]":
    """Show a progress bar while the block runs; yields the function to report to.

    Parameters
    ----------
    title
        Of the bar.
    quiet
        Show nothing: another process does.
    """
    if quiet:
        yield lambda progress: None
        return
    import rich.progress

    from napari_unet_studio.cli.time_left import TimeLeft
    from napari_unet_studio.tasks.progress import PredictProgress, TrainProgress

    columns = (
        rich.progress.TextColumn("{task.description}", markup=False),
        rich.progress.BarColumn(),
        rich.progress.TaskProgressColumn(),
        TimeLeft(),
        rich.progress.TextColumn("{task.fields[note]}"),
    )
    with rich.progress.Progress(
        *columns, console=err, transient=True, disable=not err.is_terminal
    ) as bar:
        task = bar.add_task(title, total=None, note="", left=None)

        def report(progress: "Progress") -> None:
            if isinstance(progress, TrainProgress):
                if progress.scores:
                    shown = (f"{k} {v:.3f}" for k, v in progress.scores.items())
                    err.print(f"update {progress.step}: {'  '.join(shown)}")
                if progress.loss is not None:
                    bar.update(task, note=f"loss {progress.loss:.4f}")
            if isinstance(progress, PredictProgress | TrainProgress):
                bar.update(task, left=progress.seconds_left)
            bar.update(
                task,
                completed=progress.step,
                total=progress.total,
                description=progress.message or title,
            )

        yield report


def show(result: Mapping[str, Any], as_json: bool) -> None:
    """Print a result as JSON, or line by line for people."""
    if as_json:
        _write_json(result)
        return
    for key, value in result.items():
        if isinstance(value, Mapping):
            text = "  ".join(f"{name} {_text(each)}" for name, each in value.items())
        elif isinstance(value, list):
            text = " ".join(map(str, value)) or "none"
        else:
            text = _text(value)
        out.print(f"{key}: {text}", soft_wrap=True)


def _text(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    if abs(value) < 10:
        return f"{value:.4f}"
    # No score: four digits that count, and no power of ten.
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def show_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool
) -> None:
    """Print rows as a table of the columns that hold something, or as JSON."""
    if as_json:
        _write_json(list(rows))
        return
    columns = [name for name in columns if any(row.get(name, "") != "" for row in rows)]
    table = Table(box=None)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(row.get(column, ""))) for column in columns))
    # In a file or a pipe each row is one line, however long.
    wide = Console(markup=False, highlight=False, width=10_000)
    (out if out.is_terminal else wide).print(table)


def _write_json(values: Any) -> None:
    from napari_unet_studio.io.plain_json import finite

    sys.stdout.write(json.dumps(finite(values), default=str, allow_nan=False) + "\n")
