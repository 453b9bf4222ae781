"""What is checked before a request may queue: whatever can be known to be wrong is refused here.

This happens in the caller's thread, so that no request can spoil its neighbours in a batch, and
so that the one writer thread has nothing to do but join what is packed already: every event as
elements of PostgreSQL's binary arrays. Read next: `ledger/recorder/call.py`.
"""

import hashlib
import re
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from uuid import UUID

import msgspec

from ledger.errors import BadLabel, DuplicateId, EntryTooLarge, Invalid, LedgerError
from ledger.recorder.requests import (
    ENTRY_BYTES_MAX,
    ITEMS_MAX,
    KEY_CHARACTERS_MAX,
    LABEL_CHARACTERS_MAX,
    REQUEST_BYTES_MAX,
    REQUEST_EVENTS_MAX,
    TAGS_MAX,
    AppendRequest,
    NewEvent,
)

PREFIX_BYTES_MAX: Final = len(
    '{"position":9223372036854775807,"recorded_at":"2026-04-01T02:03:04.000005Z",'
)
BODY_BYTES_MAX: Final = ENTRY_BYTES_MAX - PREFIX_BYTES_MAX + 1

SEPARATOR: Final = "\x1f"
"""Joins the labels of one event or item on their way to the database."""

_UNFIT: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_BYTES: Final = bytes(range(32))
_length = struct.Struct("!I").pack
_ID_LENGTH: Final = _length(16)


class Prepared:
    """A request that has passed every check, packed for the wire."""

    __slots__ = (
        "bodies",
        "company",
        "event_count",
        "fingerprint",
        "id_bytes",
        "ids",
        "items",
        "key",
        "request",
        "size_bytes",
        "tags",
        "types",
    )

    def __init__(self, request: AppendRequest, company: object | None = None) -> None:
        events = request.events
        self.company = company  # requests of one company enter in one batch, and alone
        if not 0 < len(events) <= REQUEST_EVENTS_MAX:
            raise Invalid.field("events", f"1 to {REQUEST_EVENTS_MAX:,} events enter together")
        if request.recorded_at is not None and request.recorded_at.tzinfo is None:
            raise Invalid.field("recorded_at", "an instant names its zone; give it in UTC")
        self.request = request
        self.event_count = len(events)
        packed = [_packed(event) for event in events]
        if len(packed) == 1:
            ((id_bytes, self.ids, self.types, self.tags, self.bodies),) = packed
            self.id_bytes: Sequence[bytes] = (id_bytes,)
        else:
            self.id_bytes, *columns = zip(*packed, strict=True)
            self.ids, self.types, self.tags, self.bodies = map(b"".join, columns)
            if len(set(self.id_bytes)) < len(events):
                raise DuplicateId("two events of one request have one id; ids are used once")
        self.size_bytes = len(self.bodies)
        if self.size_bytes > REQUEST_BYTES_MAX:
            raise Invalid.field("events", f"{REQUEST_BYTES_MAX:,} bytes enter together at most")
        self.key = None if request.key is None else key_of(request.principal, request.key)
        self.fingerprint = request.fingerprint
        self.items = self._checked_items()

    def _checked_items(self) -> list[tuple[bytes, bytes, bytes]]:
        """The condition's items as elements: position, types, tags."""
        condition = self.request.condition
        if condition is None:
            return []
        if len(condition.items) > ITEMS_MAX:
            raise Invalid.field("condition", f"a condition has {ITEMS_MAX:,} items at most")
        if not 0 <= condition.after < 2**63:
            raise Invalid.field("condition.after", "a position is 0 or more")
        after = element(condition.after.to_bytes(8, "big"))
        return [
            (after, element(packed_labels(item.types)), element(packed_labels(item.tags)))
            for item in condition.items
        ]


def prepare(request: AppendRequest, company: object | None = None) -> Prepared | LedgerError:
    """The request packed for the wire, or what is wrong with it."""
    try:
        return Prepared(request, company)
    except LedgerError as refusal:
        return refusal


def element(content: bytes) -> bytes:
    """One element of a binary array: its length and its bytes."""
    return _length(len(content)) + content


def packed_labels(labels: Sequence[str]) -> bytes:
    """Labels joined by U+001F; BadLabel when one is empty, too long, or not plain text."""
    joined = SEPARATOR.join(labels)
    # Printable text holds neither control characters nor surrogates, and is most text; what
    # is not (a no-break space, say) may still be plain.
    if not "".join(labels).isprintable() and _is_unfit(labels):
        raise BadLabel
    if "" in labels:
        raise BadLabel
    if len(joined) > LABEL_CHARACTERS_MAX and max(map(len, labels)) > LABEL_CHARACTERS_MAX:
        raise BadLabel(f"a type or tag has {LABEL_CHARACTERS_MAX} characters at most; shorten it")
    return joined.encode()


def _is_unfit(labels: Sequence[str]) -> bool:
    return any(_UNFIT.search(label) for label in labels)


def key_of(principal: str, key: str) -> bytes:
    """An idempotency key as `event_key` holds it: bound to its principal, 128 bits of SHA-256."""
    if not 0 < len(key) <= KEY_CHARACTERS_MAX:
        raise Invalid.field("key", f"a key has 1 to {KEY_CHARACTERS_MAX} characters")
    if "\0" in principal:
        raise Invalid.field("principal", "a principal holds no control character")
    try:
        return hashlib.sha256(f"{principal}\0{key}".encode()).digest()[:16]
    except UnicodeEncodeError as error:
        raise Invalid.field("key", "a key is valid Unicode") from error


class _BodyShape(msgspec.Struct):
    """What a body must say, and what only the database may say."""

    id: UUID
    position: msgspec.UnsetType = msgspec.UNSET
    recorded_at: msgspec.UnsetType = msgspec.UNSET


_decode_shape = msgspec.json.Decoder(_BodyShape).decode


def _packed(event: NewEvent) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """An event's id, and id, type, tags and body as elements; or what is wrong with it."""
    body, tags = event.body, event.tags
    if len(body) > BODY_BYTES_MAX:
        raise EntryTooLarge
    if body[:2] != b'{"' or len(body.translate(None, _CONTROL_BYTES)) < len(body):
        raise Invalid.field("body", "a body is one line, a JSON object")
    try:
        body.decode()
        shape = _decode_shape(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid.field("body", f"not the body of an entry: {error}") from error
    if shape.id != event.id:
        raise Invalid.field("body", "the id in the body is not the event's")
    if len(tags) > TAGS_MAX:
        raise BadLabel(f"an event has {TAGS_MAX} tags at most; name fewer entities in one fact")
    if len(set(tags)) < len(tags):
        raise BadLabel("a tag is given twice; name each entity once")
    joined = packed_labels(tags)
    id_bytes = event.id.bytes
    return (
        id_bytes,
        _ID_LENGTH + id_bytes,
        _packed_type(event.type),
        _length(len(joined)) + joined,
        _length(len(body)) + body,
    )


@lru_cache(maxsize=4_096)
def _packed_type(kind: str) -> bytes:
    """There are few types, and each comes many times."""
    return element(packed_labels((kind,)))
