"""Relief: extensions, waivers, the late channel, and what is wrong with some of them.

Relief is asked for by whoever may report, and given by a post above on the management line or by
the duty's owner: never by the obligor, the support line, or the obligor's delegate (docs/rules.md
R5). A grant after the due is recorded all the same: it mitigates, and changes no date that passed.
"""

from datetime import datetime, timedelta
from typing import Final, Literal

from eventsourcing.dcb.domain import Selector

from ledger.decisions.command import Command
from ledger.entry import Context, Draft
from ledger.errors import Conflict, Invalid, NotAllowed, NotFound
from ledger.events import duties as d
from ledger.events.fact import Fact
from ledger.model import submitting
from ledger.model.authority import Standing, obligors
from ledger.model.calendar import DEFAULT_CALENDAR, local_day
from ledger.model.expectation import own_days
from ledger.model.history import RULES_KEY, History, about
from ledger.model.obligations import Obligation, Relief
from ledger.vocabulary import (
    Evidence,
    ExtensionId,
    Instant,
    ObligationId,
    PostId,
    Power,
    Reason,
    WaiverId,
)

AHEAD_DAYS_MAX: Final = 366
"""No due and no late channel lies further ahead than that."""

Kind = Literal["extension", "waiver"]


class _Ask(Command, frozen=True, kw_only=True):
    """A request by whoever may report for the post that owes."""

    obligation: ObligationId
    reason: Reason
    by: PostId | None = None
    evidence: tuple[Evidence, ...] = ()

    def boundary(self, history: History) -> list[Selector]:
        """The obligation, and who may act for its post."""
        return submitting.boundary(history, self.obligation, self.by)

    def _asking(self, history: History, context: Context) -> tuple[Obligation, Standing]:
        row = history.obligation(self.obligation)
        submitting.require_owed(row)
        standing = submitting.standing_for(history, context, row, self.by)
        if standing is None or standing.capacity in ("support", "superior"):
            raise NotAllowed(
                f"only the unit of post {row.post!r} asks for relief from what it owes"
            )
        return row, standing

    def _draft(self, fact: Fact, row: Obligation, standing: Standing) -> Draft:
        return Draft(
            fact=fact,
            on_behalf_of=standing.on_behalf_of(row.post),
            reason=self.reason,
            evidence=self.evidence,
        )


class RequestExtension(_Ask, frozen=True, kw_only=True):
    """Ask for a later due; `requested_due` is exclusive, like every due."""

    requested_due: Instant

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`extension.requested`; one request at a time."""
        row, standing = self._asking(history, context)
        _check_due("requested_due", self.requested_due, row, context)
        _refuse_open_request(row, "extension")
        fact = d.ExtensionRequested(
            extension=ExtensionId(str(context.new_id())),
            obligation=row.obligation,
            post=row.post,
            requested_due=self.requested_due,
        )
        return [self._draft(fact, row, standing)]


class RequestWaiver(_Ask, frozen=True, kw_only=True):
    """Ask not to owe this instance at all."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`waiver.requested`; one request at a time."""
        row, standing = self._asking(history, context)
        _refuse_open_request(row, "waiver")
        fact = d.WaiverRequested(
            waiver=WaiverId(str(context.new_id())), obligation=row.obligation, post=row.post
        )
        return [self._draft(fact, row, standing)]


