"""The one session that writes: its settings, its call, and its fence.

Whoever takes over from a lost session must know that it is gone, or a call still on its way could
commit behind the successor's back. So every session holds an advisory lock of its own for as long
as its server process lives, and the successor waits for that lock before it looks at the log. Where
that process itself waits for a client that fell silent, the successor ends it: nothing that is on
its way can arrive any more.
Read next: `ledger/recorder/writer.py`.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import psycopg
from psycopg.pq import ConnStatus

from ledger.database import Database, Role, connect_as_login
from ledger.errors import DatabaseUnreachable, NotFound, OutcomeUnknown
from ledger.recorder.admission import Prepared
from ledger.recorder.call import AppendCall
from ledger.sealing import findings

Guard = Callable[[psycopg.Connection, int], None]
"""Looks at a ledger on this connection, and raises `LogStopped` when nobody may write to it."""

_NOT_REPLICATED: Final = frozenset({"01000", "57P01"})

# The plan of every statement in append_v1 is known: from the arrays into the primary keys. A plan
# made on empty tables must not survive them, and none may be made anew at each call.
SETTINGS: Final = """
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_bitmapscan = off;
SET jit = off;
SET plan_cache_mode = force_generic_plan;
"""
LIMIT_LOCKS: Final = "SELECT set_config('lock_timeout', %s, false)"
LOCKS_PART: Final = 2 / 3
"""Of the silence that is taken for loss, so much may be spent waiting for locks."""

FENCE_PAUSE_SECONDS: Final = 0.05
DURABLE = """
SELECT set_config('synchronous_commit', 'on', false)
WHERE current_setting('synchronous_commit') = 'off'
"""
CLOCK_LIMIT = "SELECT extract(epoch FROM clock_limit)::float FROM ledger.head WHERE ledger_id = %s"
HOLD_FENCE = "SELECT pg_advisory_lock(%s), pg_backend_pid()"
HAS_FALLEN = "SELECT pg_try_advisory_lock(%s)"
RELEASE_FENCE = "SELECT pg_advisory_unlock(%s)"
END_SILENT = """
SELECT pg_terminate_backend(pid)
FROM pg_locks JOIN pg_stat_activity AS activity USING (pid)
WHERE locktype = 'advisory' AND granted AND objsubid = 1
  AND (classid::bigint << 32 | objid::bigint) = %s AND pid = %s
  AND (activity.state = 'idle' OR activity.wait_event_type = 'Client')
"""
STANDING = """
SELECT head.position, event.leaf_hash
FROM ledger.head
LEFT JOIN ledger.event ON event.ledger_id = head.ledger_id AND event.position = %s
WHERE head.ledger_id = %s
"""
RECORDED = """
SELECT key, position FROM ledger.event_key WHERE ledger_id = %s AND key = ANY (%s::uuid[])
"""


class Predecessor(NamedTuple):
    """A lost session: its fence, and the server process that holds it until it ends."""

    fence: int
    process: int


class Session:
    """A writer's connection to one ledger; used by one thread."""

    def __init__(self, database: Database, ledger_id: int, predecessor: Predecessor | None) -> None:
        self._connection = database.connect(Role.WRITER, impatient=True)
        self._database = database
        self._ledger_id = ledger_id
        self._in_doubt = False
        self.fence = secrets.randbits(62)
        try:
            self._prepare(predecessor)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, predecessor: Predecessor | None) -> None:
        self._connection.add_notice_handler(self._notice)
        self._connection.execute(SETTINGS)
        self._connection.execute(DURABLE)
        locks_seconds = self._database.silence_seconds * LOCKS_PART
        self._connection.execute(LIMIT_LOCKS, (f"{locks_seconds * 1000:.0f}ms",))
        if predecessor is not None and not self._has_fallen(predecessor.fence):
            self._outlive(predecessor, locks_seconds)
        held = self._connection.execute(HOLD_FENCE, (self.fence,)).fetchone()
        assert held is not None, "a function has a value"
        self._process = int(held[1])
        self._call = AppendCall(self._connection, self._ledger_id)
        row = self._connection.execute(CLOCK_LIMIT, (self._ledger_id,)).fetchone()
        if row is None:
            raise NotFound(f"there is no ledger {self._ledger_id} in this database; create it")
        self.clock_limit_seconds = float(row[0])
        """By how much the clocks may disagree."""

    def _outlive(self, predecessor: Predecessor, seconds: float) -> None:
        """Wait until a lost session's process is gone; end it when it waits for its client."""
        give_up_at = time.monotonic() + seconds
        with connect_as_login(self._database.url) as ending:
            ending.silence_seconds = self._database.silence_seconds
            while not self._has_fallen(predecessor.fence):
                if time.monotonic() > give_up_at:
                    raise DatabaseUnreachable(
                        "a broken connection is still alive on the server; end its process there"
                    )
                ending.execute(END_SILENT, predecessor)
                time.sleep(FENCE_PAUSE_SECONDS)

    def _has_fallen(self, fence: int) -> bool:
        """Whether nobody holds a fence any more."""
        row = self._connection.execute(HAS_FALLEN, (fence,)).fetchone()
        fallen = row is not None and bool(row[0])
        if fallen:
            self._connection.execute(RELEASE_FENCE, (fence,))
        return fallen

    @property
    def left(self) -> Predecessor:
        """What whoever succeeds this session has to outlive."""
        return Predecessor(self.fence, self._process)

    @property
    def lost(self) -> bool:
        """Whether the connection is gone, and with it the answer of the last call."""
        return self._connection.pgconn.status != ConnStatus.OK

    def require(self, guard: Guard) -> None:
        """Let a guard look before the first write."""
        guard(self._connection, self._ledger_id)

    def require_reached(self, position: int, leaf: bytes | None) -> None:
        """`LogStopped` unless the ledger still holds what was answered for, with this leaf hash."""
        if not position:
            return
        row = self._connection.execute(STANDING, (position, self._ledger_id)).fetchone()
        head, found = row or (0, None)
        if head < position:
            raise findings.lost(head, position)
        if leaf is not None and found != leaf:
            raise findings.replaced(position)

    def append(
        self, batch: Sequence[Prepared], gate_at: datetime | None, meanwhile: Callable[[], None]
    ) -> list[bytes]:
        """Commit a batch; OutcomeUnknown when a standby that must have it may not.

        `meanwhile` is called while the database works.
        """
        self._in_doubt = False
        try:
            answers = self._call.run(batch, gate_at, meanwhile)
        except psycopg.Error:
            raise
        except BaseException:
            # Its answer may still come, and would be taken for the next call's.
            self._connection.close()
            raise
        if self._in_doubt:
            raise OutcomeUnknown(
                "committed here, but the wait for the standby was cut short; retry under the same "
                "key, which waits for the standby again"
            )
        return answers

    def recorded(self, ids: Sequence[bytes]) -> dict[bytes, int]:
        """Where those of these event ids stand that are recorded."""
        rows = self._connection.execute(RECORDED, (self._ledger_id, [one.hex() for one in ids]))
        return {key.bytes: position for key, position in rows}

    def close(self) -> None:
        """End the session; its fence falls with it."""
        self._connection.close()

    def _notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        # The server reports a commit that did not reach its standby as success with a warning.
        if diagnostic.severity_nonlocalized == "WARNING" and diagnostic.sqlstate in _NOT_REPLICATED:
            self._in_doubt = True
