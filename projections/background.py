"""What obligations are judged against, as of a position: organisation, duties, calendar, rules.

Loaded whole and shared by every question until a fact changes it; a verdict may climb anywhere on
the line, so a part would do only until it does not. Every version of it stays in memory
(`figures/chronicles.py`), so that another position costs some milliseconds and no reading, and
dossiers that did not change are the same objects in both: `figures/remembering.py` rests on that.
Read next: `standpoint.py`.
"""

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Final

from ledger.errors import TooManyRows
from ledger.model.history import History
from ledger.model.obligations import Obligation
from ledger.model.organisation import Organisation, Post
from projections.calendar import CALENDARS
from projections.dossiers import Shape
from projections.duties import DUTIES
from projections.editions import BACKGROUND, EDITION
from projections.figures.chronicles import Chronicle, Told, told_by
from projections.judging import last_change
from projections.organisation import ORGANISATION
from projections.time_travel import Reader

KEPT_MAX: Final = 24
"""Backgrounds kept in memory: some 3 MB each for 2,000 outlets, for they share their dossiers."""

VERSIONS_MAX: Final = 60_000
"""Versions of one kind of dossier that stay in memory, some 60 MB; an organisation with a longer
history is loaded anew for each edition."""

INCAPACITY: Final = frozenset({"died", "incapacitated"})
"""Causes of leaving a post that may excuse what was due from it (docs/rules.md R6)."""

SHAPES: Final[dict[str, Shape]] = {
    **ORGANISATION.shapes,
    **DUTIES.shapes,
    **CALENDARS.shapes,
}
"""How each kind of dossier in the background is kept."""


class Background:
    """The dossiers of every kind but obligations; never changed, shared between threads."""

    def __init__(self, edition: int, rows: dict[str, dict[str, Any]]) -> None:
        self.edition = edition
        # Of two posts with one role the first established answers, as in a replay.
        self.rows = rows | {"post": dict(sorted(rows["post"].items(), key=_established))}
        rows = self.rows
        self.organisation = Organisation(rows["unit"], rows["post"], rows["person"])

    @cached_property
    def posts_in(self) -> dict[str, list[str]]:
        """The posts of each unit."""
        found: dict[str, list[str]] = {}
        for post in self.rows["post"].values():
            found.setdefault(post.unit, []).append(post.post)
        return found

    @cached_property
    def _ever_below(self) -> dict[str, list[str]]:
        """The units that have ever stood directly below each unit."""
        found: dict[str, list[str]] = {}
        for unit in self.rows["unit"].values():
            for parent in {placed.parent for placed in unit.parents}:
                if parent is not None:
                    found.setdefault(parent, []).append(unit.unit)
        return found

    @cached_property
    def unit_changes(self) -> dict[str, int]:
        """The last fact about each unit that may say what is asked of it, or until when."""
        return {
            unit.unit: position
            for unit in self.rows["unit"].values()
            if (position := last_change(unit))
        }

    @cached_property
    def _latest_changes(self) -> list[tuple[int, str]]:
        return sorted((position, unit) for unit, position in self.unit_changes.items())

    def units_changed_after(self, position: int) -> frozenset[str]:
        """The units of which any of that came after a position."""
        start = bisect_right(self._latest_changes, position, key=lambda one: one[0])
        return frozenset(unit for _, unit in self._latest_changes[start:])

    @cached_property
    def bereft(self) -> frozenset[str]:
        """The posts that anybody ever left by death or incapacity."""
        gone = {
            person.person
            for person in self.rows["person"].values()
            if any(one.cause in INCAPACITY for one in person.departures)
        }
        return frozenset(
            post.post
            for post in self.rows["post"].values()
            if any(one.cause in INCAPACITY for one in post.reliefs)
            or (gone and any(one.person in gone for one in post.appointments))
        )

    def ever_below(self, top: str) -> set[str]:
        """The top, and every unit that a chain of parents has led up to it at some time."""
        found, waiting = {top}, [top]
        while waiting:
            for unit in self._ever_below.get(waiting.pop(), ()):
                if unit not in found:
                    found.add(unit)
                    waiting.append(unit)
        return found

    def history(self, obligations: Iterable[Obligation], position: int) -> History:
        """These obligations before this background, ready for the verdict."""
        history = History()
        history.rows = {**self.rows, "obligation": {one.obligation: one for one in obligations}}
        history.organisation = self.organisation.with_ceiling(history.rules().acting_ceiling)
        history.position = position
        return history


