"""Help that teaches: below the options of a command, examples and exit codes."""

from typing import Any

import typer
from rich.padding import Padding
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from napari_unet_studio.cli import console
from napari_unet_studio.cli.examples import CODES, EXAMPLES
from napari_unet_studio.cli.mistakes import explain


class Teaching(TyperCommand):
    """A command whose help ends with examples, and whose errors help too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of the command; an error says what is likely meant."""
        words = tuple(args)  # which are taken away one by one
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            explain(error, self.params, words)
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, and examples below."""
        super().format_help(ctx, formatter)
        show_examples(ctx)


class TeachingGroup(TyperGroup):
    """Commands below a word, whose help ends with examples."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of the group; an error says what is likely meant."""
        words = tuple(args)
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            explain(error, self.params, words)
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, and examples below."""
        super().format_help(ctx, formatter)
        show_examples(ctx)


def command_words(ctx: Any) -> str:
    """Return the words of a command without the program: "models score"."""
    words: list[str] = []
    while ctx.parent is not None:
        words.insert(0, ctx.info_name)
        ctx = ctx.parent
    return " ".join(words)


def show_examples(ctx: Any) -> None:
    """Print the examples of a command; a line of one is never broken."""
    words = command_words(ctx)
    examples = EXAMPLES.get(words, ())
    if examples:
        console.out.print(Text(" Examples", style="bold"))
    for sentence, line in examples:
        console.out.print(Padding(Text(sentence), (1, 1, 0, 1)))
        console.out.print(Text(f"   {line}", style="cyan"), soft_wrap=True)
    codes = CODES.get(words, CODES["usual"])
    console.out.print(Padding(Text(f"Exit codes: {codes}", style="dim"), (1, 1)))
