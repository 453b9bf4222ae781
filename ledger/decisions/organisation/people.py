"""People: register, depart, leave, and what one holder of a post hands to the next.

What identifies a person arrives sealed under that person's own key; a command holds no name.
"""

from datetime import datetime
from typing import Final

from eventsourcing.dcb.domain import Selector

from ledger.decisions.dated import Dated, refuse_oneself
from ledger.entry import Context, Draft
from ledger.errors import Conflict, Invalid, NotAllowed
from ledger.events import organisation as facts
from ledger.model.authority import (
    is_operator,
    line_boundary,
    post_boundary,
    require_operator,
)
from ledger.model.history import History, about
from ledger.model.organisation import Post, ever_filled
from ledger.vocabulary import ObligationId, PersonId, PostId, Sealed

CAUSES: Final = ("resigned", "retired", "died", "incapacitated", "dismissed")
"""Why a person leaves; ruling 17 excuses the third and the fourth."""

HANDOVER_ITEMS_MAX: Final = 1_000


class RegisterPerson(Dated, frozen=True, kw_only=True):
    """Make a person known by a random id; the sealed values belong to that person."""

    person: PersonId
    name: Sealed
    number: Sealed | None = None
    phone: Sealed | None = None

    def boundary(self, history: History) -> list[Selector]:
        """The person."""
        del history
        return [about("person", self.person)]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`person.registered`; refuses an id in use, and values sealed for somebody else."""
        problems = self.problems(context)
        problems.code("person", self.person)
        for field, sealed in (("name", self.name), ("number", self.number), ("phone", self.phone)):
            own = sealed is None or sealed.person == self.person
            problems.check(field, "seal it under this person's own key", good=own)
        problems.refuse()
        require_operator(context, "register persons")
        row = history.rows["person"].get(self.person)
        if row is not None and row.registered:
            raise Conflict(f"person {self.person!r} is registered already; choose another id")
        fact = facts.PersonRegistered(
            person=self.person, name=self.name, number=self.number, phone=self.phone
        )
        return [self.draft(fact)]


class DepartPerson(Dated, frozen=True, kw_only=True):
    """Record that a person left the company; they hold no post from then on."""

    person: PersonId
    cause: str

    def boundary(self, history: History) -> list[Selector]:
        """The person."""
        del history
        return [about("person", self.person)]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`person.departed`; refuses an unknown cause, and who left before."""
        problems = self.problems(context)
        known = self.cause in CAUSES
        problems.check("cause", f"must be one of {', '.join(CAUSES)}", good=known)
        problems.refuse()
        require_operator(context, "record that a person left")
        history.person(self.person)
        if history.organisation.departures(self.person):
            raise Conflict(f"person {self.person!r} has left already; annul that fact first")
        return [self.draft(facts.PersonDeparted(person=self.person, cause=self.cause))]


class RecordLeave(Dated, frozen=True, kw_only=True):
    """Record approved leave from `effective_from` until `effective_until`."""

    person: PersonId
    kind: str
    effective_until: datetime

    def boundary(self, history: History) -> list[Selector]:
        """The person, the posts they fill, and who stands above these."""
        asked = [about("person", self.person), *self.by_boundary(history)]
        for post in history.organisation.posts_ever_of(self.person):
            asked.extend(post_boundary(history, post))
            asked.extend(line_boundary(history, post))
        return asked

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`leave.recorded`; approved from above one of the person's posts, never by oneself."""
        start = self.at(context)
        problems = self.problems(context)
        problems.word("kind", self.kind)
        problems.instant("effective_until", self.effective_until, context)
        problems.later(self.effective_until, start)
        problems.refuse()
        row = history.person(self.person)
        refuse_oneself(context, self.person, "approve leave for")
        posts = history.organisation.posts_of(self.person, context.received_at)
        if posts:
            self._require_above_one(history, context, posts)
        else:
            require_operator(context, "record leave of a person without a post")
        for one in row.leaves:
            if one.start < self.effective_until and (one.until is None or start < one.until):
                raise Conflict(f"person {self.person!r} is on leave then already; annul that first")
        fact = facts.LeaveRecorded(person=self.person, kind=self.kind, approved_by=self.by)
        return [self.draft(fact, until=self.effective_until)]

    def _require_above_one(self, history: History, context: Context, posts: list[PostId]) -> None:
        organisation, at = history.organisation, context.received_at
        above = (
            post
            for post in posts
            if self.by is not None and organisation.is_superior(post, self.by, at)
        )
        self.require_above_post(history, context, next(above, posts[0]))


