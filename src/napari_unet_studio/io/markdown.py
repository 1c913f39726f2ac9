"""Pieces of Markdown for the pages that are made from data."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

_RULES = {"l": ":--", "r": "--:"}


def wrapped(text: str, indent: str = "") -> str:
    """Break a paragraph into lines of at most 88 characters."""
    return textwrap.fill(
        text,
        88,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def markdown_table(
    head: Sequence[str], align: str, rows: Iterable[Sequence[object]]
) -> Iterator[str]:
    r"""Yield the lines of a table and an empty one.

    Parameters
    ----------
    head
        Names of the columns.
    align
        "l" or "r" for each column.
    rows
        What is in the columns.

    Examples
    --------
    >>> print(*markdown_table(("a", "b"), "lr", [("x", 1)]), sep="\n")
    | a | b |
    | :-- | --: |
    | x | 1 |
    <BLANKLINE>
    """
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join(_RULES[side] for side in align)} |"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
    yield ""
