"""Work spread over processors: each part by itself, the answers in order."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

PROCESSES_MAX: Final = 64
THREADS: Final = 4
"""Files fetched at once: more would be a burden on the server that is checked."""

AHEAD: Final = 4
"""Parts given out beyond those at work, so that none waits."""

ALONE_MAX: Final = 4
"""So few parts are done before a second process has begun."""


def processors() -> int:
    """How many processors this process may use."""
    return min(len(os.sched_getaffinity(0)), PROCESSES_MAX)


def spread(
    work: Callable[[T], R], parts: Sequence[T], *, processes: int, in_threads: bool = False
) -> Iterator[R]:
    """The work's answer for each part, in order; the first error ends it."""
    if in_threads:
        with ThreadPoolExecutor(THREADS) as executor:
            yield from _in_order(executor, work, parts, THREADS + AHEAD)
    elif processes > 1 and len(parts) > ALONE_MAX:
        # Begun anew, not forked: the threads and connections of this process are not theirs.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(processes, len(parts)), context) as executor:
            yield from _in_order(executor, work, parts, processes + AHEAD)
    else:
        yield from map(work, parts)


def _in_order(
    executor: Executor, work: Callable[[T], R], parts: Iterable[T], ahead: int
) -> Iterator[R]:
    waiting = iter(parts)
    given: list[Future[R]] = [executor.submit(work, one) for one in islice(waiting, ahead)]
    try:
        while given:
            answer = given.pop(0).result()
            given += [executor.submit(work, one) for one in islice(waiting, 1)]
            yield answer
    finally:
        for one in given:
            one.cancel()
