"""Runs a benchmark, prints its tables and keeps its document."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

from napari_unet_studio.cli import console


def finish(
    name: str,
    running: Generator[str, None, dict[str, Any]],
    options: str,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Measure, naming each step on stderr, and show and keep the document."""
    while True:
        try:
            console.err.print(f"measuring {next(running)}")
        except StopIteration as done:
            document: dict[str, Any] = done.value
            break
    command = f"unet-studio benchmark {name}{options}"
    document = {"benchmark": name, "command": command, **document}
    if folder is not None:
        from napari_unet_studio.benchmark.page import write_page

        for path in write_page(folder, name, document):
            console.err.print(f"wrote {path}")
    if as_json:
        console.show(document, as_json)
    else:
        _show(name, document)


def _show(name: str, document: dict[str, Any]) -> None:
    """Print a table for each case, and what was to be reached."""
    if name == "nuclei":
        from napari_unet_studio.benchmark import nuclei as scored

        console.show_table(list(scored.lines(document)), scored.COLUMNS, False)
        return
    from napari_unet_studio.benchmark import tables, training_page
    from napari_unet_studio.benchmark import window as windows
    from napari_unet_studio.benchmark.page import SECTIONS

    if name == "window":
        console.show_table(windows.window_lines(document), windows.COLUMNS, False)
        console.out.print()
    for case in document.get("cases", ()):
        console.out.print(tables.title(case))
        if name == "inference":
            console.show_table(tables.long_lines(case), tables.LONG_COLUMNS, False)
        elif name == "training":
            rows = training_page.training_lines(document, case)
            console.show_table(rows, training_page.COLUMNS, False)
        else:
            console.show_table(tables.lines(case), tables.COLUMNS, False)
        console.out.print()
    if document.get("streamed"):
        lines = tables.stream_lines(document)
        console.show_table(lines, tables.STREAM_COLUMNS, False)
        console.out.print()
    section = next(section for section in SECTIONS if section.name == name)
    columns = ("against", "wanted", "measured", "result")
    aims = [
        dict(zip(columns, tables.target(aim), strict=True))
        for aim in section.targets(document)
    ]
    if aims:
        console.show_table(aims, columns, False)
    if "cold" not in document:
        return
    cold = {k: v for k, v in document["cold"].items() if k != "shape"}
    first = ", ".join(f"{k.replace('_ms', '')} {v:.1f} ms" for k, v in cold.items())
    console.out.print(f"in a fresh process: {first}")
