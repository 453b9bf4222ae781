"""Sheaves: all obligations of one duty whose periods end on one day, in brief, as of any position.

Questions about whole networks are asked again and again about the same periods, now and as of
positions near and far. So the briefs (`briefs.py`) of a sheaf are read once, all their versions
with them (`chronicles.py`), and stay in memory while there is room. Before each question the log
says which obligations were touched since the last, and those alone are read again.
Read next: `tallying.py`.
"""

import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Final, TypeAlias

import psycopg
from psycopg import sql

from ledger.vocabulary import DutyRef
from projections.figures.briefs import Brief, Briefing
from projections.figures.chronicles import Chronicle, Told, told_by
from projections.figures.remembering import Memory
from projections.figures.tallies import Tally
from projections.obligations import OBLIGATION
from projections.saving import Names
from projections.time_travel import Reader, Where

VERSIONS_MAX: Final = 500_000
"""Versions kept in memory, some 330 MB with what was tallied of them: a year of 2,400 units that
send one report a week, and some a report a day, is 410,000."""

FACTS_MAX: Final = 20_000
"""After more facts than this everything is read anew; following them would not be quicker."""

SHEAVES_AT_ONCE: Final = 8
"""Read together: few enough that their bodies are small beside what is kept."""

SHOWN_MAX: Final = 4
"""Positions for which a sheaf is kept laid out; between the same two facts they are one."""

TALLIES_MAX: Final = 6
"""Tallies kept of a sheaf as of one position: by background and instant."""

Key: TypeAlias = tuple[date, str]
"""The day on which periods end, and the duty."""

Versioned: TypeAlias = tuple[str, Brief, int, int | None]
"""An obligation, in brief, and the positions from which and before which it held so."""


class Shown:
    """A sheaf as of one position, laid out to be counted."""

    def __init__(self, briefs: Iterable[Brief]) -> None:
        self.briefs = tuple(briefs)
        self.met = tuple(one for one in self.briefs if _met(one))
        """What was plainly received in time."""
        self.unmet = tuple(one for one in self.briefs if one.plain and not _met(one))
        """What is plainly late, missing, or still to come."""
        self.weighed = tuple(one for one in self.briefs if not one.plain)
        """What takes the whole verdict."""
        self.opened = min((one.position for one in self.briefs), default=0)
        """The position at which the first of them was opened."""
        self.tallies: tuple[Tally, ...] = ()

    @cached_property
    def dues(self) -> frozenset[tuple[datetime, int]]:
        """Every due, with the rules that it was opened under: thousands share each."""
        return frozenset((one.due, one.rules) for one in self.briefs)

    @cached_property
    def days(self) -> tuple[date, date]:
        """From the first day of a period to the day after the last due, which covers each zone."""
        first = min((one.period_start for one in self.briefs), default=date.max)
        last = max((due for due, _ in self.dues), default=datetime.min.replace(tzinfo=UTC))
        return first, (last + timedelta(days=1)).date()

    def keep(self, tally: Tally) -> None:
        """Keep a tally with the last few; other threads see the old ones or the new."""
        self.tallies = (tally, *self.tallies)[:TALLIES_MAX]


def _met(one: Brief) -> bool:
    return one.plain and one.received_at is not None and one.received_at < one.due


class Sheaf:
    """The obligations of one duty whose periods end on one day, and what was judged of them."""

    def __init__(self, key: Key, chronicle: Chronicle[Brief]) -> None:
        self.key = key
        self.memory = Memory()
        self._chronicle = chronicle
        self._shown: OrderedDict[int, Shown] = OrderedDict()
        self._lock = threading.Lock()

    def at(self, position: int) -> Shown:
        """As of a position that the store has reached."""
        with self._lock:
            place = self._chronicle.place(position)
            found = self._shown.get(place)
            if found is None:
                found = self._shown[place] = Shown(self._chronicle.at(position).values())
                if len(self._shown) > SHOWN_MAX:
                    self._shown.popitem(last=False)
            self._shown.move_to_end(place)
            return found

    def tell(self, more: Iterable[Told[Brief]]) -> None:
        """Take in what was touched since."""
        with self._lock:
            self._chronicle = self._chronicle.tell(more)

    def __len__(self) -> int:
        return len(self._chronicle)


# Asked for each key with the one before: one step in the index a sheaf, however many rows it has.
FOLLOWING: Final = sql.SQL("""
SELECT period_end, duty FROM views.{current}
WHERE ledger_id = %(ledger_id)s
  AND (period_end, duty) > (%(period_end)s::date, %(duty)s::text)
ORDER BY period_end, duty
LIMIT 1
""")
TOUCHED: Final = """
SELECT DISTINCT substr(tag, 12)
FROM ledger.event CROSS JOIN LATERAL unnest(tags) AS tag
WHERE ledger_id = %(ledger_id)s AND position > %(since)s AND position <= %(until)s
  AND starts_with(tag, 'obligation:')
"""


