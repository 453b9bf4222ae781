"""Where a key reaches: the subtree of its unit on the management line, as it stands now.

What lies outside is answered as if it did not exist. A thing belongs to the units that it names:
an obligation to its unit, a post to the unit that it is in, a person to the units of their posts.
Duties, forms, the calendar and the rules belong to everybody.
"""

import types
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec

from ledger.errors import NotFound
from ledger.vocabulary import (
    ObligationId,
    PersonId,
    PersonRef,
    PostId,
    PostRef,
    UnitId,
    UnitRef,
)
from projections.obligations import OBLIGATION
from projections.past.selecting import PLACING
from projections.spans import Placements
from projections.standpoint import Standpoint

KINDS: Final[dict[object, str]] = {
    UnitId: "unit",
    UnitRef: "unit",
    PostId: "post",
    PostRef: "post",
    ObligationId: "obligation",
    PersonId: "person",
    PersonRef: "person",
}
"""Types of a command's fields that say to which unit it reaches."""

EVERYBODYS: Final = frozenset({"duty", "form", "calendar", "rules", "import"})


class Scope:
    """What a key may reach, at a standpoint of now."""

    def __init__(self, unit: UnitId | None, standpoint: Standpoint) -> None:
        self.unit = unit
        self._standpoint = standpoint

    @cached_property
    def units(self) -> frozenset[UnitRef]:
        """Every unit within; only for keys that are bound to one."""
        assert self.unit is not None, "a key for the whole ledger has no list of units"
        organisation = self._standpoint.background.organisation
        at = self._standpoint.as_of.instant
        below = frozenset(organisation.subtree(self.unit, at)) | {self.unit}
        # A coach sees whom the coach's unit supports; what may be done there, decisions say.
        units = map(UnitRef, organisation.units)
        supported = (one for one in units if not below.isdisjoint(organisation.supports(one, at)))
        return below | frozenset(supported)

    def require(self, kind: str, key: str) -> None:
        """Refuse what lies outside exactly as if there were no such thing."""
        if not self.reaches(kind, key):
            raise NotFound(f"there is no {kind} {key!r} in this ledger; check the identifier")

    def reaches(self, kind: str, key: str) -> bool:
        """Whether the thing lies within; what does not exist is left to whoever looks it up."""
        if self.unit is None or kind in EVERYBODYS:
            return True
        if kind == "obligation":
            return self._reaches_obligation(key)
        owners = self._units_of(kind, key)
        return owners is None or not owners.isdisjoint(self.units)

    def sees(self, tags: Iterable[str]) -> bool:
        """Whether a fact with these tags is visible: one that it concerns lies within."""
        if self.unit is None:
            return True
        named = [tag.partition(":")[::2] for tag in tags if not tag.startswith("dossier:")]
        placed = [(kind, key) for kind, key in named if kind in PLACING]
        if not placed:
            return any(kind in EVERYBODYS for kind, _ in named)
        return any(self.reaches(kind, key) for kind, key in placed)

    def sees_of_subject(self, tags: Iterable[str]) -> bool:
        """Whether a fact about a subject that lies within is visible.

        What is placed nowhere (a leave, a duty's terms) goes with its subject.
        """
        named = list(tags)
        return self.sees(named) or not any(tag.partition(":")[0] in PLACING for tag in named)

    def sees_attachment(self, namings: Iterable[Iterable[str]]) -> bool:
        """Whether a file is visible: some fact that names it is. Unnamed, its uploader's alone."""
        return any(self.sees(tags) for tags in namings)

    def _reaches_obligation(self, key: str) -> bool:
        """An obligation stays visible to the line that its unit stood in when it was due."""
        row = self._standpoint.reader.get(OBLIGATION, key)
        if row is None or row.unit in self.units:
            return True
        assert self.unit is not None, "a key for the whole ledger reaches everything"
        organisation = self._standpoint.background.organisation
        return Placements(organisation, self.unit).held(row.unit, row.due)

    def _units_of(self, kind: str, key: str) -> set[UnitRef] | None:
        """The units that a thing belongs to; None where there is no such thing."""
        rows = self._standpoint.background.rows
        if kind == "unit":
            return {UnitRef(key)} if key in rows["unit"] else None
        if kind == "post":
            return {rows["post"][key].unit} if key in rows["post"] else None
        if kind == "person":
            if key not in rows["person"]:
                return None
            organisation = self._standpoint.background.organisation
            return {rows["post"][post].unit for post in organisation.posts_ever_of(PersonRef(key))}
        return set()


def scope_at(here: Standpoint, unit: UnitId | None) -> Scope | None:
    """What a key that is bound to a unit may reach as things stand now; None: everything."""
    return None if unit is None else Scope(unit, here.questions.stand(here.connection))


def named_by(command: type[msgspec.Struct], data: msgspec.Struct) -> Iterator[tuple[str, str]]:
    """Every unit, post and obligation that a command names in its own fields.

    Persons are left out: a delegate or a newcomer may come from anywhere.
    """
    for name, kind in _placing_fields(command):
        value = getattr(data, name)
        if kind == "person" or value is None:
            continue
        for one in value if isinstance(value, tuple) else (value,):
            yield kind, str(one)


@cache
def _placing_fields(command: type[msgspec.Struct]) -> tuple[tuple[str, str], ...]:
    hints = get_type_hints(command)
    return tuple(
        (name, kind)
        for name in command.__struct_fields__
        if (kind := _kind(hints[name])) is not None
    )


def _kind(hint: Any) -> str | None:  # noqa: ANN401
    if hint in KINDS:
        return KINDS[hint]
    if get_origin(hint) in (Union, types.UnionType, tuple):
        return next((found for one in get_args(hint) if (found := _kind(one))), None)
    return None
