"""Work done ahead, in a thread: the next batch is read while this one is computed."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def ahead(
    work: Callable[[Argument], Result],
    arguments: Iterable[Argument],
    depth: int = 2,
) -> Iterator[tuple[Argument, Result]]:
    """Yield each argument with its result; those of the next ones are under way.

    Parameters
    ----------
    work
        Called in one thread, in order.
    arguments
        May be endless; at most `depth` more are taken than were asked for.
    depth
        Results that are made before they are asked for.

    Notes
    -----
    What `work` raises is raised where its result would have been. When the iterator is
    closed, what has not begun is dropped.

    Examples
    --------
    >>> list(ahead(abs, [-1, 2]))
    [(-1, 1), (2, 2)]
    """
    rest = iter(arguments)
    waiting: deque[tuple[Argument, Future[Result]]] = deque()
    with ThreadPoolExecutor(1, "unet-studio-read") as pool:
        try:
            while True:
                while len(waiting) <= depth:
                    try:
                        argument = next(rest)
                    except StopIteration:
                        break
                    waiting.append((argument, pool.submit(work, argument)))
                if not waiting:
                    return
                yield _done(*waiting.popleft())  # it keeps no result alive itself
        finally:
            for _, future in waiting:
                future.cancel()


def _done(argument: Argument, future: Future[Result]) -> tuple[Argument, Result]:
    return argument, future.result()
