"""What differs between two moments: row by row, field by field, and the facts that caused it.

Everything is looked at once (`contrasting.py`), in a stable order, and told page by page; the list
of what differs is kept for the pages that follow, without the rows themselves. Read next:
`contrasting.py`, then `showing.py`, for the rows of one moment.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from weakref import WeakKeyDictionary

import msgspec

from ledger.errors import Invalid
from ledger.vocabulary import Moment, UnitRef
from projections.citing import Citation, citation_of
from projections.past.contrasting import TABLES, Contrast, Differing, Judgement
from projections.past.differing import RowChange, difference, key_text
from projections.standpoint import AsOf, Questions, Standpoint

PAGE_MAX: Final = 500
CAUSES_MAX: Final = 20
"""Facts cited for one row; `causes_total` says how many there are."""

KEPT_MAX: Final = 2
"""Lists of a ledger kept for the pages that follow: each some 0.3 kB a row that differs."""


class RowDifference(RowChange, frozen=True, kw_only=True):
    """A row that differs, the facts between that caused it, and how an obligation is judged.

    `causes` are the first of `causes_total`. `judged_before` is None where the obligation was not
    opened yet, or for rows that are none. `by_time`: the same verdict would have followed without
    any fact, because time passed; then `fields` and `causes` may be empty.
    """

    causes: tuple[Citation, ...]
    causes_total: int
    judged_before: Judgement | None = None
    judged_after: Judgement | None = None
    by_time: bool = False


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of a table differ; `judged_otherwise` are those whose fields do not."""

    view: str
    table: str
    added: int
    changed: int
    removed: int
    judged_otherwise: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A page of what differs, in the order of views, tables and keys, and the counts of all.

    `as_of` is the later moment, `since` the earlier one; `next` names the last row of a page that
    another follows: its table and key.
    """

    as_of: AsOf
    since: Moment
    unit: UnitRef | None
    counts: tuple[Count, ...]
    rows: tuple[RowDifference, ...]
    next: tuple[str, ...] | None


class _Lists:
    """The lists of one ledger that pages were told of lately."""

    def __init__(self) -> None:
        self._kept: OrderedDict[object, list[Differing]] = OrderedDict()
        self._looking = threading.Lock()

    def of(self, key: object, contrast: Contrast) -> list[Differing]:
        """Every row that differs, in order."""
        with self._looking:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = contrast.rows()
        with self._looking:
            self._kept[key] = found
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return found


_lists: WeakKeyDictionary[Questions, _Lists] = WeakKeyDictionary()


def compare(  # noqa: PLR0913  (what can be asked)
    before: Standpoint,
    after: Standpoint,
    *,
    unit: UnitRef | None = None,
    within: frozenset[UnitRef] | None = None,
    limit: int = PAGE_MAX,
    beyond: Sequence[str] | None = None,
) -> Comparison:
    """What differs at `after` from `before`: everything, or what ever stood below `unit`.

    With a unit: the rows of the units, their posts, who held those, and their obligations; of
    the units `within` alone, for a key that reaches no other. `beyond` is the `next` of the page
    before. `Invalid` when `before` is the later one.
    """
    if not 0 < limit <= PAGE_MAX:
        raise Invalid.field("limit", f"a page has 1 to {PAGE_MAX} rows")
    earlier, later = before.moment, after.moment
    if earlier.position > later.position or earlier.instant > later.instant:
        raise Invalid.field(
            "to",
            f"position {later.position} at {later.instant.isoformat()} lies before position "
            f"{earlier.position} at {earlier.instant.isoformat()}; exchange the two",
        )
    contrast = Contrast(before, after, unit, within)
    builds = tuple((one.name, one.generation) for one in after.reader.serving)
    lists = _lists.setdefault(after.questions, _Lists())
    rows = lists.of((earlier, later, unit, within, builds), contrast)
    start = _start(rows, beyond)
    page = rows[start : start + limit]
    more = start + limit < len(rows)
    return Comparison(
        as_of=after.as_of,
        since=earlier,
        unit=unit,
        counts=_counts(rows),
        rows=tuple(_told(contrast, page)),
        next=_name(page[-1]) if more else None,
    )


def _name(row: Differing) -> tuple[str, ...]:
    return TABLES[row.order][1].name, *key_text(row.key)


def _start(rows: Sequence[Differing], beyond: Sequence[str] | None) -> int:
    if beyond is None:
        return 0
    for number, one in enumerate(rows):
        if _name(one) == tuple(beyond):
            return number + 1
    raise Invalid.field("beyond", f"{'/'.join(beyond)} does not differ; begin at the first page")


_FIGURES: Final = ("added", "changed", "removed", "judged_otherwise")


def _counts(rows: Iterable[Differing]) -> tuple[Count, ...]:
    found: dict[int, dict[str, int]] = {}
    for one in rows:
        figures = found.setdefault(one.order, dict.fromkeys(_FIGURES, 0))
        figures["judged_otherwise" if one.is_same else one.change] += 1
    return tuple(
        Count(view=TABLES[order][0], table=TABLES[order][1].name, **figures)
        for order, figures in sorted(found.items())
    )


def _told(contrast: Contrast, page: Sequence[Differing]) -> Iterator[RowDifference]:
    """Rows of the list with their fields and causes."""
    ends = contrast.ends_of(page)
    causes, passed = contrast.causes_of(page, ends)
    shown = {at for positions in causes.values() for at in positions[:CAUSES_MAX]}
    entries = contrast.between.entries(shown)
    for one in page:
        view, table = TABLES[one.order]
        positions = causes[one.place]
        yield RowDifference(
            view=view,
            table=table.name,
            key=key_text(one.key),
            change=one.change,
            fields=difference(ends[one.place].before, ends[one.place].after),
            causes=tuple(citation_of(entries[at]) for at in positions[:CAUSES_MAX]),
            causes_total=len(positions),
            judged_before=one.judged[0],
            judged_after=one.judged[1],
            by_time=one.place in passed,
        )
