"""Standing demands: forms, duties with their revisions and assignments, rule sets."""

from datetime import datetime
from typing import Final

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.auth import Permission
from api.dates import OnParameter, business
from api.visits import View, Visit, with_more
from api.writing import Door, command_router
from ledger.decisions import duties as d
from ledger.model.duties import Duty, Form
from ledger.vocabulary import DutyRef
from projections.past.standings import DutyAt, duty_at
from projections.spans import require
from projections.standpoint import AsOf

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


class DutiesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Every duty with all its revisions; `in_force` are the terms that held at `on`."""

    as_of: AsOf
    on: datetime | None
    duties: tuple[Duty, ...]
    in_force: dict[str, DutyAt]


class DutyAnswer(Duty, frozen=True, kw_only=True):
    """A duty with all its revisions, and the terms in force at `on`."""

    on: datetime | None
    standing: DutyAt | None


@get("/duties", permission=Permission.SEE_ANSWERS, sync_to_thread=True)
def list_duties(
    visit: NamedDependency[Visit], view: NamedDependency[View], on: OnParameter = None
) -> Response[DutiesAnswer]:
    """What is demanded: every duty, with the terms, assignments and objections it has had."""
    with visit.standing(view) as here:
        rows = here.background.rows["duty"]
        history, asked = here.history(()), business(on, here)
        held = {one: duty_at(history, DutyRef(one), asked.at) for one in sorted(rows)}
        answer = DutiesAnswer(
            as_of=here.as_of,
            on=asked.on,
            duties=tuple(rows[one] for one in sorted(rows)),
            in_force={one: terms for one, terms in held.items() if terms and not terms.retired},
        )
        return visit.answer(answer, here.as_of)


@get("/duties/{duty:str}", permission=Permission.SEE_ANSWERS, sync_to_thread=True)
def show_duty(
    visit: NamedDependency[Visit],
    view: NamedDependency[View],
    duty: FromPath[str],
    on: OnParameter = None,
) -> Response[DutyAnswer]:
    """One duty, and the terms of it that were in force `on`."""
    with visit.standing(view) as here:
        require("duty", duty, here.background)
        row, asked = here.background.rows["duty"][duty], business(on, here)
        standing = duty_at(here.history(()), DutyRef(duty), asked.at)
        answer = with_more(DutyAnswer, row, on=asked.on, standing=standing)
        return visit.answer(answer, here.as_of)


@get("/forms/{form:str}", permission=Permission.SEE_ANSWERS, sync_to_thread=True)
def show_form(
    visit: NamedDependency[Visit], view: NamedDependency[View], form: FromPath[str]
) -> Response[Form]:
    """One form with every version of its fields."""
    with visit.standing(view) as here:
        require("form", form, here.background)
        return visit.answer(here.background.rows["form"][form], here.as_of)


router: Final = Router("/", route_handlers=[list_duties, show_duty, show_form], tags=["duties"])

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