class Backgrounds:
    """The backgrounds of one ledger that were asked for lately."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Background] = OrderedDict()
        # One at a time: whoever waits here finds that it was loaded meanwhile.
        self._lock = threading.RLock()
        self._builds: tuple[int, ...] = ()
        self._chronicles: dict[str, Chronicle[Any]] | None = {}
        self._known_to = 0

    def as_of(self, reader: Reader) -> Background:
        """The background at the reader's position, loaded unless it is kept."""
        with self._lock:
            edition = self.edition(reader)
            found = self._kept.get(edition)
            if found is None:
                found = self._kept[edition] = self._made(reader, edition)
                while len(self._kept) > KEPT_MAX:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(edition)
            return found

    def edition(self, reader: Reader) -> int:
        """The position of the last change at or before the reader's: it names a background."""
        with self._lock:
            self._begin_anew_unless(reader.builds(_TABLES))
            if self._chronicles is None or reader.position > self._known_to:
                found = reader.get(EDITION, BACKGROUND)
                edition = found.position if found else 0
                if self._chronicles is not None and edition > self._known_to:
                    self._follow(reader)
                if self._chronicles is None:
                    return edition
                self._known_to = max(self._known_to, reader.position)
            return max((one.last(reader.position) for one in self._chronicles.values()), default=0)

    def _begin_anew_unless(self, builds: tuple[int, ...]) -> None:
        """Forget everything that other builds of the views had said."""
        if builds != self._builds:
            self._kept.clear()
            self._builds, self._chronicles, self._known_to = builds, {}, 0

    def _made(self, reader: Reader, edition: int) -> Background:
        if self._chronicles is None:
            return _load(reader, edition)
        told = self._chronicles
        rows = {kind: told[kind].at(edition) if kind in told else {} for kind in SHAPES}
        return Background(edition, rows)

    def _follow(self, reader: Reader) -> None:
        """Read what came since; give it up where there is more than may stay in memory."""
        newest = reader.newest(_TABLES)
        before = self._chronicles or {}
        try:
            told = {kind: _told(newest, shape, self._known_to) for kind, shape in SHAPES.items()}
        except TooManyRows:
            self._chronicles = None
            return
        self._chronicles = {
            kind: before[kind].tell(more) if kind in before else Chronicle(more)
            for kind, more in told.items()
        }
        self._known_to = newest.position
        if max(map(len, self._chronicles.values())) > VERSIONS_MAX:
            self._chronicles = None


def _established(item: tuple[str, Post]) -> tuple[int, str]:
    life = item[1].life
    return (life[0].position if life else 0), item[0]


_TABLES: Final = tuple(shape.table for shape in SHAPES.values())


def _told(reader: Reader, shape: Shape, since: int) -> list[Told[Any]]:
    """What changed after a position."""

    def decode(body: str, _since: int) -> Any:  # noqa: ANN401  (a dossier of the kind)
        return shape.to_dossier(shape.table.decode(body))

    versions = reader.every(shape.table, since=since, decode=decode, limit=VERSIONS_MAX)
    return told_by(versions, since)


def _load(reader: Reader, edition: int) -> Background:
    rows: dict[str, dict[str, Any]] = {}
    for kind, shape in SHAPES.items():
        (key,) = shape.table.key
        rows[kind] = {getattr(row, key): shape.to_dossier(row) for row in reader.find(shape.table)}
    return Background(edition, rows)
