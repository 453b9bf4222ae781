"""Outages: declared by operations from probes, and only a second authority makes them count."""

from datetime import UTC, datetime, timedelta

import pytest

from ledger.decisions.outages import DeclareOutage, RatifyOutage
from ledger.entry import Context
from ledger.errors import Conflict, Invalid, NotAllowed, NotFound
from ledger.vocabulary import Actor, Via
from tests.deciding import Deciding

NOW = datetime(2026, 8, 24, 9, 0, tzinfo=UTC)
DOWN = DeclareOutage(
    outage="2026-08-24",
    started_at=NOW - timedelta(hours=3),
    ended_at=NOW - timedelta(hours=1),
    probe_ref="probe-7",
)


def supervision(ledger: Deciding) -> Context:
    """Somebody else of the platform's own hands."""
    actor = Actor(via=Via.OPERATOR, system="supervision")
    return Context(actor=actor, received_at=ledger.now, new_id=ledger._ids.__next__)


def test_a_declared_outage_counts_once_somebody_else_ratified_it() -> None:
    """The declarer is refused; another operator's word is recorded."""
    ledger = Deciding(NOW)
    ledger.operator(DOWN)
    with pytest.raises(NotAllowed, match="somebody else"):
        ledger.operator(RatifyOutage(outage=DOWN.outage))

    command = RatifyOutage(outage=DOWN.outage)
    (draft,) = command.decide(ledger.read(command), supervision(ledger))
    assert draft.fact.TOPIC == "outage.ratified"


def test_obligors_declare_no_outage() -> None:
    """A person's own trouble is no outage (ruling 46)."""
    with pytest.raises(NotAllowed, match="only an administrator"):
        Deciding(NOW).person("A", DOWN)


def test_an_outage_is_declared_and_ratified_once() -> None:
    """A name in use, and an outage that nobody declared, are refused."""
    ledger = Deciding(NOW)
    with pytest.raises(NotFound, match="declare it first"):
        ledger.operator(RatifyOutage(outage=DOWN.outage))
    ledger.operator(DOWN)
    with pytest.raises(Conflict, match="another name"):
        ledger.operator(DOWN)


def test_every_bad_field_is_named() -> None:
    """An outage without name and probes that has not ended has three problems."""
    bad = DeclareOutage(outage=" ", started_at=NOW, ended_at=NOW, probe_ref="")
    with pytest.raises(Invalid) as caught:
        Deciding(NOW).operator(bad)
    assert {one.field for one in caught.value.fields} == {"outage", "ended_at", "probe_ref"}
