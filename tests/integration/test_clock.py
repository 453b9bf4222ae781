"""The clock on a real ledger: timely, late, twice, in two processes, and after a gap."""

import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from ledger.bulk import Bulk
from ledger.clock import Clock
from ledger.codec import decode, encode
from ledger.database import Database
from ledger.decisions import organisation, relief
from ledger.entry import Context, Draft, Event
from ledger.events.accountability import FindingMissedDetected
from ledger.events.duties import ObligationMissed, ObligationOpened
from ledger.log import Log
from ledger.recorder import Appended, AppendRequest, PostgresRecorder, create_ledger
from ledger.retelling import Retelling
from ledger.schedule.drafting import CLOCK
from ledger.vocabulary import Reason
from tests.timekeeping import World, duty, local, wall

END = wall("2026-07-01 00:00")
MARCH = "M.O.2026-03"
INSTANT = timedelta(microseconds=1)


def told() -> World:
    """Half a year: two outlets, an extension, reports in time, late and never, and a closing."""
    world = World()
    world.outlet("N", date(2020, 1, 6))
    world.tell("2026-01-20 09:00", duty())
    world.submit("M.O.2026-02", "2026-03-03 09:00")
    ask = relief.RequestExtension(
        obligation=MARCH, requested_due=wall("2026-04-14 18:01"), reason=Reason("test")
    )
    world.person("O-boss", ask, at=wall("2026-04-08 10:00"))
    world.submit(MARCH, "2026-04-20 09:00")
    world.tell("2026-05-12 10:00", organisation.CloseUnit(unit="O"))
    world.tell("2026-06-20 10:00", organisation.ReopenUnit(unit="O"))
    world.until(END)
    return world


@pytest.fixture
def world() -> World:
    """The story that every ledger here is told."""
    return told()


class Ledgers:
    """New ledgers by name, in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recorders: list[PostgresRecorder] = []

    def simulated(self, name: str) -> Log:
        """A ledger whose instants are the caller's."""
        return self._log(name, simulated=True)

    def real(self, name: str) -> Log:
        """A ledger whose instants are the database's."""
        return self._log(name, simulated=False)

    def again(self, log: Log) -> Log:
        """The same ledger, as another process sees it."""
        recorder = PostgresRecorder(self._database, log.recorder.ledger_id)
        self._recorders.append(recorder)
        return Log(recorder, log.ledger, simulated=log.simulated)

    def close(self) -> None:
        """Let go of them all."""
        for recorder in self._recorders:
            recorder.close()

    def _log(self, name: str, *, simulated: bool) -> Log:
        recorder = PostgresRecorder(
            self._database, create_ledger(self._database, name, simulated=simulated)
        )
        self._recorders.append(recorder)
        return Log(recorder, name, simulated=simulated)


@pytest.fixture
def ledgers(database: Database) -> Iterator[Ledgers]:
    """Ledgers of this test's own."""
    found = Ledgers(database)
    yield found
    found.close()


def write(log: Log, events: Iterable[Event]) -> None:
    """Record events as they stand."""
    requests = [
        AppendRequest(
            events=(encode(one.fact, one.envelope, one.tags, log.ledger),),
            recorded_at=one.recorded_at if log.simulated else None,
        )
        for one in events
    ]
    for outcome in log.recorder.append(requests):
        assert isinstance(outcome, Appended), outcome


def given(world: World) -> list[Event]:
    """What others than the clock recorded."""
    return [event for event in world.events if event.actor != CLOCK]


def events(log: Log) -> list[Event]:
    """Everything that a ledger holds."""
    return [decode(stored.entry) for page in log.recorder.stream() for stored in page]


def exhaust(steps: Iterable[object]) -> None:
    """Let time pass without saying anything."""
    for _ in steps:
        pass


def told_by_clock(found: Iterable[Event]) -> set[tuple[object, ...]]:
    """The clock's facts, without where and when they were recorded."""
    return {(one.id, repr(one.fact), one.received_at) for one in found if one.actor == CLOCK}


def context_of(event: Event) -> Context:
    """In whose name an event was recorded."""
    return Context(actor=event.actor, received_at=event.received_at, new_id=lambda: UUID(event.id))


def draft_of(event: Event) -> Draft:
    """An event as a decision would have returned it."""
    stated = event.envelope
    return Draft(
        fact=event.fact,
        event_id=UUID(event.id),
        effective_from=stated.effective_from,
        effective_until=stated.effective_until,
        reason=stated.reason,
    )


def missed_in(log: Log) -> set[str]:
    """The obligations of which the log says that they were missed."""
    facts = (one.fact for one in events(log))
    return {one.obligation for one in facts if isinstance(one, ObligationMissed)}


def test_timely_clock_records_facts_at_their_instants(world: World, ledgers: Ledgers) -> None:
    """Ticking before every fact, the clock's facts are recorded when they happened."""
    log = ledgers.simulated("timely")
    clock = Clock(log)
    for event in given(world):
        clock.tick(event.recorded_at - INSTANT)
        write(log, [event])
    clock.tick(END)
    found = events(log)
    assert told_by_clock(found) == told_by_clock(world.events)
    assert all(one.recorded_at == one.received_at for one in found if one.actor == CLOCK)


