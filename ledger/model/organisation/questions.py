"""The organisation as of any business instant: the tree, the line, and who may act in a post.

The facts known are those folded into the dossiers; the instant says which of them were in force.
Only the management line is ever walked; the support line is listed and never climbed
(docs/rules.md R7). Answers name the events they rest on, so that verdicts can cite them.
"""

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from copy import copy
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

import msgspec

from ledger.model.organisation import tenure
from ledger.model.organisation.dossiers import (
    Delegation,
    Departure,
    Leave,
    Person,
    Post,
    Unit,
)
from ledger.model.organisation.tenure import Ceiling, Gap, Tenure, latest
from ledger.model.organisation.tree import LINE_DEPTH_MAX, Tree
from ledger.vocabulary import EventId, PersonRef, PostId, PostRef, Power, UnitId, UnitRef

HEAD: Final = "head"
"""The role of the post that leads a unit."""

POSTS_IN: Final = "posts_in"
"""What a reader of `read_through` is told for the posts of a unit."""


class Capacity(StrEnum):
    """How a post was filled at an instant."""

    HOLDER = "holder"
    ACTING = "acting"
    SUSPENDED = "suspended"
    VACANT = "vacant"
    DISPUTED = "disputed"
    ABSENT = "absent"


class Effective(msgspec.Struct, frozen=True):
    """Who is effective in a post (docs/rules.md 2.1), in what capacity, and on which facts.

    `SUSPENDED` names the suspended holder whom no interim replaces: still the holder, who may not
    exercise the post. `DISPUTED` (ruling 15) has no person, and every overlapping `tenures`.
    `ABSENT`: the post or its unit does not exist then. `lapsed` is an interim over the ceiling
    (超期代理, ruling 12), whom nobody counts as effective.
    """

    capacity: Capacity
    person: PersonRef | None = None
    events: tuple[EventId, ...] = ()
    tenures: tuple[Tenure, ...] = ()
    interim: tenure.Interim | None = None
    lapsed: tenure.Interim | None = None

    @property
    def exercises(self) -> PersonRef | None:
        """Who may act in the post: the person, unless suspended."""
        return None if self.capacity is Capacity.SUSPENDED else self.person


class Step(msgspec.Struct, frozen=True):
    """One hop up the management line: to `post`, as set for the post or by the structure.

    `passed` are units on the way that have no head post then.
    """

    post: PostId
    via: Literal["explicit", "structural"]
    events: tuple[EventId, ...] = ()
    passed: tuple[UnitId, ...] = ()


