"""Reports at the gate: submitting, and correcting what was submitted.

The first valid receipt of a report decides whether it was on time, and nothing here ever moves
it (docs/rules.md R4). Who may report for a post: who is effective in it, its delegate, any post of
the same unit, a coach who supports the unit, or a superior; anybody else's report is kept as
unsolicited until the post ratifies it (rulings 53, 54 and 56). An attempt that the gate turns away
is a fact too (ruling 48). Read next: `ledger/model/submitting.py`, then `reviews.py`.
"""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
from eventsourcing.dcb.domain import Selector

from ledger.decisions.command import Command
from ledger.entry import Context, Draft
from ledger.errors import Conflict, FieldProblem, GateRefused, Invalid, NotAllowed
from ledger.events import reports as r
from ledger.model import submitting
from ledger.model.authority import Standing, exercises
from ledger.model.gate import content_problems
from ledger.model.history import History
from ledger.model.naming import last_begun, problems_of_naming
from ledger.model.obligations import Obligation
from ledger.vocabulary import (
    Evidence,
    FormId,
    ObligationId,
    PostId,
    Power,
    Reason,
    ReportId,
    ReportRef,
    UnitId,
)


class _Report(Command, frozen=True, kw_only=True):
    """Something that somebody does for the post that owes an obligation.

    `by` is the post in which the actor acts, where it is not the one that owes.
    """

    obligation: ObligationId
    by: PostId | None = None

    def boundary(self, history: History) -> list[Selector]:
        """The obligation, its form and links, and who may act for the post that owes."""
        return submitting.boundary(history, self.obligation, self.by)

    def _standing(self, history: History, context: Context, row: Obligation) -> Standing:
        found = submitting.standing_for(history, context, row, self.by)
        if found is None:
            raise NotAllowed(
                f"only post {row.post!r}, its delegate, its unit, its coaches and its superiors "
                f"act for obligation {row.obligation!r}; say in `by` in which post you act"
            )
        return found


class _Content(_Report, frozen=True, kw_only=True):
    """A report's content, as filled into a version of its form."""

    form_revision: int
    content: dict[str, r.FieldValue] = msgspec.field(default_factory=dict)
    nil_return: bool = False
    evidence: tuple[Evidence, ...] = ()

    def _content_problems(
        self, history: History, context: Context, row: Obligation
    ) -> Iterator[FieldProblem]:
        if message := submitting.form_problem(history, row, self.form_revision):
            yield FieldProblem("form_revision", message)
        revision = history.form(FormId(row.form)).revision(self.form_revision)
        if revision is not None:
            yield from content_problems(revision, self.content, nil_return=self.nil_return)
        yield from problems_of_naming(history, context, self.evidence)


class SubmitReport(_Content, frozen=True, kw_only=True):
    """Report for an obligation; `unit` and `period`, where given, must be the obligation's."""

    unit: UnitId | None = None
    period: str | None = None

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`report.submitted`, or `.unsolicited_received`; `GateRefused` keeps a refused attempt."""
        row = history.obligation(self.obligation)
        submitting.require_owed(row)
        if problems := tuple(self._problems(history, context, row)):
            named = any(one.field.startswith("evidence") for one in problems)
            kept = () if named else self.evidence
            attempt = Draft(fact=self._attempt(history, row, problems), evidence=kept)
            raise GateRefused(fields=problems, drafts=(attempt,))
        standing = submitting.standing_for(history, context, row, self.by)
        report = ReportId(ReportRef(str(context.new_id())))
        sent: dict[str, Any] = {
            "report": report,
            "obligation": row.obligation,
            "unit": row.unit,
            "form": row.form,
            "form_revision": self.form_revision,
            "content": self.content,
            "nil_return": self.nil_return,
        }
        if standing is None:
            return [Draft(fact=r.ReportUnsolicitedReceived(**sent), evidence=self.evidence)]
        window = timedelta(minutes=history.rules(row.rules).upload_window_minutes)
        begun = last_begun(history, context, self.evidence, window)
        fact = r.ReportSubmitted(
            **sent,
            capacity=standing.capacity,
            discharges=submitting.also_discharged(history, row),
            uploading_since=begun.received_at if begun else None,
            upload=begun.event if begun else None,
        )
        behalf = standing.on_behalf_of(row.post)
        return [Draft(fact=fact, on_behalf_of=behalf, evidence=self.evidence)]

    def _problems(
        self, history: History, context: Context, row: Obligation
    ) -> Iterator[FieldProblem]:
        if self.unit is not None and self.unit != row.unit:
            yield FieldProblem("unit", f"this obligation is about unit {row.unit!r}")
        if self.period is not None and self.period != row.period:
            yield FieldProblem("period", f"this obligation is about period {row.period!r}")
        if standing := submitting.standing_report(row):
            message = f"report {standing.report!r} stands already; correct or withdraw that one"
            yield FieldProblem("obligation", message)
        last = row.channel[-1] if row.channel else None
        if last is not None and context.received_at >= (last.until or last.received_at):
            message = "late submission is closed; ask a superior to open it again"
            yield FieldProblem("obligation", message)
        yield from self._content_problems(history, context, row)

    def _attempt(
        self, history: History, row: Obligation, problems: tuple[FieldProblem, ...]
    ) -> r.ReportSubmissionRefused:
        """The attempt; the platform is at fault where only its newest form was refused (48)."""
        newest = history.form(FormId(row.form)).latest().revision
        content = msgspec.json.encode(self.content, order="deterministic")
        only_form = all(one.field == "form_revision" for one in problems)
        return r.ReportSubmissionRefused(
            obligation=row.obligation,
            unit=row.unit,
            problems=tuple(f"{one.field}: {one.message}" for one in problems),
            content_sha256=hashlib.sha256(content).hexdigest(),
            platform_fault=only_form and self.form_revision == newest,
        )


class ResubmitReport(_Content, frozen=True, kw_only=True):
    """Answer a return with the corrected content; the first receipt stays (ruling 49)."""

    report: ReportId

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`report.resubmitted`."""
        row = history.obligation(self.obligation)
        sent = submitting.report_of(row, self.report)
        if not any(one.resubmitted_at is None for one in sent.returns):
            raise Conflict(f"report {self.report!r} was not returned; correct it instead")
        standing = self._standing(history, context, row)
        if problems := tuple(self._content_problems(history, context, row)):
            raise Invalid(fields=problems)
        fact = r.ReportResubmitted(
            report=self.report,
            obligation=row.obligation,
            form=row.form,
            form_revision=self.form_revision,
            content=self.content,
            nil_return=self.nil_return,
        )
        behalf = standing.on_behalf_of(row.post)
        return [Draft(fact=fact, on_behalf_of=behalf, evidence=self.evidence)]


