"""Standing demands: forms, duties with their revisions and assignments, rule sets."""

from typing import Final

from api.auth import Permission
from api.writing import Door, command_router
from ledger.decisions import duties as d

_WRITE: Final = Permission.WRITE_DUTIES
_DUTY: Final = {
    "duty": "weekly",
    "title_zh": "网点周报",
    "title_en": "Outlet weekly report",
    "form": "weekly",
    "cadence": "weekly",
    "due": {"working_days": 1, "time": "18:00"},
    "owner": "hq-development-head",
    "scope": "hq",
    "levels": ["outlet"],
    "stages": ["new", "established"],
}

commands: Final = command_router(
    "duties",
    (
        Door(
            d.PublishForm,
            _WRITE,
            "Publish a form",
            {
                "form": "weekly",
                "title_zh": "网点周报表",
                "title_en": "Outlet weekly report form",
                "fields": [
                    {
                        "code": "headcount",
                        "kind": "integer",
                        "label_zh": "人力",
                        "label_en": "Headcount",
                        "minimum": 0,
                    }
                ],
                "by": "hq-development-head",
            },
        ),
        Door(d.PublishDuty, _WRITE, "Publish a duty", _DUTY),
        Door(d.ReviseDuty, _WRITE, "Revise a duty", _DUTY),
        Door(d.RetireDuty, _WRITE, "Retire a duty", {"duty": "weekly"}),
        Door(d.AssignDuty, _WRITE, "Assign a duty", {"duty": "weekly", "unit": "330100-01"}),
        Door(d.UnassignDuty, _WRITE, "Unassign a duty", {"duty": "weekly", "unit": "330100-01"}),
        Door(
            d.LinkDuty,
            _WRITE,
            "Link duties that ask for the same",
            {"duty": "weekly", "duplicate_of": "weekly-sales"},
        ),
        Door(
            d.ObjectDuty,
            Permission.WRITE_REPORTS,
            "Object to a duty",
            {
                "duty": "weekly",
                "unit": "330100-01",
                "post": "330100-01-head",
                "reason": {"code": "duplicate"},
                "duplicate_of": "weekly-sales",
            },
        ),
        Door(
            d.ActivateRules,
            Permission.WRITE_CALENDAR,
            "Activate a rule set",
            {"parameters": {"late_channel_working_days": 10}},
        ),
    ),
)
