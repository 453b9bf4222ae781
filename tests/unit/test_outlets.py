"""The stage of an outlet on a day (docs/rules.md R2), and the decisions that it follows from."""

from datetime import date

import pytest

from ledger.decisions.organisation import EstablishUnit, ReopenUnit
from ledger.decisions.outlets import AbandonOutlet, OpenOutlet, PlanOutlet, RescheduleOpening
from ledger.errors import Conflict, Invalid, NotAllowed
from ledger.events import outlets as facts
from ledger.events.fact import Fact
from ledger.model.organisation import Unit
from ledger.model.outlets import StageLimits, month_of_life, opened_on, planned_open, stage
from ledger.vocabulary import Level, UnitId, UnitRef
from tests.deciding import Deciding
from tests.scenario import Scenario, wall

Said = tuple[str, Fact]
N = UnitId(UnitRef("N"))


def planned(day: str) -> Fact:
    """A plan to open on a day."""
    return facts.OutletPlanned(unit=N, planned_open=date.fromisoformat(day))


def moved(day: str) -> Fact:
    """The plan moved to a day."""
    return facts.OutletOpeningRescheduled(unit=N, planned_open=date.fromisoformat(day))


def opened(day: str, corrects: str | None = None) -> Fact:
    """The outlet opened on a day."""
    return facts.OutletOpened(unit=N, opened_on=date.fromisoformat(day), corrects=corrects)


def outlet(*said: Said) -> Unit:
    """The dossier after facts said at noon of their days."""
    story = Scenario().unit("N", "outlet", "S")
    for number, (day, fact) in enumerate(said):
        story.say(f"{number}", f"{day} 12:00", fact)
    return story.history().unit(N)


@pytest.mark.parametrize(
    ("said", "on", "expected"),
    [
        ([], "2026-01-01", None),
        ([("2025-01-01", planned("2026-03-31"))], "2025-09-29", "planned"),
        ([("2025-01-01", planned("2026-03-31"))], "2025-09-30", "preparing"),
        ([("2025-01-01", planned("2026-03-31"))], "2027-01-01", "preparing"),
        ([("2026-02-01", planned("2026-03-01"))], "2025-10-01", "preparing"),
        ([("2026-01-15", opened("2026-01-15"))], "2026-01-14", "preparing"),
        ([("2026-01-15", opened("2026-01-15"))], "2025-07-14", "planned"),
        ([("2026-01-15", opened("2026-01-15"))], "2026-01-15", "new"),
        ([("2026-01-15", opened("2026-01-15"))], "2027-01-14", "new"),
        ([("2026-01-15", opened("2026-01-15"))], "2027-01-15", "established"),
        ([("2024-02-29", opened("2024-02-29"))], "2025-02-27", "new"),
        ([("2024-02-29", opened("2024-02-29"))], "2025-02-28", "established"),
        ([("2025-01-01", planned("2026-01-01")), ("2025-09-01", moved("2026-05-01"))],
         "2025-09-15", "preparing"),
        ([("2025-01-01", planned("2026-01-01")), ("2025-06-01", moved("2026-05-01"))],
         "2025-08-01", "planned"),
        ([("2025-01-01", planned("2026-12-01")), ("2026-03-01", moved("2026-05-01"))],
         "2026-02-28", "planned"),
        ([("2025-01-01", planned("2026-12-01")), ("2026-03-01", moved("2026-05-01"))],
         "2026-03-01", "preparing"),
        ([("2025-01-01", planned("2026-01-01")),
          ("2025-09-01", facts.OutletAbandoned(unit=N))], "2025-08-31", "preparing"),
        ([("2025-01-01", planned("2026-01-01")),
          ("2025-09-01", facts.OutletAbandoned(unit=N))], "2025-09-01", None),
        ([("2026-01-15", opened("2026-01-15")), ("2026-03-01", opened("2025-01-15", "0"))],
         "2026-02-01", "established"),
    ],
)  # fmt: skip
def test_stages(said: list[Said], on: str, expected: str | None) -> None:
    """The stage follows from the plan in force, and from the opening once there is one."""
    assert stage(outlet(*said), date.fromisoformat(on)) == expected


def test_the_calendar_rule_counts_whole_months() -> None:
    """Where the policy says so, the month of the opening is month 1, from its first day."""
    unit = outlet(("2026-01-15", opened("2026-01-15")))
    limits = StageLimits(month_rule="calendar")

    assert stage(unit, date(2026, 12, 31), limits) == "new"
    assert stage(unit, date(2027, 1, 1), limits) == "established"
    assert month_of_life(unit, date(2026, 2, 1), limits) == 2


@pytest.mark.parametrize(
    ("on", "month"),
    [("2026-01-30", None), ("2026-01-31", 1), ("2026-02-27", 1), ("2026-02-28", 2),
     ("2026-03-30", 2), ("2026-03-31", 3), ("2027-01-31", 13)],
)  # fmt: skip
def test_months_of_life(on: str, month: int | None) -> None:
    """Month n begins n - 1 months after the opening, at the month's end if it is shorter."""
    unit = outlet(("2026-01-31", opened("2026-01-31")))

    assert month_of_life(unit, date.fromisoformat(on)) == month


