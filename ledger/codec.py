"""Facts to entries and back: the one-line JSON of the log, its name registry, and upcasters.

An entry is one line: `{"position":..,"recorded_at":..,"id":..,"type":..,"v":..,"ledger":..,...}`.
The database writes the first two; the bytes it stores are the bytes that are hashed, and nobody
re-serialises them. A stored name never chooses an import: unknown types are refused.
Instants are UTC with six digits, so that equal instants are equal bytes.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache, reduce
from operator import or_
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from eventsourcing.dcb.api import DCBEvent
from eventsourcing.dcb.domain import Tagged
from eventsourcing.dcb.persistence import DCBMapper

import ledger.events  # noqa: F401  (importing the package declares every fact class)
from ledger.entry import Envelope, Event
from ledger.errors import UnknownFact
from ledger.events.fact import Fact
from ledger.recorder.requests import NewEvent
from ledger.vocabulary import Actor, EventId, Evidence, Line, OnBehalfOf, Reason

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTERS: Final[dict[tuple[str, int], Upcaster]] = {}
"""(type, version) to a function from that version's `data` to the next version's."""

_UNZONED: Final = len("2026-04-01T02:03:04.000005")


class _Placed(Envelope, frozen=True, kw_only=True, gc=False):
    """What an entry as it stands in the log says beside its type and data.

    The collector need not look, because JSON holds no cycles.
    """

    position: int
    recorded_at: datetime
    v: int
    ledger: str
    tags: list[str]


class _Line(_Placed, frozen=True, kw_only=True, gc=False):
    """An entry of any type and version, its data not looked at."""

    type: str
    data: msgspec.Raw


class _Body(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An entry as the recorder receives it, instants already in their one spelling."""

    id: EventId
    type: str
    v: int
    ledger: str
    received_at: str
    actor: Actor
    tags: list[str]
    effective_from: str | None = None
    effective_until: str | None = None
    on_behalf_of: OnBehalfOf | None = None
    line: Line | None = None
    causation_id: EventId | None = None
    correlation_id: EventId | None = None
    idempotency_key: str | None = None
    reason: Reason | None = None
    evidence: tuple[Evidence, ...] = ()
    source: object | None = None
    basis: tuple[EventId, ...] = ()
    rule_version: int | None = None
    data: object


_encode = msgspec.json.Encoder().encode
_decode_line = msgspec.json.Decoder(_Line).decode


@cache
def registry() -> dict[str, type[Fact]]:
    """Every fact class by its permanent name; two classes with one name are a defect."""
    found: dict[str, type[Fact]] = {}
    for fact in _declared(Fact):
        other = found.setdefault(fact.TOPIC, fact)
        assert other is fact, f"{fact.TOPIC} names both {other} and {fact}"
    return found


def _declared(base: type[Fact]) -> Iterator[type[Fact]]:
    """Every fact class below `base` that has a name of its own."""
    for fact in base.__subclasses__():
        if "TOPIC" in vars(fact):
            yield fact
        yield from _declared(fact)


def register(fact: type[Fact]) -> type[Fact]:
    """Make a fact class known that was declared after the registry was first read."""
    registry.cache_clear()
    _current_entries.cache_clear()
    _kind.cache_clear()
    assert registry()[fact.TOPIC] is fact
    return fact


