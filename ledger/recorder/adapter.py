"""The library's seam: `eventsourcing.dcb.api.DCBRecorder` over the recorder.

An entry made by `ledger/codec.py` is stored as it is and read back whole. Foreign bytes are
wrapped: one-line JSON objects stand in the entry as `data`, anything else as base64 in `octets`.
Proved by the library's own conformance cases. Read next: `ledger/codec.py`.
"""

import base64
from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID, uuid4

import msgspec
from eventsourcing.dcb.api import (
    DCBAppendCondition,
    DCBEvent,
    DCBQuery,
    DCBReadResponse,
    DCBRecorder,
    DCBSequencedEvent,
    DCBSubscription,
)
from eventsourcing.persistence import IntegrityError, OperationalError, ProgrammingError

from ledger.errors import (
    ConditionFailed,
    DatabaseUnreachable,
    DuplicateId,
    LedgerError,
    LogStopped,
    OutcomeUnknown,
)
from ledger.recorder.postgres import PostgresRecorder
from ledger.recorder.requests import (
    PAGE_LIMIT,
    AppendRequest,
    Condition,
    Item,
    NewEvent,
    Stored,
)

EVERYTHING: Final = (Item(),)


class _Seen(msgspec.Struct):
    """What an entry shows of itself; only entries of the codec carry a version."""

    type: str
    tags: list[str]
    v: int | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    octets: str | msgspec.UnsetType = msgspec.UNSET


class _Own(msgspec.Struct):
    """What makes given bytes an entry's body already."""

    id: UUID
    type: str
    v: int
    tags: list[str]


class _Foreign(msgspec.Struct, omit_defaults=True):
    """The body of an entry that wraps foreign bytes."""

    id: UUID
    type: str
    tags: list[str]
    data: msgspec.Raw | None = None
    octets: str | None = None


_decode_seen = msgspec.json.Decoder(_Seen).decode
_decode_own = msgspec.json.Decoder(_Own).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class DCBRecorderAdapter(DCBRecorder):
    """The recorder as the library knows recorders."""

    def __init__(self, recorder: PostgresRecorder) -> None:
        self._recorder = recorder

    def read(
        self,
        query: DCBQuery | None = None,
        *,
        after: int | None = None,
        limit: int | None = None,
    ) -> DCBReadResponse:
        """Events in order; its head is the ledger's, or with a limit the last event's."""
        return _Response(self._recorder, _items(query), after or 0, limit)

    def append(
        self, events: Sequence[DCBEvent], condition: DCBAppendCondition | None = None
    ) -> int:
        """Append and answer the last position; IntegrityError when the condition fails."""
        if not events:
            raise ProgrammingError("there is nothing to append; give at least one event")
        try:
            request = AppendRequest(
                events=tuple(_new_event(event) for event in events),
                condition=None if condition is None else _condition(condition),
            )
            return self._recorder.append_one(request).receipts[-1].position
        except (ConditionFailed, DuplicateId) as error:
            raise IntegrityError(str(error)) from error
        except (OutcomeUnknown, DatabaseUnreachable, LogStopped) as error:
            raise OperationalError(str(error)) from error
        except LedgerError as error:
            raise ProgrammingError(str(error)) from error

    def subscribe(
        self, query: DCBQuery | None = None, *, after: int | None = None
    ) -> "DCBSubscription[DCBRecorderAdapter]":
        """Events after a position, for ever, one at a time."""
        return _Subscription(self, self._recorder, query, after)


class _Response(DCBReadResponse):
    """One page is read at once, so that its head is known; the others as they are asked for."""

    def __init__(
        self, recorder: PostgresRecorder, items: tuple[Item, ...], after: int, limit: int | None
    ) -> None:
        self._recorder = recorder
        self._items = items
        self._left = limit
        page = recorder.read(items, after=after, limit=self._page_size())
        self._ledger_head = page.head
        self._events = self._all(page.events)
        self._limited_head = page.events[-1].position if limit is not None and page.events else None
        self._is_limited = limit is not None

    @property
    def head(self) -> int | None:
        if self._is_limited:
            return self._limited_head
        return self._ledger_head.position or None

    def __next__(self) -> DCBSequencedEvent:
        return next(self._events)

    def _all(self, events: list[Stored]) -> Iterator[DCBSequencedEvent]:
        while events:
            yield from map(_sequenced, events)
            size = self._page_size()
            if self._left is not None:
                self._left -= len(events)
            if len(events) < size or self._left == 0:
                return
            events = self._recorder.read(
                self._items,
                after=events[-1].position,
                until=self._ledger_head.position,
                limit=self._page_size(),
            ).events

    def _page_size(self) -> int:
        return PAGE_LIMIT if self._left is None else min(self._left, PAGE_LIMIT)


class _Subscription(DCBSubscription[DCBRecorderAdapter]):
    def __init__(
        self,
        adapter: DCBRecorderAdapter,
        recorder: PostgresRecorder,
        query: DCBQuery | None,
        after: int | None,
    ) -> None:
        super().__init__(adapter, query, after)
        self._following = recorder.subscribe(after=after or 0, items=_items(query))
        self._events = (event for page in self._following for event in page)

    def __exit__(self, *args: object, **kwargs: object) -> None:
        super().__exit__(*args, **kwargs)
        self._following.__exit__(None, None, None)

    def stop(self) -> None:
        """End the iteration, from any thread."""
        super().stop()
        self._following.stop()

    def __next__(self) -> DCBSequencedEvent:
        return _sequenced(next(self._events))


def _items(query: DCBQuery | None) -> tuple[Item, ...]:
    return tuple(
        Item(types=tuple(item.types), tags=tuple(item.tags))
        for item in (query.items if query else ())
    )


def _condition(condition: DCBAppendCondition) -> Condition:
    # The library's empty query means everything; ours means nothing.
    items = _items(condition.fail_if_events_match) or EVERYTHING
    return Condition(items, after=condition.after or 0)


def _new_event(event: DCBEvent) -> NewEvent:
    """An entry's body as it is, or foreign bytes in an entry of their own."""
    own = _own(event)
    if own:
        return NewEvent(own.id, event.type, tuple(event.tags), event.data)
    foreign = _Foreign(uuid4(), event.type, event.tags)
    if _is_one_line_object(event.data):
        foreign.data = msgspec.Raw(event.data)
    else:
        foreign.octets = base64.b64encode(event.data).decode()
    try:
        return NewEvent(foreign.id, event.type, tuple(event.tags), _encode(foreign))
    except UnicodeEncodeError as error:
        raise ProgrammingError("a type or tag holds half a character; mend it") from error


def _own(event: DCBEvent) -> _Own | None:
    try:
        own = _decode_own(event.data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return own if (own.type, own.tags) == (event.type, list(event.tags)) else None


def _is_one_line_object(data: bytes) -> bool:
    try:
        _decode_object(data)
        data.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return data[:1] + data[-1:] == b"{}" and min(data) >= ord(" ")


def _sequenced(stored: Stored) -> DCBSequencedEvent:
    seen = _decode_seen(stored.entry)
    if seen.octets is not msgspec.UNSET:
        data = base64.b64decode(seen.octets)
    elif seen.v is msgspec.UNSET and seen.data is not msgspec.UNSET:
        data = bytes(seen.data)
    else:
        data = stored.entry
    return DCBSequencedEvent(
        event=DCBEvent(type=seen.type, data=data, tags=seen.tags), position=stored.position
    )
