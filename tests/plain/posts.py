"""Posts at an instant: whether they exist, to whom they answer, and who may act in them.

The words are those of docs/rules.md: *holder*, *effective person*, *superior*. Intervals are
half-open; what one person says of a post in `Filled` is everything that the rules ask of it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec

from ledger.events import organisation as o
from ledger.vocabulary import Power
from tests.plain import units
from tests.plain.days import months_later
from tests.plain.facts import Facts, Told, covers, in_force, since
from tests.plain.policy import Policy

# --- the post and its line ----------------------------------------------------------------------


def stands(facts: Facts, post: str, at: datetime) -> bool:
    """Whether the post is established, and not abolished."""
    found = in_force(facts.of(o.PostEstablished, o.PostAbolished, post=post), at)
    return found is not None and isinstance(found.fact, o.PostEstablished)


def established(facts: Facts, post: str) -> o.PostEstablished | None:
    """What the post was established as, in which unit."""
    events = facts.of(o.PostEstablished, post=post)
    return events[-1].fact if events else None


def exists(facts: Facts, post: str, at: datetime) -> bool:
    """Whether the post stands in a unit that exists."""
    fact = established(facts, post)
    return fact is not None and stands(facts, post, at) and units.is_alive(facts, fact.unit, at)


def of_role(facts: Facts, unit: str, role: str, at: datetime) -> str | None:
    """The post with a role in a unit; the first established, if there are two."""
    for event in facts.of(o.PostEstablished, unit=unit, role=role):
        if stands(facts, event.fact.post, at):
            return str(event.fact.post)
    return None


def head(facts: Facts, unit: str, at: datetime) -> str | None:
    """The post that leads a unit."""
    return of_role(facts, unit, "head", at)


class Step(msgspec.Struct, frozen=True):
    """The next post up the management line, and the facts that say so."""

    post: str
    events: tuple[str, ...]


def superior(facts: Facts, post: str, at: datetime) -> Step | None:
    """The post above on the management line.

    The one that was set for the post, if it exists and is no post of the support line; else the
    head of the post's own unit, and for a head the head of the nearest unit above that has one.
    """
    own = established(facts, post)
    if own is None:
        return None
    said = in_force(facts.of(o.PostEstablished, o.PostSuperiorChanged, post=post), at)
    if said is not None and said.fact.superior is not None:
        over = established(facts, said.fact.superior)
        managing = over and (units.is_line(facts, over.unit) or over.unit == own.unit)
        if managing and exists(facts, said.fact.superior, at):
            return Step(said.fact.superior, (said.id,))
    if own.role != "head":
        over_it = head(facts, own.unit, at)
        if over_it is not None and over_it != post:
            return Step(over_it, (_established_by(facts, over_it),))
    return _head_above(facts, own.unit, at)


def _head_above(facts: Facts, unit: str, at: datetime) -> Step | None:
    walked: list[str] = []
    seen: set[str] = set()
    placed = units.placed(facts, unit, at)
    while placed is not None:
        walked.append(placed.id)
        over = placed.fact.parent
        if over is None or over in seen:
            return None
        seen.add(over)
        if units.is_line(facts, over) and units.is_alive(facts, over, at):
            found = head(facts, over, at)
            if found is not None:
                return Step(found, (*walked, _established_by(facts, found)))
        placed = units.placed(facts, over, at)
    return None


def _established_by(facts: Facts, post: str) -> str:
    return facts.of(o.PostEstablished, post=post)[0].id


def line(facts: Facts, post: str, at: datetime) -> Iterator[Step]:
    """Every step up the management line, the nearest first."""
    seen = {post}
    step = superior(facts, post, at)
    while step is not None and step.post not in seen:
        yield step
        seen.add(step.post)
        step = superior(facts, step.post, at)


# --- who holds it -------------------------------------------------------------------------------


class Tenure(msgspec.Struct, frozen=True):
    """An appointment with the end it really had, and what ended it."""

    appointment: Told
    person: str
    start: datetime
    end: datetime | None = None
    cause: str | None = None
    ended_by: str | None = None

    def covers(self, at: datetime) -> bool:
        """Whether the person held the post then."""
        return self.start <= at and (self.end is None or at < self.end)


def departed(facts: Facts, person: str) -> list[Told]:
    """The facts that say that a person left the company."""
    return facts.of(o.PersonDeparted, person=person)


def tenures(facts: Facts, post: str) -> list[Tenure]:
    """Everybody who held the post, by start.

    An appointment ends with its term, with a relief after it began, or with the person's departure;
    who has left never takes a post.
    """
    found = []
    for one in facts.of(o.HolderAppointed, post=post):
        person, start = one.fact.person, one.effective_from
        ends = [
            (event.effective_from, event.fact.cause, event.id) for event in departed(facts, person)
        ]
        ends += [
            (event.effective_from, event.fact.cause, event.id)
            for event in facts.of(o.HolderRelieved, post=post, person=person)
            if since(event) > since(one)
        ]
        if one.effective_until is not None:
            ends.insert(0, (one.effective_until, "term", one.id))
        end, cause, ended_by = min(ends, key=lambda found: found[0], default=(None, None, None))
        if end is None or start < end:
            found.append(Tenure(one, person, start, end, cause, ended_by))
    return sorted(found, key=lambda one: (one.start, one.appointment.position))


def began(facts: Facts, post: str, tenure: Tenure) -> Tenure:
    """The tenure with which this person's unbroken service in the post began."""
    for one in tenures(facts, post):
        earlier = (one.start, one.appointment.position) < (
            tenure.start,
            tenure.appointment.position,
        )
        lasted = one.end is None or one.end > tenure.start
        ran_out = one.end == tenure.start and one.cause == "term"
        if earlier and one.person == tenure.person and (lasted or ran_out):
            return began(facts, post, one)
    return tenure


