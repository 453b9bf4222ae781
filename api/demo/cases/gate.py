"""At the gate: late, refused, returned, by others, in the wrong place (rulings 41 to 60)."""

from datetime import datetime
from typing import Final

from api.demo.cases.plot import (
    LUZHOU,
    NANCHONG,
    YIBIN,
    Plot,
    Tell,
    Who,
    clerk,
    head,
    late,
    missed,
    on_time,
)
from api.demo.codes import duty_id
from api.demo.duties import FORMS, OPEN_STAGES
from api.demo.network import OWNER_POST, post_of
from api.demo.story import Maker, china, reason, report_on, submit
from ledger.decisions.command import Command
from ledger.decisions.duties import LinkDuty, PublishDuty, PublishForm, RetireDuty
from ledger.decisions.outages import DeclareOutage, RatifyOutage
from ledger.decisions.reports import MoveReport, RatifyReport, ResubmitReport, SubmitReport
from ledger.decisions.reviews import ReturnReport
from ledger.events.duties import DueRule, FormField
from ledger.model.history import History
from ledger.vocabulary import (
    Cadence,
    FormRef,
    Level,
    ObligationId,
    PostId,
    Source,
    UnitRef,
)

NEXT_WEEK: Final = "2026W37"


def plainly_late(plot: Plot) -> None:
    """Reported the next morning: late, by the holder."""
    unit = plot.outlet(YIBIN, 9)
    owed = plot.owe(unit)
    plot.report(owed, china(9, 8, 9), head(unit))
    plot.case(
        "R4",
        owed,
        "次日早上补报：迟报",
        "Reported the next morning: late",
        late(Who("direct", "holder", plot.holder(head(unit)))),
    )


def phone_clock(plot: Plot) -> None:
    """The phone shows 17:59, the gate receives at 18:02: late, the device time kept."""
    unit = plot.outlet(NANCHONG, 7)
    owed = plot.owe(unit)
    source = Source(device_time=china(9, 7, 17, 59, 30), skew_seconds=-155)
    plot.report(owed, china(9, 7, 18, 2, 5), head(unit), source=source)
    plot.case(
        "41",
        owed,
        "手机显示17:59、系统18:02收到：迟报，设备时间留作证据",
        "The phone said 17:59, the gate received at 18:02: late, the device time is kept",
        late(Who("direct", "holder", plot.holder(head(unit))), flags=("device_time_before_due",)),
    )


def refused_at_the_gate(plot: Plot) -> None:
    """Refused at 17:50 for a missing field, good at 18:20: late, the attempt kept."""
    unit = plot.outlet(NANCHONG, 8)
    owed = plot.owe(unit)
    plot.report(owed, china(9, 7, 17, 50), head(unit), incomplete=True)
    plot.report(owed, china(9, 7, 18, 20), head(unit))
    plot.case(
        "48",
        owed,
        "17:50缺项被退、18:20补齐：迟报，被拒记录保留",
        "Refused at 17:50 for a missing field, complete at 18:20: late, the attempt is kept",
        late(Who("direct", "holder", plot.holder(head(unit)))),
    )


def returned(plot: Plot) -> None:
    """On time, returned, resubmitted after the due: on time."""
    unit, by = plot.outlet(NANCHONG, 9), head(NANCHONG)
    owed = plot.owe(unit)
    plot.report(owed, china(9, 7, 15), head(unit))

    def give_back(history: History) -> Command:
        return ReturnReport(
            obligation=owed,
            report=report_on(history, owed),
            by=by,
            correction_due=china(9, 10, 18, 1),
            reason=reason("figures_differ"),
        )

    plot.act(china(9, 8, 10), give_back, post=by)

    def answer(history: History) -> Command:
        filled = submit(owed, plot.random)(history)
        assert isinstance(filled, SubmitReport), "submitting makes a submission"
        return ResubmitReport(
            obligation=owed,
            report=report_on(history, owed),
            content=filled.content,
            form_revision=filled.form_revision,
        )

    plot.act(china(9, 9, 11), answer, post=head(unit))
    plot.case(
        "49",
        owed,
        "按时报送、退回更正、截止后重报：仍为及时",
        "On time, returned, resubmitted after the due: on time",
        on_time(flags=("returned",)),
    )


