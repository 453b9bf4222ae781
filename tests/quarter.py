"""Two months in two branches, told in facts: the story that the questions are asked about.

    HQ - R - B  - S  - O   A reports in time for March, late for April
                     - O2  nobody holds the post; never reports; joins S2 on 20 May
           - B2 - S2 - O3  E reports in time; what came for April is voided on 20 May
                     - O4  waived for March, silent in April; closed on 21 May as of 20 April

March is due on 8 April at 18:00, April on 12 May, May on 5 June.
"""

from datetime import date

from ledger.events import duties, organisation, outlets, reports
from tests.scenario import Scenario

DUES = {"2026-03": "2026-04-08 18:01", "2026-04": "2026-05-12 18:01", "2026-05": "2026-06-05 18:01"}
DAYS = {
    "2026-03": (date(2026, 3, 1), date(2026, 3, 31)),
    "2026-04": (date(2026, 4, 1), date(2026, 4, 30)),
    "2026-05": (date(2026, 5, 1), date(2026, 5, 31)),
}
END = "2026-05-25 12:00"
"""When the story ends: March and April are accounted for, May is not due."""


def quarter() -> Scenario:
    """The story, in the order in which it was recorded."""
    told = Scenario()
    for unit, level, parent in (
        ("B2", "branch", "R"),
        ("S2", "sub_branch", "B2"),
        ("O2", "outlet", "S"),
        ("O3", "outlet", "S2"),
        ("O4", "outlet", "S2"),
    ):
        told.unit(unit, level, parent, at="2025-02-01 00:00")
    for unit in ("O2", "O3", "O4"):
        opened = outlets.OutletOpened(unit=unit, opened_on=date(2024, 6, 1))
        told.say(f"{unit} opened", "2025-02-01 09:00", opened)
    for post, person in (("B2-head", "b2"), ("S2-head", "s2"), ("O-head", "A")):
        told.appoint(post, person, "2025-02-02 00:00")
    told.appoint("O3-head", "E", "2025-02-02 00:00").appoint("O4-head", "G", "2025-02-02 00:00")
    _open(told, "2026-03", "2026-03-01 00:00")
    waived = duties.WaiverGranted(waiver="w", obligation="monthly.O4.2026-03", granted_by="S2-head")
    told.say("waived", "2026-03-20 10:00", waived, person="s2", post="S2-head", reason="flood")
    _open(told, "2026-04", "2026-04-01 00:00")
    _submit(told, "O", "2026-03", "2026-04-07 10:00", "A")
    _submit(told, "O3", "2026-03", "2026-04-08 18:00", "E")
    accepted = reports.ReportAccepted(
        report="O.2026-03", obligation="monthly.O.2026-03", accepted_by="S-head"
    )
    told.say("accepted", "2026-04-09 10:00", accepted, person="s-chief", post="S-head")
    _open(told, "2026-05", "2026-05-01 00:00")
    _submit(told, "O3", "2026-04", "2026-05-11 10:00", "E")
    _submit(told, "O", "2026-04", "2026-05-15 10:00", "A")
    _in_hindsight(told)
    return told


def _in_hindsight(told: Scenario) -> None:
    """What was recorded after April was accounted for, and changes what is known of it."""
    voided = reports.ReportVoided(
        report="O3.2026-04", obligation="monthly.O3.2026-04", voided_by="S2-head"
    )
    told.say("voided", "2026-05-20 09:00", voided, person="s2", post="S2-head", reason="empty")
    moved = organisation.UnitReparented(unit="O2", parent="S2")
    told.say("moved", "2026-05-20 10:00", moved)
    closed = organisation.UnitClosed(unit="O4")
    told.say("closed", "2026-05-21 10:00", closed, effective="2026-04-20 08:00")


def _open(told: Scenario, period: str, at: str) -> None:
    first, last = DAYS[period]
    for unit in ("O", "O2", "O3", "O4"):
        told.open(
            f"monthly.{unit}.{period}",
            at=at,
            due=DUES[period],
            period_start=first,
            period_end=last,
        )


def _submit(told: Scenario, unit: str, period: str, at: str, person: str) -> None:
    fact = reports.ReportSubmitted(
        report=f"{unit}.{period}",
        obligation=f"monthly.{unit}.{period}",
        unit=unit,
        form="monthly-form",
        form_revision=1,
        capacity="holder",
        content={"headcount": 3},
    )
    told.say(f"{unit} {period}", at, fact, person=person, post=f"{unit}-head")
