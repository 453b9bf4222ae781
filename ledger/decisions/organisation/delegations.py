"""Delegations: a holder lends powers of a post for a stated time; only what is accepted counts.

Powers are separable, nobody delegates to themselves, and what is lent cannot be lent on
(rulings 6 to 8). The principal keeps some responsibility for what the delegate does.
"""

from datetime import datetime, timedelta

from eventsourcing.dcb.domain import Selector

from ledger.decisions.dated import Dated
from ledger.entry import Context, Draft
from ledger.errors import Conflict, Invalid, NotAllowed, NotFound
from ledger.events import organisation as facts
from ledger.model.authority import is_operator, line_boundary, post_boundary
from ledger.model.history import RULES_KEY, History, about
from ledger.model.organisation import Delegation, Post
from ledger.vocabulary import DelegationId, PersonId, PersonRef, PostId, Power


class GrantDelegation(Dated, frozen=True, kw_only=True):
    """Offer a person some powers of a post from `effective_from` until `effective_until`."""

    post: PostId
    delegate: PersonId
    powers: tuple[Power, ...]
    effective_until: datetime
    delegation: DelegationId | None = None

    def boundary(self, history: History) -> list[Selector]:
        """The post and who fills it, the delegate, and the rules for the ceiling."""
        asked = [about("person", self.delegate), about("rules", RULES_KEY)]
        return [*post_boundary(history, self.post), *asked]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`delegation.granted`; refuses all but who is effective in the post themselves."""
        self._check(history, context)
        principal = self._principal(history, context)
        if principal == self.delegate:
            raise Invalid.field("delegate", "nobody delegates to themselves; name somebody else")
        history.person(self.delegate)
        start = self.at(context)
        if any(one.at <= start for one in history.organisation.departures(self.delegate)):
            raise Invalid.field("delegate", "has left the company by then; name somebody else")
        self._refuse_overlap(history.post(self.post), principal, start)
        fact = facts.DelegationGranted(
            delegation=self.delegation or DelegationId(str(context.new_id())),
            post=self.post,
            principal=principal,
            delegate=self.delegate,
            powers=self.powers,
        )
        return [self.draft(fact, until=self.effective_until)]

    def _check(self, history: History, context: Context) -> None:
        start, days = self.at(context), history.rules().delegation_days_max
        problems = self.problems(context)
        problems.instant("effective_until", self.effective_until, context)
        problems.later(self.effective_until, start)
        once = 0 < len(self.powers) == len(set(self.powers))
        problems.check("powers", "name at least one power, each once", good=once)
        if self.delegation is not None:
            problems.code("delegation", self.delegation)
        problems.refuse()
        short = self.effective_until - start <= timedelta(days=days)
        problems.check("effective_until", f"a delegation lasts {days} days at most", good=short)
        problems.refuse()

    def _principal(self, history: History, context: Context) -> PersonRef:
        """Who is effective in the post at the start; a delegate cannot lend on what is lent."""
        history.post(self.post)
        principal = history.organisation.effective(self.post, self.at(context)).exercises
        if principal is None:
            raise Conflict(f"nobody exercises post {self.post!r} then; appoint somebody first")
        if not is_operator(context) and context.actor.person != principal:
            raise NotAllowed(
                f"only whoever is effective in post {self.post!r} may delegate its powers, and "
                f"a delegate may not lend them on; ask them"
            )
        return principal

    def _refuse_overlap(self, row: Post, principal: PersonRef, start: datetime) -> None:
        for one in row.delegations:
            if one.delegation == self.delegation:
                raise Conflict(f"delegation {self.delegation!r} exists already; choose another id")
            shared = set(one.powers) & set(self.powers)
            ends_before = one.until is not None and one.until <= start
            apart = ends_before or self.effective_until <= one.start
            if one.principal == principal and shared and not apart and not _is_over(row, one):
                named = ", ".join(sorted(shared))
                raise Conflict(
                    f"delegation {one.delegation!r} covers {named} then; revoke it first"
                )


class OfDelegation(Dated, frozen=True, kw_only=True):
    """A command about a delegation of a post."""

    delegation: DelegationId
    post: PostId

    def boundary(self, history: History) -> list[Selector]:
        """The post with its delegations, and who stands above."""
        return [*post_boundary(history, self.post), *line_boundary(history, self.post)]

    def granted(self, history: History, context: Context) -> Delegation:
        """The delegation as granted; refuses one that is unknown or over."""
        self.problems(context).refuse()
        row = history.post(self.post)
        for one in row.delegations:
            if one.delegation == self.delegation:
                if _is_over(row, one):
                    raise Conflict(f"delegation {self.delegation!r} was declined or revoked before")
                return one
        raise NotFound(f"post {self.post!r} has no delegation {self.delegation!r}; check both")

    def require_delegate(self, delegation: Delegation, context: Context) -> None:
        """Refuse everybody but the delegate, who alone can answer an offer, and alone from now."""
        if is_operator(context):
            return
        if context.actor.person != delegation.delegate:
            raise NotAllowed("only the delegate may answer an offer; ask them")
        if self.effective_from is not None and self.effective_from < context.received_at:
            raise Invalid.field("effective_from", "an answer counts from when it is given")


class AcceptDelegation(OfDelegation, frozen=True, kw_only=True):
    """Accept a delegation: from now on the powers are the delegate's, and so is what they do."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`delegation.accepted`; refuses everybody but the delegate, and what has expired."""
        one = self.granted(history, context)
        self.require_delegate(one, context)
        if _answered(history.post(self.post), one):
            raise Conflict(f"delegation {self.delegation!r} is accepted already")
        if one.until is not None and one.until <= self.at(context):
            raise Conflict(f"delegation {self.delegation!r} has expired; ask for a new one")
        fact = facts.DelegationAccepted(
            delegation=one.delegation, post=self.post, delegate=PersonId(one.delegate)
        )
        return [self.draft(fact)]


class DeclineDelegation(OfDelegation, frozen=True, kw_only=True):
    """Turn an offer down; the principal keeps everything."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`delegation.declined`; refuses everybody but the delegate, and what was accepted."""
        one = self.granted(history, context)
        self.require_delegate(one, context)
        if _answered(history.post(self.post), one):
            raise Conflict(f"delegation {self.delegation!r} is accepted; its principal revokes it")
        fact = facts.DelegationDeclined(
            delegation=one.delegation, post=self.post, delegate=PersonId(one.delegate)
        )
        return [self.draft(fact)]


class RevokeDelegation(OfDelegation, frozen=True, kw_only=True):
    """Take the powers back."""

    def boundary(self, history: History) -> list[Selector]:
        """The post with its delegations, who stands above, and the post acted in."""
        return [*super().boundary(history), *self.by_boundary(history)]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`delegation.revoked`; by the principal, by who is effective now, or from above."""
        one = self.granted(history, context)
        effective = history.organisation.effective(self.post, context.received_at).exercises
        if context.actor.person is None or context.actor.person not in (one.principal, effective):
            self.require_above_post(history, context, self.post)
        fact = facts.DelegationRevoked(
            delegation=one.delegation, post=self.post, delegate=PersonId(one.delegate)
        )
        return [self.draft(fact)]


def _is_over(post: Post, delegation: Delegation) -> bool:
    return any(
        one.answer in ("declined", "revoked")
        for one in post.delegation_answers
        if one.delegation == delegation.delegation
    )


def _answered(post: Post, delegation: Delegation) -> bool:
    return any(one.delegation == delegation.delegation for one in post.delegation_answers)
