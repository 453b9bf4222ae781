"""Past reports and past relief as steps: what somebody claims to have done for an obligation.

The obligation must have been opened by then; who did it must be known by employee number; and
whether they might is judged as of the instant claimed, as it would have been then.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from api.importing.people import People
from api.importing.rows import Step, Told
from ledger.decisions.command import Command
from ledger.decisions.relief import (
    GrantExtension,
    GrantWaiver,
    RefuseExtension,
    RefuseWaiver,
    RequestExtension,
    RequestWaiver,
)
from ledger.decisions.reports import SubmitReport
from ledger.errors import Invalid, NotFound
from ledger.events.duties import FormField
from ledger.events.reports import FieldValue
from ledger.model.expectation import Bearer, obligation_id
from ledger.model.history import History
from ledger.model.obligations import Obligation
from ledger.vocabulary import (
    ExtensionId,
    FormId,
    PersonId,
    PostId,
    Reason,
    WaiverId,
)

YES = frozenset({"yes", "true", "1", "y", "是"})
NO = frozenset({"no", "false", "0", "n", "否"})


def submission_steps(told: Told, people: People, now: datetime) -> Iterator[Step]:
    """A report, at the receipt time claimed."""
    for row, cells in told.rows():
        person = people.known(cells["number"])

        def submit(
            history: History,
            cells: dict[str, Any] = cells,
            fields: dict[str, str] = row.fields,
            person: PersonId | None = person,
        ) -> Command:
            _require_past(cells["received_at"], now, "received_at")
            _require(person, cells["number"], "number")
            owed = _owed(history, cells)
            content = _content(history, owed, fields)
            return SubmitReport(
                obligation=owed.obligation,
                by=_own_post(history, owed, person, cells["received_at"]),
                content=content,
                form_revision=owed.form_revision,
                nil_return=cells["nil_return"],
            )

        yield told.step(row, cells["received_at"], submit, person=person)


def relief_steps(told: Told, people: People, now: datetime) -> Iterator[Step]:
    """A request, and what was decided on it."""
    for row, cells in told.rows():
        person = people.known(cells["requested_by"])

        def ask(
            history: History,
            cells: dict[str, Any] = cells,
            person: PersonId | None = person,
        ) -> Command:
            _require_past(cells["requested_at"], now, "requested_at")
            _require(person, cells["requested_by"], "requested_by")
            return _request(history, cells)

        yield told.step(row, cells["requested_at"], ask, person=person)
        if cells["decision"]:
            yield _decision(told, row, cells, people)


def _decision(told: Told, row: Any, cells: dict[str, Any], people: People) -> Step:  # noqa: ANN401
    person = people.known(cells["decider"]) if cells["decider"] else None

    def decide(history: History) -> Command:
        missing = [name for name in ("decided_at", "decided_by", "decider") if not cells[name]]
        if missing:
            raise Invalid.field(missing[0], "is required where there is a decision")
        _require(person, cells["decider"], "decider")
        return _decide(history, cells)

    at = cells["decided_at"] or cells["requested_at"]
    return told.step(row, at, decide, person=person, post=cells["decided_by"])


def _request(history: History, cells: dict[str, Any]) -> Command:
    owed, reason = _owed(history, cells), Reason(cells["reason"])
    if cells["kind"] == "waiver":
        return RequestWaiver(obligation=owed.obligation, reason=reason)
    if cells["due"] is None:
        raise Invalid.field("due", "is required for an extension")
    return RequestExtension(obligation=owed.obligation, requested_due=cells["due"], reason=reason)


def _decide(history: History, cells: dict[str, Any]) -> Command:
    owed = _owed(history, cells)
    by, reason = PostId(cells["decided_by"]), Reason(cells["reason"])
    asked = [one for one in owed.reliefs if one.kind == cells["kind"] and one.decision is None]
    if not asked:
        raise NotFound("the request was not recorded, so nothing can be decided on it")
    relief, granted = asked[-1].relief, cells["decision"] == "granted"
    owing = owed.obligation
    if cells["kind"] == "extension":
        extension = ExtensionId(relief)
        if granted:
            return GrantExtension(
                obligation=owing, by=by, reason=reason, extension=extension, due=cells["due"]
            )
        return RefuseExtension(obligation=owing, by=by, reason=reason, extension=extension)
    waiver = WaiverId(relief)
    if granted:
        return GrantWaiver(obligation=owing, by=by, reason=reason, waiver=waiver)
    return RefuseWaiver(obligation=owing, by=by, reason=reason, waiver=waiver)


def _require_past(at: datetime, now: datetime, column: str) -> None:
    if at > now:
        raise Invalid.field(column, "has not come yet; only what has happened is imported")


def _require(person: PersonId | None, number: str, column: str) -> None:
    if person is None:
        raise Invalid.field(
            column, f"nobody has employee number {number!r}; add them to people.csv"
        )


def _owed(history: History, cells: dict[str, Any]) -> Obligation:
    """The obligation that a row means; `Invalid` when nothing was owed."""
    rows = history.rows["obligation"]
    for bearer in (Bearer.OWN, Bearer.SUCCESSOR):
        found = rows.get(obligation_id(cells["duty"], cells["unit"], cells["period"], bearer))
        if found is not None and not found.cancellations:
            return found  # type: ignore[no-any-return]
    if cells["duty"] not in history.rows["duty"]:
        raise Invalid.field("duty", f"there is no duty {cells['duty']!r} by then")
    if cells["unit"] not in history.rows["unit"]:
        raise Invalid.field("unit", f"there is no unit {cells['unit']!r} by then")
    raise Invalid.field(
        "period",
        f"by then {cells['unit']!r} owed no {cells['duty']!r} for {cells['period']!r}; "
        "check the period, the stage, and when the duty begins",
    )


def _own_post(
    history: History,
    owed: Obligation,
    person: PersonId | None,
    at: datetime,
) -> PostId | None:
    """The author's own post, where it is in another unit than the one that owes."""
    if person is None:
        return None
    organisation = history.organisation
    posts = organisation.posts_of(person, at)
    unit = organisation.posts[owed.post].unit
    if not posts or any(organisation.posts[post].unit == unit for post in posts):
        return None
    return posts[0]


def _content(history: History, owed: Obligation, fields: dict[str, str]) -> dict[str, FieldValue]:
    """The cells of a report's fields as its form wants them; the gate checks the rest."""
    form = history.form(FormId(owed.form)).revision(owed.form_revision)
    assert form is not None, "an obligation is opened with a version that exists"
    kinds = {one.code: one for one in form.fields}
    return {code: _value(kinds.get(code), text) for code, text in fields.items()}


def _value(field: FormField | None, text: str) -> FieldValue:
    if field is not None and field.kind == "integer":
        digits = text.replace(",", "")
        return int(digits) if digits.removeprefix("-").isdigit() else text
    if field is not None and field.kind == "boolean":
        word = text.lower()
        return word in YES if word in YES | NO else text
    return text
