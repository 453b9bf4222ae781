"""Interim holders (临时负责人): appoint, extend, end (rulings 11 and 12).

The line appoints an interim for a stated time while a post is vacant or its holder suspended; the
ceiling is so many months in one vacancy and so many replacements. An operator may record what
went beyond it; whoever goes on acting then has no authority, and the verdict says so.
"""

from datetime import datetime, timedelta
from typing import Final

from eventsourcing.dcb.domain import Selector
from msgspec.structs import replace

from ledger.decisions.dated import refuse_oneself
from ledger.decisions.organisation.holders import OfHolder
from ledger.entry import Context, Draft
from ledger.errors import Conflict, Invalid
from ledger.events import organisation as facts
from ledger.model.authority import is_operator
from ledger.model.history import RULES_KEY, History, about
from ledger.model.organisation import Acting, ActingChange, Capacity, Interim, Post
from ledger.model.organisation.tenure import interim, unfilled_since
from ledger.vocabulary import EventId, PostRef

_NOT_YET: Final = EventId("")
_LAST_PLACE: Final = 2**62
_INSTANT: Final = timedelta(microseconds=1)


class OfActing(OfHolder, frozen=True, kw_only=True):
    """A command about an interim holder."""

    def boundary(self, history: History) -> list[Selector]:
        """The post, the person, who stands above, and the rules for the ceiling."""
        return [*super().boundary(history), about("rules", RULES_KEY)]

    def acting(self, history: History, at: datetime) -> Interim:
        """The person's interim appointment at an instant; refuses when there is none."""
        found = _interim(history, history.post(self.post), at)
        if found is None or found.acting.person != self.person:
            raise Conflict(
                f"person {self.person!r} does not act in post {self.post!r} then; "
                f"check the person and `effective_from`"
            )
        return found

    def refuse_beyond_ceiling(
        self, history: History, context: Context, changed: Post, until: datetime
    ) -> None:
        """Refuse an interim whose last instant would lie over the ceiling."""
        if is_operator(context):
            return
        last = _interim(history, changed, until - _INSTANT)
        if last is not None and last.lapsed:
            rules = history.rules()
            raise Invalid.field(
                "effective_until",
                f"an interim lasts {rules.acting_months_max} months at most in one vacancy, with "
                f"{rules.acting_replacements_max} replacement; appoint a holder",
            )


class AppointActing(OfActing, frozen=True, kw_only=True):
    """Put an interim holder in place from `effective_from` until `effective_until`."""

    effective_until: datetime

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`acting.appointed`; refuses a filled post, an overlap, oneself, and the ceiling."""
        start = self.at(context)
        problems = self.problems(context)
        problems.instant("effective_until", self.effective_until, context)
        problems.later(self.effective_until, start)
        self.require(history, context, problems)
        refuse_oneself(context, self.person, "appoint")
        self.require_existing(history, context)
        self.require_present(history, start)
        organisation = history.organisation
        effective = organisation.effective(self.post, start)
        if effective.capacity in (Capacity.ACTING, Capacity.DISPUTED):
            raise Conflict(f"post {self.post!r} is filled then; end what fills it first")
        if effective.capacity is Capacity.HOLDER and not is_operator(context):
            raise Conflict(
                f"post {self.post!r} has a holder then, who is not suspended; a holder on leave "
                f"delegates"
            )
        by = self.by or self._appointer(history, context)
        row = history.post(self.post)
        self.refuse_beyond_ceiling(
            history, context, self._appointed(row, by, start), self.effective_until
        )
        fact = facts.ActingAppointed(post=self.post, person=self.person, appointed_by=by)
        return [self.draft(fact, until=self.effective_until)]

    def _appointer(self, history: History, context: Context) -> PostRef:
        """Where an operator names nobody, the post above answers for the interim."""
        step = history.organisation.superior(self.post, self.at(context))
        if step is None:
            raise Invalid.field("by", "name the post that appoints; there is none above this one")
        return step.post

    def _appointed(self, row: Post, by: PostRef, start: datetime) -> Post:
        item = Acting(
            event=_NOT_YET,
            position=_LAST_PLACE,
            start=start,
            until=self.effective_until,
            person=self.person,
            appointed_by=by,
        )
        return replace(row, acting=(*row.acting, item))


class ExtendActing(OfActing, frozen=True, kw_only=True):
    """Let an interim go on until `effective_until`; the ceiling still applies."""

    effective_until: datetime

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`acting.extended`; refuses who does not act then, and the ceiling."""
        start = self.at(context)
        problems = self.problems(context)
        problems.instant("effective_until", self.effective_until, context)
        problems.later(self.effective_until, start)
        self.require(history, context, problems)
        refuse_oneself(context, self.person, "extend")
        self.acting(history, start)
        row = history.post(self.post)
        item = ActingChange(
            event=_NOT_YET,
            position=_LAST_PLACE,
            at=start,
            person=self.person,
            change="extended",
            until=self.effective_until,
        )
        changed = replace(row, acting_changes=(*row.acting_changes, item))
        self.refuse_beyond_ceiling(history, context, changed, self.effective_until)
        fact = facts.ActingExtended(post=self.post, person=self.person)
        return [self.draft(fact, until=self.effective_until)]


class EndActing(OfActing, frozen=True, kw_only=True):
    """End an interim appointment at `effective_from`."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`acting.ended`; refuses who does not act then."""
        self.require(history, context, self.problems(context))
        self.acting(history, self.at(context))
        return [self.draft(facts.ActingEnded(post=self.post, person=self.person))]


def _interim(history: History, post: Post, at: datetime) -> Interim | None:
    served = history.organisation.tenures(post.post)
    since = unfilled_since(post, served, at)
    zone = history.organisation.units[post.unit].zone
    return interim(post, since, at, history.rules().acting_ceiling, zone)
