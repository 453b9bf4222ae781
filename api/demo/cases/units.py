"""Whether and when something is owed: closings, stages, moves, calendars (rulings 26 to 40)."""

from datetime import date
from typing import Final

import msgspec

from api.demo.cases.plot import (
    BRANCH_HEAD,
    LUZHOU,
    MIANYANG,
    WEEK,
    WEEKLY,
    YIBIN,
    Expected,
    Plot,
    Tell,
    Who,
    head,
    missed,
    not_expected,
    on_time,
)
from api.demo.codes import duty_id, unit_id
from api.demo.story import china
from ledger.calendar_seed import seeded_calendar
from ledger.decisions.calendar import ReviseCalendar, SetLocalDay
from ledger.decisions.command import Command
from ledger.decisions.organisation.units import CloseUnit, MergeUnit, ReparentUnit
from ledger.decisions.outlets import OpenOutlet, RescheduleOpening
from ledger.model.history import History
from ledger.model.outlets import opening_of
from ledger.vocabulary import ObligationId, UnitId

OPENED_MID_PERIOD: Final = date(2026, 8, 12)
MONTH_13: Final = date(2025, 9, 10)
OPENED_AS_RECORDED: Final = date(2025, 10, 8)
OPENED_IN_TRUTH: Final = date(2025, 8, 6)
PREPARED_FOR: Final = date(2026, 8, 31)
POSTPONED_TO: Final = date(2026, 10, 30)
PLANNED_FOR: Final = date(2027, 5, 15)


def _stage(plot: Plot, place: int, planned: date, opened: date | None) -> UnitId:
    """An outlet of Mianyang with a life of its own."""
    unit = plot.outlet(MIANYANG, place)
    plan = plot.network.outlets[unit]
    plot.network.outlets[unit] = msgspec.structs.replace(
        plan, planned_open=planned, opened_on=opened
    )
    return unit


def final_report(plot: Plot) -> None:
    """Closed within the month: the outlet owes nothing, the parent owes a final report."""
    unit = plot.outlet(MIANYANG, 2)
    closed = CloseUnit(unit=unit, effective_from=china(8, 20, 0), by=head(MIANYANG))
    plot.act(china(8, 18), closed, post=head(MIANYANG))
    own = plot.owe(unit, "outlet-monthly", "2026-08")
    plot.case(
        "26",
        own,
        "月中撤销：网点不再应报",
        "Closed within the month: the outlet owes nothing any more",
        not_expected("unit_closed"),
    )
    plot.case(
        "26",
        ObligationId(f"{own}.parent"),
        "月中撤销：终期报告由上级机构负责人承担，未报",
        "Closed within the month: the final report is owed by the institution above, and missed",
        missed(Who("direct", "holder", plot.holder(head(MIANYANG)))),
        code="26b",
    )


def closed_before_due(plot: Plot) -> None:
    """Closed between the week's end and the due: passes to the parent."""
    unit = plot.outlet(MIANYANG, 3)
    closed = CloseUnit(unit=unit, effective_from=china(9, 7, 0), by=head(MIANYANG))
    plot.act(china(9, 4), closed, post=head(MIANYANG))
    plot.case(
        "27",
        plot.owe(unit),
        "期末与截止之间撤销：网点负责人不因此未报",
        "Closed between the week's end and the due: no miss for the outlet's head",
        not_expected("unit_closed"),
    )


def closed_in_the_past(plot: Plot) -> None:
    """The closing is recorded a fortnight late: the miss is withdrawn, the past still shows it."""
    unit = plot.outlet(MIANYANG, 4)
    closed = CloseUnit(unit=unit, effective_from=china(9, 3, 0), by=head(MIANYANG))
    plot.act(china(9, 18), closed, post=head(MIANYANG))
    plot.case(
        "28",
        plot.owe(unit),
        "撤销补录（两周后）：未报撤回，当时的画面仍可重放",
        "The closing was recorded a fortnight late: the miss is withdrawn, the past still shows it",
        not_expected("unit_closed"),
    )


def first_period(plot: Plot) -> None:
    """Opened within the month: five working days of grace."""
    unit = _stage(plot, 5, date(2026, 8, 10), OPENED_MID_PERIOD)
    owed = plot.owe(unit, "outlet-monthly", "2026-08")
    plot.report(owed, china(9, 11, 16), head(unit))
    plot.case(
        "29",
        owed,
        "月中开业：首期宽限五个工作日，及时",
        "Opened within the month: five working days of grace, on time",
        on_time(steps=("nominal", "first_period_grace")),
    )


def last_day_as_new(plot: Plot) -> None:
    """The last day of month 12: still a new outlet, still owes the daily report."""
    unit = _stage(plot, 6, MONTH_13, MONTH_13)
    owed = plot.owe(unit, "outlet-daily", "2026-09-09")
    plot.case(
        "30",
        owed,
        "第12个月最后一日：仍属新设，日报未报",
        "The last day of month 12: still new, the daily report missed",
        missed(Who("direct", "holder", plot.holder(head(unit)))),
    )


def opening_corrected(plot: Plot) -> None:
    """The opening was two months earlier: dailies that were missed were never owed."""
    unit = _stage(plot, 7, OPENED_AS_RECORDED, OPENED_AS_RECORDED)

    def correct(history: History) -> Command:
        before = opening_of(history.unit(unit))
        assert before is not None, "the outlet opened"
        return OpenOutlet(
            unit=unit, opened_on=OPENED_IN_TRUTH, corrects=before.event, by=head(MIANYANG)
        )

    plot.act(china(9, 16, 15), correct, post=head(MIANYANG))
    plot.case(
        "31",
        plot.owe(unit, "outlet-daily", "2026-09-02"),
        "开业日期更正后属“已有”网点：此前的日报未报不再成立",
        "The opening was corrected, so the outlet was established: the missed daily was not owed",
        not_expected("stage"),
    )


