"""The sealer's session: the log as it reads it, and the fence it moves before it signs.

The advisory lock only keeps the peace between sealers; whoever lost it unnoticed (asleep for a
minute, its connection ended by the server) is refused by the epoch in `ledger.seal_v1`.
Read next: `migrations/0006_sealing.sql`, `ledger/sealing/sealer.py`.
"""

from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Final

import msgspec
import psycopg

from ledger.database import Database, Role
from ledger.errors import LeadershipLost, LogStopped, NotFound, SealerLeading
from ledger.recorder.session import DURABLE
from ledger.sealing import findings

PAGE_ROWS: Final = 1_024
"""Rows read at a time with their entries: 64 MB at the very most, usually half a megabyte."""

LEAVES_PAGE_ROWS: Final = 16_384
LOCK: Final = 471_028
FENCED, CONTRADICTED = "LG006", "LG007"

SETTINGS: Final = """
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET jit = off;
SET plan_cache_mode = force_generic_plan;
SET lock_timeout = '30s';
"""
LIMIT_SILENCE: Final = "SELECT set_config('idle_session_timeout', %s, false)"
SILENCES_KEPT: Final = 2
"""A lead from which nothing comes for so many times the silence that is loss is let go by the
server itself: its line may swallow everything and never break, and no other sealer could lead."""

TAKE_LEAD: Final = "SELECT pg_try_advisory_lock(%s, %s)"
LEAVE_LEAD: Final = "SELECT pg_advisory_unlock(%s, %s)"
LEAD: Final = "SELECT epoch, size, root FROM ledger.lead_seal_v1(%s)"
LOOK: Final = """
SELECT head.position, head.stopped, seal.epoch, seal.size, seal.root, event.leaf_hash
FROM ledger.head
LEFT JOIN ledger.seal ON seal.ledger_id = head.ledger_id
LEFT JOIN ledger.event ON event.ledger_id = head.ledger_id AND event.position = %s
WHERE head.ledger_id = %s
"""
PAGE: Final = """
SELECT leaf_hash, entry FROM ledger.event
WHERE ledger_id = %s AND position > %s AND position <= %s
ORDER BY position
"""
LEAVES: Final = """
SELECT leaf_hash FROM ledger.event
WHERE ledger_id = %s AND position > %s AND position <= %s
ORDER BY position
"""
POSITIONS: Final = """
SELECT position FROM ledger.event
WHERE ledger_id = %s AND position > %s AND position <= %s
ORDER BY position
"""
SEAL: Final = "SELECT ledger.seal_v1(%s, %s, %s, %s)"
STOP: Final = "SELECT ledger.stop_v1(%s, %s)"


class Seal(msgspec.Struct, frozen=True):
    """What the database says was sealed last."""

    size: int = 0
    root: bytes | None = None


class Look(msgspec.Struct, frozen=True):
    """A ledger at one moment: its end, whether it is stopped, its fence, and the leaf asked for."""

    head: int
    stopped: str | None
    epoch: int | None
    seal: Seal
    leaf: bytes | None


class LeafRows:
    """The leaf hashes that the rows of a ledger hold."""

    def __init__(self, connection: psycopg.Connection, ledger_id: int) -> None:
        self._connection = connection
        self._ledger_id = ledger_id

    def leaf(self, position: int) -> bytes | None:
        """The leaf hash of a row; None where there is none."""
        found = self._connection.execute(
            LEAVES, (self._ledger_id, position - 1, position), binary=True
        ).fetchone()
        return None if found is None else bytes(found[0])

    def leaves(self, after: int, until: int) -> Iterator[list[bytes]]:
        """The leaf hashes of a range, page by page; `LogStopped` names a row that is gone."""
        for start in range(after, until, LEAVES_PAGE_ROWS):
            end = min(start + LEAVES_PAGE_ROWS, until)
            rows = self._connection.execute(LEAVES, (self._ledger_id, start, end), binary=True)
            found = [leaf for (leaf,) in rows.fetchall()]
            self.require_all(len(found), start, end)
            yield found

    def require_all(self, count: int, after: int, until: int) -> None:
        """A range that the head covers has every row; `LogStopped` names the first that is gone."""
        if count == until - after:
            return
        rows = self._connection.execute(POSITIONS, (self._ledger_id, after, until)).fetchall()
        there = {position for (position,) in rows}
        missing = next(n for n in range(after + 1, until + 1) if n not in there)
        raise findings.edited(missing, "the row is gone")


