"""Who holds one post, from when to when: tenures, vacancies, suspensions, interim appointments.

Everything is judged from the post's dossier and the departures of persons. Interim authority has
a ceiling (docs/rules.md, ruling 12): so many months in one vacancy, so many replacements.
Read next: `questions.py`, which asks these of a whole organisation.
"""

from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from ledger.events.organisation import DEFAULT_ZONE
from ledger.model.organisation.dossiers import (
    Acting,
    Appointment,
    Departure,
    Item,
    Post,
    Relief,
    Suspension,
)
from ledger.vocabulary import EventId, PersonRef

Departures = Callable[[PersonRef], Sequence[Departure]]
I = TypeVar("I", bound=Item)  # noqa: E741


class Ceiling(msgspec.Struct, frozen=True):
    """How long interims may fill one vacancy, and how often one may replace another."""

    months_max: int = 6
    replacements_max: int = 1


DEFAULT_CEILING: Final = Ceiling()


class Tenure(msgspec.Struct, frozen=True):
    """An appointment with the end it really had: `[start, end)`, and what ended it.

    `first` is the appointment with which this person's unbroken service in the post began: a
    renewal before or at the end of a term breaks nothing.
    """

    appointment: Appointment
    first: Appointment
    end: datetime | None = None
    ended_by: EventId | None = None
    cause: str | None = None

    @property
    def start(self) -> datetime:
        """When the person took the post."""
        return self.appointment.start

    @property
    def person(self) -> PersonRef:
        """Who held it."""
        return self.appointment.person

    def covers(self, at: datetime) -> bool:
        """Whether the person held the post at that instant."""
        return self.start <= at and (self.end is None or at < self.end)


class Gap(msgspec.Struct, frozen=True):
    """Nobody holds the post during `[since, until)`; `last` is who left it, and why.

    `since` is None when nobody ever held the post; `until` is None when nobody is appointed yet.
    """

    since: datetime | None
    until: datetime | None
    last: Tenure | None


class Interim(msgspec.Struct, frozen=True):
    """An interim appointment that covers an instant; `lapsed` says that it is over the ceiling."""

    acting: Acting
    since: datetime
    events: tuple[EventId, ...]
    lapsed: bool


def latest(items: Iterable[I], at: datetime) -> I | None:
    """The change in force at an instant: the latest effective; of equals, the last recorded."""
    best: I | None = None
    for item in items:
        if item.at <= at and (best is None or (item.at, item.position) > (best.at, best.position)):
            best = item
    return best


D = TypeVar("D", bound=date)


