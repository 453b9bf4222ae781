"""Which facts are stepped through: a subject's, a unit's with all that ever stood below it, or all.

A fact carries tags of what it concerns: units, posts, persons, and obligations, whose unit stands
in their rows. So a subtree is some hundred tags, and thousands of obligations. The next fact of
them is found in a short stretch of the log, which a large subtree nearly always hits; where it
does not, by one step into the tag index for each of them, and neither reads what lies between.
Read next: `replaying.py`, which tells what each fact changed.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, repeat
from typing import Any, Final, LiteralString

import msgspec
from psycopg import sql

from ledger.codec import decode, registry
from ledger.errors import Invalid
from ledger.recorder import Item, Stored
from ledger.vocabulary import UnitRef
from projections.background import Background
from projections.obligations import OBLIGATION
from projections.saving import Names
from projections.spans import require
from projections.standpoint import Standpoint
from projections.timeline import Sees, check_subject, read_seen

STRETCHES: Final = (128, 2_048)
"""Positions looked through, one stretch after the other, before the index is asked for each tag."""

FEW_UNITS: Final = 40
"""Of so few units the tags are asked for sooner than the longer stretch is looked through."""

MANY_UNITS_SHARE: Final = 20
"""One unit in so many, and more: their facts of rare types are found by walking the log."""

STRUCTURAL_UNITS_MAX: Final = 400
"""Facts that say what units, posts and persons are have tags of their own, which are short: of so
many units they are asked for all the same."""

PAGES: Final = (1, 16, 256)
"""Facts read at once, ever more while none of them belongs to the selection."""

PLACING: Final = frozenset({"unit", "post", "obligation"})
"""Kinds of tags that say to which unit a fact belongs."""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which facts: of `subject` (`post:X` ...), or of `unit` and whatever ever stood below it.

    Neither: every fact. `types` leaves out all others; only facts after position `after` and not
    after `until` belong to it. A key that is bound to a unit sees less: `within` are the only
    units that count below `unit`, and `sees` says which facts of a subject it sees.
    """

    subject: str | None = None
    unit: UnitRef | None = None
    types: tuple[str, ...] = ()
    after: int = 0
    until: int | None = None
    within: frozenset[UnitRef] | None = None
    sees: Sees | None = None


class Below(msgspec.Struct, frozen=True):
    """A unit and everything that ever stood below it, as known at a standpoint.

    `persons` are those who ever held one of the posts. A fact belongs to it that concerns one of
    the units, of the posts, or an obligation of the units; and one that concerns nobody else's
    and a person who ever held a post there, such as their leave.
    """

    units: frozenset[UnitRef]
    posts: frozenset[str]
    persons: frozenset[str]


def below(background: Background, unit: UnitRef, within: frozenset[UnitRef] | None = None) -> Below:
    """What stood below a unit, of the units `within` only; `NotFound` for an unknown unit."""
    require("unit", unit, background)
    units = frozenset(map(UnitRef, background.ever_below(unit)))
    if within is not None:
        units &= within
    posts = [post for one in units for post in background.posts_in.get(one, ())]
    dossiers = background.rows["post"]
    served = (
        one.person
        for post in posts
        for one in chain(dossiers[post].appointments, dossiers[post].acting)
    )
    return Below(units, frozenset(posts), frozenset(served))


