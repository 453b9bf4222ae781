"""The life of an outlet: planned, rescheduled, opened, abandoned; its stage is computed."""

from typing import Final

from api.auth import Permission
from api.writing import Door, command_router
from ledger.decisions import outlets as o

_WRITE: Final = Permission.WRITE_ORGANISATION

commands: Final = command_router(
    "outlets",
    (
        Door(
            o.PlanOutlet,
            _WRITE,
            "Plan an outlet",
            {"unit": "330100-01", "planned_open": "2026-10-01", "by": "330100-head"},
        ),
        Door(
            o.RescheduleOpening,
            _WRITE,
            "Reschedule an opening",
            {
                "unit": "330100-01",
                "planned_open": "2026-12-01",
                "by": "330100-head",
                "reason": {"code": "licence", "text": "营业许可延后"},
            },
        ),
        Door(
            o.OpenOutlet,
            _WRITE,
            "Open an outlet",
            {"unit": "330100-01", "opened_on": "2026-10-08", "by": "330100-head"},
        ),
        Door(
            o.AbandonOutlet,
            _WRITE,
            "Abandon an outlet",
            {"unit": "330100-01", "reason": {"code": "market"}, "by": "330100-head"},
        ),
    ),
)
