"""The way in: boundary, decision, condition, keys, refusals that leave a trace."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from eventsourcing.dcb.domain import Selector

from ledger.codec import decode
from ledger.database import Database
from ledger.decisions.command import Command
from ledger.entry import Context, Draft
from ledger.errors import Conflict, FieldProblem, GateRefused, KeyReused, NotFound
from ledger.events.organisation import UnitEstablished, UnitRenamed
from ledger.log import TRIES_MAX, Log
from ledger.model.history import History, about
from ledger.recorder import PostgresRecorder, create_ledger
from ledger.vocabulary import Actor, UnitId, Via

NOW = datetime(2026, 4, 8, 4, 0, tzinfo=UTC)


class Establish(Command, frozen=True, kw_only=True):
    """Establish a unit once."""

    unit: UnitId

    def boundary(self, history: History) -> list[Selector]:
        """The unit."""
        return [about("unit", self.unit)]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`unit.established`, unless it is."""
        if self.unit in history.rows["unit"]:
            raise Conflict(f"{self.unit} exists")
        fact = UnitEstablished(unit=self.unit, level="outlet", name_zh="一", name_en="One")
        return [Draft(fact=fact)]


class Rename(Command, frozen=True, kw_only=True):
    """Rename a unit; `meanwhile` runs between the reading and the append."""

    unit: UnitId
    name: str

    def boundary(self, history: History) -> list[Selector]:
        """The unit."""
        return [about("unit", self.unit)]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`unit.renamed`."""
        history.unit(self.unit)
        MEANWHILE.pop()() if MEANWHILE else None
        return [Draft(fact=UnitRenamed(unit=self.unit, name_zh=self.name, name_en=self.name))]


class Refuse(Command, frozen=True, kw_only=True):
    """Be turned away at the gate, which keeps the attempt."""

    unit: UnitId

    def boundary(self, history: History) -> list[Selector]:
        """The unit."""
        return [about("unit", self.unit)]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """Never anything but a refusal."""
        kept = Draft(fact=UnitRenamed(unit=self.unit, name_zh="x", name_en="x"))
        raise GateRefused(fields=(FieldProblem("name", "is not a name"),), drafts=(kept,))


MEANWHILE: list[Callable[[], object]] = []


@pytest.fixture
def log(database: Database) -> Iterator[Log]:
    """A log on a new ledger with a real clock."""
    recorder = PostgresRecorder(database, create_ledger(database, "main", simulated=False))
    yield Log(recorder, "main")
    recorder.close()
    MEANWHILE.clear()


def context(person: str = "p1", at: datetime = NOW) -> Context:
    """Somebody asks."""
    return Context(actor=Actor(via=Via.API, person=person), received_at=at, new_id=uuid4)


def types(log: Log) -> list[str]:
    """What is recorded, in order."""
    return [event.type for event in log.events(())]


def test_a_decision_is_recorded_with_its_envelope(log: Log) -> None:
    """The entry says who asked, when the gate received it, and what it concerns."""
    recorded = log.execute(Establish(unit="O1"), context())

    (stored,) = log.recorder.read().events
    event = decode(stored.entry)
    assert [receipt.position for receipt in recorded.receipts] == [1]
    assert stored.leaf_hash == recorded.receipts[0].leaf_hash
    assert (event.actor.person, event.received_at) == ("p1", NOW)
    assert event.tags == ["unit:O1", "dossier:unit:O1"]


def test_a_refusal_records_nothing(log: Log) -> None:
    """What the decision refuses leaves no trace in the log."""
    with pytest.raises(NotFound, match="O1"):
        log.execute(Rename(unit="O1", name="x"), context())

    assert types(log) == []


def test_what_changed_meanwhile_is_decided_anew(log: Log) -> None:
    """A fact within the boundary, recorded between reading and appending, is seen the next time."""
    log.execute(Establish(unit="O1"), context())
    MEANWHILE.append(lambda: log.execute(Rename(unit="O1", name="other"), context("p2")))

    log.execute(Rename(unit="O1", name="mine"), context())

    assert types(log) == ["unit.established", "unit.renamed", "unit.renamed"]
    assert getattr(log.events(())[-1].fact, "name_zh", "") == "mine"


def test_what_changed_elsewhere_disturbs_nobody(log: Log) -> None:
    """A fact outside the boundary is no reason to decide again."""
    log.execute(Establish(unit="O1"), context())
    decisions: list[int] = []

    def elsewhere() -> None:
        decisions.append(1)
        log.execute(Establish(unit="O2"), context())

    MEANWHILE.append(elsewhere)
    log.execute(Rename(unit="O1", name="x"), context())

    assert decisions == [1]
    assert len(types(log)) == 3


def test_after_three_lost_races_the_caller_is_told(log: Log) -> None:
    """A boundary that never rests is a conflict, and nothing of the loser is recorded."""
    log.execute(Establish(unit="O1"), context())
    races = 0

    class Racing(Rename, frozen=True, kw_only=True):
        def decide(self, history: History, context: Context) -> list[Draft]:
            nonlocal races
            races += 1
            log.execute(Rename(unit="O1", name="other"), context)
            return super().decide(history, context)

    with pytest.raises(Conflict):
        log.execute(Racing(unit="O1", name="loser"), context())

    assert races == TRIES_MAX
    assert "loser" not in [getattr(event.fact, "name_zh", "") for event in log.events(())]


def test_a_key_makes_a_repetition_harmless(log: Log) -> None:
    """The same request under the same key answers the first receipt, though it would be refused."""
    first = log.execute(Establish(unit="O1"), context(), key="k-1")

    again = log.execute(Establish(unit="O1"), context(), key="k-1")

    assert again.replayed
    assert first.receipts == again.receipts
    assert types(log) == ["unit.established"]


def test_a_key_belongs_to_one_request_and_one_person(log: Log) -> None:
    """Another request under the key is refused; another person's key is another key."""
    log.execute(Establish(unit="O1"), context(), key="k-1")

    with pytest.raises(KeyReused):
        log.execute(Establish(unit="O2"), context(), key="k-1")
    log.execute(Establish(unit="O2"), context("p2"), key="k-1")

    assert len(types(log)) == 2


def test_a_refused_attempt_is_kept_and_still_refused(log: Log) -> None:
    """The gate's refusal carries the facts that keep the attempt."""
    log.execute(Establish(unit="O1"), context())

    with pytest.raises(GateRefused):
        log.execute(Refuse(unit="O1"), context())

    assert types(log) == ["unit.established", "unit.renamed"]


def test_a_simulated_ledger_is_told_its_time_and_never_goes_back(database: Database) -> None:
    """Facts carry the told time; a caller whose time is behind is recorded at the last one."""
    recorder = PostgresRecorder(database, create_ledger(database, "demo", simulated=True))
    log = Log(recorder, "demo", simulated=True)

    log.execute(Establish(unit="O1"), context())
    log.execute(Establish(unit="O2"), context(at=NOW - timedelta(hours=1)))
    log.execute(Establish(unit="O3"), context(at=NOW + timedelta(hours=1)))

    times = [event.recorded_at for event in log.events(())]
    assert [NOW, NOW, NOW + timedelta(hours=1)] == times
    recorder.close()
