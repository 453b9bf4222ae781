"""Submitting reports and reviewing them; personal fields of a form are sealed at this door."""

from typing import Any, Final

import msgspec

from api.auth import Permission
from api.visits import Visit
from api.writing import Door, command_router
from ledger.decisions import reports as r
from ledger.decisions import reviews as v
from ledger.log import item_of
from ledger.model.history import History, about
from ledger.vocabulary import ObligationId
from projections.obligations import OBLIGATION

_OBLIGATION: Final = "weekly.330100-01.2026W14"
_REPORT: Final = "019a2f4e-7c3b-7d2a-9a1e-5b8c7d6e5f40"
_CONTENT: Final = {
    "obligation": _OBLIGATION,
    "form_revision": 1,
    "content": {"headcount": 12, "premium": "183500.00"},
}
_WRITE: Final = Permission.WRITE_REPORTS
_REVIEW: Final = Permission.REVIEW_REPORTS


def seal_personal_fields(visit: Visit, data: Any) -> Any:  # noqa: ANN401
    """The content with every field that its form marks as personal sealed."""
    visit.require("obligation", data.obligation)
    personal = _personal_fields(visit, data.obligation, data.form_revision)
    seal = visit.sealer(data)
    content = {
        name: seal(name, value) if name in personal and isinstance(value, str) else value
        for name, value in data.content.items()
    }
    return msgspec.structs.replace(data, content=content)


def _personal_fields(visit: Visit, obligation: str, form_revision: int) -> set[str]:
    """The fields that hold personal words; the gate refuses an unknown version of the form."""
    with visit.opened.questions.at(None) as standpoint:
        row = standpoint.reader.get(OBLIGATION, obligation)
        form = standpoint.background.rows["form"].get(row.form) if row else None
    revision = form.revision(form_revision) if form else None
    if revision is None:
        # The views may be a moment behind; the log never is.
        told = _told(visit, "obligation", obligation)
        form_code = told.obligation(ObligationId(obligation)).form
        known = _told(visit, "form", form_code).rows["form"].get(form_code)
        revision = known.revision(form_revision) if known else None
    return {field.code for field in revision.fields if field.personal} if revision else set()


def _told(visit: Visit, kind: str, key: str) -> History:
    """What the log itself says of one thing."""
    return History.of(visit.opened.log.events((item_of(about(kind, key)),)))


commands: Final = command_router(
    "reports",
    (
        Door(
            r.SubmitReport,
            _WRITE,
            "Submit a report",
            {**_CONTENT, "unit": "330100-01", "period": "2026W14"},
            prepare=seal_personal_fields,
        ),
        Door(
            r.ResubmitReport,
            _WRITE,
            "Resubmit a returned report",
            {**_CONTENT, "report": _REPORT},
            prepare=seal_personal_fields,
        ),
        Door(
            r.CorrectReport,
            _WRITE,
            "Correct a report",
            {**_CONTENT, "report": _REPORT, "reason": {"code": "typing_error"}},
            prepare=seal_personal_fields,
        ),
        Door(
            r.MoveReport,
            _WRITE,
            "Move a report to the right obligation",
            {
                "obligation": _OBLIGATION,
                "report": _REPORT,
                "moved_to": "weekly.330100-01.2026W15",
                "reason": {"code": "wrong_period"},
            },
        ),
        Door(
            r.WithdrawReport,
            _WRITE,
            "Withdraw a report",
            {"obligation": _OBLIGATION, "report": _REPORT, "reason": {"code": "replaced"}},
        ),
        Door(
            r.RatifyReport,
            _WRITE,
            "Ratify an unsolicited report",
            {"obligation": _OBLIGATION, "report": _REPORT},
        ),
        Door(
            v.AcceptReport,
            _REVIEW,
            "Accept a report",
            {"obligation": _OBLIGATION, "report": _REPORT, "by": "330100-head"},
        ),
        Door(
            v.ReturnReport,
            _REVIEW,
            "Return a report for correction",
            {
                "obligation": _OBLIGATION,
                "report": _REPORT,
                "by": "330100-head",
                "correction_due": "2026-04-10T18:00:00+08:00",
                "reason": {"code": "incomplete", "text": "缺少保费数据"},
            },
        ),
        Door(
            v.VoidReport,
            _REVIEW,
            "Void a report",
            {
                "obligation": _OBLIGATION,
                "report": _REPORT,
                "by": "330100-head",
                "reason": {"code": "copied"},
            },
        ),
    ),
)
