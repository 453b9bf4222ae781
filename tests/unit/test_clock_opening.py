"""What the clock opens, cancels and moves, and when (docs/rules.md R1 and R3)."""

from datetime import date

from ledger.calendar_seed import seeded_calendar
from ledger.decisions import duties, organisation, outlets
from ledger.decisions.calendar import (
    DeclareForceMajeure,
    PublishCalendar,
    ReviseCalendar,
    SetLocalDay,
)
from ledger.events.accountability import FindingCalendarMissing
from ledger.events.duties import DueRule
from ledger.vocabulary import Cadence, Level, Reason, Stage
from tests.timekeeping import World, duty, local, wall

OPENED, CANCELLED, MISSED = "obligation.opened", "obligation.cancelled", "obligation.missed"
REVISED, CONFIRMED = "obligation.due_revised", "obligation.due_confirmed"
MARCH = "M.O.2026-03"


def told(*, started: str = "2026-01-01", at: str = "2026-01-20 09:00", **changes: object) -> World:
    """A world in which the monthly duty is published."""
    world = World(started)
    world.tell(at, duty(**changes))
    return world


def daily(code: str = "D", **changes: object) -> duties.PublishDuty:
    """A duty for every working day, due the same day."""
    return duty(code, cadence=Cadence.DAILY, due=DueRule(working_days=0), **changes)


def test_month_is_opened_when_it_begins() -> None:
    """On 1 March at midnight the outlet owes March, due on the fifth working day of April."""
    world = told()
    world.until("2026-02-28 23:59")
    (event,) = world.until("2026-03-01")
    row = world.obligation(MARCH)
    assert local(event.received_at) == "2026-03-01 00:00"
    assert (row.post, local(row.due)) == ("O-head", "2026-04-08 18:01")
    assert row.stage is Stage.ESTABLISHED
    assert not any((row.provisional, row.informational, row.short_notice))


def test_opening_cites_the_duty_and_the_calendar() -> None:
    """An obligation can say why it is demanded: by which duty, due by which announcement."""
    world = World()
    (published,) = world.tell("2026-02-10 09:00", duty())
    (event,) = world.until("2026-03-01")
    announced = world.known.calendar.announcement(2026)
    assert announced is not None
    assert event.envelope.basis == (published.id, announced.event)


def test_period_that_had_begun_is_not_asked_for() -> None:
    """A duty published on 10 February asks from March on, unless it names an earlier period."""
    world = World()
    world.tell("2026-02-10 09:00", duty())
    world.tell("2026-02-10 09:00", duty("E", first_period=date(2026, 2, 1)))
    world.until("2026-03-01")
    assert world.owed() == ["E.O.2026-02", MARCH, "E.O.2026-03"]


def test_period_named_long_after_is_informational() -> None:
    """Nobody can miss what was due before the demand was made (ruling 31)."""
    world = World()
    world.tell("2026-03-20 09:00", duty(first_period=date(2026, 1, 1)))
    world.until("2026-03-20 10:00")
    rows = [world.obligation(f"M.O.2026-0{month}") for month in (1, 2, 3)]
    assert [row.informational for row in rows] == [True, True, False]
    world.until("2026-04-01")
    assert MISSED not in world.said("M.O.2026-01")


def test_daily_duty_asks_on_working_days_only() -> None:
    """In the week of Labour Day there are reports on worked days, the Saturday included."""
    world = World()
    world.tell("2026-03-02 09:00", daily())
    world.until("2026-05-10")
    days = [key.removeprefix("D.O.") for key in world.owed()]
    assert [day for day in days if day >= "2026-04-29"] == [
        "2026-04-29",
        "2026-04-30",
        "2026-05-06",
        "2026-05-07",
        "2026-05-08",
        "2026-05-09",
    ]


def test_due_on_a_holiday_is_the_next_working_day() -> None:
    """Ruling 36: the week that ends on Sunday 3 May is due on Wednesday the 6th, same time."""
    world = told(cadence=Cadence.WEEKLY, due=DueRule(working_days=0))
    world.until("2026-05-01")
    assert local(world.obligation("M.O.2026W18").due) == "2026-05-06 18:01"


