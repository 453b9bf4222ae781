"""Who was erased, as the log says: what every process follows before it opens a sealed value.

The log is the authority, so that a file of keys restored from before an erasure, or a copy of it
on another machine, brings nobody back. Read next: `ledger/sealed.py`, which asks this.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from ledger.database import Database, Role

FOLLOW_SECONDS: Final = 1.0
"""How old an answer may be: so long after its fact an erasure is unknown elsewhere, at most."""

NEWER = """
SELECT substr(tag.text, length('person:') + 1), event.position
FROM ledger.event_tag
JOIN ledger.event
    ON event.ledger_id = event_tag.ledger_id AND event.position = event_tag.position
CROSS JOIN LATERAL unnest(event.tags) AS tag (text)
WHERE event_tag.ledger_id = %(ledger_id)s
  AND event_tag.tag = hashtextextended('register:erasures', 0)
  AND event_tag.position > %(after)s
  AND event.type = 'personal_key.destroyed'
  AND event.tags @> ARRAY['register:erasures']
  AND starts_with(tag.text, 'person:')
ORDER BY event.position
"""


class Erased:
    """The persons whom the log of one ledger says were erased."""

    def __init__(self, database: Database, ledger_id: int) -> None:
        self._database = database
        self._ledger_id = ledger_id
        self._lock = threading.Lock()
        self._positions: dict[str, int] = {}
        self._last = 0
        self._asked_at = -FOLLOW_SECONDS

    def follow(self, destroy: Callable[..., None], *, now: bool = False) -> None:
        """Have the keys of the newly erased destroyed; `now`: however lately the log was asked."""
        # Everybody waits for whoever asks: nobody opens a value between a fact and its effect.
        with self._lock:
            if not now and time.monotonic() - self._asked_at < FOLLOW_SECONDS:
                return
            began_at = time.monotonic()
            given = {"ledger_id": self._ledger_id, "after": self._last}
            with self._database.pooled(Role.READER) as connection:
                rows = connection.execute(NEWER, given).fetchall()
            if rows:
                destroy(*(person for person, _ in rows))
                # Replaced and never changed, so that readers need no lock.
                self._positions = {**self._positions, **dict(rows)}
                self._last = rows[-1][1]
            self._asked_at = began_at

    def positions(self) -> Mapping[str, int]:
        """Each erased person known so far, with the position of the fact that says so."""
        return self._positions