def spell(instant: datetime) -> str:
    """The one spelling of an instant in the log: UTC, six digits, `Z`."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")[:_UNZONED] + "Z"


def encode(fact: Fact, envelope: Envelope, tags: list[str], ledger: str) -> NewEvent:
    """A fact and its envelope as the recorder takes it, without position and `recorded_at`."""
    fields = _kind(fact.TOPIC)[2]
    source = envelope.source
    body = _Body(
        id=envelope.id,
        type=fact.TOPIC,
        v=fact.VERSION,
        ledger=ledger,
        received_at=spell(envelope.received_at),
        actor=envelope.actor,
        tags=tags,
        effective_from=_maybe_spell(envelope.effective_from),
        effective_until=_maybe_spell(envelope.effective_until),
        on_behalf_of=envelope.on_behalf_of,
        line=envelope.line,
        causation_id=envelope.causation_id,
        correlation_id=envelope.correlation_id,
        idempotency_key=envelope.idempotency_key,
        reason=envelope.reason,
        evidence=envelope.evidence,
        source=_spell_fields(source, ("device_time",)) if source else None,
        basis=envelope.basis,
        rule_version=envelope.rule_version,
        data=_spell_fields(fact, fields) if fields else fact,
    )
    return NewEvent(id=UUID(envelope.id), type=fact.TOPIC, tags=tuple(tags), body=_encode(body))


def decode(entry: bytes) -> Event:
    """A stored entry as an event; `UnknownFact` when this program does not know its type."""
    decode_current, versions = _current_entries()
    try:
        found = decode_current(entry)
    except msgspec.ValidationError:
        # Of an older version perhaps, or of a type that is unknown: the longer way says which.
        return _decode_any(entry)
    if found.v != versions[type(found)]:
        return _decode_any(entry)
    return Event(found.data, found, found.tags, found.position, found.recorded_at)


def _decode_any(entry: bytes) -> Event:
    """An entry of any version that can be lifted to the current one."""
    line = _decode_line(entry)
    _, decoder, _ = _kind(line.type)
    fact = decoder.decode(_current(line)) if (line.type, line.v) in UPCASTERS else None
    if fact is None:
        if line.v != registry()[line.type].VERSION:
            raise UnknownFact(f"{line.type} version {line.v} at position {line.position}")
        fact = decoder.decode(line.data)
    return Event(fact, line, line.tags, line.position, line.recorded_at)


class EntryMapper(DCBMapper[Fact]):
    """The library's seam: entries to tagged facts, for reads through `DCBEventStore`."""

    def __init__(self, ledger: str) -> None:
        self._ledger = ledger

    def to_dcb_event(self, event: Tagged[Fact]) -> DCBEvent:
        """An event's entry body; only events carry the envelope that an entry needs."""
        assert isinstance(event, Event), "entries are made from events, through ledger/log.py"
        new = encode(event.fact, event.envelope, event.tags, self._ledger)
        return DCBEvent(type=new.type, data=new.body, tags=list(new.tags))

    def to_domain_event(self, event: DCBEvent) -> Event:
        """The event of a stored entry."""
        return decode(event.data)


def _current(line: _Line) -> bytes:
    """The entry's data lifted to the current version, one upcaster at a time."""
    data, version = msgspec.json.decode(line.data), line.v
    while (line.type, version) in UPCASTERS:
        data, version = UPCASTERS[line.type, version](data), version + 1
    return _encode(data)


@cache
def _current_entries() -> tuple[Callable[[bytes], Any], dict[Any, int]]:
    """What decodes an entry of any type in its current version, and these versions.

    All of it is decoded at once, which takes two thirds of the time that decoding line and data
    one after the other does.
    """
    versions: dict[Any, int] = {}
    for topic, fact in registry().items():
        entry = msgspec.defstruct(
            f"_Placed {topic}",
            [("data", fact)],
            bases=(_Placed,),
            frozen=True,
            kw_only=True,
            gc=False,
            tag_field="type",
            tag=topic,
        )
        versions[entry] = fact.VERSION
    return msgspec.json.Decoder(reduce(or_, versions)).decode, versions


@cache
def _kind(topic: str) -> tuple[type[Fact], msgspec.json.Decoder[Fact], tuple[str, ...]]:
    fact = registry().get(topic)
    if fact is None:
        raise UnknownFact(f"type {topic!r} is not registered; upgrade before reading this ledger")
    hints = get_type_hints(fact)
    instants = tuple(name for name in fact.__struct_fields__ if _is_instant(hints[name]))
    return fact, msgspec.json.Decoder(fact), instants


def _is_instant(hint: object) -> bool:
    if get_origin(hint) in (Union, UnionType):
        return any(_is_instant(part) for part in get_args(hint))
    return hint is datetime


def _spell_fields(struct: msgspec.Struct, fields: tuple[str, ...]) -> object:
    plain = msgspec.to_builtins(struct, builtin_types=(datetime,))
    for name in fields:
        if name in plain:
            plain[name] = spell(plain[name])
    return plain


def _maybe_spell(instant: datetime | None) -> str | None:
    return spell(instant) if instant else None
