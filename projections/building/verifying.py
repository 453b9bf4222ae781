"""Views verified: folded anew from the log in memory, and compared by hash with what serves.

Rows are added up (SHA-256 of each, modulo 2**256), so that a million of them are compared without
being kept or sorted; sums are kept by bucket of the key, and where one differs, the rows of that
bucket alone are folded and read once more, to name the first that is wrong.
Read next: `projections/folding.py`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, TypeAlias

import msgspec
import psycopg
from psycopg import sql

from ledger.codec import decode
from ledger.database import Database, Role
from ledger.entry import Event
from projections.folding import Changes, MemoryRows
from projections.intervals import fork_of
from projections.leading import Source
from projections.positions import Standing, standings
from projections.saving import Names
from projections.tables import Key, Projection, Table, plain

BUCKETS: Final = 1_024
MODULUS: Final = 2**256
PAGE_ROWS: Final = 5_000
SLICE_EVENTS: Final = 10_000
SHOWN_CHARACTERS_MAX: Final = 200

SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
CURRENT: Final = sql.SQL("""
SELECT {columns}, valid_from, NULL::bigint, NULL::bigint, body::text
FROM views.{name} WHERE ledger_id = %s
""")
HISTORY: Final = sql.SQL("""
SELECT {columns}, valid_from, valid_to, fork, body::text
FROM views.{name} WHERE ledger_id = %s
""")

Line: TypeAlias = tuple[Any, ...]
"""A version as it is stored: columns, valid_from, valid_to, fork (both None: it holds), body."""

Advance = Callable[[int], None]


class ViewChecked(msgspec.Struct, frozen=True, kw_only=True):
    """One view compared with its replay, at the position where it stands."""

    view: str
    version: int
    position: int
    rows: int
    agrees: bool
    what: str = ""
    first_position: int | None = None
    """Where the first row that differs began to hold."""


class _Sums:
    """The rows of one table, added up by bucket; those of wanted buckets are kept."""

    def __init__(self, wanted: frozenset[int] = frozenset()) -> None:
        self.sums = [0] * BUCKETS
        self.rows = 0
        self.kept: set[bytes] = set()
        self._wanted = wanted

    def take(self, key: Key, line: Line) -> None:
        """Add a row."""
        content = msgspec.json.encode([_plainly(cell) for cell in line])
        digest = sha256(content).digest()
        bucket = _bucket(key)
        self.sums[bucket] = (self.sums[bucket] + int.from_bytes(digest, "big")) % MODULUS
        self.rows += 1
        if bucket in self._wanted:
            self.kept.add(content)


Totals: TypeAlias = dict[str, _Sums]


def verify_views(
    database: Database,
    ledger_id: int,
    source: Source,
    projections: Sequence[Projection],
    advance: Advance = lambda _done: None,
) -> list[ViewChecked]:
    """Fold every view anew up to where it stands, and compare it with what serves there."""
    with closing(database.connect(Role.READER)) as connection:
        return [_verify(connection, ledger_id, source, one, advance) for one in projections]


def verify_build(  # noqa: PLR0913, PLR0917  (what `verify_views` takes, and which build)
    database: Database,
    ledger_id: int,
    source: Source,
    projection: Projection,
    generation: int,
    advance: Advance = lambda _done: None,
) -> ViewChecked:
    """The same for one build that need not serve, as long as nobody folds it meanwhile."""
    with closing(database.connect(Role.READER)) as connection:
        return _verify(connection, ledger_id, source, projection, advance, generation)


def _verify(  # noqa: PLR0913, PLR0917  (what its callers know)
    connection: psycopg.Connection,
    ledger_id: int,
    source: Source,
    projection: Projection,
    advance: Advance,
    generation: int | None = None,
) -> ViewChecked:
    standing, served = _served(connection, ledger_id, projection, {}, generation)
    if standing is None:
        return ViewChecked(
            view=projection.name,
            version=projection.version,
            position=0,
            rows=0,
            agrees=True,
            what="not built yet; run `ledger project`",
        )
    told = ViewChecked(
        view=projection.name,
        version=standing.version,
        position=standing.position,
        rows=sum(one.rows for one in served.values()),
        agrees=True,
    )
    if standing.version != projection.version:
        what = f"NOT compared: version {standing.version} serves, this program folds another"
        return msgspec.structs.replace(told, what=what)
    folded = _folded(projection, source, standing.position, {}, advance)
    wanted = {
        table.name: frozenset(_unequal(served[table.name], folded[table.name]))
        for table in projection.tables
    }
    if not any(wanted.values()):
        return told
    return _name_first(connection, ledger_id, source, projection, told, wanted, generation)


def _unequal(one: _Sums, other: _Sums) -> Iterator[int]:
    pairs = zip(one.sums, other.sums, strict=True)
    return (bucket for bucket, (mine, theirs) in enumerate(pairs) if mine != theirs)


def _name_first(  # noqa: PLR0913, PLR0917  (what `_verify` knows)
    connection: psycopg.Connection,
    ledger_id: int,
    source: Source,
    projection: Projection,
    told: ViewChecked,
    wanted: dict[str, frozenset[int]],
    generation: int | None,
) -> ViewChecked:
    """Read and fold once more, keeping the rows of the buckets that differ."""
    standing, served = _served(connection, ledger_id, projection, wanted, generation)
    assert standing is not None, "a view that served is not taken away"
    folded = _folded(projection, source, standing.position, wanted, lambda _done: None)
    differing = [
        (msgspec.json.decode(line)[-4], table.name, line.decode(), side)
        for table in projection.tables
        for side, lines in (
            ("serves", served[table.name].kept - folded[table.name].kept),
            ("lacks", folded[table.name].kept - served[table.name].kept),
        )
        for line in lines
    ]
    if not differing:
        return told  # it was mended while we looked
    position, table_name, line, side = min(differing)
    what = (
        f"table {table_name} {side} {line[:SHOWN_CHARACTERS_MAX]}; "
        f"run `ledger rebuild {projection.name}`"
    )
    return msgspec.structs.replace(told, agrees=False, what=what, first_position=position)


def _served(
    connection: psycopg.Connection,
    ledger_id: int,
    projection: Projection,
    wanted: dict[str, frozenset[int]],
    generation: int | None,
) -> tuple[Standing | None, Totals]:
    """Where a build stands (None: the serving one), and its rows: one snapshot for all of it."""
    sums = {one.name: _Sums(wanted.get(one.name, frozenset())) for one in projection.tables}
    connection.execute(SNAPSHOT)
    try:
        builds = standings(connection, ledger_id)
        chosen = (
            one
            for one in builds
            if one.name == projection.name
            and (one.serving if generation is None else one.generation == generation)
        )
        standing = next(chosen, None)
        if standing is not None and standing.version == projection.version:
            for table in projection.tables:
                for line in _stored(connection, ledger_id, table, standing.generation):
                    sums[table.name].take(line[: len(table.key)], line)
    finally:
        connection.execute("ROLLBACK")
    return standing, sums


def _stored(
    connection: psycopg.Connection, ledger_id: int, table: Table[Any], generation: int
) -> Iterator[Line]:
    names = Names.of(table, generation)
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in table.column_names)
    for statement, name in ((CURRENT, names.current), (HISTORY, names.history)):
        with connection.cursor(name="verifying") as cursor:
            cursor.execute(
                statement.format(columns=columns, name=sql.Identifier(name)), (ledger_id,)
            )
            while page := cursor.fetchmany(PAGE_ROWS):
                yield from page


def _folded(
    projection: Projection,
    source: Source,
    until: int,
    wanted: dict[str, frozenset[int]],
    advance: Advance,
) -> Totals:
    """The rows that the same facts make in memory, added up."""
    sums = {one.name: _Sums(wanted.get(one.name, frozenset())) for one in projection.tables}
    rows = MemoryRows(projection.tables)
    current: dict[str, dict[Key, tuple[Any, int]]] = {one.name: {} for one in projection.tables}
    done = 0
    for page in source.stream(after=0, until=until):
        _fold(projection, (decode(one.entry) for one in page), rows)
        for changes in rows.take_changes():
            _take(changes, sums[changes.table.name], current[changes.table.name])
        done += len(page)
        advance(done)
    for table in projection.tables:
        for key, (row, since) in current[table.name].items():
            sums[table.name].take(_plain_key(key), _line(table, row, since, None))
    return sums


def _fold(projection: Projection, events: Iterable[Event], rows: MemoryRows) -> None:
    for event in events:
        if event.type in projection.types:
            projection.fold(event, rows)
            rows.settle(event.position)


def _take(changes: Changes[Any], sums: _Sums, current: dict[Key, tuple[Any, int]]) -> None:
    """Add the versions that closed; the ones that hold are added when all is folded."""
    table = changes.table
    for row, since, until in changes.closed:
        sums.take(_plain_key(table.key_of(row)), _line(table, row, since, until))
    for row, since in (*changes.added, *changes.changed):
        current[table.key_of(row)] = (row, since)
    for key in changes.gone:
        current.pop(key, None)


def _line(table: Table[Any], row: Any, since: int, until: int | None) -> Line:  # noqa: ANN401
    columns = (plain(getattr(row, name)) for name in table.column_names)
    fork = None if until is None else fork_of(since, until)
    return (*columns, since, until, fork, table.encode(row).decode())


def _plain_key(key: Key) -> Key:
    return tuple(plain(value) for value in key)


def _plainly(value: object) -> object:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _bucket(key: Key) -> int:
    """The same for a key whether it was read or folded, in every process."""
    content = msgspec.json.encode([_plainly(cell) for cell in key])
    return int.from_bytes(sha256(content).digest()[:4], "big") % BUCKETS