def test_the_plan_on_a_day() -> None:
    """Each plan is in force from the day it was made; the first also before."""
    unit = outlet(("2025-01-01", planned("2026-01-01")), ("2025-06-01", moved("2026-05-01")))

    assert planned_open(unit, date(2024, 1, 1)) == date(2026, 1, 1)
    assert planned_open(unit, date(2025, 6, 1)) == date(2026, 5, 1)


# --- decisions -----------------------------------------------------------------------------------


@pytest.fixture
def ledger() -> Deciding:
    """Headquarters, a sub-branch, and the outlet N below it, on 1 April 2026."""
    found = Deciding(wall("2020-01-01 00:00"))
    hq, s = UnitId(UnitRef("HQ")), UnitId(UnitRef("S"))
    for unit, level, parent in (
        (hq, Level.HEADQUARTERS, None),
        (s, Level.SUB_BRANCH, hq),
        (N, Level.OUTLET, s),
    ):
        found.operator(
            EstablishUnit(unit=unit, level=level, name_zh=unit, name_en=unit, parent=parent)
        )
    found.now = wall("2026-04-01 09:00")
    return found


def test_an_outlet_is_planned_moved_and_opened(ledger: Deciding) -> None:
    """The facts of an outlet's life follow one another, the opening from its own day on."""
    ledger.operator(PlanOutlet(unit=N, planned_open=date(2026, 6, 1)))
    ledger.operator(RescheduleOpening(unit=N, planned_open=date(2026, 5, 1)))
    (event,) = ledger.operator(OpenOutlet(unit=N, opened_on=date(2026, 3, 30)))

    assert event.effective_from == wall("2026-03-30 00:00")
    assert opened_on(ledger.history.unit(N)) == date(2026, 3, 30)


def test_an_opening_is_corrected_by_name(ledger: Deciding) -> None:
    """A second opening names the one it corrects, and is refused otherwise."""
    (first,) = ledger.operator(OpenOutlet(unit=N, opened_on=date(2026, 3, 30)))
    with pytest.raises(Conflict, match=first.id):
        ledger.operator(OpenOutlet(unit=N, opened_on=date(2026, 3, 1)))
    ledger.operator(OpenOutlet(unit=N, opened_on=date(2026, 3, 1), corrects=first.id))

    assert opened_on(ledger.history.unit(N)) == date(2026, 3, 1)


def test_what_makes_no_sense_is_refused(ledger: Deciding) -> None:
    """No opening ahead of time, no second plan, no move without a plan, no plan for a branch."""
    with pytest.raises(Invalid, match="opened_on"):
        ledger.operator(OpenOutlet(unit=N, opened_on=date(2026, 4, 2)))
    with pytest.raises(Invalid, match="no opening to correct"):
        ledger.operator(OpenOutlet(unit=N, opened_on=date(2026, 4, 1), corrects="x"))
    with pytest.raises(Conflict, match="plan it first"):
        ledger.operator(RescheduleOpening(unit=N, planned_open=date(2026, 5, 1)))
    with pytest.raises(Invalid, match="not an outlet"):
        ledger.operator(PlanOutlet(unit=UnitId(UnitRef("S")), planned_open=date(2026, 5, 1)))
    with pytest.raises(Invalid, match="planned_open"):
        ledger.operator(PlanOutlet(unit=N, planned_open=date(9999, 12, 31)))
    with pytest.raises(NotAllowed):
        ledger.person("somebody", PlanOutlet(unit=N, planned_open=date(2026, 5, 1)))
    ledger.operator(PlanOutlet(unit=N, planned_open=date(2026, 5, 1)))
    with pytest.raises(Conflict, match="reschedule"):
        ledger.operator(PlanOutlet(unit=N, planned_open=date(2026, 6, 1)))


def test_an_abandoned_outlet_is_gone_until_reopened(ledger: Deciding) -> None:
    """Giving an outlet up ends it; reopened, it may be planned anew."""
    ledger.operator(PlanOutlet(unit=N, planned_open=date(2026, 6, 1)))
    ledger.operator(AbandonOutlet(unit=N))
    with pytest.raises(Conflict, match="does not exist"):
        ledger.operator(OpenOutlet(unit=N, opened_on=date(2026, 4, 1)))
    assert stage(ledger.history.unit(N), date(2026, 4, 1)) is None
    ledger.operator(ReopenUnit(unit=N))
    ledger.operator(PlanOutlet(unit=N, planned_open=date(2027, 6, 1)))

    assert stage(ledger.history.unit(N), date(2026, 4, 1)) == "planned"
    assert stage(ledger.history.unit(N), date(2026, 3, 31)) == "preparing"