class WithdrawExtension(_Ask, frozen=True, kw_only=True):
    """Take back a request that nobody has decided yet."""

    extension: ExtensionId

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`extension.withdrawn`."""
        row, standing = self._asking(history, context)
        _undecided(row, self.extension, "extension")
        fact = d.ExtensionWithdrawn(extension=self.extension, obligation=row.obligation)
        return [self._draft(fact, row, standing)]


class _Decide(Command, frozen=True, kw_only=True):
    """A decision in post `by`, which stands above the obligor or owns the duty."""

    obligation: ObligationId
    by: PostId
    reason: Reason
    evidence: tuple[Evidence, ...] = ()

    def boundary(self, history: History) -> list[Selector]:
        """The obligation, the line above its post, the decider's post, calendar and rules."""
        asked = submitting.boundary(history, self.obligation, self.by, above=True)
        return [*asked, about("calendar", DEFAULT_CALENDAR), about("rules", RULES_KEY)]

    def _deciding(self, history: History, context: Context) -> Obligation:
        row = history.obligation(self.obligation)
        submitting.require_reviewer(history, context, row, self.by, Power.RELIEF)
        if context.actor.person in obligors(history, row.post, context):
            raise NotAllowed("nobody relieves themselves, nor does a delegate; ask the next above")
        return row

    def _draft(self, fact: Fact) -> Draft:
        return Draft(fact=fact, reason=self.reason, evidence=self.evidence)


class GrantExtension(_Decide, frozen=True, kw_only=True):
    """Give until `due` (exclusive), on a request or without one."""

    due: Instant
    extension: ExtensionId | None = None

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`extension.granted`; beyond the limits of R5, only from the second level up."""
        row = self._deciding(history, context)
        submitting.require_owed(row)
        _check_due("due", self.due, row, context)
        if self.extension is not None:
            _undecided(row, self.extension, "extension")
        self._check_limits(history, context, row)
        fact = d.ExtensionGranted(
            extension=self.extension or ExtensionId(str(context.new_id())),
            obligation=row.obligation,
            due=self.due,
            granted_by=self.by,
        )
        return [self._draft(fact)]

    def _check_limits(self, history: History, context: Context, row: Obligation) -> None:
        rules = history.rules(row.rules)
        granted = sum(
            one.kind == "extension" and one.decision == "granted" and one.annulled_by is None
            for one in row.reliefs
        )
        days = _working_days(history, row, self.due)
        allowed = rules.extension_count_max, rules.extension_working_days_max
        if granted < allowed[0] and days <= allowed[1]:
            return
        line = [step.post for step in history.organisation.line(row.post, context.received_at)]
        if line and self.by == line[0]:
            above = f"post {line[1]!r}" if len(line) > 1 else "the duty's owner post"
            raise NotAllowed(
                f"{allowed[0]} extensions and {allowed[1]} working days in total are yours to "
                f"give (now: {granted} given, {days} working days); ask {above}"
            )


class RefuseExtension(_Decide, frozen=True, kw_only=True):
    """Say no to a request; after the due, the obligor still gets a working day (ruling 19)."""

    extension: ExtensionId

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`extension.refused`."""
        row = self._deciding(history, context)
        _undecided(row, self.extension, "extension")
        fact = d.ExtensionRefused(
            extension=self.extension, obligation=row.obligation, refused_by=self.by
        )
        return [self._draft(fact)]


class GrantWaiver(_Decide, frozen=True, kw_only=True):
    """Waive the instance: before the due it leaves the denominator, after it it excuses (24)."""

    waiver: WaiverId | None = None

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`waiver.granted`, on a request or without one."""
        row = self._deciding(history, context)
        submitting.require_owed(row)
        if self.waiver is not None:
            _undecided(row, self.waiver, "waiver")
        if any(_stands(one) for one in row.reliefs if one.kind == "waiver"):
            raise Conflict(f"obligation {row.obligation!r} is waived already")
        fact = d.WaiverGranted(
            waiver=self.waiver or WaiverId(str(context.new_id())),
            obligation=row.obligation,
            granted_by=self.by,
        )
        return [self._draft(fact)]


class RefuseWaiver(_Decide, frozen=True, kw_only=True):
    """Say no to a request for a waiver."""

    waiver: WaiverId

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`waiver.refused`."""
        row = self._deciding(history, context)
        _undecided(row, self.waiver, "waiver")
        fact = d.WaiverRefused(waiver=self.waiver, obligation=row.obligation, refused_by=self.by)
        return [self._draft(fact)]


