"""What would be known without some of the facts: dossiers folded again, and asked again.

A difference between two knowings is explained by the facts without which it would not be there.
A fold is pure, so that can be tried: the dossiers of the earlier knowing, every fact that arrived
since but those left out, and the same question. Read next: `two_times.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ledger.codec import decode
from ledger.entry import Event
from ledger.model.history import KINDS, History
from ledger.model.organisation import Organisation
from ledger.recorder import Item, PostgresRecorder, Stored
from projections.past.standings import Key, Stood, Subject, stood

ITEMS_MAX: Final = 500
"""Dossiers whose facts are read at once."""

WEIGHED_MAX: Final = 100
"""With more facts than this about what a subject stands on, all are named, and none is weighed."""

FOLDED: Final = frozenset({"unit", "post", "person", "duty", "calendar", "rules"})
"""The kinds of dossiers that standings are read from."""


def causes_of(
    arrived: Sequence[int], restored: Callable[[AbstractSet[int]], bool]
) -> tuple[list[int], bool, bool]:
    """The facts without which the earlier answer holds; whether each alone; whether weighed."""
    if len(arrived) > WEIGHED_MAX:
        return list(arrived), False, False
    alone = [one for one in arrived if restored({one})]
    if alone:
        return alone, True, True
    # Together they restore it; whatever need not be left out for that is no cause.
    needed = set(arrived)
    while spare := next(
        (one for one in sorted(needed, reverse=True) if restored(needed - {one})), None
    ):
        # Facts undo one another, so what could not be spared before may be now: look at all again.
        needed.remove(spare)
    return sorted(needed), False, True


class Without:
    """The later knowing without some of the facts that arrived between: folded again, and asked."""

    def __init__(
        self,
        recorder: PostgresRecorder,
        then: Mapping[str, Mapping[str, Any]],
        now: Mapping[str, Mapping[str, Any]],
        between: tuple[int, int],
    ) -> None:
        self._recorder = recorder
        self._then, self._now = then, now
        self._after, self._until = between
        self._told: dict[Key, list[tuple[Event, Stored]]] = {}
        self._history = History()
        self._history.rows = {kind: dict(rows) for kind, rows in now.items()}
        rows = self._history.rows
        self._history.organisation = Organisation(rows["unit"], rows["post"], rows["person"])
        self._history.organisation.ceiling = self._history.rules().acting_ceiling

    def about(self, dossiers: AbstractSet[Key]) -> dict[int, tuple[Event, Stored]]:
        """The facts that arrived about dossiers, by position, in order."""
        self._read(dossiers)
        found = {told[0].position: told for one in dossiers for told in self._told[one]}
        return dict(sorted(found.items()))

    def stood(self, subject: Subject, at: datetime, left_out: AbstractSet[int]) -> Stood | None:
        """How the subject would have stood without some facts."""
        touched = {
            key
            for key, told in self._told.items()
            if any(event.position in left_out for event, _ in told)
        }
        # A fact that is left out is left out of every dossier that it is about.
        self._read({other for key in touched for other in self._beside(key, left_out)})
        touched |= {other for key in touched for other in self._beside(key, left_out)}
        try:
            for key in touched:
                self._put(key, self._folded(key, left_out))
            return stood(self._history, subject, at)
        finally:
            for key in touched:
                self._put(key, self._now[key[0]].get(key[1]))

    def _beside(self, key: Key, left_out: AbstractSet[int]) -> set[Key]:
        return {
            other
            for event, _ in self._told[key]
            if event.position in left_out
            for other in _heard_by(event)
        }

    def _folded(self, key: Key, left_out: AbstractSet[int]) -> Any:  # noqa: ANN401  (a dossier)
        kind, code = key
        row = self._then[kind].get(code)
        for event, _ in self._told[key]:
            if event.position not in left_out:
                after = KINDS[kind].fold(row, event, code)
                row = row if after is None else after
        return row

    def _put(self, key: Key, row: Any) -> None:  # noqa: ANN401  (a dossier)
        kind, code = key
        known = self._history.rows[kind].get(code)
        if row is not None:
            self._history.put(kind, code, row)
        elif isinstance(known, msgspec.Struct):
            # To the questions, what nothing is known of is as if it did not exist.
            nothing = {name: () for name in known.__struct_fields__ if _is_list(known, name)}
            self._history.put(kind, code, replace(known, **nothing))
        elif known is not None:
            self._history.put(kind, code, ())

    def _read(self, dossiers: AbstractSet[Key]) -> None:
        """Read what arrived about dossiers, each once."""
        missing = sorted(key for key in dossiers if key not in self._told)
        if not missing:
            return
        self._told |= {key: [] for key in missing}
        for start in range(0, len(missing), ITEMS_MAX):
            some = missing[start : start + ITEMS_MAX]
            items = [Item(tags=(KINDS[kind].tag(code),)) for kind, code in some]
            for page in self._recorder.stream(items, after=self._after, until=self._until):
                for stored in page:
                    event = decode(stored.entry)
                    for key in _heard_by(event) & set(some):
                        self._told[key].append((event, stored))


def _is_list(row: msgspec.Struct, name: str) -> bool:
    return isinstance(getattr(row, name), tuple)


def _heard_by(event: Event) -> set[Key]:
    """The dossiers that a fact is folded into."""
    found = set()
    for tag in event.tags:
        kind, _, key = tag.partition(":")
        if kind in FOLDED and KINDS[kind].listens_to(type(event.fact)):
            found.add((kind, key))
    return found