class ListHandoverItem(Dated, frozen=True, kw_only=True):
    """Put an open obligation on the list that the outgoing holder hands to the incoming one."""

    post: PostId
    obligation: ObligationId
    outgoing: PersonId
    incoming: PersonId

    def boundary(self, history: History) -> list[Selector]:
        """The post, the obligation, and both people."""
        people = [about("person", self.outgoing), about("person", self.incoming)]
        line = [*line_boundary(history, self.post), *self.by_boundary(history)]
        own = post_boundary(history, self.post)
        return [*own, *line, about("obligation", self.obligation), *people]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`handover.item_listed`; by the outgoing holder or from above."""
        problems = self.problems(context)
        problems.check("incoming", "name another person", good=self.incoming != self.outgoing)
        problems.refuse()
        row = history.post(self.post)
        if context.actor.person != self.outgoing:
            self.require_above_post(history, context, self.post)
        obligation = history.obligation(self.obligation)
        history.person(self.incoming)
        if obligation.post != self.post:
            message = f"is owed by post {obligation.post!r}, not by {self.post!r}"
            raise Invalid.field("obligation", message)
        if not ever_filled(row, self.outgoing):
            raise Invalid.field("outgoing", f"never filled post {self.post!r}; name who did")
        if self.obligation in _listed(row, self.outgoing, self.incoming):
            raise Conflict(f"obligation {self.obligation!r} is on the list already")
        fact = facts.HandoverItemListed(
            post=self.post,
            obligation=self.obligation,
            outgoing=self.outgoing,
            incoming=self.incoming,
        )
        return [self.draft(fact)]


class CompleteHandover(Dated, frozen=True, kw_only=True):
    """Sign for the obligations listed: from now on they are the incoming holder's (ruling 4)."""

    post: PostId
    outgoing: PersonId
    incoming: PersonId
    items: tuple[ObligationId, ...] = ()

    def boundary(self, history: History) -> list[Selector]:
        """The post with its list."""
        return post_boundary(history, self.post)

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`handover.completed`; signed by the incoming person, for what is listed only."""
        problems = self.problems(context)
        once = len(set(self.items)) == len(self.items) <= HANDOVER_ITEMS_MAX
        problems.check("items", f"list each once, {HANDOVER_ITEMS_MAX} at most", good=once)
        problems.refuse()
        row = history.post(self.post)
        if not is_operator(context) and context.actor.person != self.incoming:
            raise NotAllowed("only the incoming holder may sign for a handover; ask them")
        listed = _listed(row, self.outgoing, self.incoming)
        unlisted = [one for one in self.items if one not in listed]
        if unlisted:
            message = f"{', '.join(unlisted[:10])}: not on the list; list them first"
            raise Invalid.field("items", message)
        if not ever_filled(row, self.incoming):
            raise Invalid.field(
                "incoming", f"is not appointed to post {self.post!r}; appoint first"
            )
        fact = facts.HandoverCompleted(
            post=self.post,
            outgoing=self.outgoing,
            incoming=self.incoming,
            items=self.items or tuple(listed),
        )
        return [self.draft(fact)]


def _listed(row: Post, outgoing: PersonId, incoming: PersonId) -> dict[ObligationId, None]:
    return {
        one.obligation: None
        for one in row.handover_items
        if one.outgoing == outgoing and one.incoming == incoming
    }
