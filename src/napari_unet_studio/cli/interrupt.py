"""Ctrl-C that asks politely first."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SAID = b"\nStopping when this step is done. Ctrl-C again: at once, without a model.\n"
SAID_BY_SEVERAL = b"\nStopping when this step, or this validation round, is done.\n"


@contextmanager
def until_interrupted(
    said: bytes = SAID, patient: bool = False
) -> Iterator[Callable[[], bool]]:
    """Yield a function that is true once Ctrl-C was pressed; a second one kills.

    Parameters
    ----------
    said
        Written to stderr at the first one.
    patient
        A second one does not kill, and SIGTERM asks as politely: ``torchrun`` passes on
        to its processes what the terminal has told them already.
    """
    pressed = False
    signals = [signal.SIGINT, signal.SIGTERM] if patient else [signal.SIGINT]

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if not pressed:
            # A signal handler must not wait for a lock of the console.
            os.write(2, said)
        pressed = True
        if not patient:
            signal.signal(number, before[0])

    before = [signal.signal(each, remember) for each in signals]
    try:
        yield lambda: pressed
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)
