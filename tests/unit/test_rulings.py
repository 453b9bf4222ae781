"""The rulings of docs/rules.md, one row a case, named by number: the whole verdict each time."""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest

from ledger.events import calendar, duties, organisation, outlets, platform, reports
from ledger.verdict import Verdict
from ledger.vocabulary import Power
from tests.scenario import DUE, MONTHLY, Scenario, local, wall

AFTER = "2026-04-10 09:00"


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """A case: its story, when it is judged, and every part of the verdict that is not empty."""

    number: int
    title: str
    story: Callable[[Scenario], Scenario]
    asked: str = AFTER
    obligation: str = MONTHLY
    outcome: str = "missed"
    kind: str | None = None
    expectation: str = "expected"
    due: str = DUE
    received: str | None = None
    pending: str | None = None
    excused: tuple[str, ...] = ()
    mitigated: tuple[str, ...] = ()
    reliefs: tuple[tuple[str, str], ...] = ()
    persons: tuple[tuple[str, str, str | None], ...] = ()
    path: tuple[tuple[str, str], ...] = ()
    flags: tuple[str, ...] = ()
    cites: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ("calendar 2026",)


def whole(verdict: Verdict) -> dict[str, Any]:
    """Everything that a verdict says, as a row would write it."""
    computed, attribution = verdict.computed, verdict.attribution
    return {
        "outcome": computed.outcome.value,
        "kind": computed.kind,
        "expectation": computed.expectation,
        "due": local(computed.due),
        "received": local(computed.received_at) if computed.received_at else None,
        "pending": computed.pending,
        "excused": computed.excused,
        "mitigated": computed.mitigated,
        "reliefs": tuple((one.kind, one.standing) for one in computed.reliefs),
        "persons": tuple(
            (one.role, one.ground, one.person or one.unit)
            for one in (attribution.persons if attribution else ())
        ),
        "path": tuple((hop.post, hop.reason) for hop in (attribution.path if attribution else ())),
        "flags": (*computed.flags, *(attribution.flags if attribution else ())),
        "cites": set(verdict.basis),
    }


def stated(ruling: Ruling) -> dict[str, Any]:
    """What the row expects, in the same words."""
    row = {name: getattr(ruling, name) for name in whole_fields()}
    why = ("monthly published", f"opened {ruling.obligation}", *ruling.calendar)
    return {**row, "cites": {*why, *ruling.cites}}


def whole_fields() -> tuple[str, ...]:
    """The parts of a verdict that a row states."""
    return (
        "outcome", "kind", "expectation", "due", "received", "pending", "excused",
        "mitigated", "reliefs", "persons", "path", "flags", "cites",
    )  # fmt: skip


def held_by_a(scenario: Scenario) -> Scenario:
    """A has held the outlet's head post for two years; the monthly report is open."""
    return scenario.appoint("O-head", "A", "2024-01-01 00:00").open()


A_APPOINTED = "A appointed to O-head"
A_DIRECT = (("direct", "holder", "A"),)
A_PATH = (("O-head", "holder"),)


def a_until(scenario: Scenario, left: str, came: str, **more: Any) -> Scenario:
    """A leaves and B follows."""
    held_by_a(scenario).relieve("O-head", "A", left, received="2026-04-02 10:00")
    return scenario.appoint("O-head", "B", came, received="2026-04-02 10:05", **more)


def delegated(scenario: Scenario, *powers: Power, accepted: bool, leave: bool = True) -> Scenario:
    """A delegates to C over the due, on leave or not."""
    held_by_a(scenario)
    scenario.say(
        "granted to C",
        "2026-04-01 09:00",
        organisation.DelegationGranted(
            delegation="d1", post="O-head", principal="A", delegate="C", powers=powers
        ),
        until="2026-04-20 00:00",
    )
    if accepted:
        answer = organisation.DelegationAccepted(delegation="d1", post="O-head", delegate="C")
        scenario.say("C accepted", "2026-04-01 10:00", answer)
    if leave:
        scenario.say(
            "A on leave",
            "2026-04-01 11:00",
            organisation.LeaveRecorded(person="A", kind="annual"),
            effective="2026-04-02 00:00",
            until="2026-04-16 00:00",
        )
    return scenario