def test_stage_at_the_end_of_the_period_decides() -> None:
    """Ruling 30: in the month in which month 13 begins, only the duty of the old is opened."""
    world = World()
    world.outlet("N", date(2025, 3, 16))
    world.tell("2026-01-20 09:00", duty("NEW", stages=(Stage.NEW,)))
    world.tell("2026-01-20 09:00", duty("OLD", stages=(Stage.ESTABLISHED,)))
    weekly = duty("WEEK", stages=(Stage.NEW,), cadence=Cadence.WEEKLY)
    world.tell("2026-01-20 09:00", weekly)
    world.until("2026-04-01")
    assert "NEW.N.2026-02" in world.owed()
    assert "OLD.N.2026-03" in world.owed()
    assert "NEW.N.2026-03" not in world.owed()
    weeks = [key for key in world.owed() if key.startswith("WEEK.N.2026W1")]
    assert weeks == ["WEEK.N.2026W10", "WEEK.N.2026W11"], "the weeks that ended in month 12"


def test_outlet_opened_within_a_period_has_grace() -> None:
    """Ruling 29: opened on 16 March, it owes March, five working days later than others."""
    world = told()
    world.outlet("N", None, date(2026, 3, 16))
    world.tell("2026-03-16 10:00", outlets.OpenOutlet(unit="N", opened_on=date(2026, 3, 16)))
    world.until("2026-03-17")
    row = world.obligation("M.N.2026-03")
    assert row.grace_working_days == 5
    assert (local(row.nominal_due), local(row.due)) == ("2026-04-08 18:01", "2026-04-15 18:01")
    assert not row.informational


def test_opening_day_corrected_long_after_asks_without_blame() -> None:
    """Ruling 31: what turns out to have been owed in the past is informational, never a miss."""
    world = told()
    world.outlet("N", None, date(2026, 6, 1))
    world.tell("2026-05-20 10:00", outlets.OpenOutlet(unit="N", opened_on=date(2026, 3, 2)))
    world.until("2026-07-01")
    assert world.obligation("M.N.2026-03").informational
    assert MISSED not in world.said("M.N.2026-03")
    assert not world.obligation("M.N.2026-05").informational


def test_opening_day_corrected_to_later_cancels_what_was_asked() -> None:
    """Ruling 31, the other way: an outlet that was not open yet owes nothing for that time."""
    world = told()
    world.outlet("N", None, date(2026, 3, 16))
    opened = world.tell(
        "2026-03-02 10:00", outlets.OpenOutlet(unit="N", opened_on=date(2026, 3, 2))
    )
    world.until("2026-03-05")
    assert "M.N.2026-03" in world.owed()
    later = outlets.OpenOutlet(unit="N", opened_on=date(2026, 4, 9), corrects=opened[0].id)
    world.tell("2026-04-09 10:00", later)
    world.until("2026-04-09 11:00")
    assert world.obligation("M.N.2026-03").cancellations[-1].cause == "stage"
    assert "M.N.2026-04" in world.owed()


def test_preparing_duty_goes_on_while_the_opening_is_postponed() -> None:
    """Rulings 32 and 33: the institution's post owes it, and a later opening means more of it."""
    world = World()
    world.outlet("N", None, date(2026, 6, 1))
    preparing = duty("P", stages=(Stage.PREPARING,), owed_by_level=Level.SUB_BRANCH)
    world.tell("2026-01-20 09:00", preparing)
    world.tell(
        "2026-05-25 09:00", outlets.RescheduleOpening(unit="N", planned_open=date(2026, 8, 3))
    )
    world.until("2026-07-02")
    months = [key for key in world.owed() if key.startswith("P.N.")]
    assert months == [f"P.N.2026-0{month}" for month in range(2, 8)]
    assert world.obligation("P.N.2026-07").post == "S-head"


def test_closed_before_the_period_ends_nothing_is_owed() -> None:
    """Ruling 26: an outlet that closed within March does not report on March."""
    world = told()
    world.tell("2026-03-20 10:00", organisation.CloseUnit(unit="O"))
    world.until("2026-04-20")
    assert world.obligation(MARCH).cancellations[-1].cause == "unit_closed"
    assert world.owed() == ["M.O.2026-02"], "its due had passed before the closing"


def test_final_report_is_owed_by_the_parent() -> None:
    """Ruling 26: where the duty wants a final report, the parent's post owes it."""
    world = told(final_report=True)
    world.tell("2026-03-20 10:00", organisation.CloseUnit(unit="O"))
    world.until("2026-03-21")
    row = world.obligation("M.O.2026-03.parent")
    assert (row.post, row.unit, local(row.due)) == ("S-head", "O", "2026-04-08 18:01")