class SealerSession:
    """The connection of the one sealer of a ledger; used by one thread."""

    def __init__(self, database: Database, ledger_id: int) -> None:
        self._ledger_id = ledger_id
        self._connection = database.connect(Role.SEALER, impatient=True)
        self.rows = LeafRows(self._connection, ledger_id)
        try:
            self._connection.execute(SETTINGS)
            self._connection.execute(DURABLE)
            kept_seconds = database.silence_seconds * SILENCES_KEPT
            self._connection.execute(LIMIT_SILENCE, (f"{kept_seconds * 1000:.0f}ms",))
            self._connection.prepare_threshold = 0
            self.epoch, self.seal = self._take_lead()
        except BaseException:
            self._connection.close()
            raise

    def look(self, position: int) -> Look:
        """Where the ledger stands now, and the leaf at this position."""
        row = self._connection.execute(LOOK, (position, self._ledger_id), binary=True).fetchone()
        if row is None:
            raise NotFound("there is no such ledger in this database; create it")
        head, stopped, epoch, size, root, leaf = row
        return Look(head, stopped, epoch, Seal(size or 0, root), leaf)

    def pages(self, after: int, until: int) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """Leaf hashes and entries of a range; `LogStopped` where a row's two do not agree."""
        for start in range(after, until, PAGE_ROWS):
            end = min(start + PAGE_ROWS, until)
            page = self._connection.execute(PAGE, (self._ledger_id, start, end), binary=True)
            rows = page.fetchall()
            leaves: list[bytes] = [row[0] for row in rows]
            entries: list[bytes] = [row[1] for row in rows]
            self.rows.require_all(len(leaves), start, end)
            hashed = [sha256(b"\0" + entry).digest() for entry in entries]
            if hashed != leaves:
                place = next(n for n, leaf in enumerate(leaves) if leaf != hashed[n])
                raise findings.edited(start + place + 1, "the entry and its leaf hash do not agree")
            yield leaves, entries

    def fence(self, size: int, root: bytes) -> None:
        """Say durably what is going to be signed; `LeadershipLost` when another sealer leads."""
        try:
            self._connection.execute(SEAL, (self._ledger_id, self.epoch, size, root))
        except psycopg.Error as error:
            if error.sqlstate == FENCED:
                raise LeadershipLost(
                    f"another sealer took over ({error.diag.message_primary}); nothing was signed"
                ) from error
            if error.sqlstate == CONTRADICTED:
                raise findings.two_roots(size, "the database's seal", "the rows") from error
            raise
        self.seal = Seal(size, root)

    def stop(self, found: LogStopped) -> None:
        """Let nobody write to this ledger any more, for this reason."""
        self._connection.execute(STOP, (self._ledger_id, str(found)))

    def close(self) -> None:
        """Let somebody else lead, and go."""
        with suppress(psycopg.Error):
            self._connection.execute(LEAVE_LEAD, (LOCK, self._ledger_id))
        self._connection.close()

    def _take_lead(self) -> tuple[int, Seal]:
        """Shut out every earlier sealer; which one this is, and what was sealed last."""
        taken = self._connection.execute(TAKE_LEAD, (LOCK, self._ledger_id)).fetchone()
        if taken is None or not taken[0]:
            raise SealerLeading
        row = self._connection.execute(LEAD, (self._ledger_id,), binary=True).fetchone()
        assert row is not None, "a function with OUT parameters answers a row"
        epoch, size, root = row
        return epoch, Seal(size, root)
