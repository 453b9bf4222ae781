"""Rulings 49 to 59: reports returned, voided, sent by others, moved, or asked for too late."""

from typing import Any

from ledger.events import reports
from tests.rulings.ruling import A_APPOINTED, A_DIRECT, A_PATH, Ruling, held_by_a
from tests.scenario import MONTHLY, Scenario, wall


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


REPORTING = [
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
]
