"""The short way to a verdict, on the stories of the rulings and on what could mislead it."""

from collections.abc import Callable
from typing import Any

import pytest

from ledger.events import calendar, duties, organisation, platform, reports
from ledger.model.history import History
from ledger.verdict import verdict
from ledger.vocabulary import Moment
from projections.judging import judge
from tests.rulings.ruling import Ruling
from tests.rulings.table import RULINGS
from tests.scenario import MONTHLY, Scenario, wall

LATER = "2026-05-20 09:00"


def agrees(history: History, moment: Moment) -> list[str]:
    """The outcomes; the short way and the verdict must agree on each."""
    rows = list(history.rows["obligation"].values())
    found = judge(history, rows, moment)
    for one in found:
        full = verdict(history, one.obligation, moment).computed
        assert (one.outcome, one.due, one.received_at) == (
            full.outcome,
            full.due,
            full.received_at,
        )
    return [one.outcome for one in found]


@pytest.mark.parametrize("ruling", RULINGS, ids=lambda one: f"{one.number}: {one.title}")
def test_rulings_are_judged_alike(ruling: Ruling) -> None:
    """At every position of the story, as the clock stands when it is judged."""
    story = ruling.story(Scenario())
    for position in range(17, len(story.events) + 1):
        agrees(story.history(position), Moment(position, wall(ruling.asked)))


def test_a_plain_report_in_time_needs_no_verdict() -> None:
    """The short way is taken at all: nothing but a report before the due."""
    history = Scenario().appoint("O-head", "A", "2025-01-01 00:00").open()
    history.submit("2026-04-07 10:00")
    (found,) = judge(
        history.history(), history.history().rows["obligation"].values(), Moment(20, wall(LATER))
    )

    assert (found.outcome, found.verdict) == ("on_time", None)


DISTURBANCES: dict[str, Callable[[], Any]] = {
    "a later due": lambda: duties.ObligationDueRevised(
        obligation=MONTHLY, due=wall("2026-04-15 18:01"), cause="document"
    ),
    "a cancellation": lambda: duties.ObligationCancelled(obligation=MONTHLY, cause="suspended"),
    "a waiver": lambda: duties.WaiverGranted(waiver="w", obligation=MONTHLY, granted_by="S-head"),
    "a void": lambda: reports.ReportVoided(report="rep-1", obligation=MONTHLY, voided_by="S-head"),
    "a closing": lambda: organisation.UnitClosed(unit="O"),
    "a local day off": lambda: calendar.CalendarLocalDaySet(
        calendar="CN",
        units=("O",),
        day=wall("2026-04-08 00:00").date(),
        working=False,
        document="x",
    ),
    "a revised calendar": lambda: calendar.CalendarRevised(
        calendar="CN",
        year=2026,
        revision=2,
        source_ref="x",
        days_off=(wall("2026-04-06 00:00").date(), wall("2026-04-08 00:00").date()),
        makeup_days=(),
    ),
}


@pytest.mark.parametrize("disturbance", DISTURBANCES)
def test_whatever_qualifies_a_report_in_time_is_heard(disturbance: str) -> None:
    """Recorded after the report, before the due, each of them changes the answer."""
    story = Scenario().appoint("O-head", "A", "2025-01-01 00:00").open()
    story.submit("2026-04-07 10:00")
    plain = verdict(story.history(), MONTHLY, Moment(20, wall(LATER))).computed
    story.say(
        "disturbed",
        "2026-04-07 12:00",
        DISTURBANCES[disturbance](),
        effective="2026-03-10 00:00",
        person="s-chief",
        post="S-head",
    )
    moment = Moment(len(story.events), wall(LATER))
    agrees(story.history(), moment)

    after = verdict(story.history(), MONTHLY, moment).computed
    assert (after.outcome, after.due) != (plain.outcome, plain.due)


def test_an_outage_is_heard_once_it_is_ratified() -> None:
    """It moves the due of what was on time anyway."""
    story = Scenario().appoint("O-head", "A", "2025-01-01 00:00").open()
    story.submit("2026-04-07 10:00")
    declared = platform.OutageDeclared(
        outage="x",
        calendar="CN",
        started_at=wall("2026-04-08 15:00"),
        ended_at=wall("2026-04-08 17:30"),
        probe_ref="probe",
    )
    story.say("declared", "2026-04-09 09:00", declared)
    story.say("ratified", "2026-04-09 10:00", platform.OutageRatified(outage="x", calendar="CN"))

    assert agrees(story.history(), Moment(len(story.events), wall(LATER))) == ["on_time"]


def test_what_was_never_owed_is_not_on_time() -> None:
    """An informational obligation is not expected, whatever arrives for it."""
    story = Scenario().appoint("O-head", "A", "2025-01-01 00:00").open(informational=True)
    story.submit("2026-04-07 10:00")

    assert agrees(story.history(), Moment(len(story.events), wall(LATER))) == ["not_expected"]