def asked_for_more(scenario: Scenario, at: str = "2026-04-08 10:00") -> Scenario:
    """A asks for an extension to the 13th."""
    return held_by_a(scenario).say(
        "asked",
        at,
        duties.ExtensionRequested(
            extension="x1",
            obligation=MONTHLY,
            post="O-head",
            requested_due=wall("2026-04-13 18:01"),
        ),
        person="A",
    )


def granted(scenario: Scenario, at: str, by: str = "S-head", person: str = "s-chief") -> Scenario:
    """The extension is granted until the 13th."""
    fact = duties.ExtensionGranted(
        extension="x1", obligation=MONTHLY, due=wall("2026-04-13 18:01"), granted_by=by
    )
    return scenario.say("granted", at, fact, person=person, post=by)


def refused(scenario: Scenario, at: str) -> Scenario:
    """The extension is refused."""
    fact = duties.ExtensionRefused(extension="x1", obligation=MONTHLY, refused_by="S-head")
    return scenario.say("refused", at, fact, person="s-chief", post="S-head")


def waived(scenario: Scenario, at: str) -> Scenario:
    """The sub-branch waives the report."""
    fact = duties.WaiverGranted(waiver="w1", obligation=MONTHLY, granted_by="S-head")
    return held_by_a(scenario).say("waived", at, fact, person="s-chief", post="S-head")


def acting(scenario: Scenario, start: str, until: str, *, said: str | None = None) -> Scenario:
    """A leaves at the start; I is interim head until then, put there by the sub-branch."""
    held_by_a(scenario).relieve("O-head", "A", start)
    fact = organisation.ActingAppointed(post="O-head", person="I", appointed_by="S-head")
    return scenario.say("I acting", said or start, fact, effective=start, until=until)


def outage(scenario: Scenario, said: str = "2026-04-08") -> Scenario:
    """The platform is down for 70 minutes in the afternoon of the due day, and that is ratified."""
    fact = platform.OutageDeclared(
        outage="out-1",
        calendar="CN",
        started_at=wall("2026-04-08 16:30"),
        ended_at=wall("2026-04-08 17:40"),
        probe_ref="probe 12",
    )
    scenario.say("outage declared", f"{said} 20:00", fact)
    ratified = platform.OutageRatified(outage="out-1", calendar="CN")
    return scenario.say("outage ratified", f"{said} 21:00", ratified)


def attempted(scenario: Scenario, *, platform_fault: bool) -> Scenario:
    """The gate turns a file away ten minutes before the due."""
    fact = reports.ReportSubmissionRefused(
        obligation=MONTHLY,
        unit="O",
        problems=("headcount: is required",),
        content_sha256="0" * 64,
        platform_fault=platform_fault,
    )
    return held_by_a(scenario).say("attempt", "2026-04-08 17:50", fact, person="A", post="O-head")


def merged(scenario: Scenario, *duties_passed: str) -> Scenario:
    """On the due day the outlet is merged into its neighbour P, whose head is P-chief."""
    held_by_a(scenario).unit("P", "outlet", "S", at="2024-01-01 00:00")
    scenario.say(
        "P opened", "2024-01-02 00:00", outlets.OutletOpened(unit="P", opened_on=date(2024, 1, 2))
    )
    scenario.appoint("P-head", "p-chief", "2024-01-02 00:00")
    fact = organisation.UnitMerged(unit="O", into="P", duties=duties_passed)
    return scenario.say("merged", "2026-04-08 09:00", fact)


def reparented(scenario: Scenario) -> Scenario:
    """A has left, and the outlet moves under sub-branch T two days before the due."""
    held_by_a(scenario).unit("T", "sub_branch", "B", at="2020-01-01 00:00")
    scenario.appoint("T-head", "t-chief", "2020-01-02 00:00")
    scenario.relieve("O-head", "A", "2026-04-07 00:00")
    fact = organisation.UnitReparented(unit="O", parent="T")
    return scenario.say("moved under T", "2026-04-07 09:00", fact)


def closed(scenario: Scenario, effective: str, received: str) -> Scenario:
    """The outlet closes."""
    fact = organisation.UnitClosed(unit="O")
    return held_by_a(scenario).say("closed", received, fact, effective=effective)


def report_fact(kind: type, **more: Any) -> Any:
    """A fact about report rep-1."""
    return kind(report="rep-1", obligation=MONTHLY, **more)


