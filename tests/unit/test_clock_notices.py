"""The clock's notices: what passed without a report, and what turned out otherwise (R4, R5)."""

from datetime import date

from ledger.decisions import duties, organisation, outages, relief, reviews
from ledger.events.reports import ReportSubmitted
from ledger.schedule.drafting import CLOCK
from ledger.vocabulary import Reason
from tests.timekeeping import World, duty, local, replayed, wall

OPENED, MISSED = "obligation.opened", "obligation.missed"
WITHDRAWN = "obligation.miss_withdrawn"
MARCH = "M.O.2026-03"
WHY = Reason("test")


def told() -> World:
    """A world in which the monthly duty is published; March is due on 8 April 18:01."""
    world = World()
    world.tell("2026-01-20 09:00", duty())
    return world


def notices(world: World) -> list[str]:
    """What the clock said about March after opening it."""
    return [one for one in world.said(MARCH) if one in (MISSED, WITHDRAWN)]


def ask(world: World, at: str, until: str) -> str:
    """The outlet's head asks for an extension; its id."""
    command = relief.RequestExtension(obligation=MARCH, requested_due=wall(until), reason=WHY)
    (event,) = world.person("O-boss", command, at=wall(at))
    return str(event.fact.extension)  # type: ignore[attr-defined]


def grant(world: World, at: str, until: str, extension: str | None = None) -> None:
    """The head of the sub-branch gives until then."""
    command = relief.GrantExtension(
        obligation=MARCH, by="S-head", due=wall(until), extension=extension, reason=WHY
    )
    world.person("S-boss", command, at=wall(at))


def test_miss_is_noticed_after_a_settle_delay_as_of_the_due() -> None:
    """The notice holds from the due instant and is recorded two minutes after it."""
    world = told()
    world.until("2026-04-08 18:02")
    assert notices(world) == []
    (event,) = world.until("2026-04-08 18:03")
    assert event.type == MISSED
    assert local(event.effective_from) == "2026-04-08 18:01"
    assert local(event.received_at) == "2026-04-08 18:03"


def test_reported_in_the_last_minute_is_no_miss() -> None:
    """18:00 includes its whole minute."""
    world = told()
    world.submit(MARCH, "2026-04-08 18:00:59")
    world.until("2026-05-01")
    assert notices(world) == []


def test_reported_at_the_due_is_missed_and_then_late() -> None:
    """Received at 18:01 it is late: missed first, for ever, though it arrived while settling."""
    world = told()
    world.submit(MARCH, "2026-04-08 18:01:00")
    world.until("2026-05-01")
    assert notices(world) == [MISSED]


def report() -> ReportSubmitted:
    """The outlet's report on March, as a fact."""
    return ReportSubmitted(
        report="late-1",
        obligation=MARCH,
        unit="O",
        form="F",
        form_revision=1,
        capacity="holder",
        content={"headcount": 7},
    )


def test_receipt_counts_and_not_recording() -> None:
    """A report received in time, and recorded only after the notice, withdraws the notice."""
    world = told()
    world.record(report(), received="2026-04-08 17:59", at="2026-04-08 18:30")
    world.until("2026-04-08 19:00")
    assert notices(world) == [MISSED, WITHDRAWN]


def test_voided_after_the_due_it_is_missed_after_all() -> None:
    """Ruling 50: what is void was never reported; the notice holds from the due."""
    world = told()
    (sent,) = world.submit(MARCH, "2026-04-02 10:00")
    assert isinstance(sent.fact, ReportSubmitted)
    void = reviews.VoidReport(obligation=MARCH, report=sent.fact.report, by="S-head", reason=WHY)
    world.person("S-boss", void, at=wall("2026-04-20 10:00"))
    (event,) = world.until("2026-04-20 10:05")
    assert event.type == MISSED
    assert local(event.effective_from) == "2026-04-08 18:01"


def test_missed_again_after_a_withdrawal_is_another_notice() -> None:
    """The same due may be missed, withdrawn and missed again, each under an id of its own."""
    world = told()
    world.record(report(), received="2026-04-08 17:59", at="2026-04-08 18:30")
    void = reviews.VoidReport(obligation=MARCH, report="late-1", by="S-head", reason=WHY)
    world.person("S-boss", void, at=wall("2026-04-20 10:00"))
    world.until("2026-04-20 11:00")
    assert notices(world) == [MISSED, WITHDRAWN, MISSED]
    ids = [event.id for event in world.events]
    assert len(set(ids)) == len(ids)


def test_prior_extension_moves_the_notice() -> None:
    """R5: granted before the due, the miss is noticed at the new due, and not at the old."""
    world = told()
    extension = ask(world, "2026-04-07 10:00", "2026-04-10 18:01")
    grant(world, "2026-04-08 09:00", "2026-04-10 18:01", extension)
    world.until("2026-04-10 18:02")
    assert notices(world) == []
    (event,) = world.until("2026-04-11")
    assert local(event.effective_from) == "2026-04-10 18:01"