class Gap(msgspec.Struct, frozen=True):
    """Nobody holds the post; `last` is who left it, None if nobody ever held it."""

    last: Tenure | None

    @property
    def since(self) -> datetime | None:
        """When it fell vacant."""
        return self.last.end if self.last else None


def gap(facts: Facts, post: str, at: datetime) -> Gap | None:
    """The vacancy in which an instant lies; None while somebody holds the post."""
    served = tenures(facts, post)
    if any(one.covers(at) for one in served):
        return None
    past = [one for one in served if one.end is not None and one.end <= at]
    return Gap(max(past, key=lambda one: one.end or at, default=None))


def suspension(facts: Facts, post: str, tenure: Tenure, at: datetime) -> Told | None:
    """The suspension under which a holder is; one of an earlier service says nothing."""
    first = began(facts, post, tenure).appointment
    said = facts.of(o.HolderSuspended, o.HolderReinstated, post=post, person=tenure.person)
    found = in_force([event for event in said if since(event) > since(first)], at)
    return found if found and isinstance(found.fact, o.HolderSuspended) else None


# --- who fills it meanwhile ---------------------------------------------------------------------


class Stretch(msgspec.Struct, frozen=True):
    """An interim's authority during `[start, until)`, by an appointment or an extension of it."""

    person: str
    appointment: Told
    start: datetime
    until: datetime | None
    events: tuple[str, ...]

    def covers(self, at: datetime) -> bool:
        """Whether the interim was in place then."""
        return self.start <= at and (self.until is None or at < self.until)


def unfilled_since(facts: Facts, post: str, at: datetime) -> datetime | None:
    """Since when no holder exercises the post; None if none ever did."""
    holding = [one for one in tenures(facts, post) if one.covers(at)]
    vacancy = gap(facts, post, at)
    tenure = holding[0] if holding else vacancy.last if vacancy else None
    if tenure is None:
        return None
    then = at if holding else tenure.end
    assert then is not None, "who left a post left it some time"
    suspended = suspension(facts, post, tenure, then)
    return suspended.effective_from if suspended else then


def stretches(facts: Facts, post: str, at: datetime) -> list[Stretch]:
    """Every interim authority in the vacancy in which an instant lies, by start."""
    vacant = unfilled_since(facts, post, at)
    found = []
    for one in facts.of(o.ActingAppointed, post=post):
        person = one.fact.person
        extensions = [
            event
            for event in facts.of(o.ActingExtended, post=post, person=person)
            if since(event) > since(one)
        ]
        for event in (one, *extensions):
            ends = [
                end.effective_from
                for end in facts.of(o.ActingEnded, post=post, person=person)
                if since(end) > since(event)
            ]
            if event.effective_until is not None:
                ends.append(event.effective_until)
            until = min(ends, default=None)
            start = event.effective_from if vacant is None else max(event.effective_from, vacant)
            if until is None or start < until:
                cited = tuple(dict.fromkeys((one.id, event.id)))
                found.append(Stretch(person, one, start, until, cited))
    return sorted(found, key=lambda one: (one.start, one.appointment.position))