class Organisation(Tree):
    """Units, posts and persons by id, and the questions one can ask of them at an instant."""

    def __init__(
        self,
        units: MutableMapping[str, Unit],
        posts: MutableMapping[str, Post],
        persons: MutableMapping[str, Person],
    ) -> None:
        super().__init__(units)
        self.posts, self.persons = posts, persons
        self.ceiling = tenure.DEFAULT_CEILING
        self._posts_in: dict[str, dict[PostId, None]] = {}
        for post in posts.values():
            self.learn(post)

    def with_ceiling(self, ceiling: Ceiling) -> "Organisation":
        """The same organisation, judging interims by another ceiling."""
        if ceiling == self.ceiling:
            return self
        other = copy(self)
        other.ceiling = ceiling
        return other

    def read_through(self, watch: Callable[[str, Any], Any]) -> "Organisation":
        """The same organisation, whose dossiers are read through what `watch(kind, rows)` makes."""
        other = copy(self)
        other.units, other.posts = watch("unit", self.units), watch("post", self.posts)
        other.persons = watch("person", self.persons)
        other._posts_in = watch(POSTS_IN, self._posts_in)  # noqa: SLF001  (of the same class)
        return other

    def posts_told_of(self, unit: UnitRef) -> tuple[PostId, ...]:
        """The posts that any fact placed in a unit, in the order in which they were told."""
        return tuple(self._posts_in.get(unit, ()))

    def learn(self, row: Unit | Post | Person) -> None:
        """Take in a dossier in its newest version, so that questions find it."""
        if isinstance(row, Unit):
            self.learn_unit(row)
        elif isinstance(row, Post):
            self.posts[row.post] = row
            self._posts_in.setdefault(row.unit, {})[row.post] = None
        else:
            self.persons[row.person] = row

    # --- posts and the management line -------------------------------------------------------

    def posts_in(self, unit: UnitRef, at: datetime) -> list[PostId]:
        """The posts that exist in a unit at an instant, in the order of their establishment."""
        return [one for one in self._posts_in.get(unit, ()) if self._stands(one, unit, at)]

    def _stands(self, post: PostRef, unit: UnitRef, at: datetime) -> bool:
        row = self.posts[post]
        current = latest(row.life, at)
        return row.unit == unit and current is not None and current.change == "established"

    def post_exists(self, post: PostRef, at: datetime) -> bool:
        """Whether the post is established and its unit exists at an instant."""
        row = self.posts.get(post)
        return row is not None and self._stands(post, row.unit, at) and self.is_alive(row.unit, at)

    def post_of_role(self, unit: UnitRef, role: str, at: datetime) -> PostId | None:
        """The post with a role in a unit at an instant; the first established if there are two."""
        found = (one for one in self.posts_in(unit, at) if self.posts[one].role == role)
        return next(found, None)

    def head_post(self, unit: UnitRef, at: datetime) -> PostId | None:
        """The post that leads the unit at an instant."""
        return self.post_of_role(unit, HEAD, at)

    def superior(self, post: PostRef, at: datetime) -> Step | None:
        """The next post up the management line at an instant; None at the top.

        The superior set for the post, if it exists then; else the structural one: the head of the
        post's own unit, and for a head the head of the nearest unit above that has one.
        """
        row = self.posts.get(post)
        if row is None:
            return None
        explicit = latest(row.superiors, at)
        if explicit and explicit.superior and self._may_lead(explicit.superior, row, at):
            return Step(PostId(explicit.superior), "explicit", (explicit.event,))
        return self._structural(row, at)

    def _may_lead(self, superior: PostRef, post: Post, at: datetime) -> bool:
        above = self.posts.get(superior)
        return (
            above is not None
            and self.post_exists(superior, at)
            and (self.is_line(above.unit) or above.unit == post.unit)
        )

    def _structural(self, row: Post, at: datetime) -> Step | None:
        events: list[EventId] = []
        passed: list[UnitId] = []
        unit: UnitId | None = row.unit
        for _ in range(LINE_DEPTH_MAX):
            if unit is None:
                return None
            if unit == row.unit or (self.is_line(unit) and self.is_alive(unit, at)):
                head = self.head_post(unit, at)
                if head is not None and head != row.post and row.role != HEAD:
                    return self._hop(head, events, passed)
                if head is not None and unit != row.unit:
                    return self._hop(head, events, passed)
            if unit != row.unit:
                passed.append(unit)
            placed = self.placed(unit, at)
            if placed:
                events.append(placed.event)
            unit = UnitId(placed.parent) if placed and placed.parent else None
        return None

    def _hop(self, head: PostId, events: list[EventId], passed: list[UnitId]) -> Step:
        established = self.posts[head].life[0].event
        return Step(head, "structural", (*events, established), tuple(passed))

    def line(self, post: PostRef, at: datetime) -> Iterator[Step]:
        """Every hop up the management line from a post, the nearest first."""
        seen = {post}
        step = self.superior(post, at)
        while step is not None and step.post not in seen and len(seen) <= LINE_DEPTH_MAX:
            yield step
            seen.add(step.post)
            step = self.superior(step.post, at)

    def is_superior(self, of: PostRef, candidate: PostRef, at: datetime) -> bool:
        """Whether `candidate` stands above `of` on the management line at an instant."""
        return any(step.post == candidate for step in self.line(of, at))

    # --- people in posts ---------------------------------------------------------------------

    def departures(self, person: PersonRef) -> Sequence[Departure]:
        """When and why a person left the company, as far as is known."""
        row = self.persons.get(person)
        return row.departures if row else ()

    def tenures(self, post: PostRef) -> list[Tenure]:
        """Everybody who ever held the post, with the real ends, by start."""
        row = self.posts.get(post)
        return tenure.tenures(row, self.departures) if row else []

    def holders(self, post: PostRef, at: datetime) -> tuple[Tenure, ...]:
        """Who holds the post at an instant: one a person; two are a data defect (ruling 15)."""
        found = {one.person: one for one in self.tenures(post) if one.covers(at)}
        return tuple(found.values())

    def gap(self, post: PostRef, at: datetime) -> Gap | None:
        """The vacancy of the post in which an instant lies, if any."""
        return tenure.gap(self.tenures(post), at)

    def effective(self, post: PostRef, at: datetime) -> Effective:
        """Who is effective in the post at an instant (docs/rules.md 2.1, rulings 11, 12, 15)."""
        row = self.posts.get(post)
        if row is None or not self.post_exists(post, at):
            return Effective(Capacity.ABSENT)
        served = tenure.tenures(row, self.departures)
        holders = tuple({one.person: one for one in served if one.covers(at)}.values())
        if len(holders) > 1:
            events = tuple(one.appointment.event for one in holders)
            return Effective(Capacity.DISPUTED, events=events, tenures=holders)
        holder = holders[0] if holders else None
        suspended = tenure.suspension(row, holder, at) if holder else None
        if holder and not suspended:
            events = (holder.appointment.event,)
            return Effective(Capacity.HOLDER, holder.person, events, holders)
        found = self._interim(row, served, at)
        if found and not found.lapsed:
            person = found.acting.person
            return Effective(Capacity.ACTING, person, found.events, holders, interim=found)
        if holder and suspended:
            events = (holder.appointment.event, suspended.event)
            return Effective(Capacity.SUSPENDED, holder.person, events, holders, lapsed=found)
        return Effective(Capacity.VACANT, None, self._vacancy(served, at), lapsed=found)

    def _interim(self, row: Post, served: list[Tenure], at: datetime) -> tenure.Interim | None:
        if not row.acting:
            return None
        since = tenure.unfilled_since(row, served, at)
        zone = self.units[row.unit].zone
        found = tenure.interim(row, since, at, self.ceiling, zone)
        gone = found and any(one.at <= at for one in self.departures(found.acting.person))
        return None if gone else found

    def _vacancy(self, served: list[Tenure], at: datetime) -> tuple[EventId, ...]:
        vacancy = tenure.gap(served, at)
        ended_by = vacancy.last.ended_by if vacancy and vacancy.last else None
        return (ended_by,) if ended_by else ()

    def delegate(self, post: PostRef, at: datetime, power: Power) -> Delegation | None:
        """The delegation of a power in force: accepted, not revoked, by who is effective then."""
        row = self.posts.get(post)
        if row is None or not row.delegations:
            return None
        person = self.effective(post, at).exercises
        found = [
            one
            for one in row.delegations
            if one.covers(at)
            and power in one.powers
            and one.principal == person
            and _is_accepted(row, one, at)
            and not any(gone.at <= at for gone in self.departures(one.delegate))
        ]
        return max(found, key=lambda one: (one.start, one.position), default=None)

    def capacity_of(
        self, person: PersonRef, post: PostRef, at: datetime, power: Power
    ) -> Literal["holder", "acting", "delegate"] | None:
        """In which capacity a person may use a power of a post at an instant; None: may not."""
        effective = self.effective(post, at)
        if effective.exercises == person:
            return "acting" if effective.capacity is Capacity.ACTING else "holder"
        delegation = self.delegate(post, at, power)
        return "delegate" if delegation and delegation.delegate == person else None

    def on_leave(self, person: PersonRef, at: datetime) -> Leave | None:
        """The approved leave of a person that covers an instant."""
        row = self.persons.get(person)
        return next((one for one in row.leaves if one.covers(at)), None) if row else None

    def posts_ever_in(self, unit: UnitRef) -> list[PostId]:
        """The posts that were ever established in a unit, those abolished too."""
        return [one for one in self._posts_in.get(unit, ()) if self.posts[one].life]

    def posts_ever_of(self, person: PersonRef) -> list[PostId]:
        """The posts that a person was ever appointed to, as holder or interim."""
        row = self.persons.get(person)
        return list(dict.fromkeys(one.post for one in row.posts)) if row else []

    def posts_of(self, person: PersonRef, at: datetime) -> list[PostId]:
        """The posts that a person holds or fills as interim at an instant."""
        return [
            one
            for one in self.posts_ever_of(person)
            if self.effective(one, at).person == person
            or any(held.person == person for held in self.holders(one, at))
        ]


def _is_accepted(post: Post, delegation: Delegation, at: datetime) -> bool:
    answers = {
        one.answer
        for one in post.delegation_answers
        if one.delegation == delegation.delegation and one.at <= at
    }
    return answers == {"accepted"}