def unsolicited(scenario: Scenario, ratified: str) -> Scenario:
    """A stranger sends the report in time; A ratifies it later."""
    fact = reports.ReportUnsolicitedReceived(
        report="rep-1",
        obligation=MONTHLY,
        unit="O",
        form="monthly-form",
        form_revision=1,
        content={"headcount": 1},
    )
    held_by_a(scenario).say("unsolicited", "2026-04-08 09:00", fact, person="Z")
    return scenario.say("ratified", ratified, report_fact(reports.ReportRatified), person="A")


def moved(scenario: Scenario, at: str) -> Scenario:
    """The report was filed for February by mistake, and is moved to March."""
    held_by_a(scenario).open("monthly.O.2026-02", at="2026-02-01 00:00", due="2026-03-06 18:01")
    scenario.submit("2026-04-08 09:00", obligation="monthly.O.2026-02")
    fact = reports.ReportCorrected(
        report="rep-1",
        obligation="monthly.O.2026-02",
        moved_to=MONTHLY,
        original_received_at=wall("2026-04-08 09:00"),
        original_capacity="holder",
    )
    return scenario.say("moved", at, fact, person="A", post="O-head")


VACANT_TO_S = (("O-head", "vacant"), ("S-head", "holder"))
S_APPOINTED = "s-chief appointed to S-head"
CLIMB_CITES = ("O", "S-head", S_APPOINTED, "A left O-head", A_APPOINTED)

