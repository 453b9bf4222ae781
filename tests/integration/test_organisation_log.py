"""Organisation decisions on a real ledger: their boundaries settle, and races are seen."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from ledger.database import Database
from ledger.decisions import organisation as do
from ledger.decisions.command import Command
from ledger.entry import Access, Context, Event
from ledger.errors import Conflict, NotAllowed
from ledger.log import Log
from ledger.recorder import PostgresRecorder, create_ledger
from ledger.vocabulary import Actor, Level, Reason, Sealed, Via
from tests.scenario import wall

NOW = wall("2026-03-02 09:00")
LEVELS = {
    "HQ": (Level.HEADQUARTERS, None),
    "R": (Level.REGION, "HQ"),
    "B": (Level.BRANCH, "R"),
    "S": (Level.SUB_BRANCH, "B"),
    "O": (Level.OUTLET, "S"),
}


def context(person: str | None = None, at: datetime = NOW) -> Context:
    """An operator's context, or a person's."""
    actor = Actor(via=Via.API, person=person) if person else Actor(via=Via.OPERATOR, system="x")
    access = Access("manager") if person else None
    return Context(actor=actor, received_at=at, new_id=uuid4, access=access)


@pytest.fixture
def log(database: Database) -> Iterator[Log]:
    """A line of five levels with a chief in every head post."""
    ledger_id = create_ledger(database, "organisation", simulated=True)
    log = Log(PostgresRecorder(database, ledger_id), "organisation", simulated=True)
    start = context(at=wall("2020-01-01 00:00"))
    for unit, (level, parent) in LEVELS.items():
        chief, post = f"{unit.lower()}-chief", f"{unit}-head"
        setup: tuple[Command, ...] = (
            do.RegisterPerson(person=chief, name=Sealed("0" * 64, chief)),
            do.EstablishUnit(unit=unit, level=level, name_zh=unit, name_en=unit, parent=parent),
            do.EstablishPost(post=post, unit=unit, role="head", title_zh="头", title_en="Head"),
            do.AppointHolder(post=post, person=chief),
        )
        for command in setup:
            log.execute(command, start)
    yield log
    log.recorder.close()


def test_the_longest_boundary_settles(log: Log) -> None:
    """Leave of an outlet's head, approved at the top, reads the whole line and is recorded."""
    leave = do.RecordLeave(
        person="o-chief", kind="annual", effective_until=NOW + timedelta(days=5), by="HQ-head"
    )
    with pytest.raises(NotAllowed):
        log.execute(leave, context("b-chief"))
    log.execute(leave, context("hq-chief"))

    assert _last(log).type == "leave.recorded"


def test_authority_that_changes_meanwhile_is_seen(log: Log) -> None:
    """A decision that relied on an appointment is taken anew when that appointment is gone."""
    command = do.RelieveHolder(post="O-head", person="o-chief", by="B-head")
    history, boundary, head = log.read_boundary(command)
    assert command.decide(history, context("b-chief"))
    log.execute(do.RelieveHolder(post="B-head", person="b-chief", by="R-head"), context("r-chief"))

    with pytest.raises(NotAllowed, match="not effective"):
        log.execute(command, context("b-chief"))
    assert any("dossier:person:b-chief" in one.tags for one in boundary)
    assert head < log.recorder.head().position


def test_an_annulment_stands_in_the_same_histories(log: Log) -> None:
    """An annulment is read wherever the fact is read, and the decision follows."""
    log.execute(do.RelieveHolder(post="O-head", person="o-chief", by="S-head"), context("s-chief"))
    relief = _last(log)
    log.execute(do.annulment_of(relief, Reason("mistake")), context())
    again = do.AppointHolder(post="O-head", person="s-chief", by="B-head")

    assert _last(log).tags == relief.tags
    with pytest.raises(Conflict, match="'o-chief' holds post"):
        log.execute(again, context("b-chief"))


def _last(log: Log) -> Event:
    position = log.recorder.head().position
    return log.events((), until=position)[-1]