def test_timely_request_holds_the_notice_until_it_is_decided() -> None:
    """Ruling 18: asked in time and granted soon after, nothing was ever missed."""
    world = told()
    extension = ask(world, "2026-04-08 10:00", "2026-04-14 18:01")
    world.until("2026-04-09 09:00")
    assert notices(world) == []
    grant(world, "2026-04-09 10:00", "2026-04-14 18:01", extension)
    world.submit(MARCH, "2026-04-14 09:00")
    world.until("2026-05-01")
    assert notices(world) == []


def test_late_refusal_leaves_a_working_day() -> None:
    """Ruling 19: refused after the due, the obligor has until the next working day's end."""
    world = told()
    extension = ask(world, "2026-04-08 10:00", "2026-04-14 18:01")
    refuse = relief.RefuseExtension(obligation=MARCH, by="S-head", extension=extension, reason=WHY)
    world.person("S-boss", refuse, at=wall("2026-04-09 10:00"))
    world.until("2026-04-10 23:59")
    assert notices(world) == []
    world.until("2026-04-11 00:01")
    assert notices(world) == [MISSED]


def test_undecided_request_ends_in_a_notice() -> None:
    """Ruling 20: never decided, the miss is noticed when the window for deciding closes."""
    world = told()
    ask(world, "2026-04-08 10:00", "2026-04-14 18:01")
    world.until("2026-04-13 23:59")
    assert notices(world) == []
    (event,) = [one for one in world.until("2026-04-14 00:01") if one.type == MISSED]
    assert local(event.effective_from) == "2026-04-08 18:01"


def test_extension_after_the_due_changes_no_notice() -> None:
    """Ruling 21: granted afterwards, the miss stands as it was noticed."""
    world = told()
    grant(world, "2026-04-10 10:00", "2026-04-14 18:01")
    world.until("2026-05-01")
    assert notices(world) == [MISSED]


def test_outage_ratified_later_withdraws_the_notice() -> None:
    """Ruling 47: the due moved to the next working day's noon, and the report came by then."""
    world = told()
    world.submit(MARCH, "2026-04-09 11:30")
    assert notices(world) == [MISSED]
    declare = outages.DeclareOutage(
        outage="A",
        started_at=wall("2026-04-08 16:00"),
        ended_at=wall("2026-04-08 17:30"),
        probe_ref="probes 1",
    )
    world.tell("2026-04-14 09:00", declare)
    world.until("2026-04-14 09:30")
    assert notices(world) == [MISSED], "declared is not ratified"
    ratify = outages.RatifyOutage(outage="A")
    world.person("second", ratify, at=wall("2026-04-15 09:00"), role="administrator")
    world.until("2026-04-15 10:00")
    assert notices(world) == [MISSED, WITHDRAWN]


def test_waived_before_the_due_is_never_missed() -> None:
    """Ruling 24: the instance is exempt."""
    world = told()
    waive = relief.GrantWaiver(obligation=MARCH, by="S-head", reason=WHY)
    world.person("S-boss", waive, at=wall("2026-04-01 10:00"))
    world.until("2026-05-01")
    assert notices(world) == []


def test_linked_duty_is_discharged_by_one_report() -> None:
    """Ruling 58: one submission discharges both duties, and neither is noticed."""
    world = told()
    world.tell("2026-01-20 09:00", duty("X"))
    world.tell("2026-01-20 09:00", duties.LinkDuty(duty="X", duplicate_of="M"))
    (sent,) = world.submit("X.O.2026-03", "2026-04-02 10:00")
    assert isinstance(sent.fact, ReportSubmitted)
    assert sent.fact.discharges == (MARCH,)
    world.until("2026-05-01")
    assert notices(world) == []


def test_late_clock_says_what_a_timely_one_said() -> None:
    """Woken after months, the clock plans the same facts, of the same instants and ids."""
    world = told()
    extension = ask(world, "2026-04-08 10:00", "2026-04-14 18:01")
    grant(world, "2026-04-09 10:00", "2026-04-14 18:01", extension)
    world.until("2026-04-13 10:00")
    world.outlet("N", date(2026, 4, 13))
    world.record(report(), received="2026-04-14 17:00", at="2026-04-14 18:30")
    world.tell("2026-05-12 10:00", organisation.CloseUnit(unit="O"))
    world.until("2026-07-01")
    timely = [event for event in world.events if event.actor == CLOCK]
    late = replayed(world)
    assert [(one.id, one.fact, one.received_at) for one in late] == [
        (one.id, one.fact, one.received_at) for one in timely
    ]
    assert {one.type for one in timely} >= {MISSED, WITHDRAWN, OPENED, "obligation.cancelled"}
