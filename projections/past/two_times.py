"""Two knowings of one business date: what was held true of it then, what is now, and why.

Who held this post on 9 March, as known on 1 April, and as known today? Where the answers differ,
facts arrived between the two that say otherwise of a day that had passed. Which of them did it is
found by leaving them out: the dossiers are folded again from those of the earlier knowing without
a fact, and the question is put again. Read next: `standings.py`, what is compared.
"""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import cached_property
from typing import Any, Final, TypeAlias

import msgspec

from ledger.errors import Invalid, NotFound
from ledger.model.history import RULES_KEY
from ledger.vocabulary import Moment, PersonRef, PostRef, UnitRef
from projections.citing import Citation, cited
from projections.names import Gathering, Names
from projections.past.differing import Change, FieldChange, change_of, difference
from projections.past.leaving_out import FOLDED, Without, causes_of
from projections.past.standings import (
    DAY,
    Key,
    PersonAt,
    Stood,
    Subject,
    SubjectKind,
    UnitAt,
    leads_to,
    stood,
)
from projections.standpoint import AsOf, Standpoint
from projections.structure import On, PostStanding, instant_of

PAGE_MAX: Final = 500


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A subject that stood otherwise, field by field, and the facts that arrived and explain it.

    `before` and `after` are how it stood by the earlier and by the later knowing; None: not at
    all. `causes` are never empty. `each_alone`: without any one of them the earlier answer would
    still hold. Otherwise it would without all of them together, and, unless `weighed` is False
    (there were too many to try), of those none can be left out. `elsewhere` counts causes that
    the caller may not see, `arrived` every fact recorded between about what the subject stands on.
    """

    kind: SubjectKind
    key: str
    change: Change
    before: Any
    after: Any
    fields: tuple[FieldChange, ...]
    causes: tuple[Citation, ...]
    each_alone: bool
    weighed: bool
    elsewhere: int
    arrived: int


class TwoTimes(msgspec.Struct, frozen=True, kw_only=True):
    """What differs about `on` between what was known at `then` and what is at `as_of`.

    No `differences`: nothing arrived between that changes the answer. `next` is the last subject
    of a page that another follows.
    """

    as_of: AsOf
    then: Moment
    on: datetime
    unit: UnitRef | None
    post: PostRef | None
    person: PersonRef | None
    total: int
    differences: tuple[Difference, ...]
    next: tuple[str, str] | None
    names: Names


Visible: TypeAlias = Callable[[Iterable[str]], bool]
"""Whether a fact with these tags may be shown."""


def two_times(  # noqa: PLR0913  (what can be asked)
    then: Standpoint,
    here: Standpoint,
    on: On,
    *,
    unit: UnitRef | None = None,
    post: PostRef | None = None,
    person: PersonRef | None = None,
    within: AbstractSet[str] | None = None,
    sees: Visible | None = None,
    limit: int = PAGE_MAX,
    beyond: tuple[str, str] | None = None,
) -> TwoTimes:
    """What differs about a business date at `here` from `then`: of everything, or what is named.

    That is a unit with all below it, one post, or one person. `within` are the units that the
    caller reaches, `sees` the facts. `Invalid` when `then` knew more than `here`; `NotFound` for
    what neither knew.
    """
    if not 0 < limit <= PAGE_MAX:
        raise Invalid.field("limit", f"a page has 1 to {PAGE_MAX} differences")
    if then.moment.position > here.moment.position:
        raise Invalid.field("known_then", "knew more than known_at; exchange the two")
    found = _Knowings(then, here, instant_of(on, here))
    subjects = found.chosen(unit, post, person, within)
    differing = sorted(one for one in subjects if found.differs(one))
    rest = [one for one in differing if beyond is None or one > beyond]
    page = rest[:limit]
    differences = tuple(found.explained(one, sees) for one in page)
    return TwoTimes(
        as_of=here.as_of,
        then=then.moment,
        on=found.at,
        unit=unit,
        post=post,
        person=person,
        total=len(differing),
        differences=differences,
        next=page[-1] if len(rest) > limit else None,
        names=_names(differences, here, unit, post, person),
    )


class _Knowings:
    """Both knowings, ready to be asked about one instant."""

    def __init__(self, then: Standpoint, here: Standpoint, at: datetime) -> None:
        self.at = at
        self._here = here
        self._then_rows, self._rows = then.background.rows, here.background.rows
        self._backgrounds = (then.background, here.background)
        self._knowings = (then.history(()), here.history(()))
        self._changed = _changed(self._then_rows, self._rows)
        self._between = (then.moment.position, here.moment.position)

    def chosen(
        self,
        unit: UnitRef | None,
        post: PostRef | None,
        person: PersonRef | None,
        within: AbstractSet[str] | None,
    ) -> set[Subject]:
        """The subjects that the question is about, and that a changed dossier may concern."""
        for kind, key in (("unit", unit), ("post", post), ("person", person)):
            if key is not None and all(key not in one.rows[kind] for one in self._backgrounds):
                raise NotFound(f"there is no {kind} {key!r} in this ledger; check the identifier")
        if post is not None:
            return {Subject("post", post)}
        if person is not None:
            return {Subject("person", person)}
        touched = self._touched()
        if unit is None:
            return touched
        units = {unit}.union(*(one.organisation.subtree(unit, self.at) for one in self._knowings))
        if within is not None:
            units &= within
        return {one for one in touched if self._lies_in(one, units)}

    def _touched(self) -> set[Subject]:
        """Every subject whose standing can differ: a dossier that it may be read from did."""
        if not self._changed:
            return set()
        found = {Subject("duty", key) for kind, key in self._changed if kind == "duty"}
        found |= {DAY} if DAY in self._changed else set()
        moved = {key for kind, key in self._changed if kind == "unit"}
        posts = {key for kind, key in self._changed if kind == "post"}
        people = {key for kind, key in self._changed if kind == "person"}
        for background in self._backgrounds:
            rows = background.rows["post"]
            moved |= {rows[one].unit for one in posts if one in rows}
        below = self._below(moved) if ("rules", RULES_KEY) not in self._changed else None
        for background in self._backgrounds:
            for row in background.rows["post"].values():
                led = any(one.superior is not None for one in row.superiors)
                served = {one.person for one in (*row.appointments, *row.acting)}
                lent = {one.delegate for one in row.delegations}
                if below is None or row.unit in below or led or people & (served | lent):
                    found.add(Subject("post", row.post))
                    found |= {Subject("person", one) for one in served}
        found |= {Subject("unit", key) for kind, key in self._changed if kind == "unit"}
        return found | {Subject("person", one) for one in people}

    def _below(self, tops: Iterable[str]) -> set[str]:
        """The units that ever stood below one of these, by either knowing."""
        return {
            unit
            for top in tops
            for background in self._backgrounds
            for unit in background.ever_below(top)
        }

    def _lies_in(self, subject: Subject, units: AbstractSet[str]) -> bool:
        """Whether a subject belongs to units: what is everybody's does."""
        if subject.kind in ("calendar", "duty"):
            return True
        if subject.kind == "unit":
            return subject.key in units
        owners: set[str] = set()
        for background in self._backgrounds:
            rows = background.rows["post"]
            posts = (
                [subject.key]
                if subject.kind == "post"
                else background.organisation.posts_ever_of(PersonRef(subject.key))
            )
            owners |= {rows[one].unit for one in posts if one in rows}
        return not owners.isdisjoint(units)

    def ends(self, subject: Subject) -> tuple[Stood | None, Stood | None]:
        """How the subject stood by the earlier and by the later knowing."""
        before, after = (stood(one, subject, self.at) for one in self._knowings)
        return before, after

    def differs(self, subject: Subject) -> bool:
        """Whether it stood otherwise."""
        before, after = self.ends(subject)
        return before != after

    def explained(self, subject: Subject, sees: Visible | None) -> Difference:
        """A subject that differs, with what arrived and explains it."""
        before, after = self.ends(subject)
        concerned = set().union(*(leads_to(one, subject) for one in self._knowings))
        without = self._without
        arrived = without.about(concerned & self._changed)
        if without.stood(subject, self.at, {*arrived}) != before:
            # What it stood on meanwhile, and neither before nor after, counts as well.
            arrived = without.about(self._changed)
        causes, each_alone, weighed = causes_of(
            list(arrived), lambda left_out: without.stood(subject, self.at, left_out) == before
        )
        shown = [one for one in causes if sees is None or sees(arrived[one][0].tags)]
        return Difference(
            kind=subject.kind,
            key=subject.key,
            change=change_of(before, after),
            before=before,
            after=after,
            fields=difference(before, after),
            causes=tuple(cited(*arrived[one]) for one in shown),
            each_alone=each_alone,
            weighed=weighed,
            elsewhere=len(causes) - len(shown),
            arrived=len(arrived),
        )

    @cached_property
    def _without(self) -> Without:
        recorder = self._here.questions.recorder
        return Without(recorder, self._then_rows, self._rows, self._between)


def _changed(
    then: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]
) -> set[Key]:
    """The dossiers that the two knowings hold in different versions."""
    return {
        (kind, key)
        for kind in FOLDED
        for key, row in now[kind].items()
        if (before := then[kind].get(key)) is not row and before != row
    } | {(kind, key) for kind in FOLDED for key in then[kind].keys() - now[kind].keys()}


def _names(
    differences: Iterable[Difference],
    here: Standpoint,
    unit: UnitRef | None,
    post: PostRef | None,
    person: PersonRef | None,
) -> Names:
    codes = Gathering()
    codes.mention(unit=unit, post=post, person=person)
    for one in differences:
        if one.kind != "calendar":
            codes.mention(**{one.kind: one.key})
        for stood_as in (one.before, one.after):
            if isinstance(stood_as, UnitAt):
                codes.mention(unit=stood_as.parent)
            elif isinstance(stood_as, PersonAt):
                for held in stood_as.posts:
                    codes.mention(post=held.post)
            elif isinstance(stood_as, PostStanding):
                codes.mention(post=stood_as.superior, person=stood_as.person)
                for name in (*stood_as.holders, *stood_as.delegates.values(), stood_as.lapsed):
                    codes.mention(person=name)
    return codes.names(here.background, here.moment.instant)