RULINGS = [
    Ruling(
        number=1,
        title="the holder at the due answers, not who holds the post when it is detected",
        story=lambda s: a_until(s, "2026-04-09 00:00", "2026-04-09 00:00"),
        persons=A_DIRECT,
        path=A_PATH,
        cites=(A_APPOINTED,),
    ),
    Ruling(
        number=2,
        title="a gap at the due climbs, and says who left it",
        story=lambda s: a_until(s, "2026-04-08 12:00", "2026-04-09 00:00"),
        persons=(("direct", "vacancy", "s-chief"), ("noted", "left_the_post_empty", "A")),
        path=VACANT_TO_S,
        cites=CLIMB_CITES,
    ),
    Ruling(
        number=3,
        title="a holder appointed on the due day without a handover: who ordered the change",
        story=lambda s: a_until(s, "2026-04-08 00:00", "2026-04-08 00:00", by="S-head"),
        persons=(
            ("direct", "ordered_the_change", "s-chief"),
            ("noted", "appointed_too_late", "B"),
            ("noted", "left_before_due", "A"),
        ),
        path=A_PATH,
        cites=("B appointed to O-head", "A left O-head", A_APPOINTED),
    ),
    Ruling(
        number=3,
        title="a renewal days before the due is no change of holder",
        story=lambda s: (
            s.appoint("O-head", "A", "2024-01-01 00:00", until="2026-04-07 00:00")
            .say(
                "renewed",
                "2026-04-07 00:00",
                organisation.HolderAppointed(post="O-head", person="A", appointed_by="S-head"),
            )
            .open()
        ),
        persons=(("direct", "holder", "A"),),
        path=(("O-head", "holder"),),
        cites=("renewed",),
    ),
    Ruling(
        number=4,
        title="the same, but the handover listed it and B signed",
        story=lambda s: a_until(s, "2026-04-08 00:00", "2026-04-08 00:00").say(
            "signed",
            "2026-04-08 08:00",
            organisation.HandoverCompleted(
                post="O-head", outgoing="A", incoming="B", items=(MONTHLY,)
            ),
        ),
        persons=(("direct", "holder", "B"),),
        path=A_PATH,
        cites=("B appointed to O-head",),
    ),
    Ruling(
        number=5,
        title="who resigned after the due stays direct",
        story=lambda s: held_by_a(s).say(
            "A resigned",
            "2026-04-09 09:00",
            organisation.PersonDeparted(person="A", cause="resigned"),
        ),
        persons=A_DIRECT,
        path=A_PATH,
        cites=(A_APPOINTED,),
    ),
    Ruling(
        number=6,
        title="on leave with an accepted delegation: the delegate, and A retains",
        story=lambda s: delegated(s, Power.REPORTING, accepted=True),
        persons=(("direct", "delegation_on_leave", "C"), ("retained", "principal", "A")),
        path=A_PATH,
        cites=(A_APPOINTED, "granted to C", "C accepted", "A on leave"),
    ),
    Ruling(
        number=6,
        title="an accepted delegation without leave is noted, and moves nothing",
        story=lambda s: delegated(s, Power.REPORTING, accepted=True, leave=False),
        persons=(*A_DIRECT, ("noted", "delegate", "C")),
        path=A_PATH,
        cites=(A_APPOINTED, "granted to C", "C accepted"),
    ),
    Ruling(
        number=7,
        title="a delegation that was never accepted changes nothing",
        story=lambda s: delegated(s, Power.REPORTING, accepted=False),
        persons=A_DIRECT,
        path=A_PATH,
        cites=(A_APPOINTED,),
    ),
    Ruling(
        number=8,
        title="a delegation of approvals only changes nothing",
        story=lambda s: delegated(s, Power.APPROVALS, accepted=True),
        persons=A_DIRECT,
        path=A_PATH,
        cites=(A_APPOINTED,),
    ),
    Ruling(
        number=11,
        title="an interim is direct, and who appointed them carries management responsibility",
        story=lambda s: acting(s, "2026-03-01 00:00", "2026-06-01 00:00"),
        persons=(("direct", "acting", "I"), ("management", "appointed_acting", "s-chief")),
        path=(("O-head", "acting"),),
        cites=("I acting",),
    ),
    Ruling(
        number=12,
        title="an interim beyond six months has lapsed: climb, and say so",
        story=lambda s: acting(s, "2025-09-01 00:00", "2026-12-01 00:00"),
        persons=(
            ("direct", "vacancy", "s-chief"),
            ("noted", "left_the_post_empty", "A"),
            ("management", "long_vacancy", "s-chief"),
        ),
        path=(("O-head", "acting_overdue"), ("S-head", "holder")),
        flags=("acting_overdue", "long_vacancy"),
        cites=CLIMB_CITES,
    ),
    Ruling(
        number=15,
        title="two overlapping appointments are the appointer's defect until corrected",
        story=lambda s: held_by_a(s).appoint(
            "O-head", "B", "2026-01-01 00:00", by="S-head", by_person="s-chief"
        ),
        persons=(("management", "overlapping_appointments", "s-chief"),),
        path=(("O-head", "disputed"),),
        flags=("data_defect",),
        cites=(A_APPOINTED, "B appointed to O-head"),
    ),
    Ruling(
        number=17,
        title="a holder who died on the due day is excused, and nobody answers by climbing",
        story=lambda s: held_by_a(s).say(
            "A died", "2026-04-08 11:00", organisation.PersonDeparted(person="A", cause="died")
        ),
        excused=("incapacitated",),
        persons=(("noted", "died", "A"),),
        path=(("O-head", "vacant"),),
        flags=("incapacitated",),
        cites=(A_APPOINTED, "A died"),
    ),
    Ruling(
        number=18,
        title="asked in time and granted within three working days counts as prior",
        story=lambda s: granted(asked_for_more(s), "2026-04-10 10:00").submit("2026-04-13 10:00"),
        asked="2026-04-14 09:00",
        outcome="on_time",
        due="2026-04-13 18:01",
        received="2026-04-13 10:00",
        reliefs=(("extension", "prior"),),
        cites=("asked", "granted", "submitted"),
    ),
    Ruling(
        number=18,
        title="meanwhile the finding is held pending",
        story=asked_for_more,
        asked="2026-04-10 09:00",
        outcome="pending",
        pending="relief",
        reliefs=(("extension", "pending"),),
        cites=("asked",),
    ),
    Ruling(
        number=19,
        title="refused after the due: late, but excused within a working day of the refusal",
        story=lambda s: refused(asked_for_more(s), "2026-04-10 10:00").submit("2026-04-13 17:00"),
        asked="2026-04-15 09:00",
        outcome="late",
        kind="late",
        received="2026-04-13 17:00",
        excused=("slow_decision",),
        reliefs=(("extension", "refused_late"),),
        persons=(*A_DIRECT, ("management", "relief_decided_late", "s-chief")),
        path=A_PATH,
        cites=("asked", "refused", "submitted", A_APPOINTED),
    ),
    Ruling(
        number=20,
        title="asked in time and never decided: excused, and the decider answers",
        story=asked_for_more,
        asked="2026-04-20 09:00",
        excused=("undecided_relief",),
        reliefs=(("extension", "undecided"),),
        persons=(*A_DIRECT, ("management", "relief_undecided", "s-chief")),
        path=A_PATH,
        cites=("asked", A_APPOINTED, "O", "S-head"),
    ),
    Ruling(
        number=21,
        title="granted after the due: the miss stands, mitigated, late within the extension",
        story=lambda s: granted(held_by_a(s), "2026-04-09 10:00").submit("2026-04-13 10:00"),
        asked="2026-04-14 09:00",
        outcome="late",
        kind="late",
        received="2026-04-13 10:00",
        mitigated=("extension_after_due",),
        reliefs=(("extension", "posterior"),),
        persons=A_DIRECT,
        path=A_PATH,
        flags=("within_extension",),
        cites=("granted", "submitted", A_APPOINTED),
    ),
    Ruling(
        number=23,
        title="an extension that the obligor grants himself is void",
        story=lambda s: granted(asked_for_more(s), "2026-04-08 11:00", person="A"),
        reliefs=(("extension", "void"),),
        persons=A_DIRECT,
        path=A_PATH,
        cites=("asked", "granted", A_APPOINTED),
    ),
    Ruling(
        number=24,
        title="a waiver before the due leaves the denominator, listed as exempt",
        story=lambda s: waived(s, "2026-04-07 10:00"),
        outcome="exempt",
        expectation="waived",
        reliefs=(("waiver", "prior"),),
        cites=("waived",),
    ),
    Ruling(
        number=24,
        title="a waiver after the due excuses, and keeps the denominator",
        story=lambda s: waived(s, "2026-04-09 10:00"),
        excused=("waived_after_due",),
        reliefs=(("waiver", "posterior"),),
        persons=A_DIRECT,
        path=A_PATH,
        cites=("waived", A_APPOINTED),
    ),
    Ruling(
        number=26,
        title="an outlet closed before the period's end is not expected to report",
        story=lambda s: closed(s, "2026-03-20 00:00", "2026-03-20 09:00"),
        outcome="not_expected",
        expectation="unit_closed",
        cites=("O opened", "closed"),
    ),
    Ruling(
        number=27,
        title="an outlet closed between the period's end and the due: nobody's miss",
        story=lambda s: closed(s, "2026-04-03 00:00", "2026-04-03 09:00"),
        outcome="not_expected",
        expectation="unit_closed",
        cites=("O opened", "closed"),
    ),
    Ruling(
        number=28,
        title="a closing recorded after the miss, with effect before it, is judged in favour",
        story=lambda s: closed(s, "2026-04-05 00:00", "2026-04-20 09:00"),
        asked="2026-04-21 09:00",
        outcome="not_expected",
        expectation="unit_closed",
        cites=("O opened", "closed"),
    ),
    Ruling(
        number=31,
        title="what was opened for a past that nobody knew of is never a miss",
        story=lambda s: s.appoint("O-head", "A", "2024-01-01 00:00").open(informational=True),
        outcome="not_expected",
        expectation="informational",
    ),
    Ruling(
        number=36,
        title="a due on a day off is the next working day, by the calendar of its opening",
        story=held_by_a,
        asked="2026-04-07 09:00",
        outcome="pending",
        pending="not_due",
    ),
    Ruling(
        number=38,
        title="a calendar revised after the opening moves the due later",
        story=lambda s: held_by_a(s).say(
            "calendar revised",
            "2026-04-03 10:00",
            calendar.CalendarRevised(
                calendar="CN",
                year=2026,
                revision=2,
                source_ref="notice 2026-04-03",
                days_off=(date(2026, 4, 6), date(2026, 4, 7), date(2026, 4, 8)),
                makeup_days=(),
            ),
        ),
        outcome="pending",
        pending="not_due",
        due="2026-04-10 18:01",
        cites=("calendar revised",),
    ),
    Ruling(
        number=38,
        title="and never earlier",
        story=lambda s: held_by_a(s).say(
            "calendar revised",
            "2026-04-03 10:00",
            calendar.CalendarRevised(
                calendar="CN",
                year=2026,
                revision=2,
                source_ref="notice 2026-04-03",
                days_off=(),
                makeup_days=(date(2026, 4, 4), date(2026, 4, 5)),
            ),
        ),
        persons=A_DIRECT,
        path=A_PATH,
        cites=(A_APPOINTED,),
    ),
    Ruling(
        number=39,
        title="nothing is missed against a provisional due",
        story=lambda s: s.appoint("O-head", "A", "2024-01-01 00:00").open(
            "monthly.O.2026-12",
            at="2026-12-01 00:00",
            period_start=date(2026, 12, 1),
            period_end=date(2026, 12, 31),
            due="2027-01-07 18:01",
            calendar_revision=0,
            provisional=True,
        ),
        obligation="monthly.O.2026-12",
        asked="2027-02-01 09:00",
        outcome="pending",
        pending="provisional",
        due="2027-01-07 18:01",
        calendar=(),
    ),
    Ruling(
        number=40,
        title="a typhoon's stop-work order for listed units moves their due",
        story=lambda s: held_by_a(s).say(
            "typhoon",
            "2026-04-08 07:00",
            platform.ForceMajeureDeclared(units=("O",), document="doc 7"),
            effective="2026-04-08 00:00",
            until="2026-04-10 00:00",
        ),
        outcome="pending",
        pending="not_due",
        due="2026-04-10 18:01",
        cites=("typhoon",),
    ),
    Ruling(
        number=40,
        title="a local day off by document does the same",
        story=lambda s: held_by_a(s).say(
            "local day",
            "2026-04-07 07:00",
            calendar.CalendarLocalDaySet(
                calendar="CN", units=("O",), day=date(2026, 4, 8), working=False, document="doc 8"
            ),
        ),
        asked="2026-04-09 20:00",
        due="2026-04-09 18:01",
        persons=A_DIRECT,
        path=A_PATH,
        cites=("local day", A_APPOINTED),
    ),
    Ruling(
        number=41,
        title="the gate's clock decides; the device's is kept as evidence",
        story=lambda s: held_by_a(s).submit("2026-04-08 18:02", device="2026-04-08 17:59"),
        outcome="late",
        kind="late",
        received="2026-04-08 18:02",
        persons=A_DIRECT,
        path=A_PATH,
        flags=("device_time_before_due",),
        cites=("submitted", A_APPOINTED),
    ),
    Ruling(
        number=42,
        title="an upload begun before the due, and a report that names it soon after, is in time",
        story=lambda s: held_by_a(s).submit(
            "2026-04-08 18:03", uploading_since="2026-04-08 17:58", upload="upload begun"
        ),
        outcome="on_time",
        received="2026-04-08 17:58",
        flags=("uploading_at_due",),
        cites=("submitted", "upload begun"),
    ),
    Ruling(
        number=42,
        title="an upload begun at the due is late, and so is its report",
        story=lambda s: held_by_a(s).submit(
            "2026-04-08 18:03", uploading_since="2026-04-08 18:01", upload="upload begun"
        ),
        outcome="late",
        kind="late",
        received="2026-04-08 18:03",
        persons=A_DIRECT,
        path=A_PATH,
        cites=("submitted", "upload begun", A_APPOINTED),
    ),
    Ruling(
        number=42,
        title="an upload holds the gate open for an hour, and no longer",
        story=lambda s: held_by_a(s).submit(
            "2026-04-08 18:58", uploading_since="2026-04-08 17:58", upload="upload begun"
        ),
        outcome="late",
        kind="late",
        received="2026-04-08 18:58",
        persons=A_DIRECT,
        path=A_PATH,
        cites=("submitted", "upload begun", A_APPOINTED),
    ),
    Ruling(
        number=44,
        title="an offline submission synced two days later is late, with its device's evidence",
        story=lambda s: held_by_a(s).submit("2026-04-10 08:00", device="2026-04-08 16:00"),
        outcome="late",
        kind="late",
        received="2026-04-10 08:00",
        persons=A_DIRECT,
        path=A_PATH,
        flags=("device_time_before_due",),
        cites=("submitted", A_APPOINTED),
    ),
    Ruling(
        number=45,
        title="a ratified outage in the last hours moves the due to the next working day's noon",
        story=lambda s: outage(held_by_a(s)).submit("2026-04-09 11:00"),
        outcome="on_time",
        due="2026-04-09 12:01",
        received="2026-04-09 11:00",
        cites=("outage ratified", "submitted"),
    ),
    Ruling(
        number=46,
        title="one's own failed network moves nothing",
        story=lambda s: held_by_a(s).submit("2026-04-09 11:00"),
        outcome="late",
        kind="late",
        received="2026-04-09 11:00",
        persons=A_DIRECT,
        path=A_PATH,
        cites=("submitted", A_APPOINTED),
    ),
    Ruling(
        number=47,
        title="an outage declared and ratified a week later is judged in favour",
        story=lambda s: outage(held_by_a(s).submit("2026-04-09 11:00"), said="2026-04-15"),
        asked="2026-04-16 09:00",
        outcome="on_time",
        due="2026-04-09 12:01",
        received="2026-04-09 11:00",
        cites=("outage ratified", "submitted"),
    ),
    Ruling(
        number=48,
        title="refused at the gate before the due, good after it: late, the attempt shown",
        story=lambda s: attempted(s, platform_fault=False).submit("2026-04-08 18:20"),
        outcome="late",
        kind="late",
        received="2026-04-08 18:20",
        persons=A_DIRECT,
        path=A_PATH,
        cites=("attempt", "submitted", A_APPOINTED),
    ),
    Ruling(
        number=48,
        title="and excused if the refusal was the platform's fault",
        story=lambda s: attempted(s, platform_fault=True).submit("2026-04-08 18:20"),
        outcome="late",
        kind="late",
        received="2026-04-08 18:20",
        excused=("platform_fault",),
        persons=A_DIRECT,
        path=A_PATH,
        cites=("attempt", "submitted", A_APPOINTED),
    ),
    Ruling(
        number=49,
        title="returned and resubmitted after the due stays on time",
        story=lambda s: (
            held_by_a(s)
            .submit("2026-04-07 10:00")
            .say(
                "returned",
                "2026-04-08 09:00",
                report_fact(
                    reports.ReportReturned,
                    correction_due=wall("2026-04-13 18:01"),
                    returned_by="S-head",
                ),
            )
            .say(
                "resubmitted",
                "2026-04-10 09:00",
                report_fact(
                    reports.ReportResubmitted,
                    form="monthly-form",
                    form_revision=1,
                    content={"headcount": 13},
                ),
            )
        ),
        asked="2026-04-20 09:00",
        outcome="on_time",
        received="2026-04-07 10:00",
        flags=("returned",),
        cites=("submitted", "returned"),
    ),
    Ruling(
        number=50,
        title="a voided report loses its receipt: missed",
        story=lambda s: (
            held_by_a(s)
            .submit("2026-04-07 10:00")
            .say(
                "voided",
                "2026-04-09 09:00",
                report_fact(reports.ReportVoided, voided_by="S-head"),
            )
        ),
        persons=A_DIRECT,
        path=A_PATH,
        cites=("submitted", "voided", A_APPOINTED),
    ),
    Ruling(
        number=50,
        title="an explicit nil return counts",
        story=lambda s: held_by_a(s).submit("2026-04-07 10:00", nil_return=True),
        outcome="on_time",
        received="2026-04-07 10:00",
        flags=("nil_return",),
        cites=("submitted",),
    ),
    Ruling(
        number=53,
        title="a clerk of the unit submits: discharged, and the clerk is only the author",
        story=lambda s: held_by_a(s).submit(
            "2026-04-09 10:00", capacity="clerk", person="K", post="O-clerk"
        ),
        outcome="late",
        kind="late",
        received="2026-04-09 10:00",
        persons=A_DIRECT,
        path=A_PATH,
        flags=("by_clerk",),
        cites=("submitted", A_APPOINTED),
    ),
    Ruling(
        number=54,
        title="a coach of the support line submits in time: discharged and flagged",
        story=lambda s: held_by_a(s).submit("2026-04-08 10:00", capacity="support", person="C"),
        outcome="on_time",
        received="2026-04-08 10:00",
        flags=("by_support_line",),
        cites=("submitted",),
    ),
    Ruling(
        number=56,
        title="an unsolicited report ratified before the due counts from its receipt",
        story=lambda s: unsolicited(s, "2026-04-08 17:00"),
        outcome="on_time",
        received="2026-04-08 09:00",
        cites=("unsolicited", "ratified"),
    ),
    Ruling(
        number=56,
        title="ratified after the due it is late: ratification cannot turn back time",
        story=lambda s: unsolicited(s, "2026-04-09 10:00"),
        outcome="late",
        kind="late",
        received="2026-04-09 10:00",
        persons=A_DIRECT,
        path=A_PATH,
        cites=("unsolicited", "ratified", A_APPOINTED),
    ),
    Ruling(
        number=57,
        title="filed under the wrong period and moved before the due keeps its receipt",
        story=lambda s: moved(s, "2026-04-08 17:00"),
        outcome="on_time",
        received="2026-04-08 09:00",
        cites=("moved",),
    ),
    Ruling(
        number=57,
        title="moved after the due it is late, mitigated",
        story=lambda s: moved(s, "2026-04-09 10:00"),
        outcome="late",
        kind="late",
        received="2026-04-09 10:00",
        mitigated=("moved_after_due",),
        persons=A_DIRECT,
        path=A_PATH,
        cites=("moved", A_APPOINTED),
    ),
    Ruling(
        number=58,
        title="one submission discharges a linked duty too",
        story=lambda s: (
            held_by_a(s)
            .open("other.O.2026-03", duty="other")
            .submit("2026-04-07 10:00", obligation="other.O.2026-03", discharges=(MONTHLY,))
        ),
        outcome="on_time",
        received="2026-04-07 10:00",
        cites=("submitted",),
    ),
    Ruling(
        number=59,
        title="asked for in the same afternoon: the miss is excused, and the issuer answers",
        story=lambda s: s.appoint("O-head", "A", "2024-01-01 00:00").open(short_notice=True),
        excused=("short_notice",),
        persons=(("management", "short_notice", "hq-chief"),),
    ),
    Ruling(
        number=34,
        title="a unit moved before the due: the superior is the parent's at the due",
        story=reparented,
        persons=(("direct", "vacancy", "t-chief"), ("noted", "left_the_post_empty", "A")),
        path=(("O-head", "vacant"), ("T-head", "holder")),
        cites=(
            "moved under T",
            "T-head",
            "t-chief appointed to T-head",
            "A left O-head",
            A_APPOINTED,
        ),
    ),
    Ruling(
        number=35,
        title="the merged unit's own post owes no more",
        story=merged,
        outcome="not_expected",
        expectation="unit_merged",
        cites=("O opened", "merged"),
    ),
    Ruling(
        number=35,
        title="a duty that the merger lists is the absorbing unit's",
        story=lambda s: merged(s, "monthly").open(
            f"{MONTHLY}.parent", at="2026-04-08 09:00", post="P-head"
        ),
        obligation=f"{MONTHLY}.parent",
        persons=(("direct", "holder", "p-chief"),),
        path=(("P-head", "holder"),),
        cites=("p-chief appointed to P-head",),
    ),
    Ruling(
        number=35,
        title="any other climbs to the unit above",
        story=lambda s: merged(s).open(f"{MONTHLY}.parent", at="2026-04-08 09:00", post="S-head"),
        obligation=f"{MONTHLY}.parent",
        persons=(("direct", "holder", "s-chief"),),
        path=(("S-head", "holder"),),
        cites=(S_APPOINTED,),
    ),
]


@pytest.mark.parametrize("ruling", RULINGS, ids=lambda one: f"{one.number}: {one.title}")
def test_the_whole_verdict_is_as_ruled(ruling: Ruling) -> None:
    """Every part of the verdict is what the ruling says, and nothing else is in it."""
    verdict = ruling.story(Scenario()).verdict(ruling.asked, ruling.obligation)

    assert stated(ruling) == whole(verdict)


@pytest.mark.parametrize("ruling", RULINGS, ids=lambda one: f"{one.number}: {one.title}")
def test_the_clocks_own_notices_change_nothing(ruling: Ruling) -> None:
    """A notice of the miss, recorded or not, is never read by the verdict."""
    scenario = ruling.story(Scenario())
    before = whole(scenario.verdict(ruling.asked, ruling.obligation))
    notice = duties.ObligationMissed(
        obligation=ruling.obligation, post="O-head", due=wall(ruling.due)
    )
    scenario.say("notice", ruling.asked, notice)

    assert before == whole(scenario.verdict(ruling.asked, ruling.obligation))
