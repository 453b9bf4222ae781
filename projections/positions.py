"""How far each projection is, who leads a ledger's projections, and waiting for them.

One row of `ledger.projection` is one build (generation) of a projection in one ledger.
Read next: `building/builds.py`, which says which of them is led and which one answers.
"""

import threading
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Final, Literal

import msgspec
import psycopg
from psycopg.rows import class_row

from ledger.database import Database, Role
from ledger.errors import (
    ProjectorLeading,
    RebuildGoing,
    ViewBehind,
    ViewMissing,
    ViewStopped,
)

_PROJECTOR_LOCK: Final = 471_027
_REBUILD_LOCK: Final = 471_029
"""471_028 is the sealer's."""
_POLL_SECONDS_MIN: Final = 0.001
_POLL_SECONDS_MAX: Final = 0.02
_POLL_SHARED_SECONDS: Final = 0.002
WAIT_SECONDS_MAX: Final = 30.0


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where one build of a projection stands in one ledger."""

    name: str
    generation: int
    version: int
    tables: list[str]
    position: int
    serving: bool
    rebuilding: bool
    retired: bool
    stopped_at: int | None
    stopped_reason: str | None

    @property
    def state(self) -> Literal["serving", "rebuilding", "building", "replaced"]:
        """What this build is at this moment."""
        if self.serving:
            return "serving"
        if self.rebuilding:
            return "rebuilding"
        return "replaced" if self.retired else "building"

    @property
    def stop(self) -> str:
        """Before which fact it stopped, and by what kind of error; empty while it goes on.

        For those who see no facts: an error's own words may quote the fact's.
        """
        if self.stopped_at is None:
            return ""
        brief = ": ".join((self.stopped_reason or "").split(": ")[:2])
        return f"{self.name} stopped before position {self.stopped_at} ({brief})"

    def require(self, position: int) -> None:
        """Refuse a question as of a position that was not reached, saying why."""
        if self.position >= position:
            return
        if self.stopped_at is not None:
            raise ViewStopped(
                f"view {self.name} stopped before position {self.stopped_at}: "
                f"{self.stopped_reason}; ask as of an earlier position, or mend the fold and "
                "start the projector again"
            )
        raise ViewBehind(
            f"view {self.name} stands at {self.position}, not yet at {position}; "
            "wait a moment, or ask as of an earlier position"
        )


STANDINGS: Final = """
SELECT name, generation, version, tables, position, serving, rebuilding,
       retired_at IS NOT NULL AS retired, stopped_at, stopped_reason
FROM ledger.projection
WHERE ledger_id = %s
ORDER BY name, generation
"""


def standings(connection: psycopg.Connection, ledger_id: int) -> list[Standing]:
    """Every build of every projection of the ledger, in the order of names."""
    with connection.cursor(row_factory=class_row(Standing)) as cursor:
        return cursor.execute(STANDINGS, (ledger_id,)).fetchall()


TAKE_LEAD: Final = "SELECT pg_try_advisory_lock(%s, %s)"
LEAVE_LEAD: Final = "SELECT pg_advisory_unlock(%s, %s)"


def take_lead(connection: psycopg.Connection, ledger_id: int) -> None:
    """Lead the ledger's projections for as long as the connection lives.

    `ProjectorLeading` when somebody does. The lock only keeps the peace: a leader that lost it
    unnoticed is refused by the epoch when it saves.
    """
    if not _locked(connection, _PROJECTOR_LOCK, ledger_id):
        raise ProjectorLeading


def leave_lead(connection: psycopg.Connection, ledger_id: int) -> None:
    """Let somebody else lead at once; closing the connection alone does so a little later."""
    with suppress(psycopg.Error):
        connection.execute(LEAVE_LEAD, (_PROJECTOR_LOCK, ledger_id))


def take_rebuild(connection: psycopg.Connection, ledger_id: int) -> None:
    """Be the only one that rebuilds views of the ledger, for as long as the connection lives.

    `RebuildGoing` when somebody does. The projector's lead is another one, and goes on beside.
    """
    if not _locked(connection, _REBUILD_LOCK, ledger_id):
        raise RebuildGoing


def leave_rebuild(connection: psycopg.Connection, ledger_id: int) -> None:
    """Let somebody else rebuild at once."""
    with suppress(psycopg.Error):
        connection.execute(LEAVE_LEAD, (_REBUILD_LOCK, ledger_id))


def _locked(connection: psycopg.Connection, lock: int, ledger_id: int) -> bool:
    row = connection.execute(TAKE_LEAD, (lock, ledger_id)).fetchone()
    return row is not None and bool(row[0])


class Progress:
    """How far the serving views are, and waiting for them; shared by all threads of a process."""

    def __init__(self, database: Database, ledger_id: int) -> None:
        self._database = database
        self._ledger_id = ledger_id
        self._lock = threading.Lock()
        self._polled: list[Standing] = []
        self._polled_at = float("-inf")

    def standings(self) -> list[Standing]:
        """The builds that serve, read now."""
        with self._database.pooled(Role.READER) as connection:
            return [one for one in standings(connection, self._ledger_id) if one.serving]

    def projected_position(self, names: Collection[str] = ()) -> int:
        """How far all of the named projections are (all that are not stopped, if none is named).

        `ViewMissing` when one was never built.
        """
        return min(one.position for one in _chosen(self.standings(), names))

    def wait_for(self, position: int, timeout_seconds: float, names: Collection[str] = ()) -> None:
        """Return as soon as the named projections have reached the position.

        `ViewBehind` when they have not in time, `ViewStopped` at once when one never will.
        """
        deadline = time.monotonic() + min(timeout_seconds, WAIT_SECONDS_MAX)
        pause = _POLL_SECONDS_MIN
        while behind := _first_behind(_chosen(self._poll(), names), position):
            left = deadline - time.monotonic()
            if left <= 0 or behind.stopped_at is not None:
                behind.require(position)
            time.sleep(min(pause, max(left, 0)))
            pause = min(pause * 2, _POLL_SECONDS_MAX)

    def _poll(self) -> list[Standing]:
        """The standings of this moment or just before it; many who wait share one query."""
        with self._lock:
            now = time.monotonic()
            if now - self._polled_at > _POLL_SHARED_SECONDS:
                self._polled = self.standings()
                self._polled_at = now
            return self._polled


def _chosen(serving: Sequence[Standing], names: Collection[str]) -> list[Standing]:
    chosen = [one for one in serving if (one.name in names if names else one.stopped_at is None)]
    missing = set(names) - {one.name for one in chosen}
    if missing or not chosen:
        raise ViewMissing(
            f"no view {', '.join(sorted(missing)) or 'at all'} was built for this ledger; "
            "run `ledger project`"
        )
    return chosen


def _first_behind(chosen: Sequence[Standing], position: int) -> Standing | None:
    return next((one for one in chosen if one.position < position), None)