def voided(plot: Plot) -> None:
    """On time but worthless, voided two days later: the receipt is lost."""
    unit = plot.outlet(YIBIN, 0)
    owed = plot.owe(unit)
    plot.report(owed, china(9, 7, 11), head(unit))
    plot.void(owed, china(9, 9, 10), head(YIBIN))
    plot.case(
        "50",
        owed,
        "按时报送空表、后被作废：未报",
        "On time but empty, voided later: never reported",
        missed(Who("direct", "holder", plot.holder(head(unit)))),
    )


def by_clerk(plot: Plot) -> None:
    """The clerk of the outlet submits: discharged."""
    unit = plot.outlet(YIBIN, 1)
    owed = plot.owe(unit)
    plot.report(owed, china(9, 7, 10), clerk(unit), by=clerk(unit))
    plot.case(
        "53",
        owed,
        "本网点内勤代报：及时，责任仍在负责人",
        "The outlet's clerk submitted: on time",
        on_time(flags=("by_clerk",)),
    )


def by_coach(plot: Plot) -> None:
    """A coach of the support line submits: discharged, and flagged."""
    unit, coach = plot.outlet(YIBIN, 2), post_of(f"T{YIBIN[1:]}", "coach")
    owed = plot.owe(unit)
    plot.report(owed, china(9, 7, 10), coach, by=coach)
    plot.case(
        "54",
        owed,
        "网点辅导专员（技术支持线）代报：及时，注明“支持线代报”",
        "A coach of the support line submitted: on time, flagged",
        on_time(flags=("by_support_line",)),
    )


def _by_stranger(plot: Plot, place: int, ratified: datetime) -> tuple[PostId, ObligationId]:
    unit, stranger = plot.outlet(YIBIN, place), head(plot.outlet(YIBIN, 9))
    owed = plot.owe(unit)
    plot.report(owed, china(9, 7, 16), stranger, by=stranger)

    def ratify(history: History) -> Command:
        return RatifyReport(obligation=owed, report=report_on(history, owed))

    plot.act(ratified, ratify, post=head(unit))
    return head(unit), owed


def ratified_in_time(plot: Plot) -> None:
    """A stranger submits, the holder ratifies before the due: on time."""
    _, owed = _by_stranger(plot, 3, china(9, 7, 17, 30))
    plot.case(
        "56",
        owed,
        "无权人代报、截止前追认：及时",
        "Unsolicited, ratified before the due: on time",
        on_time(),
    )


def ratified_late(plot: Plot) -> None:
    """The same, ratified after the due: late."""
    post, owed = _by_stranger(plot, 4, china(9, 8, 9))
    plot.case(
        "56",
        owed,
        "无权人代报、截止后才追认：迟报",
        "Unsolicited, ratified after the due: late",
        late(Who("direct", "holder", plot.holder(post))),
        code="56b",
    )


def _misfiled(plot: Plot, place: int, moved: datetime) -> tuple[PostId, ObligationId]:
    """This week's report is filed under the next week, and moved."""
    unit = plot.outlet(YIBIN, place)
    right, wrong = plot.owe(unit), plot.owe(unit, period=NEXT_WEEK)
    plot.report(wrong, china(9, 7, 15), head(unit))

    def move(history: History) -> Command:
        return MoveReport(
            obligation=wrong,
            report=report_on(history, wrong),
            moved_to=right,
            reason=reason("wrong_period"),
        )

    plot.act(moved, move, post=head(unit))
    plot.report(wrong, china(9, 14, 10), head(unit))
    return head(unit), right


def moved_in_time(plot: Plot) -> None:
    """Filed under the wrong week, moved before the due: keeps its receipt."""
    _, owed = _misfiled(plot, 5, china(9, 7, 17))
    plot.case(
        "57",
        owed,
        "报错期间、截止前更正：及时",
        "Filed under the wrong week, moved before the due: on time",
        on_time(),
    )


def moved_late(plot: Plot) -> None:
    """The same, moved after the due: late, mitigated."""
    post, owed = _misfiled(plot, 6, china(9, 8, 10))
    plot.case(
        "57",
        owed,
        "报错期间、截止后才更正：迟报，从轻",
        "Filed under the wrong week, moved after the due: late, mitigated",
        late(Who("direct", "holder", plot.holder(post)), mitigated=("moved_after_due",)),
        code="57b",
    )


