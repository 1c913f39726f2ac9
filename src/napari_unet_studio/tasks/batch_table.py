"""The objects of all images of a batch in one table."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from napari_unet_studio.io.atomic import atomic_write
from napari_unet_studio.io.guard import reading
from napari_unet_studio.io.manifest import Manifest

TABLE = "objects.csv"


def write_table(manifest: Manifest) -> Path | None:
    """Put the tables of all images together; None if there is none.

    The column "image" holds the names of the results. Images of other axes, channels or
    units have other columns; what an image does not have is empty. Tables that somebody
    has changed are left out.
    """
    with manifest.of_all.alone(TABLE) as staged:
        tables = {
            entry.name: manifest.folder / entry.results["table"].path
            for entry in manifest.record.items.values()
            if "table" in entry.results and entry.results["table"].fits(manifest.folder)
        }
        if not tables:
            manifest.of_all.drop("table", TABLE)
            return None
        heads: dict[str, None] = {}
        for path in tables.values():
            with reading(path, "a table"):
                heads |= dict.fromkeys(next(_rows(path), {}))
        with atomic_write(staged) as file:
            file.write(_line(["image", *heads]))
            for name, path in tables.items():
                with reading(path, "a table"):
                    rows = _rows(path)
                    next(rows)
                    for row in rows:
                        cells = [row.get(head, "") for head in heads]
                        file.write(_line([name, *cells]))
        return manifest.of_all.done("table", TABLE)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the header of a table, by its own names, and its rows."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        heads = next(lines)
        yield dict(zip(heads, heads, strict=True))
        for line in lines:
            yield dict(zip(heads, line, strict=True))


def _line(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    # A name of a file may hold bytes that are no text.
    return text.getvalue().encode(errors="backslashreplace")