def test_late_clock_records_the_same_facts(world: World, ledgers: Ledgers) -> None:
    """Woken after half a year, it records the same facts under the same ids; only later."""
    log = ledgers.simulated("late")
    write(log, given(world))
    tick = Clock(log).tick(END)
    assert tick.waiting == 0
    assert told_by_clock(events(log)) == told_by_clock(world.events)


def test_facts_that_came_late_are_noticed_the_day_after(world: World, ledgers: Ledgers) -> None:
    """Opened after its due, what has no report yet waits a day for those still to be imported."""
    log = ledgers.real("imported")
    write(log, given(world))
    clock = Clock(log)
    clock.tick()
    assert missed_in(log) == {MARCH}, "its report is here, and late"
    clock.tick(datetime.now(UTC) + timedelta(days=1))
    assert missed_in(log) >= {MARCH, "M.N.2026-02", "M.N.2026-03"}


def test_second_tick_and_second_clock_add_nothing(world: World, ledgers: Ledgers) -> None:
    """Running twice, or restarting, records nothing that is recorded."""
    log = ledgers.simulated("twice")
    write(log, given(world))
    clock = Clock(log)
    clock.tick(END)
    head = log.recorder.head().position
    assert clock.tick(END).recorded == {}
    assert Clock(ledgers.again(log)).tick(END).recorded == {}
    assert log.recorder.head().position == head


def test_two_clocks_at_once_record_each_fact_once(world: World, ledgers: Ledgers) -> None:
    """Two processes race over half a year of work; the log holds each fact once."""
    log = ledgers.simulated("race")
    write(log, given(world))
    clocks = [Clock(log), Clock(ledgers.again(log))]
    barrier = threading.Barrier(len(clocks))

    def run(clock: Clock) -> None:
        barrier.wait()
        for month in (3, 4, 5, 6):
            clock.tick(wall(f"2026-0{month}-15 00:00"))
        clock.tick(END)

    threads = [threading.Thread(target=run, args=(clock,)) for clock in clocks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [one for one in events(log) if one.actor == CLOCK]
    assert len(found) == len({one.id for one in found})
    assert told_by_clock(found) == told_by_clock(world.events)


def test_fact_recorded_while_the_clock_plans_is_heard(world: World, ledgers: Ledgers) -> None:
    """A report that races the notice leaves a notice withdrawn, or none: never a wrong one."""
    log = ledgers.simulated("raced")
    story = given(world)
    write(log, [one for one in story if one.recorded_at < wall("2026-04-01 00:00")])
    slow = Clock(log)
    slow.tick(wall("2026-04-02 00:00"))
    write(log, [one for one in story if one.recorded_at >= wall("2026-04-01 00:00")])
    slow.tick(END)
    assert told_by_clock(events(log)) == told_by_clock(world.events)


def test_retelling_records_the_same_facts(world: World, ledgers: Ledgers) -> None:
    """Told in bulk, the clock's facts are those of a clock beside the log, and nothing is left."""
    log = ledgers.simulated("bulk")
    with Bulk(log) as bulk:
        retelling = Retelling(bulk)
        for event in given(world):
            exhaust(retelling.pass_time(event.recorded_at - INSTANT))
            retelling.record([draft_of(event)], context_of(event))
        exhaust(retelling.pass_time(END))
    assert told_by_clock(events(log)) == told_by_clock(world.events)
    assert Clock(log).tick(END).recorded == {}


def test_what_was_never_opened_is_the_platforms_failing(world: World, ledgers: Ledgers) -> None:
    """Ruling 67: an opening that later work overtook becomes information, and a finding."""
    log = ledgers.simulated("gap")
    gap = "M.N.2026-03"
    write(log, [one for one in world.events if f"obligation:{gap}" not in one.tags])
    Clock(log).tick(END)
    found = [one.fact for one in events(log) if f"obligation:{gap}" in one.tags]
    (opened,) = [one for one in found if isinstance(one, ObligationOpened)]
    (finding,) = [one for one in found if isinstance(one, FindingMissedDetected)]
    assert opened.informational
    assert (finding.owner, finding.unit) == ("HQ-head", "N")
    assert not any(isinstance(one, ObligationMissed) for one in found)
    assert Clock(log).tick(END).recorded == {}


def test_completeness_check_finds_nothing_where_nothing_is_missing(
    world: World, ledgers: Ledgers
) -> None:
    """R1: the nightly check of every duty, unit and period passes on a log that is whole."""
    log = ledgers.simulated("whole")
    write(log, given(world))
    clock = Clock(log)
    clock.tick(END)
    assert clock.check_completeness(date(2026, 1, 1), END).recorded == {}


def test_stopped_clock_stops(ledgers: Ledgers) -> None:
    """`run` ticks until it is told to stop."""
    stop = threading.Event()
    clock = Clock(ledgers.real("running"))
    thread = threading.Thread(target=clock.run, args=(stop, 0.01))
    thread.start()
    stop.set()
    thread.join(timeout=10)
    assert not thread.is_alive()


def test_month_opened_at_local_midnight(world: World) -> None:
    """The story begins as it should: March is opened as March begins in Shanghai."""
    assert local(world.obligation(MARCH).opened_at) == "2026-03-01 00:00"
