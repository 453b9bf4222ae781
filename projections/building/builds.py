"""Builds of a projection: which one is led, which one answers, which ones may go.

One row of `ledger.projection` is one build (generation) of a projection in one ledger. Tables are
shared by all ledgers of a database, so a generation means the same shape in each of them, and a
version the same fold. Everything that adds, switches or drops a build takes one lock, so that no
projector leads a build that is replaced at that moment.

Read next: `projections/leading.py`, which folds what is enrolled here, and `rebuilding.py`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import psycopg
from psycopg import errors, sql
from psycopg.rows import class_row

from ledger.database import Database, Role
from ledger.errors import FoldChanged, ShapeChanged
from projections.building.fingerprints import fingerprint_of, fold_alike
from projections.saving import Names, make_tables
from projections.tables import Projection, shape_of

_BUILDS_LOCK: Final = 471_027


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """One build of a projection in one ledger, as it is kept."""

    ledger_id: int
    name: str
    generation: int
    version: int
    tables: list[str]
    shape: str
    fingerprint: str | None
    serving: bool
    rebuilding: bool
    retired_at: datetime | None


LOCK_BUILDS: Final = "SELECT pg_advisory_xact_lock(%s)"
BUILDS: Final = """
SELECT ledger_id, name, generation, version, tables, shape, fingerprint,
       serving, rebuilding, retired_at
FROM ledger.projection
WHERE name = %s
ORDER BY generation DESC
"""


def lock_builds(connection: psycopg.Connection) -> None:
    """Keep every build as it is, in all ledgers, until the transaction ends."""
    connection.execute(LOCK_BUILDS, (_BUILDS_LOCK,))


def builds_of(connection: psycopg.Connection, name: str) -> list[Build]:
    """Every build of a projection in every ledger, the latest generation first."""
    with connection.cursor(row_factory=class_row(Build)) as cursor:
        return cursor.execute(BUILDS, (name,)).fetchall()


# Those being rebuilt are led by somebody else, under an epoch of their own.
NEW_EPOCH: Final = """
UPDATE ledger.projection
SET epoch = (SELECT max(epoch) + 1 FROM ledger.projection WHERE ledger_id = %(ledger_id)s)
WHERE ledger_id = %(ledger_id)s AND NOT rebuilding
RETURNING epoch
"""


def lead_builds(
    connection: psycopg.Connection, ledger_id: int, projections: Sequence[Projection]
) -> tuple[list[int], int]:
    """The generation of each projection to go on with, and the epoch to save them under.

    Shuts out every earlier leader.
    """
    with connection.transaction():
        lock_builds(connection)
        generations = [enrol(connection, ledger_id, projection) for projection in projections]
        row = connection.execute(NEW_EPOCH, {"ledger_id": ledger_id}).fetchone()
        assert row is not None, "projections are enrolled before they are led"
    return generations, int(row[0])


KEEP: Final = """
UPDATE ledger.projection
SET fingerprint = coalesce(fingerprint, %(fingerprint)s), shape = %(shape)s, retired_at = NULL
WHERE ledger_id = %(ledger_id)s AND name = %(name)s AND generation = %(generation)s
  AND (fingerprint IS NULL OR shape = '' OR retired_at IS NOT NULL)
"""
# The first views of a ledger serve while they are built. A later one must not: whoever asks for
# what every view has reached would be taken back to the beginning.
ENROL: Final = """
INSERT INTO ledger.projection (
    ledger_id, name, generation, version, tables, shape, fingerprint, rebuilding, serving
)
SELECT %(ledger_id)s, %(name)s, %(generation)s, %(version)s, %(tables)s, %(shape)s,
       %(fingerprint)s, %(rebuilding)s, NOT %(rebuilding)s AND NOT EXISTS (
           SELECT FROM ledger.projection
           WHERE ledger_id = %(ledger_id)s AND serving AND (position > 0 OR name = %(name)s)
       )
"""


def enrol(connection: psycopg.Connection, ledger_id: int, projection: Projection) -> int:
    """The generation that holds this version, made (tables and all) when there is none yet.

    `ShapeChanged` when the version was built with other rows, `FoldChanged` when by another fold.
    What is new does not serve until it was promoted, unless the ledger has no view yet.
    """
    builds = builds_of(connection, projection.name)
    fingerprint = require_same_fold(projection, builds)
    led = [one for one in _same(projection, builds) if not one.rebuilding]
    own = [one for one in led if one.ledger_id == ledger_id]
    if own:
        kept = max(own, key=lambda one: (one.serving, one.generation))
        connection.execute(
            KEEP,
            {
                "ledger_id": ledger_id,
                "name": projection.name,
                "generation": kept.generation,
                "fingerprint": fingerprint,
                "shape": shape_of(projection),
            },
        )
        return kept.generation
    generation = led[0].generation if led else next_generation(builds)
    make_build(connection, ledger_id, projection, generation, fingerprint)
    return generation


def make_build(  # noqa: PLR0913  (what a row of `ledger.projection` says)
    connection: psycopg.Connection,
    ledger_id: int,
    projection: Projection,
    generation: int,
    fingerprint: str,
    *,
    rebuilding: bool = False,
) -> None:
    """Enter a build that begins before the first fact, with its tables unless they are there."""
    for table in projection.tables:
        make_tables(connection, table, generation)
    connection.execute(
        ENROL,
        {
            "ledger_id": ledger_id,
            "name": projection.name,
            "generation": generation,
            "version": projection.version,
            "tables": [table.name for table in projection.tables],
            "shape": shape_of(projection),
            "fingerprint": fingerprint,
            "rebuilding": rebuilding,
        },
    )


def require_same_fold(projection: Projection, builds: Sequence[Build]) -> str:
    """The projection's fingerprint; refused when its version was built otherwise anywhere."""
    same = _same(projection, builds)
    if any(one.shape not in {"", shape_of(projection)} for one in same):
        raise ShapeChanged(
            f"projection {projection.name} declares other rows than version "
            f"{projection.version} was built with; raise its version"
        )
    fingerprint = fingerprint_of(projection)
    made_by = {one.fingerprint for one in same if one.fingerprint is not None}
    if not all(fold_alike(projection, one, fingerprint) for one in made_by):
        raise FoldChanged(
            f"projection {projection.name} folds otherwise than version {projection.version} was "
            "built with; raise its version, and it is built anew beside the old one; or, if it "
            "makes the same rows as before, say so in projections/building/folds.toml "
            "(CONTRIBUTING.md, Changing a fold)"
        )
    return fingerprint