def test_closed_between_the_period_and_the_due_it_passes_to_the_parent() -> None:
    """Ruling 27: cancelled and opened anew in one append, and no miss for the outlet's head."""
    world = told()
    world.tell("2026-04-03 10:00", organisation.CloseUnit(unit="O"))
    world.until("2026-04-20")
    assert world.said(MARCH) == [OPENED, CANCELLED]
    gone = world.obligation(MARCH).cancellations[-1]
    assert (gone.cause, gone.replaced_by) == ("unit_closed", "M.O.2026-03.parent")
    assert world.obligation("M.O.2026-03.parent").post == "S-head"
    assert world.said("M.O.2026-03.parent") == [CANCELLED, OPENED, MISSED]


def test_closing_recorded_late_withdraws_the_miss() -> None:
    """Ruling 28: closed on the 5th, known on the 20th: the notice of the 10th was wrong."""
    world = told()
    world.until("2026-04-10")
    assert world.said(MARCH) == [OPENED, MISSED]
    closing = organisation.CloseUnit(unit="O", effective_from=wall("2026-03-05 00:00"))
    world.tell("2026-04-20 10:00", closing)
    world.until("2026-04-20 11:00")
    assert world.said(MARCH) == [OPENED, MISSED, CANCELLED, "obligation.miss_withdrawn"]
    assert world.obligation(MARCH).notices[-1].withdrawn_by is not None


def test_closing_annulled_in_time_takes_the_cancellation_back() -> None:
    """A closing entered by mistake leaves the outlet owing what it owed, while it still can."""
    world = told()
    (closed,) = world.tell("2026-03-20 10:00", organisation.CloseUnit(unit="O"))
    world.tell("2026-03-23 10:00", organisation.annulment_of(closed, Reason("mistake")))
    world.until("2026-03-24")
    assert MARCH in world.owed()
    assert world.said(MARCH) == [OPENED, CANCELLED, "fact.annulled"]
    world.tell("2026-03-25 10:00", organisation.CloseUnit(unit="O"))
    world.until("2026-03-26")
    assert world.said(MARCH)[-1] == CANCELLED
    assert len({event.id for event in world.events}) == len(world.events)


def test_merged_unit_hands_over_only_the_duties_listed() -> None:
    """Ruling 35: listed duties pass to the absorbing unit, the others climb to the parent."""
    world = told()
    world.outlet("N", date(2020, 1, 6))
    world.tell("2026-01-20 09:00", duty("X"))
    merger = organisation.MergeUnit(unit="O", into="N", duties=("X",))
    world.tell("2026-04-03 10:00", merger)
    world.until("2026-04-04")
    assert world.obligation("X.O.2026-03.parent").post == "N-head"
    assert world.obligation("M.O.2026-03.parent").post == "S-head"
    assert world.obligation(MARCH).cancellations[-1].cause == "unit_merged"


def test_suspended_at_the_due_nothing_was_expected() -> None:
    """A unit that is suspended when the report is due does not miss it."""
    world = told()
    world.tell("2026-04-02 10:00", organisation.SuspendUnit(unit="O"))
    world.until("2026-04-07")
    assert MARCH in world.owed(), "it might be working again by the due"
    world.until("2026-04-09")
    assert world.obligation(MARCH).cancellations[-1].cause == "suspended"
    assert MISSED not in world.said(MARCH)


def test_revised_holiday_moves_dues_later() -> None:
    """Ruling 38: a day off announced after the opening moves the due, by document."""
    world = told()
    seeded = seeded_calendar(2026)
    assert seeded is not None
    revised = ReviseCalendar(
        year=2026,
        source_ref="notice 7",
        days_off=(*seeded.days_off, date(2026, 4, 7)),
        makeup_days=seeded.makeup_days,
    )
    world.tell("2026-03-22 10:00", revised)
    world.until("2026-03-23")
    (change,) = world.obligation(MARCH).due_changes
    assert (local(change.due), change.cause) == ("2026-04-09 18:01", "calendar_revised")
    assert change.document == "notice 7"


