"""Entries: one line of JSON, written once and read back to the same event."""

import json
from datetime import UTC, date, datetime
from typing import ClassVar
from uuid import UUID

import pytest

from ledger import codec
from ledger.entry import Envelope, Event
from ledger.errors import UnknownFact
from ledger.events.duties import ObligationOpened
from ledger.events.fact import Fact
from ledger.events.organisation import HolderAppointed, UnitMerged
from ledger.events.reports import ReportSubmitted
from ledger.recorder.requests import NewEvent
from ledger.vocabulary import Actor, Reason, Sealed, Via

ID = "0199c5d2-0000-7000-8000-000000000001"
NOON = datetime(2026, 4, 8, 4, 0, tzinfo=UTC)


def recorded(new: NewEvent, position: int = 7) -> bytes:
    """The entry as the database would store it."""
    prefix = f'{{"position":{position},"recorded_at":"2026-04-08T04:00:00.000001Z",'
    return prefix.encode() + new.body[1:]


def opened() -> ObligationOpened:
    """An obligation with instants and dates in it."""
    return ObligationOpened(
        obligation="weekly.O1.2026W14",
        duty="weekly",
        duty_revision=1,
        unit="O1",
        post="O1-head",
        period="2026W14",
        period_start=date(2026, 3, 30),
        period_end=date(2026, 4, 5),
        due=NOON,
        nominal_due=NOON,
        form="weekly-form",
        form_revision=1,
        rules=0,
        calendar_revision=1,
    )


def envelope(**more: object) -> Envelope:
    """An envelope of the clock."""
    return Envelope(id=ID, received_at=NOON, actor=Actor(via=Via.CLOCK), **more)


def test_an_entry_is_read_back_to_the_same_fact_and_envelope() -> None:
    """What was encoded is what is decoded, with the place that the database gave it."""
    fact, said = opened(), envelope(reason=Reason("policy", Sealed("ab", "p1")), basis=(ID,))

    event = codec.decode(recorded(codec.encode(fact, said, fact.tags(), "main")))

    assert fact == event.fact
    assert said == event.envelope
    assert (event.position, event.type) == (7, "obligation.opened")
    assert event.tags == ["obligation:weekly.O1.2026W14", "duty:weekly", "unit:O1", "post:O1-head"]


def test_an_envelope_that_was_read_is_an_envelope_and_nothing_more() -> None:
    """Whatever is decoded with it, what the envelope says can be compared and written again."""
    fact, said = opened(), envelope(effective_from=NOON, evidence=())
    event = codec.decode(recorded(codec.encode(fact, said, fact.tags(), "main")))

    again = codec.encode(event.fact, event.envelope, event.tags, "main")

    assert type(event.envelope) is Envelope
    assert codec.encode(fact, said, fact.tags(), "main") == again


def test_every_instant_in_an_entry_has_six_digits() -> None:
    """Equal instants are equal bytes, in the envelope and in the data."""
    body = json.loads(codec.encode(opened(), envelope(), [], "main").body)

    assert "2026-04-08T04:00:00.000000Z" == body["received_at"] == body["data"]["due"]
    assert body["data"]["period_start"] == "2026-03-30"


def test_an_entry_is_one_line_that_starts_as_the_database_expects() -> None:
    """The database puts position and time before the first key."""
    body = codec.encode(opened(), envelope(), [], "main").body

    assert body.startswith(b'{"id":"')
    assert b"\n" not in body


def test_personal_values_stand_in_entries_as_commitments_only() -> None:
    """A sealed field survives the round trip as its commitment."""
    fact = ReportSubmitted(
        report="r1",
        obligation="weekly.O1.2026W14",
        unit="O1",
        form="f",
        form_revision=1,
        capacity="holder",
        content={"name": Sealed("cd", "p2"), "count": 3, "rate": "1.5", "none": None},
    )

    event = codec.decode(recorded(codec.encode(fact, envelope(), fact.tags(), "main")))

    assert fact == event.fact


def test_an_unknown_type_is_refused_and_never_imported() -> None:
    """A stored name is looked up in the registry, whatever it says."""
    entry = recorded(codec.encode(opened(), envelope(), [], "main"))
    hostile = entry.replace(b"obligation.opened", b"os.system")

    with pytest.raises(UnknownFact, match=r"os\.system"):
        codec.decode(hostile)


def test_a_version_from_the_future_is_refused() -> None:
    """An entry of a later version is not guessed at."""
    entry = recorded(codec.encode(opened(), envelope(), [], "main"))

    with pytest.raises(UnknownFact, match="version 2"):
        codec.decode(entry.replace(b'"v":1', b'"v":2'))


def test_an_old_version_is_lifted_by_its_upcasters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each upcaster takes the data one version further; the stored bytes stay as they are."""

    class Renamed(Fact, frozen=True, kw_only=True):
        TOPIC: ClassVar[str] = "test.renamed"
        VERSION: ClassVar[int] = 2
        new_name: str

    codec.register(Renamed)
    lift = {("test.renamed", 1): lambda data: {"new_name": data["old_name"]}}
    monkeypatch.setattr(codec, "UPCASTERS", lift)
    entry = recorded(codec.encode(Renamed(new_name="x"), envelope(), [], "main"))
    old = entry.replace(b'"v":2', b'"v":1').replace(b"new_name", b"old_name")

    assert Renamed(new_name="x") == codec.decode(old).fact


def test_no_two_facts_share_a_name() -> None:
    """Every class has a name of its own, dotted and in lower case."""
    names = codec.registry()

    assert all(name == fact.TOPIC and name == name.lower() for name, fact in names.items())
    assert all("." in name for name in names)


def test_a_fact_is_tagged_with_every_identifier_it_carries() -> None:
    """Mentions make no tag; what says who an entity is joins its dossier."""
    merged = UnitMerged(unit="A", into="B", duties=("weekly",))
    appointed = HolderAppointed(post="A-head", person="p1", appointed_by="HQ-head")

    assert merged.tags() == ["unit:A", "dossier:unit:A", "unit:B", "dossier:unit:B"]
    assert appointed.tags() == [
        "post:A-head", "dossier:post:A-head", "person:p1", "dossier:person:p1",
    ]  # fmt: skip


def test_the_library_reads_entries_through_its_mapper() -> None:
    """The seam of the event sourcing library gives events, and takes them back."""
    fact = opened()
    event = Event(fact, envelope(), fact.tags(), 7, NOON)
    mapper = codec.EntryMapper("main")

    stored = mapper.to_dcb_event(event)

    assert UUID(ID) == UUID(json.loads(stored.data)["id"])
    stored.data = recorded(NewEvent(UUID(ID), stored.type, tuple(stored.tags), stored.data))
    assert fact == mapper.to_domain_event(stored).decision