def has_lapsed(
    acting: list[Stretch], now: Stretch, at: datetime, policy: Policy, zone: str
) -> bool:
    """Whether an interim's authority is over the ceiling (ruling 12).

    It is six months of acting in one vacancy, or one replacement; time in which nobody acted does
    not count.
    """
    so_far = [one for one in acting if one.start <= now.start]
    replacements = sum(one.person != two.person for one, two in pairwise(so_far))
    begun = so_far[0].start.astimezone(ZoneInfo(zone))
    ends_at = months_later(begun, policy.acting_months_max) + _idle(so_far)
    return at >= ends_at or replacements > policy.acting_replacements_max


def _idle(so_far: list[Stretch]) -> timedelta:
    idle, covered = timedelta(0), so_far[0].until
    for one in so_far[1:]:
        if covered is not None and one.start > covered:
            idle += one.start - covered
        covered = None if covered is None or one.until is None else max(covered, one.until)
    return idle


# --- who is effective ---------------------------------------------------------------------------


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """How a post is filled at an instant; who is named, and who may act.

    `holder`, `acting`, `suspended`, `vacant`, `disputed` (two hold it, ruling 15), `absent` (the
    post does not exist).
    """

    capacity: str
    person: str | None = None
    events: tuple[str, ...] = ()
    tenures: tuple[Tenure, ...] = ()
    acting: Stretch | None = None
    lapsed: Stretch | None = None

    @property
    def effective(self) -> str | None:
        """The effective person: a suspended holder may not act, so the post counts as empty."""
        return None if self.capacity == "suspended" else self.person


def filled(facts: Facts, post: str, at: datetime, policy: Policy) -> Filled:
    """Who is effective in a post."""
    if not exists(facts, post, at):
        return Filled(capacity="absent")
    own = established(facts, post)
    assert own is not None, "what exists was established"
    holding = {one.person: one for one in tenures(facts, post) if one.covers(at)}
    held = tuple(holding.values())
    if len(held) > 1:
        cited = tuple(one.appointment.id for one in held)
        return Filled(capacity="disputed", events=cited, tenures=held)
    suspended = suspension(facts, post, held[0], at) if held else None
    if held and not suspended:
        cited = (held[0].appointment.id,)
        return Filled(capacity="holder", person=held[0].person, events=cited, tenures=held)
    acting = stretches(facts, post, at)
    covering = [
        one
        for one in acting
        if one.covers(at)
        and not any(gone.effective_from <= at for gone in departed(facts, one.person))
    ]
    interim = covering[-1] if covering else None
    zone = units.zone_of(facts, own.unit)
    lapsed = interim is not None and has_lapsed(acting, interim, at, policy, zone)
    if interim is not None and not lapsed:
        return Filled(
            capacity="acting",
            person=interim.person,
            events=interim.events,
            tenures=held,
            acting=interim,
        )
    if suspended:
        cited = (held[0].appointment.id, suspended.id)
        return Filled(
            capacity="suspended", person=held[0].person, events=cited, tenures=held, lapsed=interim
        )
    vacancy = gap(facts, post, at)
    ended_by = vacancy.last.ended_by if vacancy and vacancy.last else None
    return Filled(capacity="vacant", events=(ended_by,) if ended_by else (), lapsed=interim)


def delegation(facts: Facts, post: str, at: datetime, power: Power, policy: Policy) -> Told | None:
    """The delegation of a power that counts: of whoever is effective, accepted, not taken back."""
    principal = filled(facts, post, at, policy).effective
    found = []
    for one in facts.of(o.DelegationGranted, post=post):
        answers = facts.of(
            o.DelegationAccepted,
            o.DelegationDeclined,
            o.DelegationRevoked,
            delegation=one.fact.delegation,
        )
        given = {type(event.fact) for event in answers if event.effective_from <= at}
        left = any(gone.effective_from <= at for gone in departed(facts, one.fact.delegate))
        offered = covers(one, at) and power in one.fact.powers and one.fact.principal == principal
        if offered and given == {o.DelegationAccepted} and not left:
            found.append(one)
    return max(found, key=since, default=None)


def on_leave(facts: Facts, person: str, at: datetime) -> Told | None:
    """The approved leave of a person."""
    return next((one for one in facts.of(o.LeaveRecorded, person=person) if covers(one, at)), None)
