"""How a unit, a post, a person, a duty or a day stood at a business instant, on given facts.

The second of the two times alone: nothing here knows when a fact was recorded, so the same
question can be put to any two knowings. Read next: `two_times.py`, which does that.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from ledger.events.duties import DueRule
from ledger.events.organisation import DEFAULT_ZONE
from ledger.model.calendar import local_day
from ledger.model.duties import Duty, Terms
from ledger.model.history import CALENDAR_KEY, RULES_KEY, History
from ledger.model.organisation import Capacity
from ledger.vocabulary import (
    Cadence,
    DutyRef,
    FormRef,
    Level,
    PersonRef,
    PostId,
    PostRef,
    Stage,
    UnitId,
    UnitKind,
    UnitRef,
)
from projections.structure import PostStanding, post_standing, stage_of

SubjectKind = Literal["calendar", "duty", "person", "post", "unit"]


class Subject(NamedTuple):
    """What stands somehow: its kind and its code."""

    kind: SubjectKind
    key: str


Key: TypeAlias = tuple[str, str]
"""A dossier: its kind (`unit`, `post`, `rules` ...) and its code."""

DAY: Final = Subject("calendar", CALENDAR_KEY)
"""The company's day, worked or not."""


class UnitAt(msgspec.Struct, frozen=True, kw_only=True):
    """A unit at an instant; `local_day` says that it alone works, or does not, on that day."""

    name_zh: str
    name_en: str
    level: Level
    kind: UnitKind
    parent: UnitId | None
    state: str
    since: datetime
    stage: Stage | None
    supporters: tuple[UnitId, ...]
    local_day: bool | None


class HeldPost(msgspec.Struct, frozen=True, kw_only=True):
    """A post that a person fills, and in what capacity."""

    post: PostId
    capacity: Capacity


class PersonAt(msgspec.Struct, frozen=True, kw_only=True):
    """The posts that a person filled at an instant, and whether they were away or gone."""

    posts: tuple[HeldPost, ...]
    on_leave: str | None
    departed: str | None


class DutyAt(msgspec.Struct, frozen=True, kw_only=True):
    """The terms of a duty that were in force at an instant, and the units put under it or out."""

    title_zh: str
    title_en: str
    revision: int
    form: FormRef
    cadence: Cadence
    due: DueRule
    owner: PostRef
    scope: UnitRef
    levels: tuple[Level, ...]
    stages: tuple[Stage, ...]
    post_role: str
    retired: bool
    assigned: tuple[UnitRef, ...]
    excluded: tuple[UnitRef, ...]


class DayAt(msgspec.Struct, frozen=True, kw_only=True):
    """A day of the company's calendar, worked or not."""

    day: date
    working: bool


Stood: TypeAlias = UnitAt | PostStanding | PersonAt | DutyAt | DayAt


def stood(history: History, subject: Subject, at: datetime) -> Stood | None:
    """How the subject stood at an instant, by what the history holds; None: it did not exist."""
    kind, key = subject
    if kind == "unit":
        return unit_at(history, UnitId(UnitRef(key)), at)
    if kind == "post":
        return post_at(history, PostId(PostRef(key)), at)
    if kind == "person":
        return person_at(history, PersonRef(key), at)
    if kind == "duty":
        return duty_at(history, DutyRef(key), at)
    return day_at(history, local_day(at, DEFAULT_ZONE))


def unit_at(history: History, unit: UnitId, at: datetime) -> UnitAt | None:
    """A unit; None before it was established."""
    organisation = history.organisation
    row, life = organisation.units.get(unit), organisation.life(unit, at)
    name = organisation.name(unit, at)
    if row is None or life is None or name is None:
        return None
    day = local_day(at, row.zone)
    own = [one.working for one in row.local_days if one.day == day]
    return UnitAt(
        name_zh=name.name_zh,
        name_en=name.name_en,
        level=row.level,
        kind=row.kind,
        parent=organisation.parent(unit, at),
        state=life.change,
        since=life.at,
        stage=stage_of(row, at),
        supporters=tuple(organisation.supports(unit, at)),
        local_day=own[-1] if own else None,
    )


