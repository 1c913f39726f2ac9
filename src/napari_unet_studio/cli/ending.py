"""How the program ends: interrupted, in a pipe that closed, or with an error."""

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TextIO

from napari_unet_studio.cli import console
from napari_unet_studio.core.errors import StudioError
from napari_unet_studio.core.shell import spoken

FAILED, INTERRUPTED, CLOSED = 2, 130, 141  # the last two as shells number signals
NO_MEMORY = "There is not enough memory for this image; give a part of it."
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def run(program: Callable[[], object], debug: bool) -> int:
    """Run a program that ends with `sys.exit`; returns the exit code.

    An error of the user's is one line, and so is a lack of memory, or of space for what
    is printed. Ctrl-C is one line. A reader of the output that went away, such as
    ``head``, is no error: nothing is said.
    """
    _open_streams()
    try:
        code = _code(program)
        sys.stdout.flush()
    except (StudioError, MemoryError) as error:
        if debug:
            traceback.print_exc()
        known = isinstance(error, StudioError)
        line = spoken(str(error)).replace("\n", " ") if known else NO_MEMORY
        console.err.print(f"unet-studio: {line}", style="red")
        return FAILED
    except KeyboardInterrupt:
        console.err.print("unet-studio: stopped.")
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return CLOSED
    except OSError as error:
        # Files are written with errors of their own: this one is the output's.
        if debug or error.filename is not None or error.errno not in _FULL:
            raise
        _forget_output()
        with suppress(OSError):
            console.err.print(
                f"unet-studio: What is printed could not be written: {error.strerror}. "
                "Send it to a disk that has space left.",
                style="red",
            )
        return FAILED
    return code


def _forget_output() -> None:
    """Drop what is left: it would be written at the very end, and complained about."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _code(program: Callable[[], object]) -> int:
    """Return the exit code; raises what the program's library hid behind one."""
    try:
        program()
    except SystemExit as ended:
        for error in _contexts(ended):
            if isinstance(error, KeyboardInterrupt | BrokenPipeError):
                raise error from None
        return (
            ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        )
    return 0


def _contexts(error: BaseException) -> Iterator[BaseException]:
    context = error.__context__
    while context is not None:
        yield context
        context = context.__context__


def _open_streams() -> None:
    """Make both streams take every text: closed ones, and those without UTF-8."""
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        if stream is None:  # closed by the caller
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