class RevokeWaiver(_Decide, frozen=True, kw_only=True):
    """Take a waiver back before the due; after it, whoever relied on it keeps it."""

    waiver: WaiverId

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`waiver.revoked`."""
        row = self._deciding(history, context)
        if not _stands(_relief(row, self.waiver, "waiver")):
            raise Conflict(f"waiver {self.waiver!r} does not stand; there is nothing to revoke")
        if context.received_at >= submitting.stated_due(row):
            raise Conflict("the due has passed; a waiver that was relied on stands")
        fact = d.WaiverRevoked(waiver=self.waiver, obligation=row.obligation, revoked_by=self.by)
        return [self._draft(fact)]


class OpenLateChannel(_Decide, frozen=True, kw_only=True):
    """Let late submission stay possible until an instant (补报通道)."""

    until: Instant

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`late_channel.opened`."""
        row = self._deciding(history, context)
        submitting.require_owed(row)
        longest = context.received_at + timedelta(days=AHEAD_DAYS_MAX)
        if not context.received_at < self.until <= longest:
            message = f"must lie in the next {AHEAD_DAYS_MAX} days"
            raise Invalid.field("until", message)
        fact = d.LateChannelOpened(obligation=row.obligation, until=self.until, opened_by=self.by)
        return [self._draft(fact)]


class CloseLateChannel(_Decide, frozen=True, kw_only=True):
    """End late submission; only once the due has passed, for before it nothing is late."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`late_channel.closed`."""
        row = self._deciding(history, context)
        if context.received_at < submitting.stated_due(row):
            raise Conflict("the due has not passed; there is no late submission to close")
        fact = d.LateChannelClosed(obligation=row.obligation, closed_by=self.by)
        return [self._draft(fact)]


class AnnulRelief(_Decide, frozen=True, kw_only=True):
    """Strike out a grant that should not have been given; who gave it may not (ruling 23)."""

    relief: str

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`relief.annulled`."""
        row = self._deciding(history, context)
        found = next((one for one in row.reliefs if one.relief == self.relief), None)
        if found is None or not _stands(found):
            raise NotFound(f"no relief {self.relief!r} stands for obligation {row.obligation!r}")
        if found.decided_by == self.by or found.decided_by_person == context.actor.person:
            raise NotAllowed("whoever granted a relief does not annul it; ask the post above")
        fact = d.ReliefAnnulled(obligation=row.obligation, relief=self.relief, annulled_by=self.by)
        return [self._draft(fact)]


def _check_due(field: str, due: datetime, row: Obligation, context: Context) -> None:
    if due <= max(submitting.stated_due(row), context.received_at):
        raise Invalid.field(field, "must be later than now and than the present due")
    if due > context.received_at + timedelta(days=AHEAD_DAYS_MAX):
        raise Invalid.field(field, f"must lie in the next {AHEAD_DAYS_MAX} days")


def _relief(row: Obligation, relief: str, kind: Kind) -> Relief:
    for one in row.reliefs:
        if one.relief == relief and one.kind == kind:
            return one
    raise NotFound(f"there is no {kind} {relief!r} for obligation {row.obligation!r}")


def _undecided(row: Obligation, relief: str, kind: Kind) -> None:
    found = _relief(row, relief, kind)
    if found.decision is not None or found.ended_at is not None:
        raise Conflict(f"{kind} {relief!r} is decided or withdrawn already")


def _refuse_open_request(row: Obligation, kind: Kind) -> None:
    for one in row.reliefs:
        if one.kind == kind and one.decision is None and one.ended_at is None:
            raise Conflict(f"{kind} {one.relief!r} is asked for already; wait, or withdraw it")


def _stands(one: Relief) -> bool:
    return one.decision == "granted" and one.ended_at is None and one.annulled_by is None


def _working_days(history: History, row: Obligation, due: datetime) -> int:
    """Working days from the due as opened to another; both are exclusive minutes."""
    unit, minute = history.unit(row.unit), timedelta(minutes=1)
    first, last = local_day(row.due - minute, unit.zone), local_day(due - minute, unit.zone)
    return history.calendar.working_days_between(first, last, own_days(unit))