def post_at(history: History, post: PostId, at: datetime) -> PostStanding | None:
    """A post, without the facts that its standing rests on; None where it did not exist."""
    organisation = history.organisation
    if not organisation.post_exists(post, at):
        return None
    return replace(post_standing(organisation, post, at), events=())


def person_at(history: History, person: PersonRef, at: datetime) -> PersonAt | None:
    """A person; None while nothing is known of them, or all of it was annulled."""
    organisation = history.organisation
    row = organisation.persons.get(person)
    if row is None or not (row.registered or row.posts or row.leaves or row.departures):
        return None
    gone = [one for one in organisation.departures(person) if one.at <= at]
    leave = organisation.on_leave(person, at)
    return PersonAt(
        posts=tuple(
            HeldPost(post=one, capacity=organisation.effective(one, at).capacity)
            for one in sorted(organisation.posts_of(person, at))
        ),
        on_leave=leave.kind if leave else None,
        departed=gone[0].cause if gone else None,
    )


def duty_at(history: History, duty: DutyRef, at: datetime) -> DutyAt | None:
    """A duty; None before its first terms were in force."""
    row: Duty | None = history.rows["duty"].get(duty)
    terms = _terms_at(row, at)
    if row is None or terms is None:
        return None
    day = local_day(at, DEFAULT_ZONE)
    said = {one.unit: row.assignment(one.unit, day, DEFAULT_ZONE) for one in row.assignments}
    return DutyAt(
        title_zh=terms.title_zh,
        title_en=terms.title_en,
        revision=terms.revision,
        form=terms.form,
        cadence=terms.cadence,
        due=terms.due,
        owner=terms.owner,
        scope=terms.scope,
        levels=terms.levels,
        stages=terms.stages,
        post_role=terms.post_role,
        retired=row.is_retired(at),
        assigned=tuple(sorted(unit for unit, one in said.items() if one and one.assigned)),
        excluded=tuple(sorted(unit for unit, one in said.items() if one and not one.assigned)),
    )


def _terms_at(row: Duty | None, at: datetime) -> Terms | None:
    """The revision in force: the last that began by then."""
    begun = [one for one in row.terms if one.at <= at] if row else []
    return max(begun, key=lambda one: (one.at, one.position), default=None)


def day_at(history: History, day: date) -> DayAt:
    """A day of the company's calendar."""
    return DayAt(day=day, working=history.calendar.is_working(day))


def leads_to(history: History, subject: Subject) -> set[Key]:
    """The dossiers that the subject's standing may be read from, at any instant."""
    found: set[Key] = {subject}
    if subject.kind == "post":
        found |= _post_leads_to(history, subject.key)
    elif subject.kind == "person":
        for post in history.organisation.posts_ever_of(PersonRef(subject.key)):
            found |= _post_leads_to(history, post)
    return found


def _post_leads_to(history: History, post: str) -> set[Key]:
    """The post, who served in it, the line above it with the posts there, and the ceiling."""
    row = history.rows["post"].get(post)
    if row is None:
        return {("post", post)}
    served = (*row.appointments, *row.acting)
    persons = {one.person for one in served} | {one.delegate for one in row.delegations}
    superiors = {one.superior for one in row.superiors if one.superior is not None}
    units = {row.unit, *(one.unit for up in superiors if (one := history.rows["post"].get(up)))}
    units = _line(history, units)
    beside = {one for unit in units for one in history.organisation.posts_ever_in(UnitRef(unit))}
    return {
        ("post", post),
        ("rules", RULES_KEY),
        *(("person", one) for one in persons),
        *(("unit", one) for one in units),
        *(("post", one) for one in (*superiors, *beside)),
    }


def _line(history: History, units: Iterable[str]) -> set[str]:
    """The units, and every unit that ever stood above one of them."""
    found, waiting = set(units), list(units)
    while waiting:
        row = history.rows["unit"].get(waiting.pop())
        for placed in row.parents if row else ():
            if placed.parent is not None and placed.parent not in found:
                found.add(placed.parent)
                waiting.append(placed.parent)
    return found
