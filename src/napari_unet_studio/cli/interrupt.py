"""Ctrl-C that asks politely first."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SAID = b"\nStopping when this step is done. Ctrl-C again: at once, keeping nothing.\n"


@contextmanager
def until_interrupted(said: bytes = _SAID) -> Iterator[Callable[[], bool]]:
    """Yield a function that is true once Ctrl-C was pressed; a second one kills.

    Parameters
    ----------
    said
        Written to stderr at the first one.
    """
    pressed = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        os.write(2, said)  # a signal handler must not wait for a lock of the console
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