def test_revised_holiday_never_moves_dues_earlier() -> None:
    """Ruling 38: a day off that is worked after all leaves open dues where they are."""
    world = told()
    seeded = seeded_calendar(2026)
    assert seeded is not None
    days_off = tuple(day for day in seeded.days_off if day != date(2026, 4, 6))
    revised = ReviseCalendar(
        year=2026, source_ref="notice 8", days_off=days_off, makeup_days=seeded.makeup_days
    )
    world.tell("2026-03-22 10:00", revised)
    world.until("2026-04-07")
    assert REVISED not in world.said(MARCH)
    assert local(world.obligation("M.O.2026-04").due) == "2026-05-11 18:01"


def test_due_without_a_calendar_is_provisional_and_never_missed() -> None:
    """Ruling 39: until the year is published its dues are provisional, then they are confirmed."""
    world = told(started="2026-11-01", at="2026-11-20 09:00")
    world.until("2027-01-20")
    december = "M.O.2026-12"
    assert world.obligation(december).provisional
    assert world.said(december) == [OPENED]
    publish = PublishCalendar(
        year=2027, source_ref="notice 1", days_off=(date(2027, 1, 1),), makeup_days=()
    )
    world.tell("2027-01-20 10:00", publish)
    world.until("2027-01-21")
    assert world.said(december) == [OPENED, CONFIRMED, MISSED]
    (change,) = world.obligation(december).due_changes
    assert (local(change.due), change.confirms) == ("2027-01-08 18:01", True)


def test_holiday_that_was_worked_after_all_is_asked_without_blame() -> None:
    """A day that the announcement made a working day too late is informational only."""
    world = World()
    world.tell("2026-04-01 09:00", daily())
    seeded = seeded_calendar(2026)
    assert seeded is not None
    days_off = tuple(day for day in seeded.days_off if day != date(2026, 5, 4))
    revised = ReviseCalendar(
        year=2026, source_ref="notice 9", days_off=days_off, makeup_days=seeded.makeup_days
    )
    world.tell("2026-05-05 10:00", revised)
    world.until("2026-05-06 23:00")
    assert world.obligation("D.O.2026-05-04").informational
    assert not world.obligation("D.O.2026-05-06").informational


def test_year_that_begins_without_a_calendar_is_the_platforms_failing() -> None:
    """Ruling 39: on 1 January a finding is raised against the platform's owner, once."""
    world = told(started="2026-11-01", at="2026-11-20 09:00")
    found = [one for one in world.until("2027-02-01") if one.type == "finding.calendar_missing"]
    (event,) = found
    assert local(event.received_at) == "2027-01-01 00:00"
    assert isinstance(event.fact, FindingCalendarMissing)
    assert (event.fact.year, event.fact.owner) == (2027, "HQ-head")
    assert not [one for one in told().until("2026-12-31") if "calendar_missing" in one.type]


def test_local_day_off_moves_the_dues_of_listed_units_alone() -> None:
    """Ruling 40: by document number, for the units listed; it is no general excuse."""
    world = told()
    world.outlet("N", date(2020, 1, 6))
    off = SetLocalDay(units=("O",), day=date(2026, 4, 8), working=False, document="doc 40")
    world.tell("2026-04-07 10:00", off)
    world.until("2026-04-07 11:00")
    assert local(world.obligation(MARCH).due_changes[-1].due) == "2026-04-09 18:01"
    assert world.obligation("M.N.2026-03").due_changes == ()


def test_stop_work_order_frees_every_day_that_it_touches() -> None:
    """Ruling 40: a typhoon from the 7th to the 8th moves the due, and cancels daily reports."""
    world = told()
    world.tell("2026-03-20 09:00", daily())
    stop = DeclareForceMajeure(
        units=("O",),
        document="typhoon 3",
        started_at=wall("2026-04-07 20:00"),
        ended_at=wall("2026-04-08 12:00"),
    )
    world.tell("2026-04-07 19:00", stop)
    world.until("2026-04-10")
    assert local(world.obligation(MARCH).due_changes[-1].due) == "2026-04-10 18:01"
    assert world.obligation("D.O.2026-04-07").cancellations[-1].cause == "day_off"
    assert "D.O.2026-04-08" not in world.known.rows["obligation"]
    assert "D.O.2026-04-09" in world.owed()


