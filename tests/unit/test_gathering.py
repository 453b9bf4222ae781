"""Questions asked together: each caller gets its own answer, and an error only its own group's."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from ledger.errors import DatabaseUnreachable
from ledger.recorder.gathering import GATHERED_MAX, PLACES, Gathering

CALLERS = 200


def test_whoever_waits_is_asked_for_together() -> None:
    """While the places are taken questions gather, in groups of a limit, and none is lost."""
    groups: list[int] = []
    first = threading.Barrier(PLACES + 1)
    let_go = threading.Event()

    def squares(numbers: Sequence[int]) -> list[int]:
        groups.append(len(numbers))
        if numbers[0] < PLACES:
            first.wait()
            let_go.wait()
        return [number * number + 1 for number in numbers]

    gathering = Gathering(squares)
    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(gathering.ask, number) for number in range(PLACES)]
        first.wait()
        calls += [pool.submit(gathering.ask, number) for number in range(PLACES, CALLERS)]
        while len(gathering._waiting) < CALLERS - PLACES:
            pass
        let_go.set()
        answers = [call.result() for call in calls]

    assert answers == [number * number + 1 for number in range(CALLERS)]
    assert max(groups) == GATHERED_MAX
    assert len(groups) <= PLACES + CALLERS // GATHERED_MAX + 1


@pytest.mark.parametrize("error", [DatabaseUnreachable, ValueError])
def test_an_error_is_told_and_the_place_passed_on(error: type[Exception]) -> None:
    """Who asked when it failed is told; who asks next is answered."""

    def halves(numbers: Sequence[int]) -> list[int]:
        if 0 in numbers:
            raise error
        return [number // 2 for number in numbers]

    gathering = Gathering(halves)
    for _ in range(PLACES + 1):
        with pytest.raises(error):
            gathering.ask(0)
    assert gathering.ask(4) == 2
