"""The keys of persons: one key each, in a file of their own, never in the database.

They have a life of their own: a backup of the database restored next year must not bring back a
person whose key was destroyed. A destroyed key leaves a mark, so that *erased* and *lost* are
told apart. Read next: `ledger/sealed.py`.
"""

import secrets
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ledger.errors import Refused

KEY_BYTES: Final = 32
BUSY_SECONDS: Final = 10.0
INDEX_KEY: Final = ""
"""The row of the key that blinds the index belongs to nobody."""

PREPARE: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS personal_key (
    person TEXT PRIMARY KEY,
    key BLOB,
    destroyed_at TEXT,
    CHECK ((key IS NULL) = (destroyed_at IS NOT NULL))
) WITHOUT ROWID;
"""
MAKE: Final = "INSERT OR IGNORE INTO personal_key (person, key) VALUES (?, ?)"
READ: Final = "SELECT key FROM personal_key WHERE person = ?"
DESTROY: Final = """
INSERT INTO personal_key (person, destroyed_at) VALUES (?, datetime('now'))
ON CONFLICT (person) DO UPDATE SET key = NULL, destroyed_at = excluded.destroyed_at
WHERE key IS NOT NULL
"""
FLUSH: Final = "PRAGMA wal_checkpoint(TRUNCATE)"
GENERATION: Final = "PRAGMA data_version"


class PersonErased(Refused):
    """This person's data was erased and takes nothing more; register the person anew."""

    code = "person-erased"


class PersonalKeys:
    """The keys of one ledger, in a folder; any thread, and several processes, may use it."""

    def __init__(self, folder: Path, ledger: str) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / f"personal-{ledger}.sqlite"
        # Made before SQLite opens it, so that it is never readable to others, nor its WAL.
        self.path.touch(mode=0o600)
        self._lock = threading.Lock()
        self._file = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._file.executescript(PREPARE)
        self._own_changes = 0

    def made_for(self, persons: Iterable[str]) -> dict[str, bytes]:
        """The keys of these persons, made where there was none; PersonErased when one is gone."""
        wanted = set(persons)
        with self._lock:
            found = self._read(wanted)
            missing = [person for person in wanted if person not in found]
            if missing:
                self._file.execute("BEGIN IMMEDIATE")
                self._file.executemany(
                    MAKE, [(person, secrets.token_bytes(KEY_BYTES)) for person in missing]
                )
                self._file.execute("COMMIT")
                found |= self._read(missing)
        keys = {person: key for person, key in found.items() if key is not None}
        if len(keys) < len(wanted):
            raise PersonErased
        return keys

    def of(self, persons: Iterable[str]) -> dict[str, bytes | None]:
        """The keys that were ever made for these persons; None: destroyed."""
        with self._lock:
            return self._read(persons)

    def index_key(self) -> bytes:
        """The key that blinds the values by which persons are found."""
        return self.made_for([INDEX_KEY])[INDEX_KEY]

    def destroy(self, person: str) -> None:
        """Destroy a person's key for good: what it sealed is erased, in every backup too."""
        with self._lock:
            self._file.execute(DESTROY, (person,))
            self._file.execute(FLUSH)
            self._own_changes += 1

    def generation(self) -> tuple[int, int]:
        """Changes whenever a key may have been destroyed, here or in another process."""
        with self._lock:
            return self._file.execute(GENERATION).fetchone()[0], self._own_changes

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _read(self, persons: Iterable[str]) -> dict[str, bytes | None]:
        found: dict[str, bytes | None] = {}
        for person in persons:
            row = self._file.execute(READ, (person,)).fetchone()
            if row is not None:
                found[person] = row[0]
        return found