def add_months(day: D, months: int) -> D:
    """The same day (and time) some months later; the end of a shorter month if need be."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    return day.replace(year=year, month=month + 1, day=min(day.day, last))


def tenures(post: Post, departures: Departures) -> list[Tenure]:
    """Every appointment to the post with its real end, by start."""
    stated = [_tenure(post, one, departures(one.person)) for one in post.appointments]
    found: list[Tenure] = []
    for one in sorted(stated, key=lambda one: (one.start, one.appointment.position)):
        if one.end is None or one.start < one.end:
            before = next((two for two in reversed(found) if _is_renewed(two, one)), None)
            found.append(replace(one, first=before.first) if before else one)
    return found


def _is_renewed(before: Tenure, by: Tenure) -> bool:
    """Whether a tenure goes on where another of the same person has not broken off."""
    if before.person != by.person:
        return False
    ran_out = before.end == by.start and before.cause == _TERM
    return ran_out or before.end is None or before.end > by.start


def _tenure(post: Post, one: Appointment, departures: Sequence[Departure]) -> Tenure:
    term = (one.until, one.event, _TERM) if one.until else ()
    tenure = Tenure(one, one, *term)
    for ending in _endings(post, one, departures):
        if tenure.end is None or ending.at < tenure.end:
            tenure = Tenure(one, one, ending.at, ending.event, ending.cause)
    return tenure


def _endings(
    post: Post, one: Appointment, departures: Sequence[Departure]
) -> Iterator[Relief | Departure]:
    # Who has left the company by then never takes the post; nobody comes back under one id.
    yield from departures
    for relief in post.reliefs:
        after = (relief.at, relief.position) > (one.start, one.position)
        if after and relief.person == one.person:
            yield relief


_TERM: Final = "term"


def ever_filled(post: Post, person: PersonRef) -> bool:
    """Whether a person was ever appointed to the post, as holder or interim."""
    held = any(one.person == person for one in post.appointments)
    return held or any(one.person == person for one in post.acting)


def gap(served: Sequence[Tenure], at: datetime) -> Gap | None:
    """The vacancy in which the instant lies; None when somebody holds the post then."""
    if any(one.covers(at) for one in served):
        return None
    past = [one for one in served if one.end is not None and one.end <= at]
    last = max(past, key=lambda one: one.end or at, default=None)
    following = min((one.start for one in served if one.start > at), default=None)
    return Gap(last.end if last else None, following, last)


def suspension(post: Post, tenure: Tenure, at: datetime) -> Suspension | None:
    """The suspension of this holder in force at an instant, if any."""
    began = (tenure.first.start, tenure.first.position)
    own = (
        one
        for one in post.suspensions
        if one.person == tenure.person and (one.at, one.position) > began
    )
    found = latest(own, at)
    return found if found and found.suspended else None


def unfilled_since(post: Post, served: Sequence[Tenure], at: datetime) -> datetime | None:
    """Since when nobody exercises the post as its holder; None: nobody ever did."""
    holding = next((one for one in served if one.covers(at)), None)
    past = (one for one in served if one.end is not None and one.end <= at)
    tenure = holding or max(past, key=lambda one: one.end or at, default=None)
    if tenure is None:
        return None
    moment = at if holding else tenure.end
    assert moment is not None, "a past tenure has an end"
    suspended = suspension(post, tenure, moment)
    return suspended.at if suspended else moment


class _Span(msgspec.Struct, frozen=True):
    acting: Acting
    start: datetime
    until: datetime | None
    events: tuple[EventId, ...]


def interim(
    post: Post,
    since: datetime | None,
    at: datetime,
    ceiling: Ceiling = DEFAULT_CEILING,
    zone: str = DEFAULT_ZONE,
) -> Interim | None:
    """The interim appointment in force at an instant in a vacancy that began at `since`.

    Months are counted on the calendar of the unit's `zone`: six from 1 March end on 1 September,
    though that day began in August in UTC.
    """
    spans = _spans(post, since)
    covering = [one for one in spans if one.start <= at and (one.until is None or at < one.until)]
    if not covering:
        return None
    span = covering[-1]
    earlier = [one for one in spans if one.start <= span.start]
    people = [one.acting.person for one in earlier]
    changes = sum(1 for one, two in pairwise(people) if one != two)
    began = earlier[0].start.astimezone(ZoneInfo(zone))
    over = at >= add_months(began, ceiling.months_max).astimezone(UTC) + _idle(earlier)
    return Interim(span.acting, span.start, span.events, over or changes > ceiling.replacements_max)


def _spans(post: Post, since: datetime | None) -> list[_Span]:
    """The stretches of interim holding in this vacancy, extensions included, by start."""
    found = []
    for one in post.acting:
        own: tuple[EventId, ...] = (one.event,)
        stretches = [(one.start, one.until, one.position, own)]
        stretches.extend(
            (change.at, change.until, change.position, (*own, change.event))
            for change in post.acting_changes
            if change.change == "extended"
            and change.person == one.person
            and (change.at, change.position) > (one.start, one.position)
        )
        for start, stated, position, events in stretches:
            until = _ended(post, one.person, (start, position), stated)
            if since is not None and start < since:
                start = since  # noqa: PLW2901  (only what lies in this vacancy counts)
            if until is None or start < until:
                found.append(_Span(one, start, until, events))
    return sorted(found, key=lambda one: (one.start, one.acting.position))


def _ended(
    post: Post, person: PersonRef, start: tuple[datetime, int], until: datetime | None
) -> datetime | None:
    for change in post.acting_changes:
        if change.change != "ended" or change.person != person:
            continue
        if (change.at, change.position) > start and (until is None or change.at < until):
            until = change.at
    return until


def _idle(spans: Sequence[_Span]) -> timedelta:
    """How long nobody acted between the stretches: it does not count towards the ceiling."""
    idle, covered = timedelta(0), spans[0].until
    for span in spans[1:]:
        if covered is not None and span.start > covered:
            idle += span.start - covered
        covered = max(covered, span.until) if covered and span.until else None
    return idle
