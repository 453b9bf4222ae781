"""Verdicts remembered with what they read: the same dossiers, the same answer.

A verdict is a pure function, so it need not be asked again while everything that it read is what
it was and the clock has passed none of the instants that it was compared with. Dossiers are never
changed, and those that no fact changed are the same objects in every background
(`projections/background.py`): so to compare what was read takes a microsecond, and nothing is ever
invalidated, because nothing can be stale.
Read next: `tallying.py`, which remembers.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from ledger.model.history import History
from ledger.model.obligations import Obligation
from ledger.model.organisation import POSTS_IN
from ledger.vocabulary import Moment, UnitRef
from projections.background import Background
from projections.figures.briefs import Brief, Tallied, tallied_of
from projections.figures.tallies import Span, between
from projections.judging import judged_in_full

REMEMBERED_MAX: Final = 6
"""Answers kept for one version of an obligation: before and after a background changed."""

Read = tuple[str, str, Any]
"""A dossier that was read: its kind, its key, and the object (None: there was none)."""


class Remembered(msgspec.Struct, frozen=True):
    """A judgement, the instants for which it holds, and all that it rests on."""

    answer: Tallied
    span: Span
    turns: tuple[datetime, ...]
    """The instants at which the span ends."""
    read: tuple[Read, ...]

    def holds(self, background: Background, instant: datetime) -> bool:
        """Whether it would be the same before this background, at this instant."""
        return self.span.holds(instant) and all(
            _same(background, kind, key, row) for kind, key, row in self.read
        )


class Memory:
    """Judgements on obligations, by the version that was judged."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], tuple[Remembered, ...]] = {}

    def recall(self, brief: Brief, background: Background, instant: datetime) -> Remembered | None:
        """What was remembered of this version, if it still holds."""
        for one in self._kept.get((brief.obligation, brief.told), ()):
            if one.holds(background, instant):
                return one
        return None

    def judge(
        self, brief: Brief, row: Obligation, background: Background, moment: Moment
    ) -> Remembered:
        """Judge a version in full, and remember it."""
        read: dict[tuple[str, str], Any] = {}
        turns: list[datetime] = []
        history = _watched(background, row, moment, read)
        judged = judged_in_full(history, row, moment, turns)
        span = between(turns, moment.instant)
        found = Remembered(
            tallied_of(judged),
            span,
            tuple(one for one in (span.since, span.until) if one is not None),
            tuple((kind, key, one) for (kind, key), one in read.items()),
        )
        key = (brief.obligation, brief.told)
        # A tuple in one assignment: other threads see the old one or the new.
        self._kept[key] = (found, *self._kept.get(key, ()))[:REMEMBERED_MAX]
        return found


class _Watched(Mapping[str, Any]):
    """Rows of one kind, and a note of every one that was looked at."""

    def __init__(self, kind: str, rows: Mapping[str, Any], note: Callable[..., None]) -> None:
        self._kind, self._rows, self._note = kind, rows, note

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401  (a dossier of any kind)
        self._note((self._kind, key), self._rows.get(key))
        return self._rows[key]

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401
        """The row, or the default."""
        row = self._rows.get(key)
        self._note((self._kind, key), row)
        return default if row is None else row

    def __contains__(self, key: object) -> bool:
        return self.get(str(key)) is not None

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("a verdict reads what it names, and never everything")

    def __len__(self) -> int:
        raise AssertionError("a verdict reads what it names, and never everything")


def _watched(
    background: Background, row: Obligation, moment: Moment, read: dict[tuple[str, str], Any]
) -> History:
    def watch(kind: str, rows: Mapping[str, Any]) -> Mapping[str, Any]:
        def note(key: tuple[str, str], found: Any) -> None:  # noqa: ANN401
            # The index of posts is made anew for each background: remember what it says.
            read[key] = tuple(found or ()) if kind == POSTS_IN else found

        return _Watched(kind, rows, note)

    history = background.history((row,), moment.position)
    history.rows = {
        kind: rows if kind == "obligation" else watch(kind, rows)  # type: ignore[misc]
        for kind, rows in history.rows.items()
    }
    history.organisation = history.organisation.read_through(watch)
    return history


def _same(background: Background, kind: str, key: str, row: Any) -> bool:  # noqa: ANN401
    if kind == POSTS_IN:
        return bool(background.organisation.posts_told_of(UnitRef(key)) == row)
    return background.rows[kind].get(key) is row
