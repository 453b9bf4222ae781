"""What the tests of sealing share: a sealed ledger, a sealer in another process, and its enemies.

`python -m tests.sealing URL LEDGER_ID HOME` seals until it is killed.
"""

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psycopg

from ledger.database import Database, connect_as_login
from ledger.merkle import leaf_hash, root_of, verify_consistency
from ledger.recorder import PostgresRecorder
from ledger.sealing.checkpoint import Checkpoint, open_checkpoint
from ledger.sealing.folder import DRAFT, LogFolder
from ledger.sealing.keys import LogKeys
from ledger.sealing.sealer import Sealer
from ledger.sealing.session import LOCK
from ledger.sealing.tiles import TILE_WIDTH, TileId, decode_bundle, parse_path, partial_widths
from tests.recording import new_event, request

ORIGIN: Final = "example.com/ledger/main"
DICE: Final = random.SystemRandom()


class Sealed:
    """A ledger with a key, a folder and a sealer."""

    def __init__(self, database: Database, recorder: PostgresRecorder, home: Path) -> None:
        self.database = database
        self.recorder = recorder
        self.home = home
        self.ledger_id = recorder.ledger_id
        self.keys = LogKeys(home / "keys", "main")
        self.keys.ensure(ORIGIN, sealed_before=False)
        self.folder = LogFolder(home / "log" / "main")
        self.sealer = self.another()

    def another(self, folder: LogFolder | None = None) -> Sealer:
        """One more sealer of this ledger, with what it needs to know from files alone."""
        folder = folder or LogFolder(self.folder.path)
        return Sealer(self.database, self.ledger_id, self.keys, folder)

    def append(self, count: int) -> None:
        """Record so many facts."""
        self.recorder.append([request(new_event("t", "a", number=n)) for n in range(count)])

    def grown(self, count: int) -> Checkpoint:
        """Record so many facts and seal them."""
        self.append(count)
        return self.sealer.seal()

    def published(self, folder: LogFolder | None = None) -> Checkpoint:
        """The checkpoint in the folder, its signature checked."""
        note = (folder or self.folder).latest()
        assert note is not None, "a checkpoint is published"
        return open_checkpoint(note, self.keys.verifiers())

    def leaves(self) -> list[bytes]:
        """The leaf hashes of all rows, computed from their entries."""
        pages = self.recorder.stream()
        return [leaf_hash(stored.entry) for page in pages for stored in page]

    def stopped(self) -> str | None:
        """Why nothing may be recorded."""
        with connect_as_login(self.database.url) as connection:
            row = connection.execute(
                "SELECT stopped FROM ledger.head WHERE ledger_id = %s", (self.ledger_id,)
            ).fetchone()
        assert row is not None
        return None if row[0] is None else str(row[0])

    # -- enemies ---------------------------------------------------------------------------------

    @contextmanager
    def superuser(self) -> Iterator[psycopg.Connection]:
        """Somebody whom triggers do not stop."""
        with connect_as_login(self.database.url) as connection:
            connection.execute("ALTER TABLE ledger.event DISABLE TRIGGER ALL")
            connection.execute("ALTER TABLE ledger.event_key DISABLE TRIGGER ALL")
            connection.execute("ALTER TABLE ledger.event_tag DISABLE TRIGGER ALL")
            yield connection
            connection.execute("ALTER TABLE ledger.event ENABLE ALWAYS TRIGGER append_only")
            connection.execute("ALTER TABLE ledger.event_key ENABLE ALWAYS TRIGGER append_only")
            connection.execute("ALTER TABLE ledger.event_tag ENABLE ALWAYS TRIGGER append_only")

    def rewind(self, position: int) -> None:
        """Set the database back, as a restore from an old backup does."""
        with self.superuser() as connection, connection.transaction():
            given = {"ledger_id": self.ledger_id, "position": position}
            for table in ("event", "event_key", "event_tag"):
                connection.execute(
                    f"DELETE FROM ledger.{table}"  # noqa: S608  (three names, above)
                    " WHERE ledger_id = %(ledger_id)s AND position > %(position)s".encode(),
                    given,
                )
            connection.execute(
                "UPDATE ledger.head SET position = %(position)s WHERE ledger_id = %(ledger_id)s",
                given,
            )

    def edit(self, position: int, *, leaf: bool) -> None:
        """Change an entry, and its leaf hash or not."""
        with self.superuser() as connection:
            connection.execute(
                """
                UPDATE ledger.event
                SET entry = changed.entry,
                    leaf_hash = CASE WHEN %(leaf)s THEN sha256('\\x00'::bytea || changed.entry)
                                ELSE leaf_hash END
                FROM (SELECT overlay(entry placing 'X'::bytea from octet_length(entry) - 4) AS entry
                      FROM ledger.event
                      WHERE ledger_id = %(ledger_id)s AND position = %(position)s) AS changed
                WHERE ledger_id = %(ledger_id)s AND position = %(position)s
                """,
                {"ledger_id": self.ledger_id, "position": position, "leaf": leaf},
            )

    def disconnect(self) -> None:
        """End every connection, as a crash of the server does."""
        with connect_as_login(self.database.url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def disconnect_sealer(self) -> None:
        """End the leading sealer's connection, as a broken network does."""
        with connect_as_login(self.database.url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                " JOIN pg_database ON pg_database.oid = pg_locks.database"
                " WHERE locktype = 'advisory' AND classid = %s AND datname = current_database()",
                (LOCK,),
            )

    # -- what anybody can check ------------------------------------------------------------------

    def require_whole(self, folder: LogFolder | None = None) -> None:
        """No file under its own name is a part of itself."""
        path = (folder or self.folder).path
        for found in (path / "tile").rglob("*"):
            if found.is_dir() or found.name.startswith(DRAFT):
                continue
            tile, content = parse_path(str(found.relative_to(path))), found.read_bytes()
            if tile.level is None:
                assert len(decode_bundle(content)) == tile.width, found
            else:
                assert len(content) == tile.width * 32, found

    def require_readable(self, checkpoint: Checkpoint, folder: LogFolder | None = None) -> None:
        """The files give the checkpoint's root, and every entry's hash is a leaf of it."""
        log = folder or self.folder
        tree = log.tree(checkpoint.size)
        assert tree.root() == checkpoint.root
        for tile in partial_widths(checkpoint.size):
            assert log.read(tile)
        for index in range(-(-checkpoint.size // TILE_WIDTH)):
            width = min(TILE_WIDTH, checkpoint.size - index * TILE_WIDTH)
            entries = decode_bundle(log.read(TileId(None, index, width)))
            hashes = b"".join(leaf_hash(entry) for entry in entries)
            assert hashes == log.read(TileId(0, index, width))

    def require_true(self) -> None:
        """What is published is what the rows say."""
        checkpoint = self.published()
        assert checkpoint.root == root_of(self.leaves()[: checkpoint.size])
        self.require_readable(checkpoint)


def require_consistent(folder: LogFolder, checkpoints: list[Checkpoint]) -> None:
    """Every checkpoint begins every later one."""
    ordered = sorted(checkpoints, key=lambda one: one.size)
    for number, later in enumerate(ordered):
        tree = folder.tree(later.size)
        for earlier in ordered[:number]:
            proof = [] if earlier.size == later.size else tree.consistency(earlier.size)
            verify_consistency(earlier.size, later.size, earlier.root, later.root, proof)


@contextmanager
def in_thread(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Something at work until the block ends."""
    stopping = threading.Event()
    thread = threading.Thread(target=work, args=(stopping,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(30)
        assert not thread.is_alive(), "it ends when it is told to"


def is_sealed(sealed: Sealed, size: int) -> bool:
    """Whether a checkpoint covers so many facts."""
    return sealed.folder.latest() is not None and sealed.published().size >= size


def append_until(stopping: threading.Event, sealed: Sealed, *, pause_seconds: float = 0.05) -> None:
    """Facts in batches of any size, until told to stop."""
    while not stopping.wait(pause_seconds):
        sealed.append(DICE.randrange(1, 400))


@contextmanager
def sealing_process(sealed: Sealed, home: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A sealer in a process of its own."""
    arguments = [sealed.database.url, str(sealed.ledger_id), str(home or sealed.home)]
    with subprocess.Popen([sys.executable, "-m", "tests.sealing", *arguments]) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.kill()


def _main() -> None:
    url, ledger_id, home = sys.argv[1:]
    keys, folder = LogKeys(Path(home) / "keys", "main"), LogFolder(Path(home) / "log" / "main")
    Sealer(Database(url), int(ledger_id), keys, folder).run(threading.Event())


if __name__ == "__main__":
    _main()
