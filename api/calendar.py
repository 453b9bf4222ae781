"""The working calendar as facts: a year published or revised, days off for listed units."""

from typing import Final

from api.auth import Permission
from api.writing import Door, command_router
from ledger.decisions import calendar as c

_WRITE: Final = Permission.WRITE_CALENDAR
_YEAR: Final = {
    "year": 2027,
    "source_ref": "国办发明电〔2026〕7号",
    "days_off": ["2027-01-01"],
    "makeup_days": ["2027-02-20"],
}

commands: Final = command_router(
    "calendar",
    (
        Door(c.PublishCalendar, _WRITE, "Publish a year", _YEAR),
        Door(c.ReviseCalendar, _WRITE, "Revise a year", _YEAR),
        Door(
            c.SetLocalDay,
            _WRITE,
            "Set a local day",
            {
                "units": ["350200"],
                "document": "厦防指〔2026〕3号",
                "day": "2026-09-16",
                "working": False,
            },
        ),
        Door(
            c.DeclareForceMajeure,
            _WRITE,
            "Declare force majeure",
            {
                "units": ["350200"],
                "document": "厦防指〔2026〕4号",
                "started_at": "2026-09-16T00:00:00+08:00",
                "ended_at": "2026-09-18T00:00:00+08:00",
            },
        ),
    ),
)
