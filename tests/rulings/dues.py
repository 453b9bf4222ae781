"""Rulings 36 to 40: working days, calendars that change, and days that nobody could work."""

from datetime import date

from ledger.events import calendar, platform
from tests.rulings.ruling import A_APPOINTED, A_DIRECT, A_PATH, Ruling, held_by_a

DUES = [
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
]
