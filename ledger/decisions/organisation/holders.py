"""Who holds a post: appoint, relieve, suspend, reinstate.

Two people never hold one post at one time, unless an operator records that they were believed to:
a data defect, which the verdict lays at the appointer's door until it is corrected (ruling 15).
"""

from datetime import datetime

from eventsourcing.dcb.domain import Selector

from ledger.decisions.dated import refuse_oneself
from ledger.decisions.organisation.posts import OfPost
from ledger.entry import Context, Draft
from ledger.errors import Conflict, NotAllowed
from ledger.events import organisation as facts
from ledger.model.authority import is_operator
from ledger.model.history import History, about
from ledger.model.organisation import Tenure
from ledger.model.organisation.tenure import suspension
from ledger.vocabulary import PersonId


class OfHolder(OfPost, frozen=True, kw_only=True):
    """A command about a person in a post."""

    person: PersonId

    def boundary(self, history: History) -> list[Selector]:
        """The post, the person, and who stands above."""
        return [*super().boundary(history), about("person", self.person)]

    def require_present(self, history: History, at: datetime) -> None:
        """Refuse a person who has left the company by an instant."""
        history.person(self.person)
        if any(one.at <= at for one in history.organisation.departures(self.person)):
            raise Conflict(f"person {self.person!r} has left the company by then; name another")

    def held(self, history: History, at: datetime) -> Tenure:
        """The person's tenure of the post at an instant; refuses when there is none."""
        for one in history.organisation.tenures(self.post):
            if one.person == self.person and one.covers(at):
                return one
        raise Conflict(
            f"person {self.person!r} does not hold post {self.post!r} then; "
            f"check the person and `effective_from`"
        )


class AppointHolder(OfHolder, frozen=True, kw_only=True):
    """Appoint a person to a post from `effective_from`, for good or until `effective_until`."""

    effective_until: datetime | None = None
    as_data_defect: bool = False

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`holder.appointed`; refuses overlaps, unknown and departed persons, and oneself."""
        problems = self.problems(context)
        problems.instant("effective_until", self.effective_until, context)
        problems.later(self.effective_until, self.at(context))
        self.require(history, context, problems)
        refuse_oneself(context, self.person, "appoint")
        self.require_existing(history, context)
        self.require_present(history, self.at(context))
        self._refuse_overlap(history, context)
        fact = facts.HolderAppointed(post=self.post, person=self.person, appointed_by=self.by)
        return [self.draft(fact, until=self.effective_until)]

    def _refuse_overlap(self, history: History, context: Context) -> None:
        start = self.at(context)
        for one in history.organisation.tenures(self.post):
            ends_before = one.end is not None and one.end <= start
            begins_after = self.effective_until is not None and self.effective_until <= one.start
            if ends_before or begins_after:
                continue
            if one.person == self.person and one.covers(start):
                raise Conflict(f"person {self.person!r} holds post {self.post!r} then already")
            if not self.as_data_defect:
                raise Conflict(
                    f"person {one.person!r} holds post {self.post!r} at that time; "
                    f"relieve them first, or end this appointment by {one.start.isoformat()}"
                )
            if not is_operator(context):
                raise NotAllowed("only an administrator may record an overlap as a data defect")


class RelieveHolder(OfHolder, frozen=True, kw_only=True):
    """End a person's tenure of a post at `effective_from`."""

    cause: str = "transferred"

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`holder.relieved`; refuses when the person does not hold the post then."""
        problems = self.problems(context)
        problems.word("cause", self.cause)
        self.require(history, context, problems)
        self.held(history, self.at(context))
        fact = facts.HolderRelieved(post=self.post, person=self.person, cause=self.cause)
        return [self.draft(fact)]


class SuspendHolder(OfHolder, frozen=True, kw_only=True):
    """Take the exercise of a post from its holder for now."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`holder.suspended`; refuses who does not hold it, or is suspended already."""
        self.require(history, context, self.problems(context))
        refuse_oneself(context, self.person, "suspend")
        at = self.at(context)
        if suspension(history.post(self.post), self.held(history, at), at):
            raise Conflict(f"person {self.person!r} is suspended already; reinstate them first")
        return [self.draft(facts.HolderSuspended(post=self.post, person=self.person))]


class ReinstateHolder(OfHolder, frozen=True, kw_only=True):
    """Give a suspended holder the exercise of the post back."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`holder.reinstated`; refuses who is not suspended then."""
        self.require(history, context, self.problems(context))
        refuse_oneself(context, self.person, "reinstate")
        at = self.at(context)
        if not suspension(history.post(self.post), self.held(history, at), at):
            raise Conflict(f"person {self.person!r} is not suspended then; there is nothing to do")
        return [self.draft(facts.HolderReinstated(post=self.post, person=self.person))]