class Course:
    """A selection's facts as known at a standpoint, one after the other in both directions."""

    def __init__(self, here: Standpoint, selection: Selection) -> None:
        """`Invalid` for a selection that is none, `NotFound` for a unit that is unknown here."""
        if selection.subject is not None and selection.unit is not None:
            raise Invalid.field("unit", "choose one: a subject, or a unit and all below it")
        if selection.subject is not None:
            check_subject(selection.subject)
        if selection.unit is not None:
            require("unit", selection.unit, here.background)
        self._here = here
        self._selection = selection
        asked = here.as_of.position if selection.until is None else selection.until
        self._last = min(asked, here.as_of.position)

    def following(self, position: int) -> Stored | None:
        """The first fact after a position."""
        return self._nearest(max(position, self._selection.after), self._last, backwards=False)

    def preceding(self, position: int) -> Stored | None:
        """The last fact before a position."""
        return self._nearest(self._selection.after, min(position - 1, self._last), backwards=True)

    def _nearest(self, after: int, until: int, *, backwards: bool) -> Stored | None:
        """Of the facts after one position and not after another, the first, or the last."""
        if after >= until:
            return None
        if self._selection.unit is None:
            return self._matching(after, until, backwards=backwards)
        nearest = self._below.nearest(after, until, backwards=backwards)
        return None if nearest is None else self._stored(nearest)

    def _matching(self, after: int, until: int, *, backwards: bool) -> Stored | None:
        chosen, sees = self._selection, self._selection.sees
        tags = () if chosen.subject is None else (chosen.subject,)
        items = (Item(types=chosen.types, tags=tags),) if tags or chosen.types else ()
        found = read_seen(
            self._here.questions.recorder,
            items,
            after=after,
            until=until,
            limit=1,
            backwards=backwards,
            sees=sees,
        )
        return found[0] if found else None

    def _stored(self, position: int) -> Stored:
        recorder = self._here.questions.recorder
        (stored,) = recorder.read(after=position - 1, until=position, limit=1).events
        return stored

    @cached_property
    def _below(self) -> "_Subtree":
        assert self._selection.unit is not None, "asked of a unit's facts only"
        return _Subtree(self._here, self._selection, self._selection.unit)


def pages(
    here: Standpoint, items: Sequence[Item], after: int, until: int, *, backwards: bool
) -> Iterator[list[Stored]]:
    """What matches items, after one position and until another, in ever larger pages."""
    for limit in chain(PAGES, repeat(PAGES[-1])):
        found = here.questions.recorder.read(
            items, after=after, until=until, limit=limit, backwards=backwards
        ).events
        yield found
        if len(found) < limit:
            return
        last = found[-1].position
        after, until = (after, last - 1) if backwards else (last, until)


STRETCH: Final = """
SELECT position, tags FROM ledger.event
WHERE ledger_id = %(ledger_id)s AND position > %(after)s AND position <= %(until)s
  AND (%(types)s::text[] = '{}' OR type = ANY (%(types)s::text[]))
ORDER BY position
"""
OWED: Final = sql.SQL("""
SELECT obligation, unit FROM views.{obligation}
WHERE ledger_id = %(ledger_id)s AND obligation = ANY (%(obligations)s::text[])
""")
# Every tag is one step into the index, and its own nearest fact; the nearest of these is wanted.
PROBE: Final = sql.SQL("""
WITH wanted AS MATERIALIZED (
    SELECT hashtextextended(given.text, 0) AS tag FROM unnest(%(tags)s::text[]) AS given (text)
    UNION ALL
    SELECT hashtextextended('obligation:' || obligation, 0)
    FROM views.{obligation}
    WHERE ledger_id = %(ledger_id)s AND unit = ANY (%(owing)s::text[])
)
SELECT nearest.position
FROM wanted
CROSS JOIN LATERAL (
    SELECT event_tag.position
    FROM ledger.event_tag
    WHERE event_tag.ledger_id = %(ledger_id)s AND event_tag.tag = wanted.tag
      AND event_tag.position > %(after)s AND event_tag.position <= %(until)s{typed}
    ORDER BY event_tag.position {order}
    LIMIT 1
) AS nearest
ORDER BY nearest.position {order}
LIMIT 1
""")
TYPED: Final = sql.SQL("""
      AND (SELECT event.type = ANY (%(types)s::text[]) FROM ledger.event
           WHERE event.ledger_id = %(ledger_id)s AND event.position = event_tag.position)""")