def opening_postponed(plot: Plot) -> None:
    """The opening was postponed: preparing goes on, owed by the sub-branch's head."""
    unit = _stage(plot, 8, PREPARED_FOR, None)
    postponed = RescheduleOpening(unit=unit, planned_open=POSTPONED_TO, by=head(MIANYANG))
    plot.act(china(8, 10), postponed, post=head(MIANYANG))
    plot.case(
        "32",
        plot.owe(unit, "preparing-monthly", "2026-09"),
        "开业推迟两个月：筹备月报续报，由三级机构负责人承担，未报",
        "Opening postponed: preparation reports go on, owed by the sub-branch's head, missed",
        missed(
            Who("direct", "holder", plot.holder(head(MIANYANG))),
            steps=("nominal", "calendar"),
        ),
    )


def without_a_head(plot: Plot) -> None:
    """A planned outlet has no head: the duty names the branch, which is no climb."""
    unit = _stage(plot, 9, PLANNED_FOR, None)
    plot.case(
        "33",
        plot.owe(unit, "siting-quarterly", "2026Q3"),
        "规划期网点尚无负责人：由任务指定的二级机构负责人承担，未报",
        "A planned outlet has no head yet: owed by the branch that the duty names, missed",
        missed(Who("direct", "holder", plot.holder(BRANCH_HEAD)), steps=("nominal", "calendar")),
    )


def moved(plot: Plot) -> None:
    """Moved to another sub-branch between opening and due: the outlet's own head answers."""
    unit = plot.outlet(LUZHOU, 2)
    moving = ReparentUnit(
        unit=unit,
        parent=unit_id(YIBIN),
        effective_from=china(9, 4, 0),
        by=BRANCH_HEAD,
    )
    plot.act(china(9, 2), moving, post=BRANCH_HEAD)
    plot.case(
        "34",
        plot.owe(unit),
        "期间划转至另一机构：仍由网点负责人负责",
        "Moved to another institution before the due: the outlet's own head answers",
        missed(Who("direct", "holder", plot.holder(head(unit)))),
    )


def merged(plot: Plot) -> None:
    """Merged on the due day, the duty listed: it passes to the absorbing outlet."""
    unit, into = plot.outlet(LUZHOU, 3), plot.outlet(LUZHOU, 4)
    merging = MergeUnit(
        unit=unit,
        into=into,
        duties=(duty_id(WEEKLY),),
        effective_from=china(9, 7, 12),
        by=BRANCH_HEAD,
    )
    plot.act(china(9, 2, 10), merging, post=BRANCH_HEAD)
    plot.owe(unit)
    plot.case(
        "35",
        ObligationId(f"{WEEKLY}.{unit}.{WEEK}.parent"),
        "截止当日并入另一网点且任务列明：由合并方负责人承担，未报",
        "Merged on the due day with the duty listed: owed by the absorbing outlet, missed",
        missed(Who("direct", "holder", plot.holder(head(into)))),
    )


def calendar_changed(plot: Plot) -> None:
    """The holiday is lengthened after the opening (made up): the due moves later."""
    unit = plot.outlet(LUZHOU, 5)
    seeded = seeded_calendar(2026)
    assert seeded is not None, "2026 is announced"
    revised = ReviseCalendar(
        year=2026,
        source_ref="演示用假设：国庆假期延长一日 (made up for the demonstration)",
        days_off=(*seeded.days_off, date(2026, 10, 8)),
        makeup_days=seeded.makeup_days,
    )
    plot.act(china(9, 29, 10), revised)
    owed = plot.owe(unit, period="2026W40")
    plot.report(owed, china(10, 9, 9), head(unit))
    plot.case(
        "38",
        owed,
        "任务下达后放假安排调整：截止顺延，及时",
        "The holiday was lengthened after the opening: the due moved later, on time",
        on_time(steps=("nominal", "calendar")),
    )


def next_year_unknown(plot: Plot) -> None:
    """Due in January 2027, whose calendar is not published: provisional."""
    plot.case(
        "39",
        ObligationId("institution-quarterly.S5101.2026Q4"),
        "次年日历未公布：截止时间为暂定，不得认定未报",
        "Next year's calendar is not published: the due is provisional, nothing can be missed",
        Expected(outcome="pending"),
    )


def flood(plot: Plot) -> None:
    """A stop-work order for two outlets on the due day: the next working day."""
    first, second = plot.outlet(LUZHOU, 6), plot.outlet(LUZHOU, 7)
    stop = SetLocalDay(
        units=(first, second), day=date(2026, 8, 31), working=False, document="泸市防汛〔2026〕17号"
    )
    plot.act(china(8, 31, 7), stop)
    owed = plot.owe(first, period="2026W35")
    plot.report(owed, china(9, 1, 10), head(first))
    plot.case(
        "40",
        owed,
        "防汛停工令（列明网点）：截止顺延一个工作日，及时",
        "A stop-work order for listed outlets: due a working day later, on time",
        on_time(steps=("nominal", "local_days")),
    )


CASES: Final[tuple[Tell, ...]] = (
    final_report,
    closed_before_due,
    closed_in_the_past,
    first_period,
    last_day_as_new,
    opening_corrected,
    opening_postponed,
    without_a_head,
    moved,
    merged,
    calendar_changed,
    next_year_unknown,
    flood,
)
