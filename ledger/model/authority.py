"""Who may act for a post, and above it: the rules of authority that capabilities share.

Authority is a fact: every question here has a boundary, so that a decision which relied on an
appointment is taken anew when that appointment changes. Only the management line gives authority
over a post (docs/rules.md R5); an operator acts for the platform, and is recorded as such.
Read next: any decision, for instance `ledger/decisions/relief.py`.
"""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec
from eventsourcing.dcb.domain import Selector

from ledger.entry import Context
from ledger.errors import NotAllowed
from ledger.model.history import RULES_KEY, History, about
from ledger.model.organisation import HEAD
from ledger.vocabulary import OnBehalfOf, PersonRef, PostId, PostRef, Power, UnitRef, Via

ADMINISTRATOR: Final = "administrator"
"""The role of keys that belong to the platform's operators."""

Capacity = Literal["holder", "acting", "delegate", "clerk", "support", "superior", "operator"]


class Standing(msgspec.Struct, frozen=True):
    """In which capacity somebody acts for a post, and through which post of their own."""

    capacity: Capacity
    through: PostRef | None = None

    def on_behalf_of(self, post: PostRef, person: PersonRef | None = None) -> OnBehalfOf | None:
        """What the envelope must say when the actor's own post is not the one that owes."""
        if self.capacity in ("holder", "acting"):
            return None
        return OnBehalfOf(post=post, authority=self.capacity, person=person)


# --- boundaries --------------------------------------------------------------------------------


def post_boundary(history: History, post: PostRef) -> list[Selector]:
    """What decides who is effective in a post, and to whom it delegated which powers."""
    asked = [about("post", post), about("rules", RULES_KEY)]
    row = history.rows["post"].get(post)
    if row is not None:
        asked.append(about("unit", row.unit))
        people = {one.person: None for one in (*row.appointments, *row.acting)}
        people.update((one.delegate, None) for one in row.delegations)
        asked.extend(about("person", person) for person in people)
    return asked


def units_above(history: History, unit: UnitRef) -> list[UnitRef]:
    """The unit, and every unit that it ever stood below, as far as the history knows."""
    found: dict[UnitRef, None] = {}
    pending = [unit]
    while pending:
        one = pending.pop()
        if one in found:
            continue
        found[one] = None
        row = history.rows["unit"].get(one)
        if row is not None:
            pending.extend(placed.parent for placed in row.parents if placed.parent is not None)
    return list(found)


def line_boundary(history: History, post: PostRef) -> list[Selector]:
    """What decides the management line above a post: set superiors, units above, their heads."""
    posts: dict[PostRef, None] = {}
    units: dict[UnitRef, None] = {}
    pending = [post]
    while pending:
        one = pending.pop()
        if one in posts:
            continue
        posts[one] = None
        row = history.rows["post"].get(one)
        if row is not None:
            above = units_above(history, row.unit)
            units.update(dict.fromkeys(above))
            pending.extend(change.superior for change in row.superiors if change.superior)
            pending.extend(heads_of(history, above))
    return [about("unit", unit) for unit in units] + [about("post", one) for one in posts]


def heads_of(history: History, units: Iterable[UnitRef]) -> list[PostRef]:
    """Every post that leads, or ever led, one of the units, as far as the history knows."""
    wanted = set(units)
    posts = history.rows["post"].values()
    return [one.post for one in posts if one.role == HEAD and one.unit in wanted]


# --- questions ---------------------------------------------------------------------------------


def is_operator(context: Context) -> bool:
    """Whether the platform's own hands act: an operator, an import, or an administrator's key."""
    if context.actor.via in (Via.OPERATOR, Via.IMPORT):
        return True
    return context.access is not None and context.access.role == ADMINISTRATOR


def require_operator(context: Context, what: str) -> None:
    """Refuse whoever does not run the platform."""
    if not is_operator(context):
        raise NotAllowed(f"only an administrator may {what}; ask the platform's operator")


def exercises(history: History, context: Context, post: PostRef, power: Power) -> Standing | None:
    """As what the actor may use a power of a post when the request arrived; None: may not."""
    person = context.actor.person
    if person is None:
        return None
    found = history.organisation.capacity_of(person, post, context.received_at, power)
    return Standing(found, post) if found else None


def require_post(history: History, context: Context, post: PostRef, power: Power) -> Standing:
    """Refuse whoever may not use a power of the post that they say they act in."""
    found = exercises(history, context, post, power)
    if found is None:
        raise NotAllowed(
            f"you are not effective in post {post!r}, nor its delegate for {power.value}; "
            f"ask whoever holds it"
        )
    return found


def require_above(  # noqa: PLR0913  (authority over a post has these sides)
    history: History,
    context: Context,
    *,
    of: PostRef,
    by: PostRef,
    owner: PostRef,
    power: Power,
) -> Standing:
    """Refuse whoever is neither above a post on the management line, nor the duty's owner post.

    The support line gives no authority, even to an owner; nobody decides for themselves (R5).
    """
    organisation, at = history.organisation, context.received_at
    line = [step.post for step in organisation.line(of, at)]
    row = history.post(PostId(by))
    if (by not in line and by != owner) or not organisation.is_line(row.unit):
        nearest = f"post {line[0]!r}" if line else "the duty's owner"
        raise NotAllowed(
            f"post {by!r} has no authority over {of!r} on the management line; "
            f"ask {nearest} or the duty's owner post {owner!r}"
        )
    return require_post(history, context, by, power)


def obligors(history: History, post: PostRef, context: Context) -> set[PersonRef]:
    """Whoever answers for the post now: its holders, an interim, its delegates (ruling 23)."""
    organisation, at = history.organisation, context.received_at
    found = {one.person for one in organisation.holders(post, at)}
    effective = organisation.effective(post, at).person
    if effective is not None:
        found.add(effective)
    row = history.rows["post"].get(post)
    for one in row.delegations if row else ():
        if one.covers(at):
            found.add(one.delegate)
    return found
