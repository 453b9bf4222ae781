"""Which requests may share one transaction.

`append_v1` tests all conditions of a batch against what is committed, so a request may not stand
behind another of the same batch that could violate its condition, or that brings the same key or
id: it waits for the next batch. Read next: `ledger/recorder/writer.py`.
"""

from typing import Final

from ledger.recorder.admission import Prepared
from ledger.recorder.requests import Item, NewEvent

BATCH_EVENTS_MAX: Final = 10_000
BATCH_BYTES_MAX: Final = 64 * 1024 * 1024
CANDIDATES_MAX: Final = 64
"""Events of a batch that are compared with an item; beyond that a clash is assumed."""


class Batch:
    """Requests that cannot disturb each other; `strict` keeps times from going back (simulated)."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._requests: list[Prepared] = []
        self._indexed_count = 0
        self._event_count = 0
        self._size_bytes = 0
        self._keys: set[bytes] = set()
        self._types: set[str] = set()
        self._by_tag: dict[str, dict[str, list[NewEvent]]] = {}

    def has_room_for(self, one: Prepared) -> bool:
        """Whether the limits of a batch allow this request too."""
        return not self._requests or (
            self._event_count + one.event_count <= BATCH_EVENTS_MAX
            and self._size_bytes + one.size_bytes <= BATCH_BYTES_MAX
        )

    def admits(self, one: Prepared) -> bool:
        """Whether no request of this batch could change this one's outcome."""
        if not self._requests:
            return True
        if one.key in self._keys or not self._keys.isdisjoint(one.id_bytes):
            return False
        if self._strict and self._goes_back(one):
            return False
        company = self._requests[0].company
        if company is not None or one.company is not None:
            return company is one.company
        if not one.items or one.request.condition is None:
            return True
        self._index()
        return not any(map(self._may_match, one.request.condition.items))

    def add(self, one: Prepared) -> None:
        """Take a request that was admitted."""
        self._requests.append(one)
        self._event_count += one.event_count
        self._size_bytes += one.size_bytes
        self._keys.update(one.id_bytes)
        if one.key is not None:
            self._keys.add(one.key)

    def _goes_back(self, one: Prepared) -> bool:
        mine, last = one.request.recorded_at, self._requests[-1].request.recorded_at
        return mine is not None and last is not None and mine < last

    def _index(self) -> None:
        """Index what joined since the last condition: batches without one pay nothing."""
        for one in self._requests[self._indexed_count :]:
            for event in one.request.events:
                kind = event.type
                self._types.add(kind)
                for tag in event.tags:
                    by_type = self._by_tag.get(tag)
                    if by_type is None:
                        self._by_tag[tag] = {kind: [event]}
                    else:
                        by_type.setdefault(kind, []).append(event)
        self._indexed_count = len(self._requests)

    def _may_match(self, item: Item) -> bool:
        if not item.tags:
            return not item.types or not self._types.isdisjoint(item.types)
        candidates: list[NewEvent] | None = None
        for tag in item.tags:
            by_type = self._by_tag.get(tag)
            if by_type is None:
                return False
            kinds = item.types or by_type
            events = [event for kind in kinds for event in by_type.get(kind, ())]
            if candidates is None or len(events) < len(candidates):
                candidates = events
        assert candidates is not None, "an item with tags has candidates, or has matched nothing"
        if len(item.tags) == 1 or len(candidates) > CANDIDATES_MAX:
            return bool(candidates)
        wanted = set(item.tags)
        return any(wanted.issubset(event.tags) for event in candidates)
