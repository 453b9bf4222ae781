"""How sealing stands: what is recorded, how much of it is sealed, and whether the log was stopped.

Asked of the database, where every sealer says what it signs, so that any process can tell of the
sealer that leads, wherever that one runs.
Read next: `ledger/sealing/sealer.py`.
"""

from datetime import datetime
from typing import Final

import msgspec

from ledger.database import Database, Role
from ledger.errors import NotFound

STANDING: Final = """
SELECT head.position, head.stopped, coalesce(seal.size, 0), event.recorded_at
FROM ledger.head
LEFT JOIN ledger.seal ON seal.ledger_id = head.ledger_id
LEFT JOIN ledger.event
    ON event.ledger_id = head.ledger_id AND event.position = coalesce(seal.size, 0) + 1
WHERE head.ledger_id = %s
"""


class SealStanding(msgspec.Struct, frozen=True, kw_only=True):
    """One ledger: its head, up to where it is sealed, and why nothing may be recorded, if so."""

    position: int
    sealed_position: int
    unsealed_since: datetime | None = None
    """When the first fact that is not sealed was recorded."""
    stopped: str | None = None

    def lag_seconds(self, now: datetime) -> float:
        """For how long the first unsealed fact has waited; 0 when there is none."""
        if self.unsealed_since is None:
            return 0.0
        return max(0.0, (now - self.unsealed_since).total_seconds())


def seal_standing(database: Database, ledger_id: int) -> SealStanding:
    """How the sealing of a ledger stands now; `NotFound` where there is no such ledger."""
    with database.pooled(Role.READER) as connection:
        row = connection.execute(STANDING, (ledger_id,)).fetchone()
    if row is None:
        raise NotFound("there is no such ledger in this database; create it")
    position, stopped, sealed, since = row
    return SealStanding(
        position=position, sealed_position=sealed, unsealed_since=since, stopped=stopped
    )