class CorrectReport(_Content, frozen=True, kw_only=True):
    """State the content anew, on one's own account; the first receipt stays."""

    report: ReportId
    reason: Reason

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`report.corrected`, with the new content."""
        row = history.obligation(self.obligation)
        submitting.report_of(row, self.report)
        standing = self._standing(history, context, row)
        if problems := tuple(self._content_problems(history, context, row)):
            raise Invalid(fields=problems)
        fact = r.ReportCorrected(
            report=self.report, obligation=row.obligation, content=self.content
        )
        behalf = standing.on_behalf_of(row.post)
        return [Draft(fact=fact, on_behalf_of=behalf, reason=self.reason, evidence=self.evidence)]


class MoveReport(_Report, frozen=True, kw_only=True):
    """Move a report filed under the wrong unit or period to the right obligation (ruling 57)."""

    report: ReportId
    moved_to: ObligationId
    reason: Reason

    def boundary(self, history: History) -> list[Selector]:
        """Both obligations, and who may act for the posts that owe them."""
        right = submitting.boundary(history, self.moved_to, self.by)
        return [*super().boundary(history), *right]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`report.corrected{moved_to}`: before the due it keeps its receipt, after it is late."""
        wrong, right = history.obligation(self.obligation), history.obligation(self.moved_to)
        sent = submitting.report_of(wrong, self.report)
        submitting.require_owed(right)
        if self.moved_to == self.obligation or right.form != wrong.form:
            raise Invalid.field("moved_to", "name another obligation that asks by the same form")
        if submitting.standing_report(right) is not None:
            raise Conflict(f"obligation {self.moved_to!r} has a report already")
        standing = self._standing(history, context, right)
        fact = r.ReportCorrected(
            report=self.report,
            obligation=self.obligation,
            moved_to=self.moved_to,
            original_received_at=sent.received_at,
            original_capacity=sent.capacity,
        )
        return [
            Draft(
                fact=fact,
                extra_tags=submitting.sharing_tags(history, wrong, self.report),
                on_behalf_of=standing.on_behalf_of(right.post),
                reason=self.reason,
            )
        ]


class WithdrawReport(_Report, frozen=True, kw_only=True):
    """Take a report back before the due, to replace it by another."""

    report: ReportId
    reason: Reason

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`report.withdrawn`; after the due a report is corrected, and its receipt stays."""
        row = history.obligation(self.obligation)
        submitting.report_of(row, self.report)
        standing = self._standing(history, context, row)
        if context.received_at >= submitting.stated_due(row):
            raise Conflict("the due has passed; correct the report instead of withdrawing it")
        fact = r.ReportWithdrawn(report=self.report, obligation=row.obligation)
        return [
            Draft(
                fact=fact,
                extra_tags=submitting.sharing_tags(history, row, self.report),
                on_behalf_of=standing.on_behalf_of(row.post),
                reason=self.reason,
            )
        ]


class RatifyReport(Command, frozen=True, kw_only=True):
    """Make an unsolicited report the post's own: before the due it counts from its receipt (56)."""

    obligation: ObligationId
    report: ReportId

    def boundary(self, history: History) -> list[Selector]:
        """The obligation, and who may act for the post that owes."""
        return submitting.boundary(history, self.obligation, None)

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`report.ratified`; only who is effective in the post, or its delegate, ratifies."""
        row = history.obligation(self.obligation)
        submitting.require_owed(row)
        sent = submitting.report_of(row, self.report)
        if sent.solicited or sent.ratified_at is not None:
            raise Conflict(f"report {self.report!r} counts already; nothing is left to ratify")
        standing = exercises(history, context, row.post, Power.REPORTING)
        if standing is None:
            raise NotAllowed(f"only who holds post {row.post!r}, or its delegate, may ratify this")
        fact = r.ReportRatified(report=self.report, obligation=row.obligation)
        return [Draft(fact=fact, on_behalf_of=standing.on_behalf_of(row.post))]
