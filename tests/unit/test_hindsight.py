"""Facts that take back what others said: the verdict sees it at once, and the clock goes on."""

from datetime import UTC, date, timedelta

import pytest
from msgspec.structs import replace

from ledger.decisions import duties, outages
from ledger.decisions.organisation import CloseUnit, RelieveHolder, SuspendUnit, annulment_of
from ledger.decisions.outlets import OpenOutlet
from ledger.entry import Event
from ledger.errors import Invalid
from ledger.events import duties as d
from ledger.events import organisation as o
from ledger.model.history import History
from ledger.timeliness import Outcome
from ledger.verdict import Verdict, verdict
from ledger.vocabulary import Actor, Moment, Reason, Stage, Via
from tests.scenario import MONTHLY, Scenario
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


def test_an_opening_corrected_in_hindsight_withdraws_the_notice() -> None:
    """A first period has its grace, even if it turns out to be the first after its due."""
    world = World("2026-01-20")
    world.tell("2026-01-20 09:00", duty("M"))
    world.until("2026-04-10 09:00")
    opened = [one for one in world.events if one.type == "outlet.opened"][-1]
    corrected = OpenOutlet(unit="O", opened_on=date(2026, 3, 16), corrects=opened.id)
    world.tell("2026-04-10 09:00", corrected)
    world.until("2026-04-10 09:01")

    assert says(world).computed.pending == "not_due"
    assert world.said(MARCH)[-1] == "obligation.miss_withdrawn"


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


def _in_utc(event: Event) -> Event:
    """As the log tells it."""
    begun, until = event.envelope.effective_from, event.envelope.effective_until
    envelope = replace(
        event.envelope,
        received_at=event.received_at.astimezone(UTC),
        effective_from=begun.astimezone(UTC) if begun else None,
        effective_until=until.astimezone(UTC) if until else None,
    )
    return Event(event.fact, envelope, event.tags, event.position, event.recorded_at)


def test_six_months_of_acting_end_on_the_calendar_of_the_unit() -> None:
    """From 1 March they end on 1 September, although that day began in August in UTC."""
    told = Scenario()
    told.say(
        "interim",
        "2026-03-01 00:00",
        o.ActingAppointed(post="O-head", person="C", appointed_by="S-head"),
        until="2026-12-31 00:00",
    )
    organisation = History.of(_in_utc(one) for one in told.events).organisation

    assert organisation.effective("O-head", wall("2026-08-31 23:59")).person == "C"
    assert organisation.effective("O-head", wall("2026-09-01 00:00")).lapsed is not None


def test_a_due_on_a_day_off_takes_no_day_from_a_tenure() -> None:
    """Three whole working days are enough, whatever the day of the due is."""
    told = Scenario().open(due="2026-04-11 18:01")  # a Saturday
    told.appoint("O-head", "A", "2025-01-01 00:00")
    told.say("A left", "2026-04-08 00:00", o.HolderRelieved(post="O-head", person="A"))
    told.appoint("O-head", "C", "2026-04-08 00:00")
    found = told.verdict("2026-05-30 00:00").attribution

    assert found is not None
    assert [(one.ground, one.person) for one in found.persons] == [("holder", "C")]


def test_a_waiver_that_came_too_late_is_its_deciders_doing() -> None:
    """Asked in time and granted after the window: excused, and the decider answers (20)."""
    told = Scenario().open()
    told.appoint("O-head", "A", "2025-01-01 00:00")
    ask = d.WaiverRequested(waiver="w", obligation=MONTHLY, post="O-head")
    told.say("asked", "2026-04-08 09:00", ask)
    grant = d.WaiverGranted(waiver="w", obligation=MONTHLY, granted_by="S-head")
    told.say("granted", "2026-04-20 09:00", grant, person="s-chief", post="S-head")
    late = d.ExtensionGranted(
        extension="e", obligation=MONTHLY, due=wall("2026-05-01 18:01"), granted_by="B-head"
    )
    told.say("unasked", "2026-04-21 09:00", late, person="b-chief", post="B-head")
    found = told.verdict("2026-05-30 00:00")

    assert found.attribution is not None
    assert "undecided_relief" in found.computed.excused
    charged = [one.post for one in found.attribution.persons if one.role == "management"]
    assert charged == ["S-head"]
