"""Submitting reports and reviewing them; personal fields of a form are sealed at this door."""

import time
from typing import Any, Final, TypeAlias

import msgspec

from api.auth import Permission
from api.visits import Visit
from api.wire import Seal
from api.writing import Door, command_router
from ledger.decisions import reports as r
from ledger.decisions import reviews as v
from ledger.events.duties import FormField
from ledger.log import item_of
from ledger.model.gate import value_problem
from ledger.model.history import History, about
from ledger.vocabulary import ObligationId

FORMS_KNOWN_SECONDS: Final = 1.0
FORMS_KNOWN_MAX: Final = 1_000

Fields: TypeAlias = tuple[FormField, ...]

_OBLIGATION: Final = "weekly.330100-01.2026W14"
_REPORT: Final = "019a2f4e-7c3b-7d2a-9a1e-5b8c7d6e5f40"
_CONTENT: Final = {
    "obligation": _OBLIGATION,
    "form_revision": 1,
    "content": {"headcount": 12, "premium": "183500.00"},
}
_WRITE: Final = Permission.WRITE_REPORTS
_REVIEW: Final = Permission.REVIEW_REPORTS


def seal_personal_fields(visit: Visit, data: Any, seal: Seal) -> Any:  # noqa: ANN401
    """The content with every field that its form marks as personal sealed.

    A value that the field does not take stays as it is, for the gate to refuse and to keep.
    """
    visit.require("obligation", data.obligation)
    content = dict(data.content)
    for field in _personal_fields(visit, data.obligation, data.form_revision):
        value = content.get(field.code)
        if value is not None and value_problem(field, value) is None:
            content[field.code] = seal(field.code, _words(value))
    return msgspec.structs.replace(data, content=content)


def _words(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _personal_fields(visit: Visit, obligation: str, form_revision: int) -> Fields:
    """The fields that hold personal words, remembered for a moment by the obligation's duty.

    A memory that is a moment too old lets nothing through: the gate refuses a personal field
    that is not sealed.
    """
    known = (obligation.partition(".")[0], form_revision)
    now = time.monotonic()
    seen_at, fields = visit.opened.personal_fields.get(known, (0.0, ()))
    if not seen_at or now - seen_at > FORMS_KNOWN_SECONDS:
        if len(visit.opened.personal_fields) >= FORMS_KNOWN_MAX:
            visit.opened.personal_fields.clear()
        fields = _look_up(visit, obligation, form_revision)
        visit.opened.personal_fields[known] = (now, fields)
    return fields


def _look_up(visit: Visit, obligation: str, form_revision: int) -> Fields:
    row = _told(visit, "obligation", obligation).obligation(ObligationId(obligation))
    form = _told(visit, "form", row.form).rows["form"].get(row.form)
    revision = form.revision(form_revision) if form else None
    return tuple(field for field in revision.fields if field.personal) if revision else ()


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
