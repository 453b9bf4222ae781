"""A clock that was down says what it would have said: over histories that nobody thought of."""

from collections.abc import Callable
from datetime import date, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.calendar_seed import seeded_calendar
from ledger.decisions import duties, organisation, outlets, relief, reports, reviews
from ledger.decisions.calendar import ReviseCalendar, SetLocalDay
from ledger.errors import Refused
from ledger.events.duties import DueRule
from ledger.events.fact import Fact
from ledger.schedule.drafting import CLOCK
from ledger.vocabulary import Cadence, Reason, Stage
from tests.timekeeping import World, duty, replayed, wall

WHY = Reason("test")
START, END = wall("2026-02-02 09:00"), wall("2026-06-20 00:00")
MINUTES = int((END - START).total_seconds() // 60)
EXAMPLES = 25
STEPS_MAX = 14

Step = Callable[[World, int], None]


def _open_ones(world: World) -> list[str]:
    return world.owed() or ["none"]


def _submit(world: World, pick: int) -> None:
    owed = _open_ones(world)
    command = reports.SubmitReport(
        obligation=owed[pick % len(owed)], form_revision=1, content={"headcount": 1}
    )
    who = ("O-boss", "N-boss", "S-boss")[pick % 3]
    world.person(who, command)


def _void(world: World, pick: int) -> None:
    sent = [
        (row.obligation, one.report)
        for row in world.known.rows["obligation"].values()
        for one in row.submissions
    ]
    if sent:
        obligation, report = sent[pick % len(sent)]
        void = reviews.VoidReport(obligation=obligation, report=report, by="S-head", reason=WHY)
        world.person("S-boss", void)


def _extend(world: World, pick: int) -> None:
    owed = _open_ones(world)
    due = world.now + timedelta(days=1 + pick % 9)
    grant = relief.GrantExtension(
        obligation=owed[-1 - pick % min(3, len(owed))], by="S-head", due=due, reason=WHY
    )
    world.person("S-boss", grant)


def _ask(world: World, pick: int) -> None:
    owed = _open_ones(world)
    ask = relief.RequestExtension(
        obligation=owed[-1 - pick % min(3, len(owed))],
        requested_due=world.now + timedelta(days=1 + pick % 9),
        reason=WHY,
    )
    world.person("O-boss", ask)


def _close(world: World, pick: int) -> None:
    at = world.now - timedelta(days=pick % 20)
    unit = ("O", "N")[pick % 2]
    world.operator(organisation.CloseUnit(unit=unit, effective_from=at))


def _reopen(world: World, pick: int) -> None:
    world.operator(organisation.ReopenUnit(unit=("O", "N")[pick % 2]))


def _suspend(world: World, pick: int) -> None:
    command = (organisation.SuspendUnit, organisation.ResumeUnit)[pick % 2]
    world.operator(command(unit="O"))


def _open_outlet(world: World, pick: int) -> None:
    opened = (world.now - timedelta(days=pick % 40)).date()
    world.operator(outlets.OpenOutlet(unit="N", opened_on=opened))


def _revise(world: World, pick: int) -> None:
    seeded = seeded_calendar(2026)
    assert seeded is not None
    days_off = {*seeded.days_off, date(2026, 3, 2) + timedelta(days=7 * (pick % 12))}
    world.operator(
        ReviseCalendar(
            year=2026,
            source_ref="notice",
            days_off=tuple(sorted(days_off)),
            makeup_days=seeded.makeup_days,
        )
    )


def _local_day(world: World, pick: int) -> None:
    day = world.now.date() + timedelta(days=pick % 10 - 2)
    world.operator(SetLocalDay(units=("O",), day=day, working=pick % 3 == 0, document="doc"))


def _retire(world: World, pick: int) -> None:
    world.operator(duties.RetireDuty(duty=("D", "M", "P")[pick % 3]))


STEPS: tuple[Step, ...] = (
    _submit,
    _submit,
    _void,
    _extend,
    _ask,
    _close,
    _reopen,
    _suspend,
    _open_outlet,
    _revise,
    _local_day,
    _retire,
)


def told(steps: list[tuple[int, int, int]]) -> World:
    """A world in which these things happened, as far as the rules allowed them."""
    world = World()
    world.outlet("N", None, date(2026, 3, 20))
    weekly = {"cadence": Cadence.WEEKLY, "due": DueRule(working_days=1)}
    world.tell("2026-01-20 09:00", duty("D", **weekly))
    world.tell("2026-01-20 09:00", duty("M", final_report=True))
    world.tell("2026-01-20 09:00", duty("P", stages=(Stage.PREPARING,), expectation="any_overlap"))
    for minute, kind, pick in sorted(steps):
        world.until(START + timedelta(minutes=minute))
        try:
            STEPS[kind](world, pick)
        except Refused:
            continue
    world.until(END)
    return world


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(
        st.tuples(st.integers(0, MINUTES), st.integers(0, len(STEPS) - 1), st.integers(0, 1_000)),
        max_size=STEPS_MAX,
        unique_by=lambda step: step[0],
    )
)
def test_clock_says_the_same_however_late_it_runs(steps: list[tuple[int, int, int]]) -> None:
    """The same facts, ids and instants; no id twice; and nothing that should be open is not."""
    world = told(steps)
    timely = [_essence(one.id, one.fact) for one in world.events if one.actor == CLOCK]
    late = [_essence(one.id, one.fact) for one in replayed(world)]
    assert late == timely
    ids = [one.id for one in world.events]
    assert len(set(ids)) == len(ids), [(at, STEPS[kind].__name__, pick) for at, kind, pick in steps]
    assert list(world.planner.gaps(date(2026, 1, 1))) == []


def _essence(event: str, fact: Fact) -> tuple[str, str]:
    return event, repr(fact)