def asked_twice(plot: Plot) -> None:
    """Two departments ask for the same table; the duties are linked: one report does for both."""
    unit = plot.outlet(YIBIN, 7)
    other, first = duty_id("workforce-monthly"), duty_id("outlet-monthly")
    publish = PublishDuty(
        duty=other,
        title_zh="人力月报（个险部）",
        title_en="Agents monthly (agency department)",
        form=FormRef("monthly"),
        cadence=Cadence.MONTHLY,
        due=DueRule(5),
        owner=OWNER_POST,
        scope=UnitRef(YIBIN),
        levels=(Level.OUTLET,),
        stages=OPEN_STAGES,
        first_period=china(8, 1).date(),
    )
    plot.act(china(7, 20), publish, post=OWNER_POST)
    plot.act(china(7, 22), LinkDuty(duty=other, duplicate_of=first), post=OWNER_POST)
    once = plot.owe(unit, str(first), "2026-08")
    plot.report(once, china(9, 4, 10), head(unit))
    plot.case(
        "58",
        plot.owe(unit, str(other), "2026-08"),
        "两个部门要同一张表、任务已关联：一次报送两项均完成",
        "Two departments ask for the same table, the duties are linked: one report for both",
        on_time(),
    )


def short_notice(plot: Plot) -> None:
    """Demanded at ten for six the same evening: no miss of the outlets, but of the issuer."""
    unit, duty = plot.outlet(LUZHOU, 1), duty_id("safety-check")
    publish = PublishDuty(
        duty=duty,
        title_zh="安全自查日报",
        title_en="Safety self-check",
        form=FormRef("daily"),
        cadence=Cadence.DAILY,
        due=DueRule(0),
        owner=OWNER_POST,
        scope=UnitRef(LUZHOU),
        levels=(Level.OUTLET,),
        stages=OPEN_STAGES,
        first_period=china(9, 16).date(),
    )
    plot.act(china(9, 16, 10), publish, post=OWNER_POST)
    retire = RetireDuty(duty=duty, effective_from=china(9, 17, 0))
    plot.act(china(9, 16, 11), retire, post=OWNER_POST)
    for place in range(10):
        plot.owe(plot.outlet(LUZHOU, place), str(duty), "2026-09-16")
    plot.case(
        "59",
        plot.owe(unit, str(duty), "2026-09-16"),
        "上午发通知、下午就要交：基层免责，发文者负责",
        "Demanded in the morning for the evening: excused, the issuer answers",
        missed(
            Who("management", "short_notice", plot.holder(OWNER_POST)), excused=("short_notice",)
        ),
    )


def new_form(plot: Plot) -> None:
    """The form changes within the week; the newer version is accepted already."""
    unit = plot.outlet(YIBIN, 8)
    weekly = next(one for one in FORMS if one.form == "weekly")
    added = FormField(
        code="morning_meetings",
        kind="integer",
        label_zh="早会次数",
        label_en="Morning meetings",
        minimum=0,
        maximum=7,
    )
    revised = PublishForm(
        form=weekly.form,
        title_zh=weekly.title_zh,
        title_en=weekly.title_en,
        fields=(*weekly.fields, added),
    )
    plot.act(china(9, 9, 9), revised)
    owed = plot.owe(unit, period=NEXT_WEEK)
    newer: Maker = submit(owed, plot.random, revision=2)
    plot.act(china(9, 14, 10), newer, post=head(unit))
    plot.case(
        "60",
        owed,
        "期间内表样改版：新旧两版均可",
        "The form changed within the week: either version is accepted",
        on_time(),
    )


def outage(plot: Plot) -> None:
    """The platform was down for ninety minutes before the due: noon of the next working day."""
    unit = plot.outlet(LUZHOU, 7)
    name = "2026-08-24"
    declared = DeclareOutage(
        outage=name, started_at=china(8, 24, 15), ended_at=china(8, 24, 16, 40), probe_ref="probe-7"
    )
    plot.act(china(8, 24, 16, 50), declared)
    plot.act(china(8, 24, 17, 20), RatifyOutage(outage=name), second=True)
    owed = plot.owe(unit, period="2026W34")
    plot.report(owed, china(8, 25, 11), head(unit))
    plot.case(
        "45",
        owed,
        "截止前系统中断九十分钟：顺延至次一工作日12:00，及时",
        "The platform was down before the due: moved to noon of the next working day, on time",
        on_time(steps=("nominal", "outage")),
    )


CASES: Final[tuple[Tell, ...]] = (
    plainly_late,
    phone_clock,
    refused_at_the_gate,
    returned,
    voided,
    by_clerk,
    by_coach,
    ratified_in_time,
    ratified_late,
    moved_in_time,
    moved_late,
    asked_twice,
    short_notice,
    new_form,
    outage,
)
