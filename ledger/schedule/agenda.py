"""Work that waits for its instant: a queue by instant, in the order in which it was put there.

Hundreds of thousands of obligations share a few thousand due instants, so work is kept in one list
an instant, and only instants are ordered. Nothing is scanned.
"""

import heapq
from collections.abc import Hashable
from datetime import datetime
from typing import Generic, TypeVar

Work = TypeVar("Work", bound=Hashable)


class Agenda(Generic[Work]):
    """Each piece of work stands once at an instant, however often it is put there."""

    def __init__(self) -> None:
        self._instants: list[datetime] = []
        self._work: dict[datetime, dict[Work, None]] = {}

    def put(self, instant: datetime, work: Work) -> None:
        """Keep work until `instant`."""
        waiting = self._work.get(instant)
        if waiting is None:
            waiting = self._work[instant] = {}
            heapq.heappush(self._instants, instant)
        waiting[work] = None

    @property
    def next_at(self) -> datetime | None:
        """The earliest instant at which anything waits."""
        return self._instants[0] if self._instants else None

    def take(self) -> list[Work]:
        """Everything that waits at the earliest instant, which is then done with."""
        return list(self._work.pop(heapq.heappop(self._instants)))
