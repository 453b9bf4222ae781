"""Reviewing reports: accepting, returning for correction, voiding.

Review is an axis of its own: accepting and returning never move the receipt (rulings 49 and 52).
Voiding does, because what is void was never reported (ruling 50): so it takes a reason, and never
the hand that submitted. Reviewers stand above the post that owes, or in the duty's owner post.
"""

from datetime import timedelta
from typing import Final

from eventsourcing.dcb.domain import Selector

from ledger.decisions.command import Command
from ledger.entry import Context, Draft
from ledger.errors import Conflict, Invalid, NotAllowed
from ledger.events import reports as r
from ledger.model import submitting
from ledger.model.authority import Standing
from ledger.model.history import History
from ledger.model.obligations import Obligation, Submission
from ledger.vocabulary import Evidence, Instant, ObligationId, PostId, Power, Reason, ReportId

CORRECTION_DAYS_MAX: Final = 366

RETURNS_MAX: Final = 3
"""Returns of one report by anybody; then it is accepted, or voided (ruling 51)."""


class _Review(Command, frozen=True, kw_only=True):
    """Something that a reviewer, acting in post `by`, says about a report."""

    obligation: ObligationId
    report: ReportId
    by: PostId

    def boundary(self, history: History) -> list[Selector]:
        """The obligation, the line above its post, and the reviewer's post."""
        return submitting.boundary(history, self.obligation, self.by, above=True)

    def _reviewed(self, history: History, context: Context) -> tuple[Obligation, Submission]:
        row = history.obligation(self.obligation)
        sent = submitting.report_of(row, self.report)
        self._standing(history, context, row)
        if sent.person is not None and sent.person == context.actor.person:
            raise NotAllowed("nobody reviews a report of their own; ask another reviewer")
        return row, sent

    def _standing(self, history: History, context: Context, row: Obligation) -> Standing:
        return submitting.require_reviewer(history, context, row, self.by, Power.APPROVALS)


class AcceptReport(_Review, frozen=True, kw_only=True):
    """Accept a report's content."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`report.accepted`, once; not while a return is unanswered."""
        row, sent = self._reviewed(history, context)
        if sent.accepted_by is not None:
            raise Conflict(f"report {self.report!r} is accepted already")
        if any(one.resubmitted_at is None for one in sent.returns):
            raise Conflict(f"report {self.report!r} is out for correction; wait for the answer")
        fact = r.ReportAccepted(report=self.report, obligation=row.obligation, accepted_by=self.by)
        return [Draft(fact=fact)]


class ReturnReport(_Review, frozen=True, kw_only=True):
    """Ask for a correction by `correction_due`; missing that is a failing of its own (49)."""

    correction_due: Instant
    reason: Reason

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`report.returned`; three times at most, because the fourth settles nothing."""
        row, sent = self._reviewed(history, context)
        latest = context.received_at + timedelta(days=CORRECTION_DAYS_MAX)
        if not context.received_at < self.correction_due <= latest:
            message = f"must lie in the next {CORRECTION_DAYS_MAX} days"
            raise Invalid.field("correction_due", message)
        if any(one.resubmitted_at is None for one in sent.returns):
            raise Conflict(f"report {self.report!r} is out for correction already")
        if sent.accepted_by is not None:
            raise Conflict(f"report {self.report!r} is accepted; it is not returned any more")
        if len(sent.returns) >= RETURNS_MAX:
            raise Conflict(f"returned {RETURNS_MAX} times already; accept it, or let it be voided")
        fact = r.ReportReturned(
            report=self.report,
            obligation=row.obligation,
            correction_due=self.correction_due,
            returned_by=self.by,
        )
        return [Draft(fact=fact, reason=self.reason)]


class VoidReport(_Review, frozen=True, kw_only=True):
    """Strike out a report that was empty, copied, or not the unit's own: its receipt is lost."""

    reason: Reason
    evidence: tuple[Evidence, ...] = ()

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`report.voided`; every obligation that the report discharged hears of it."""
        row, _ = self._reviewed(history, context)
        fact = r.ReportVoided(report=self.report, obligation=row.obligation, voided_by=self.by)
        return [
            Draft(
                fact=fact,
                extra_tags=submitting.sharing_tags(history, row, self.report),
                reason=self.reason,
                evidence=self.evidence,
            )
        ]