def test_notice_below_the_minimum_is_marked_and_never_missed() -> None:
    """Ruling 59: told in the morning to report by the evening is the issuer's failing."""
    world = World()
    world.tell("2026-03-10 10:00", daily())
    world.until("2026-03-13")
    short = [world.obligation(f"D.O.2026-03-{day}").short_notice for day in (10, 11, 12)]
    assert short == [True, True, False]
    assert MISSED not in world.said("D.O.2026-03-10")
    assert MISSED in world.said("D.O.2026-03-12")


def test_revision_of_words_is_no_new_notice() -> None:
    """Ruling 59: a better title leaves the notice as it was; a new form starts it again."""
    world = World()
    world.tell("2026-03-02 10:00", daily())
    stated = {name: getattr(daily(), name) for name in daily().__struct_fields__}
    world.tell("2026-03-10 10:00", duties.ReviseDuty(**{**stated, "title_en": "Day"}))
    earlier = duties.ReviseDuty(**{**stated, "due": DueRule(working_days=0, time="12:00")})
    world.tell("2026-03-12 10:00", earlier)
    world.until("2026-03-14")
    assert not world.obligation("D.O.2026-03-11").short_notice
    assert world.obligation("D.O.2026-03-11").duty_revision == 2
    assert world.obligation("D.O.2026-03-13").short_notice


def test_retired_duty_opens_nothing_more_and_cancels_nothing() -> None:
    """What is open stays owed when its duty is retired."""
    world = told()
    world.tell("2026-03-20 09:00", duties.RetireDuty(duty="M"))
    world.until("2026-06-01")
    assert world.owed() == ["M.O.2026-02", MARCH]


def test_retired_duty_asks_nothing_of_an_outlet_that_opens_later() -> None:
    """An outlet opened after the duty was retired does not owe the period under way."""
    world = told()
    world.outlet("N", None, date(2026, 3, 25))
    world.tell("2026-03-20 09:00", duties.RetireDuty(duty="M"))
    world.tell("2026-03-25 10:00", outlets.OpenOutlet(unit="N", opened_on=date(2026, 3, 25)))
    world.until("2026-04-01")
    assert world.owed() == ["M.O.2026-02", MARCH]


def test_assignment_reaches_units_that_the_duty_leaves_out() -> None:
    """An assigned unit owes from its next period on; an unassigned one owes no new ones."""
    world = told()
    world.tell("2026-03-20 09:00", duties.AssignDuty(duty="M", unit="S"))
    world.tell("2026-03-20 09:00", duties.UnassignDuty(duty="M", unit="O"))
    world.until("2026-04-02")
    assert world.owed() == ["M.O.2026-02", MARCH, "M.S.2026-04"]


def test_new_rules_do_not_reach_back_to_what_is_open() -> None:
    """R12: a shorter new stage changes what April opens; March stays as it was opened."""
    world = World()
    world.outlet("N", date(2025, 6, 2))
    world.tell("2026-01-20 09:00", duty("NEW", stages=(Stage.NEW,)))
    world.tell("2026-03-10 09:00", duties.ActivateRules(parameters={"new_months": 6}))
    world.tell("2026-03-11 09:00", organisation.SuspendUnit(unit="N"))
    world.tell("2026-03-12 09:00", organisation.ResumeUnit(unit="N"))
    world.until("2026-04-02")
    assert [key for key in world.owed() if key >= "NEW.N.2026-03"] == ["NEW.N.2026-03"]
    assert list(world.planner.gaps(date(2026, 3, 1))) == []


def test_missing_opening_is_found_by_asking_everything_again() -> None:
    """R1: what should be open and is not is found, of every period that is not long over."""
    world = told()
    world.until("2026-04-02")
    assert list(world.planner.gaps(date(2026, 3, 1))) == []
    del world.known.rows["obligation"][MARCH]
    (planned,) = world.planner.gaps(date(2026, 3, 1))
    assert planned.obligations == (MARCH,)
    assert list(world.planner.gaps(date(2026, 4, 1))) == []


def test_moved_unit_keeps_owing_what_it_owed() -> None:
    """Ruling 34: a unit moved out of the duty's scope still owes what is open."""
    world = World()
    world.establish("T", Level.SUB_BRANCH, "HQ")
    world.tell("2026-01-20 09:00", duty(scope="S"))
    world.tell("2026-03-20 09:00", organisation.ReparentUnit(unit="O", parent="T"))
    world.until("2026-05-01")
    assert world.owed() == ["M.O.2026-02", MARCH]
    assert MISSED in world.said(MARCH)
