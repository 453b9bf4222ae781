"""Facts that take back what others said: the verdict sees it at once, and the clock goes on."""

from datetime import date, timedelta

import pytest

from ledger.decisions import duties, outages
from ledger.decisions.organisation import CloseUnit, RelieveHolder, SuspendUnit, annulment_of
from ledger.errors import Invalid
from ledger.timeliness import Outcome
from ledger.verdict import Verdict, verdict
from ledger.vocabulary import Actor, Moment, Reason, Stage, Via
from tests.timekeeping import World, duty, wall

WHY = Reason("mistake")
MARCH = "M.O.2026-03"
SECOND_HAND = Actor(via=Via.OPERATOR, system="second")


def told(world: World, at: str, topic: str) -> None:
    """The last fact of a type is annulled."""
    last = [one for one in world.events if one.type == topic][-1]
    world.tell(at, annulment_of(last, WHY))


def says(world: World, obligation: str = MARCH) -> Verdict:
    """The verdict now."""
    return verdict(world.history, obligation, Moment(len(world.events), world.now))


def test_an_annulled_plan_is_no_plan_even_before_the_clock_runs() -> None:
    """What was planned before the opening, and should not have been, asks for nothing."""
    world = World("2026-01-20")
    world.outlet("N", None, date(2026, 6, 1))
    world.tell("2026-01-20 09:00", duty("P", stages=(Stage.PREPARING,)))
    world.until("2026-03-10 09:00")
    told(world, "2026-03-10 09:00", "outlet.planned")
    found = says(world, "P.N.2026-03").computed

    assert (found.outcome, found.expectation) == (Outcome.NOT_EXPECTED, "stage")
    assert "obligation.cancelled" not in world.said("P.N.2026-03")


def test_a_suspension_in_hindsight_withdraws_the_notice() -> None:
    """A unit that turns out to have been suspended at its due did not miss it."""
    world = World("2026-01-20")
    world.tell("2026-01-20 09:00", duty("M"))
    world.tell("2026-04-20 09:00", SuspendUnit(unit="O", effective_from=wall("2026-04-02")))
    world.until("2026-04-20 09:01")

    assert says(world).computed.expectation == "suspended"
    assert world.said(MARCH)[-3:] == [
        "obligation.missed",
        "obligation.miss_withdrawn",
        "obligation.cancelled",
    ]


def test_an_annulled_outage_gives_the_first_due_back() -> None:
    """The notice names the due that holds."""
    world = World("2026-01-20")
    world.tell("2026-01-20 09:00", duty("M"))
    due = wall("2026-04-08 18:01")
    world.tell(
        "2026-04-08 19:00",
        outages.DeclareOutage(
            outage="down",
            started_at=due - timedelta(hours=3),
            ended_at=due - timedelta(hours=1),
            probe_ref="probe",
        ),
    )
    world._do(outages.RatifyOutage(outage="down"), SECOND_HAND, None, wall("2026-04-08 20:00"))
    world.until("2026-04-12 09:00")
    told(world, "2026-04-12 09:00", "outage.ratified")
    world.until("2026-04-12 09:01")

    (notice,) = [one for one in world.obligation(MARCH).notices if one.withdrawn_by is None]
    assert (notice.due, says(world).computed.due) == (due, due)


@pytest.mark.parametrize("topic", ["rule_set.activated", "form.published"])
def test_what_obligations_were_opened_with_is_not_annulled(topic: str) -> None:
    """Rules and forms are replaced by the next, and never taken away."""
    world = World("2026-01-20")
    world.operator(duties.ActivateRules(parameters={"settle_minutes": 5}))
    with pytest.raises(Invalid, match="cannot be annulled"):
        told(world, "2026-01-21 09:00", topic)


def test_the_clock_outlives_an_annulled_duty() -> None:
    """What was opened under terms that were a mistake stays owed; nothing more is opened."""
    world = World("2026-01-20")
    world.tell("2026-01-20 09:00", duty("M"))
    world.until("2026-03-10 09:00")
    told(world, "2026-03-10 09:00", "duty.published")
    world.tell("2026-03-11 09:00", CloseUnit(unit="O"))
    world.tell("2026-03-11 09:00", RelieveHolder(post="O-head", person="O-boss"))
    world.until("2026-04-10 09:00")

    assert world.owed() == ["M.O.2026-02", MARCH]


def test_nothing_is_late_before_the_queue_is_empty() -> None:
    """Until the settle delay has passed, a report in time may stand behind a late one."""
    world = World("2026-01-20")
    world.tell("2026-01-20 09:00", duty("M"))
    world.submit(MARCH, "2026-04-08 18:01:30")

    assert says(world).computed.outcome is Outcome.PENDING
    world.until("2026-04-08 18:03")
    assert says(world).computed.outcome is Outcome.LATE
