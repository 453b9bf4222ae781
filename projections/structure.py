"""The organisation on a date, as known at a position: units, posts, and who was effective in them.

Two times meet here: `as_of` says which facts were known, `on` what they say was in force. A date
means the end of that day, so that what changed on it is shown as changed.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final, TypeAlias

import msgspec

from ledger.errors import Invalid
from ledger.events.organisation import DEFAULT_ZONE
from ledger.model.calendar import day_start, local_day
from ledger.model.organisation import Capacity, Organisation, Unit
from ledger.model.outlets import stage
from ledger.vocabulary import (
    EventId,
    Level,
    PersonRef,
    PostId,
    Power,
    Stage,
    UnitId,
    UnitKind,
    UnitRef,
)
from projections.names import Gathering, Names
from projections.spans import require
from projections.standpoint import AsOf, Standpoint

DEPTH_MAX: Final = 32

On: TypeAlias = date | datetime | None
"""A business date (its end, in the company's zone), an instant, or that of the standpoint."""


class PostStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A post, who is effective in it, and to whom it answers.

    `lapsed` is an interim over the ceiling; `delegates` has the delegate of each power lent.
    """

    post: PostId
    role: str
    capacity: Capacity
    person: PersonRef | None
    holders: tuple[PersonRef, ...]
    lapsed: PersonRef | None
    on_leave: bool
    delegates: dict[Power, PersonRef]
    superior: PostId | None
    events: tuple[EventId, ...]


class UnitStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A unit, where it stands, and its posts; `state` is the change that decides how it stands."""

    unit: UnitId
    level: Level
    kind: UnitKind
    parent: UnitId | None
    depth: int
    state: str
    since: datetime
    stage: Stage | None
    supporters: tuple[UnitId, ...]
    posts: tuple[PostStanding, ...]


class Structure(msgspec.Struct, frozen=True, kw_only=True):
    """The units of a subtree, parents first, each followed by what stands below it."""

    as_of: AsOf
    on: datetime
    units: tuple[UnitStanding, ...]
    names: Names


def organisation_on(
    here: Standpoint,
    on: On = None,
    *,
    unit: UnitRef | None = None,
    depth: int = DEPTH_MAX,
    ended: bool = False,
) -> Structure:
    """The organisation below `unit` (None: all of it) to a depth; with `ended`, closed units too.

    `NotFound` for a unit that was unknown then.
    """
    if not 0 <= depth <= DEPTH_MAX:
        raise Invalid.field("depth", f"must lie from 0 to {DEPTH_MAX}")
    background, at = here.background, instant_of(on, here)
    organisation = here.history(()).organisation
    if unit is not None:
        require("unit", unit, background)
        found = _below(organisation, UnitId(unit), at, depth, 0)
    else:
        found = _everything(organisation, at, depth)
    units = tuple(
        standing
        for one, level in found
        if (standing := _unit(organisation, one, at, level)) is not None
        and (ended or organisation.is_alive(one, at))
    )
    return Structure(
        as_of=here.as_of, on=at, units=units, names=_gather(units).names(background, at)
    )


def instant_of(on: On, here: Standpoint) -> datetime:
    """The instant that `on` means."""
    if on is None:
        return here.moment.instant
    if isinstance(on, datetime):
        return on
    return day_start(on + timedelta(days=1), DEFAULT_ZONE) - timedelta(microseconds=1)


def _everything(
    organisation: Organisation, at: datetime, depth: int
) -> Iterator[tuple[UnitId, int]]:
    """Every unit from every top down: support units and orphans may stand under nothing."""
    for unit in sorted(organisation.units):
        if organisation.parent(UnitRef(unit), at) is None:
            yield from _below(organisation, UnitId(UnitRef(unit)), at, depth, 0)


def _below(
    organisation: Organisation, unit: UnitId, at: datetime, depth: int, level: int
) -> Iterator[tuple[UnitId, int]]:
    yield unit, level
    if level < depth:
        for one in organisation.children(unit, at):
            yield from _below(organisation, one, at, depth, level + 1)


def _unit(
    organisation: Organisation, unit: UnitId, at: datetime, depth: int
) -> UnitStanding | None:
    """How a unit stands; None before it was established."""
    row, life = organisation.units[unit], organisation.life(unit, at)
    if life is None:
        return None
    return UnitStanding(
        unit=unit,
        level=row.level,
        kind=row.kind,
        parent=organisation.parent(unit, at),
        depth=depth,
        state=life.change,
        since=life.at,
        stage=stage_of(row, at),
        supporters=tuple(organisation.supports(unit, at)),
        posts=tuple(
            post_standing(organisation, post, at) for post in organisation.posts_in(unit, at)
        ),
    )


def stage_of(row: Unit, at: datetime) -> Stage | None:
    """The stage of an outlet on the day of an instant; None for every other unit."""
    return stage(row, local_day(at, row.zone)) if row.level is Level.OUTLET else None


def post_standing(organisation: Organisation, post: PostId, at: datetime) -> PostStanding:
    """Who is effective in a post at an instant, and to whom it answers."""
    effective = organisation.effective(post, at)
    step = organisation.superior(post, at)
    person = effective.person
    delegations = ((power, organisation.delegate(post, at, power)) for power in Power)
    return PostStanding(
        post=post,
        role=organisation.posts[post].role,
        capacity=effective.capacity,
        person=person,
        holders=tuple(one.person for one in effective.tenures),
        lapsed=effective.lapsed.acting.person if effective.lapsed else None,
        on_leave=person is not None and organisation.on_leave(person, at) is not None,
        delegates={power: one.delegate for power, one in delegations if one is not None},
        superior=step.post if step else None,
        events=effective.events,
    )


def _gather(units: tuple[UnitStanding, ...]) -> Gathering:
    """The codes that the answer mentions."""
    found = Gathering()
    for unit in units:
        found.units.update(dict.fromkeys((unit.unit, *unit.supporters)))
        for post in unit.posts:
            found.posts[post.post] = None
            people = (post.person, *post.holders, post.lapsed, *post.delegates.values())
            found.persons.update(dict.fromkeys(one for one in people if one is not None))
    return found
