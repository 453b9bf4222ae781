"""Every version of some rows, kept in memory: what was true up to a position stays so.

A view never changes what it said of the past, so versions that were read once need never be read
again: whatever is asked as of a position at or before the last that was read is answered without
the database, exactly, and only what came since has to be told (`tell`).
Read next: `projections/background.py` (the organisation and what else is judged by), `sheaves.py`
(obligations).
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Generic, TypeVar

import msgspec

S = TypeVar("S")


class Told(msgspec.Struct, Generic[S], frozen=True, gc=False):
    """From position `since` on, `key` named `row`; None: it named nothing any more."""

    since: int
    key: str
    row: S | None


class Chronicle(Generic[S]):
    """Rows of one table by key, as of any position; never changed, shared between threads."""

    def __init__(self, told: Iterable[Told[S]]) -> None:
        # At one position a key may be given up and taken again: what it names then counts.
        ordered = sorted(told, key=lambda one: (one.since, one.row is not None))
        self._since = [one.since for one in ordered]
        self._keys = [one.key for one in ordered]
        self._rows = [one.row for one in ordered]

    def place(self, position: int) -> int:
        """How many things had been told by a position: between the same places nothing changed."""
        return bisect_right(self._since, position)

    def last(self, position: int) -> int:
        """The position at which anything was told last by then; 0: nothing was."""
        place = self.place(position)
        return self._since[place - 1] if place else 0

    def at(self, position: int) -> dict[str, S]:
        """The rows as of a position."""
        place = self.place(position)
        held = dict(zip(self._keys[:place], self._rows[:place], strict=True))
        return {key: row for key, row in held.items() if row is not None}

    def tell(self, more: Iterable[Told[S]]) -> "Chronicle[S]":
        """The same, and what was told after it."""
        other = Chronicle(more)
        assert not self._since or not other._since or self._since[-1] <= other._since[0], (
            "a chronicle goes on where it ended"
        )
        other._since = self._since + other._since
        other._keys = self._keys + other._keys
        other._rows = self._rows + other._rows
        return other

    def __len__(self) -> int:
        return len(self._since)


def told_by(versions: Iterable[tuple[str, S, int, int | None]], since: int = 0) -> list[Told[S]]:
    """What versions (key, row, since, until) tell after a position.

    The end of a version that no other follows is told as well.
    """
    found = list(versions)
    begun = {(key, begin) for key, _, begin, _ in found}
    told = [Told(begin, key, row) for key, row, begin, _ in found if begin > since]
    told.extend(
        Told(end, key, None)
        for key, _, _, end in found
        if end is not None and end > since and (key, end) not in begun
    )
    return told
