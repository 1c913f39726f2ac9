"""``unet-studio settings``: what holds for all commands and docks."""

from dataclasses import replace
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from napari_unet_studio.cli import completion, console
from napari_unet_studio.cli.files import AsJson
from napari_unet_studio.cli.teaching import Teaching, TeachingGroup
from napari_unet_studio.core.config import field_types, help_texts
from napari_unet_studio.core.errors import ConfigError
from napari_unet_studio.io.settings import (
    Settings,
    load_settings,
    settings_file,
    write_settings,
)

settings = typer.Typer(
    cls=TeachingGroup, add_completion=False, invoke_without_command=True
)

Name = Annotated[
    str,
    typer.Argument(
        help="Name of a setting; unet-studio settings lists them.",
        autocompletion=completion.settings,
    ),
]


@settings.callback()
def listed(ctx: typer.Context, json: AsJson = False) -> None:
    """Tell and change what holds for all commands and docks.

    They are kept in settings.json in your folder of this program, which the docks read
    and write too. What a command is given as an option wins over them.
    """
    ctx.obj = json
    if ctx.invoked_subcommand is None:
        _list(json)


@settings.command("list", cls=Teaching)
def list_all(ctx: typer.Context, json: AsJson = False) -> None:
    """Tell all settings, what they mean, and where they are kept."""
    _list(json or bool(ctx.obj))


@settings.command(cls=Teaching)
def get(ctx: typer.Context, name: Name, json: AsJson = False) -> None:
    """Tell one setting.

    Prints nothing but its value, several each in a line of its own.
    """
    _check(name)
    held, note = load_settings()
    _say(note)
    value = getattr(held, name)
    if json or ctx.obj:
        console.show({name: value}, True)
        return
    for each in value if isinstance(value, tuple) else (value,):
        console.out.print(str(each), soft_wrap=True)


@settings.command("set", cls=Teaching)
def change(
    ctx: typer.Context,
    name: Name,
    values: Annotated[list[str], typer.Argument(help="Its value; several for a list.")],
    json: AsJson = False,
) -> None:
    """Change one setting, for good.

    The file of settings is written whole or not at all; a value out of range changes
    nothing.
    """
    _check(name)
    held, note = load_settings()
    _say(note)
    changed = replace(held, **{name: _value(name, values)})
    path = write_settings(changed)
    shown = {name: getattr(changed, name), "file": str(path)}
    console.show(_plain(shown, json or bool(ctx.obj)), json or bool(ctx.obj))


@settings.command(cls=Teaching)
def reset(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names of settings.", autocompletion=completion.settings),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    json: AsJson = False,
) -> None:
    """Give settings their usual values again."""
    if bool(names) == everything:
        raise ConfigError("Say which settings to reset by their names, or --all.")
    chosen = list(field_types(Settings)) if everything else list(names or ())
    for name in chosen:
        _check(name)
    usual = Settings()
    held, _ = load_settings()
    changed = replace(held, **{name: getattr(usual, name) for name in chosen})
    path = write_settings(changed)
    shown = {**{name: getattr(changed, name) for name in chosen}, "file": str(path)}
    console.show(_plain(shown, json or bool(ctx.obj)), json or bool(ctx.obj))


def _list(as_json: bool) -> None:
    held, note = load_settings()
    _say(note)
    if as_json:
        console.show({**held.to_dict(), "file": str(settings_file())}, True)
        return
    usual, texts = Settings(), help_texts(Settings)
    rows = []
    for name in field_types(Settings):
        value, default = getattr(held, name), getattr(usual, name)
        rows.append(
            {
                "setting": name,
                "value": _text(value),
                "usual": "" if value == default else _text(default),
                "what it is": texts[name],
            }
        )
    console.show_table(rows, ("setting", "value", "usual", "what it is"), False)
    console.err.print(f"kept in {settings_file()}")


def _check(name: str) -> None:
    known = field_types(Settings)
    if name not in known:
        raise ConfigError(
            f"There is no setting {name!r:.80}; choose one of {', '.join(known)}."
        )


def _value(name: str, words: list[str]) -> Any:
    """Return words as the value of a setting."""
    kind, _ = field_types(Settings)[name]
    if get_origin(kind) is tuple:
        return tuple(word for word in words if word)
    if len(words) > 1:
        raise ConfigError(f"{name} has one value, but {len(words)} are given.")
    if kind is float:
        try:
            return float(words[0])
        except ValueError:
            raise ConfigError(f"{name} is {words[0]!r:.80}; give a number.") from None
    if get_origin(kind) is Literal and words[0] not in get_args(kind):
        raise ConfigError(
            f"{name} is {words[0]!r:.80}; choose one of {', '.join(get_args(kind))}."
        )
    return words[0]


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(value) or "none"
    return (
        "usual"
        if value == ""
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _plain(shown: dict[str, Any], as_json: bool) -> dict[str, Any]:
    """Return values as people read them, if no program reads them."""
    return shown if as_json else {name: _text(value) for name, value in shown.items()}


def _say(note: str) -> None:
    if note:
        console.err.print(note)
