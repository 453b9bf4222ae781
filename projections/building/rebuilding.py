"""Rebuilding views beside serving: new builds from the first fact on, then one switch.

Whoever rebuilds folds with the same code as the leading projector (`projections/leading.py`), and
takes a lead of its own: another lock, and an epoch on the new builds alone. So the projector goes
on serving the old builds, appends go on, and each refuses the other's tables. What was folded is
saved with its position, batch by batch: after a crash or an interruption the next rebuild goes on
from there.

The switch is one transaction that nobody saves beside: it folds the last facts up to where the
old builds stand, lets the new ones answer, and shuts out the projector, which begins anew and
finds the new builds to lead. Read next: `build_difference.py`, which says what would change.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Final

import msgspec
import psycopg
from psycopg import sql

from ledger.database import Database, Role
from ledger.errors import ProjectorLeading, RebuildStopped
from projections.building.builds import (
    EMPTY,
    Dropped,
    builds_of,
    drop_build,
    drop_builds,
    lock_builds,
    make_build,
    next_generation,
    promote,
    require_same_fold,
)
from projections.leading import BATCH_EVENTS, Lead
from projections.positions import (
    Standing,
    leave_lead,
    leave_rebuild,
    standings,
    take_lead,
    take_rebuild,
)
from projections.saving import Names
from projections.tables import Projection


class Beside(msgspec.Struct, frozen=True):
    """A projection, the build that serves it (None: nothing does yet), and the new one."""

    projection: Projection
    old: Standing | None
    new: Standing


KEPT_MIN: Final = timedelta(minutes=1)
"""No request lives longer, so none finds its build gone."""

HAND_OVER: Final = """
UPDATE ledger.projection
SET rebuilding = false
WHERE ledger_id = %(ledger_id)s AND rebuilding AND name = ANY(%(names)s)
"""
SHUT_OUT: Final = """
UPDATE ledger.projection
SET epoch = (SELECT max(epoch) + 1 FROM ledger.projection WHERE ledger_id = %(ledger_id)s)
WHERE ledger_id = %(ledger_id)s
"""


class Rebuild(Lead):
    """New builds of some projections, made beside those that serve; for one process at a time.

    `RebuildGoing` when another process rebuilds views of this ledger, `FoldChanged` when the
    program folds otherwise than it did under this version.
    """

    @property
    def position(self) -> int:
        """How far all of the new builds are."""
        return min(folding.position for folding in self._foldings)

    def build(self) -> int:
        """Fold everything recorded so far; the position reached.

        `RebuildStopped` names the fact that cannot be folded.
        """
        self.catch_up()
        self._require_going()
        return self.position

    def builds(self) -> list[Beside]:
        """Each projection with the build that serves it, if one does, and the new one."""
        rows = standings(self._connection, self._ledger_id)
        serving = {row.name: row for row in rows if row.serving}
        made = {(row.name, row.generation): row for row in rows}
        return [
            Beside(
                folding.projection,
                serving.get(folding.projection.name),
                made[folding.projection.name, folding.generation],
            )
            for folding in self._foldings
        ]

    def switch(self) -> bool:
        """Let the new builds answer from now on, all at once, nowhere behind the old ones.

        False when a projector of another version leads: it would take its own build back, so the
        new ones wait for a projector of theirs, which lets them serve when it begins.
        """
        if self._leaves_a_version():
            try:
                take_lead(self._connection, self._ledger_id)
            except ProjectorLeading:
                self._hand_over()
                return False
            try:
                self._switch()
            finally:
                leave_lead(self._connection, self._ledger_id)
        else:
            self._switch()
        return True

    def _switch(self) -> None:
        while True:
            self.build()
            with self._connection.transaction():
                until = _stand_still(self._connection, self._ledger_id)
                if until - self.position <= BATCH_EVENTS:
                    self._fold_the_last(until)
                    for folding in self._foldings:
                        name, generation = folding.projection.name, folding.generation
                        promote(self._connection, self._ledger_id, name, generation)
                    self._connection.execute(SHUT_OUT, {"ledger_id": self._ledger_id})
                    return

    def _fold_the_last(self, until: int) -> None:
        for stored in self._batches(self.position, until):
            self._save([*self._fold(self._foldings, stored).values()])
        self._require_going()

    def _leaves_a_version(self) -> bool:
        return any(one.old and one.old.version != one.new.version for one in self.builds())

    def _hand_over(self) -> None:
        names = [folding.projection.name for folding in self._foldings]
        with self._connection.transaction():
            lock_builds(self._connection)
            self._connection.execute(HAND_OVER, {"ledger_id": self._ledger_id, "names": names})

    def _require_going(self) -> None:
        for folding in self._foldings:
            if folding.stopped is not None:
                position, reason = folding.stopped
                raise RebuildStopped(
                    f"view {folding.projection.name} stopped before position {position}: "
                    f"{reason}; nothing was switched: mend the fold and run the rebuild again"
                )

    def _take(self, connection: psycopg.Connection) -> None:
        take_rebuild(connection, self._ledger_id)

    def _leave(self, connection: psycopg.Connection) -> None:
        leave_rebuild(connection, self._ledger_id)

    def _builds(
        self, connection: psycopg.Connection, projections: Sequence[Projection]
    ) -> tuple[list[int], int]:
        return _enter_builds(connection, self._ledger_id, projections)

    def _promote(self) -> None:
        """Nothing: what is rebuilt is looked at first."""


START_REBUILDING: Final = """
UPDATE ledger.projection
SET epoch = (SELECT max(epoch) + 1 FROM ledger.projection WHERE ledger_id = %(ledger_id)s),
    stopped_at = NULL,
    stopped_reason = NULL