def require_same_folds(database: Database, projections: Sequence[Projection]) -> None:
    """Refuse to start with folds that were changed without a new version; changes nothing."""
    with database.pooled(Role.READER) as connection:
        for projection in projections:
            require_same_fold(projection, builds_of(connection, projection.name))


def _same(projection: Projection, builds: Sequence[Build]) -> list[Build]:
    return [one for one in builds if one.version == projection.version]


def next_generation(builds: Sequence[Build]) -> int:
    """A number that no build of the projection has in any ledger."""
    return max((one.generation for one in builds), default=0) + 1


PROMOTE: Final = """
UPDATE ledger.projection
SET serving = (generation = %(generation)s),
    rebuilding = rebuilding AND generation <> %(generation)s,
    retired_at = CASE WHEN generation <> %(generation)s THEN clock_timestamp() END
WHERE ledger_id = %(ledger_id)s AND name = %(name)s
  AND (serving OR generation = %(generation)s OR (retired_at IS NULL AND NOT rebuilding))
"""


def promote(connection: psycopg.Connection, ledger_id: int, name: str, generation: int) -> None:
    """From now on this build answers; readers that began with another keep it for a while."""
    connection.execute(PROMOTE, {"ledger_id": ledger_id, "name": name, "generation": generation})


RESUME: Final = """
UPDATE ledger.projection
SET stopped_at = NULL, stopped_reason = NULL
WHERE ledger_id = %s AND name = %s AND generation = %s
"""


def resume(connection: psycopg.Connection, ledger_id: int, name: str, generation: int) -> None:
    """From now on a build that had stopped counts again among those that go on."""
    connection.execute(RESUME, (ledger_id, name, generation))


FORGET: Final = """
DELETE FROM ledger.projection WHERE ledger_id = %s AND name = %s AND generation = %s
"""
DROP: Final = sql.SQL("DROP TABLE IF EXISTS views.{name}")
EMPTY: Final = sql.SQL("DELETE FROM views.{name} WHERE ledger_id = %s")


def drop_build(connection: psycopg.Connection, build: Build) -> None:
    """Take a build away: its tables, or its rows alone while other ledgers use the tables."""
    others = [
        one
        for one in builds_of(connection, build.name)
        if one.generation == build.generation and one.ledger_id != build.ledger_id
    ]
    for table in build.tables:
        names = Names.behind(table, build.generation)
        for name in (names.current, names.history):
            if others:
                connection.execute(EMPTY.format(name=sql.Identifier(name)), (build.ledger_id,))
            else:
                connection.execute(DROP.format(name=sql.Identifier(name)))
    connection.execute(FORGET, (build.ledger_id, build.name, build.generation))


GONE: Final = """
SELECT ledger_id, name, generation, version, tables, shape, fingerprint,
       serving, rebuilding, retired_at
FROM ledger.projection
WHERE ledger_id = %(ledger_id)s AND (
    rebuilding AND name = ANY(%(names)s)
    OR NOT serving AND retired_at < clock_timestamp() - %(keep)s::interval
)
ORDER BY name, generation
"""


# A build whose tables somebody reads for longer than this is left for the next time.
WAIT_SHORTLY: Final = "SET LOCAL lock_timeout = '2s'"


class Dropped(msgspec.Struct, frozen=True):
    """A build that was taken away, or is `still_read` and was left."""

    name: str
    generation: int
    still_read: bool


def drop_builds(
    connection: psycopg.Connection,
    ledger_id: int,
    *,
    half_built: Sequence[str] = (),
    retired_before: timedelta | None = None,
) -> list[Dropped]:
    """Drop the half-built builds of the named projections, and those retired for so long.

    A build that a transaction reads at this moment is left.
    """
    wanted = {"ledger_id": ledger_id, "names": [*half_built], "keep": retired_before}
    with connection.cursor(row_factory=class_row(Build)) as cursor:
        gone = cursor.execute(GONE, wanted).fetchall()
    return [_dropped(connection, build) for build in gone]


def _dropped(connection: psycopg.Connection, build: Build) -> Dropped:
    still_read = False
    try:
        with connection.transaction():
            lock_builds(connection)
            connection.execute(WAIT_SHORTLY)
            if build in builds_of(connection, build.name):
                drop_build(connection, build)
    except errors.LockNotAvailable:
        still_read = True
    return Dropped(build.name, build.generation, still_read)