class Sheaves:
    """The sheaves of one ledger that were asked for lately."""

    def __init__(self, ledger_id: int) -> None:
        self._ledger_id = ledger_id
        self._lock = threading.RLock()
        self._builds: tuple[int, ...] = ()
        self._known_to = 0
        self._catalogue: list[Key] = []
        self._kept: OrderedDict[Key, Sheaf] = OrderedDict()

    def within(
        self,
        connection: psycopg.Connection,
        reader: Reader,
        days: tuple[date, date],
        duty: DutyRef | None = None,
    ) -> list[Sheaf]:
        """The sheaves of the days from one to another, in order; read unless they are kept."""
        with self._lock:
            keys = self._keys(connection, reader, days, duty)
            missing = [one for one in keys if one not in self._kept]
            for start in range(0, len(missing), SHEAVES_AT_ONCE):
                self._load(reader.as_of(self._known_to), missing[start : start + SHEAVES_AT_ONCE])
            found = [self._kept[one] for one in keys]
            for one in keys:
                self._kept.move_to_end(one)
            self._make_room(len(keys))
            return found

    def keeps(
        self,
        connection: psycopg.Connection,
        reader: Reader,
        days: tuple[date, date],
        duty: DutyRef | None = None,
    ) -> bool:
        """Whether `within` would have nothing to read."""
        with self._lock:
            keys = self._keys(connection, reader, days, duty)
            return all(one in self._kept for one in keys)

    def _keys(
        self,
        connection: psycopg.Connection,
        reader: Reader,
        days: tuple[date, date],
        duty: DutyRef | None,
    ) -> list[Key]:
        self._follow(connection, reader)
        start = bisect_left(self._catalogue, (days[0], ""))
        found = []
        for key in self._catalogue[start:]:
            if key[0] > days[1]:
                break
            if duty is None or key[1] == duty:
                found.append(key)
        return found

    def _follow(self, connection: psycopg.Connection, reader: Reader) -> None:
        """Know everything up to the reader's position."""
        builds = reader.builds((OBLIGATION,))
        newest = reader.newest((OBLIGATION,))
        if builds != self._builds or newest.position - self._known_to > FACTS_MAX:
            self._begin_anew(connection, builds, newest.position)
        elif reader.position > self._known_to:
            asked = {
                "ledger_id": self._ledger_id,
                "since": self._known_to,
                "until": newest.position,
            }
            touched = [one for (one,) in connection.execute(TOUCHED, asked)]
            self._tell(self._versions(newest, {"obligation": touched}, self._known_to))
            self._known_to = newest.position

    def _begin_anew(
        self, connection: psycopg.Connection, builds: tuple[int, ...], position: int
    ) -> None:
        names = Names.of(OBLIGATION, builds[0])
        following = FOLLOWING.format(current=sql.Identifier(names.current))
        asked = {"ledger_id": self._ledger_id, "period_end": date.min, "duty": ""}
        self._catalogue = []
        while found := connection.execute(following, asked).fetchone():
            self._catalogue.append(found)
            asked["period_end"], asked["duty"] = found
        self._kept.clear()
        self._builds, self._known_to = builds, position

    def _versions(self, reader: Reader, where: Where, since: int = 0) -> dict[Key, list[Versioned]]:
        """The versions that match, by sheaf."""
        found: dict[Key, list[Versioned]] = {}
        for version in reader.every(OBLIGATION, where, since=since, decode=Briefing().brief):
            brief = version[1]
            found.setdefault((brief.period_end, str(brief.duty)), []).append(version)
        return found

    def _tell(self, touched: dict[Key, list[Versioned]]) -> None:
        """Take in what was touched: all of a sheaf at once, for its versions are one line."""
        for key, told in touched.items():
            place = bisect_left(self._catalogue, key)
            if self._catalogue[place : place + 1] != [key]:
                self._catalogue.insert(place, key)
            if key in self._kept:
                self._kept[key].tell(told_by(told, self._known_to))

    def _load(self, reader: Reader, keys: Sequence[Key]) -> None:
        where = {"period_end": {one for one, _ in keys}, "duty": {duty for _, duty in keys}}
        found = self._versions(reader, where)
        for key in keys:
            self._kept[key] = Sheaf(key, Chronicle(told_by(found.get(key, ()))))

    def _make_room(self, asked: int) -> None:
        """Let go of what was not asked for longest, but of nothing that is asked for now."""
        total = sum(map(len, self._kept.values()))
        while total > VERSIONS_MAX and len(self._kept) > asked:
            _, gone = self._kept.popitem(last=False)
            total -= len(gone)