WHERE ledger_id = %(ledger_id)s AND rebuilding AND name = ANY(%(names)s)
RETURNING epoch
"""


def _enter_builds(
    connection: psycopg.Connection, ledger_id: int, projections: Sequence[Projection]
) -> tuple[list[int], int]:
    """A build of each projection beside the one that serves, and the epoch to save them under.

    One of this version that was left half-built is gone on with; of another it is dropped.
    `FoldChanged` when this version was begun by a fold that is not alike.
    """
    with connection.transaction():
        lock_builds(connection)
        generations = [_rebuilt(connection, ledger_id, projection) for projection in projections]
        names = [projection.name for projection in projections]
        row = connection.execute(
            START_REBUILDING, {"ledger_id": ledger_id, "names": names}
        ).fetchone()
        assert row is not None, "what is rebuilt was entered before"
    return generations, int(row[0])


def _rebuilt(connection: psycopg.Connection, ledger_id: int, projection: Projection) -> int:
    builds = builds_of(connection, projection.name)
    fingerprint = require_same_fold(projection, builds)
    for half_built in (one for one in builds if one.rebuilding and one.ledger_id == ledger_id):
        if half_built.version == projection.version:
            return half_built.generation
        drop_build(connection, half_built)
    generation = next_generation(builds)
    make_build(connection, ledger_id, projection, generation, fingerprint, rebuilding=True)
    return generation


# Whoever saves waits here for milliseconds. In the order in which saves take them, so that two
# never wait for each other.
STAND_STILL: Final = """
SELECT position, serving
FROM ledger.projection
WHERE ledger_id = %s
ORDER BY name, generation
FOR UPDATE
"""


def _stand_still(connection: psycopg.Connection, ledger_id: int) -> int:
    """Let no view advance until the transaction ends; the position that serving ones reached."""
    lock_builds(connection)
    rows = connection.execute(STAND_STILL, (ledger_id,)).fetchall()
    return max((int(position) for position, serving in rows if serving), default=0)


def cancel_rebuild(database: Database, ledger_id: int, names: Sequence[str]) -> list[Dropped]:
    """Drop what was built of these projections and does not serve.

    `RebuildGoing` while a process builds it.
    """
    with _alone(database, ledger_id) as connection:
        return drop_builds(connection, ledger_id, half_built=names)


def drop_retired(database: Database, ledger_id: int, keep: timedelta) -> list[Dropped]:
    """Drop the builds that have not served for as long as `keep`, but at least for a minute.

    Whoever asks keeps the builds that served when they began, so a question is left its time.
    What a transaction reads is left for the next time. `RebuildGoing` while a process rebuilds.
    """
    with _alone(database, ledger_id) as connection:
        return drop_builds(connection, ledger_id, retired_before=max(keep, KEPT_MIN))


@contextmanager
def _alone(database: Database, ledger_id: int) -> Iterator[psycopg.Connection]:
    with closing(database.connect(Role.PROJECTOR)) as connection:
        take_rebuild(connection, ledger_id)
        yield connection


BEGIN_AGAIN: Final = """
UPDATE ledger.projection
SET position = 0, epoch = epoch + 1, fingerprint = NULL, stopped_at = NULL, stopped_reason = NULL
WHERE ledger_id = %s
"""


def empty_views(database: Database, ledger_id: int) -> None:
    """Take every row of every view of the ledger away, all at once or not at all.

    `ProjectorLeading` while a projector is at work. Until the views are folded again, questions
    are told to wait.
    """
    connection = database.connect(Role.PROJECTOR)
    try:
        take_lead(connection, ledger_id)
        with connection.transaction():
            for standing in standings(connection, ledger_id):
                for table in standing.tables:
                    names = Names.behind(table, standing.generation)
                    for name in (names.current, names.history):
                        connection.execute(EMPTY.format(name=sql.Identifier(name)), (ledger_id,))
            connection.execute(BEGIN_AGAIN, (ledger_id,))
    finally:
        connection.close()
