"""Rulings 41 to 48: what the gate takes, refuses or cannot take, and whose clock counts."""

from ledger.events import platform, reports
from tests.rulings.ruling import A_APPOINTED, A_DIRECT, A_PATH, Ruling, held_by_a
from tests.scenario import MONTHLY, Scenario, wall


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


RECEIVING = [
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
]