class _Subtree:
    """Finds the nearest fact of everything below a unit."""

    def __init__(self, here: Standpoint, selection: Selection, unit: UnitRef) -> None:
        self._here = here
        self._held = below(here.background, unit, selection.within)
        self._types = [one for one in selection.types if one in registry()]
        self._says_nothing = bool(selection.types) and not self._types
        self._ledger_id = here.questions.ledger_id
        (generation,) = here.reader.builds((OBLIGATION,))
        self._obligation = sql.Identifier(Names.of(OBLIGATION, generation).current)

    def nearest(self, after: int, until: int, *, backwards: bool) -> int | None:
        """The position of the first, or the last, of the facts after one and until another."""
        if self._says_nothing:
            return None
        units = len(self._held.units)
        for length in STRETCHES[: 1 if units <= FEW_UNITS else None]:
            start, end = (until - length, until) if backwards else (after, after + length)
            start, end = max(after, start), min(until, end)
            if (found := self._look(start, end, backwards=backwards)) is not None:
                return found
            after, until = (after, start) if backwards else (end, until)
        if self._is_walked:
            return self._walk(after, until, backwards=backwards)
        while after < until:
            found = self._probe(after, until, backwards=backwards)
            if found is None or self._look(found - 1, found, backwards=backwards) is not None:
                return found
            # Of a person who held a post here, and about another unit; or two tags share a hash.
            after, until = (after, found - 1) if backwards else (found, until)
        return None

    def _look(self, after: int, until: int, *, backwards: bool) -> int | None:
        """The same, by looking at every fact of a short stretch."""
        asked = self._bounds(after, until)
        rows = self._here.connection.execute(STRETCH, asked).fetchall()
        return self._first(reversed(rows) if backwards else rows)

    def _walk(self, after: int, until: int, *, backwards: bool) -> int | None:
        """The same, by looking at every fact of the types there is."""
        item = Item(types=tuple(self._types))
        for found in pages(self._here, (item,), after, until, backwards=backwards):
            rows = ((one.position, decode(one.entry).tags) for one in found)
            if (first := self._first(rows)) is not None:
                return first
        return None

    def _first(self, facts: Iterable[tuple[int, Sequence[str]]]) -> int | None:
        """The first of some facts, positions and tags, that belongs to the subtree."""
        looked = list(facts)
        named = {tag for _, tags in looked for tag in tags if tag.startswith("obligation:")}
        owed = self._owed(named)
        return next((position for position, tags in looked if self._holds(tags, owed)), None)

    def _holds(self, tags: Sequence[str], owed: set[str]) -> bool:
        named = [tag.partition(":")[::2] for tag in tags]
        held = self._held
        for kind, key in named:
            if (
                (kind == "unit" and key in held.units)
                or (kind == "post" and key in held.posts)
                or (kind == "obligation" and key in owed)
            ):
                return True
        if any(kind in PLACING for kind, _ in named):
            return False
        return any(kind == "person" and key in held.persons for kind, key in named)

    def _owed(self, tags: set[str]) -> set[str]:
        """Of the obligations that these tags name, those of the units."""
        if not tags:
            return set()
        keys = [tag.partition(":")[2] for tag in tags]
        found = self._here.connection.execute(
            OWED.format(obligation=self._obligation),
            {"ledger_id": self._ledger_id, "obligations": keys},
        )
        return {obligation for obligation, unit in found if unit in self._held.units}

    def _probe(self, after: int, until: int, *, backwards: bool) -> int | None:
        order: LiteralString = "DESC" if backwards else "ASC"
        statement = PROBE.format(
            obligation=self._obligation,
            order=sql.SQL(order),
            typed=TYPED if self._types else sql.SQL(""),
        )
        asked = {**self._bounds(after, until), "tags": self._tags, "owing": self._owing}
        row = self._here.connection.execute(statement, asked).fetchone()
        return None if row is None else int(row[0])

    def _bounds(self, after: int, until: int) -> dict[str, Any]:
        return {
            "ledger_id": self._ledger_id,
            "after": after,
            "until": until,
            "types": self._types,
        }

    @cached_property
    def _is_walked(self) -> bool:
        """Whether walking the log by types is quicker than asking for each tag."""
        units = len(self._held.units)
        if not self._types or (self._is_structural and units <= STRUCTURAL_UNITS_MAX):
            return False
        return units * MANY_UNITS_SHARE > len(self._here.background.rows["unit"])

    @cached_property
    def _is_structural(self) -> bool:
        """Whether only facts are wanted that say what a unit, post or person is."""
        return bool(self._types) and all(registry()[one].DOSSIERS for one in self._types)

    @cached_property
    def _tags(self) -> list[str]:
        # A unit's tag gathers every report; the few facts that say what it is have their own.
        before = "dossier:" if self._is_structural else ""
        return [
            *(f"{before}unit:{one}" for one in self._held.units),
            *(f"{before}post:{one}" for one in self._held.posts),
            *(f"{before}person:{one}" for one in self._held.persons),
        ]

    @cached_property
    def _owing(self) -> list[str]:
        return [] if self._is_structural else [str(one) for one in self._held.units]
