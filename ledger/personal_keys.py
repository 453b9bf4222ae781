"""The keys of persons: one key each, in a file of their own, never in the database.

They have a life of their own: a backup of the database restored next year must not bring back a
person whose key was destroyed. A destroyed key leaves a mark, so that *erased* and *lost* are
told apart; a mark always wins over a key, and what the log says was erased over both.
Read next: `ledger/sealed.py`.
"""

import os
import secrets
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from ledger.errors import Conflict, Invalid, LedgerError, NotFound, Refused

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
MARKED: Final = "SELECT person FROM personal_key WHERE key IS NULL ORDER BY person"
EVERYTHING: Final = "SELECT person, key FROM personal_key"
COUNT: Final = "SELECT count(key) FROM personal_key"
BACKUP_DRAFT: Final = ".part"


class PersonErased(Refused):
    """This person's data was erased and takes nothing more; register the person anew."""

    code = "person-erased"


class KeysInUse(LedgerError):
    """Another program holds the file of keys, so a destroyed key may be in it yet; repeat this."""

    code = "keys-in-use"


class Restored(msgspec.Struct, frozen=True):
    """What a backup brought back: keys that were missing; and whom it did not: the erased."""

    keys: int
    erased: int


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
                made = [(person, secrets.token_bytes(KEY_BYTES)) for person in missing]
                with self._transaction():
                    self._file.executemany(MAKE, made)
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

    def destroy(self, *persons: str) -> None:
        """Destroy persons' keys for good, and leave marks; what they sealed is erased.

        The bytes are overwritten in the file and gone from SQLite's own log when this returns;
        repeating it does what an interruption left undone.
        """
        with self._lock:
            with self._transaction():
                self._file.executemany(DESTROY, [(person,) for person in persons])
            self._own_changes += 1
            self._flush()

    def marked(self) -> list[str]:
        """Everybody whose key was destroyed."""
        with self._lock:
            return [person for (person,) in self._file.execute(MARKED)]

    def backup(self, path: Path) -> int:
        """Copy keys and marks into a new file for its owner alone; how many keys it holds."""
        draft = path.with_name(path.name + BACKUP_DRAFT)
        draft.unlink(missing_ok=True)
        try:
            draft.touch(mode=0o600, exist_ok=False)
            with self._lock, closing(sqlite3.connect(draft, isolation_level=None)) as copy:
                self._file.backup(copy)
                # One file, which needs nothing beside it.
                copy.execute("PRAGMA journal_mode = DELETE")
                (count,) = copy.execute(COUNT).fetchone()
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            # Unlike a renamed file, a linked one never takes the place of another.
            os.link(draft, path)
        except FileExistsError:
            raise Conflict(f"{str(path)!r} exists; name a new file for each backup") from None
        finally:
            draft.unlink(missing_ok=True)
        return int(count)

    def restore(self, path: Path, erased: Collection[str]) -> Restored:
        """Take from a backup the keys that are missing here, but nobody's who was erased since.

        `erased` is whom the log says was erased: their keys never come into this file, and marks
        of the backup are taken too. `Conflict` where a key here is another one.
        """
        found = _read_backup(path)
        gone = {person for person, key in found.items() if key is None or person in erased}
        kept = {one: key for one, key in found.items() if one not in gone}
        with self._lock:
            with self._transaction():
                here = dict(self._file.execute(EVERYTHING).fetchall())
                differing = sum(here.get(one) not in {None, key} for one, key in kept.items())
                if differing:
                    raise Conflict(
                        f"{differing:,} keys here are not those of the backup; stop the service, "
                        f"move {str(self.path)!r} away, and restore again"
                    )
                wanted = [(one, key) for one, key in kept.items() if one not in here]
                self._file.executemany(MAKE, wanted)
                self._file.executemany(DESTROY, [(person,) for person in gone])
            self._own_changes += 1
            self._flush()
        return Restored(len(wanted), len(gone))

    def generation(self) -> tuple[int, int]:
        """Changes whenever a key may have been destroyed, here or in another process."""
        with self._lock:
            return self._file.execute(GENERATION).fetchone()[0], self._own_changes

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it or nothing; KeysInUse when another program does not let go of the file."""
        try:
            self._file.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise KeysInUse from error
        try:
            yield
        except BaseException:
            self._file.execute("ROLLBACK")
            raise
        self._file.execute("COMMIT")

    def _flush(self) -> None:
        """Empty SQLite's own log, where a key that was destroyed may still stand."""
        (busy, _, _) = self._file.execute(FLUSH).fetchone()
        if busy:
            raise KeysInUse

    def _read(self, persons: Iterable[str]) -> dict[str, bytes | None]:
        found: dict[str, bytes | None] = {}
        for person in persons:
            row = self._file.execute(READ, (person,)).fetchone()
            if row is not None:
                found[person] = row[0]
        return found


def _read_backup(path: Path) -> dict[str, bytes | None]:
    if not path.is_file():
        raise NotFound(f"there is no file {str(path)!r}; name a backup of the keys")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
            return dict(file.execute(EVERYTHING).fetchall())
    except sqlite3.DatabaseError as error:
        message = f"{str(path)!r} is no backup made by `ledger keys personal backup` ({error})"
        raise Invalid.field("file", message) from error
