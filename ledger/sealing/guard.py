"""Before a service writes: the ledger must still lead to what was signed last, or it may not.

A database that lost a damaged piece of its journal, or was restored from yesterday's backup, looks
quite healthy; only what is kept outside tells. So every new session of a writer compares the
ledger with the newest checkpoint before its first write, and refuses when it stands behind or
beside it. Read next: `ledger/recorder/writer.py`, which calls it.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import psycopg

from ledger.database import Database, Role
from ledger.errors import LogStopped, NoteError, NotFound, TileError
from ledger.recorder import LedgerInfo, PostgresRecorder
from ledger.sealing import findings
from ledger.sealing.checkpoint import Checkpoint, open_checkpoint
from ledger.sealing.folder import LogFolder, log_folder
from ledger.sealing.keys import LogKeys, log_keys
from ledger.sealing.note import VerifierKey
from ledger.sealing.session import STOP, LeafRows
from ledger.settings import Settings

STOPPED: Final = "SELECT stopped FROM ledger.head WHERE ledger_id = %s"
RESUME: Final = "SELECT ledger.resume_v1(%s)"
HEAD: Final = "SELECT position FROM ledger.head WHERE ledger_id = %s"


def check_head(
    connection: psycopg.Connection,
    ledger_id: int,
    folder: LogFolder,
    known: Sequence[VerifierKey] = (),
) -> None:
    """Raise `LogStopped` when the ledger is behind or beside what was sealed in this folder.

    With known keys the checkpoint must be signed by one of them.
    """
    size = _sealed_size(folder, known)
    if not size:
        return
    row = connection.execute(HEAD, (ledger_id,)).fetchone()
    head = row[0] if row else 0
    if head < size:
        raise findings.rollback(head, size)

    tree, rows = folder.tree(size), LeafRows(connection, ledger_id)
    try:
        agrees = rows.leaf(size) == tree.leaf(size - 1)
    except (NotFound, TileError) as error:
        raise LogStopped(
            f"the tiles of checkpoint {size} cannot be read ({error}), so nobody "
            "can tell whether this database is the one that was signed; run `ledger checkpoint`, "
            "which makes them anew, or correct LEDGER_LOG_DIR"
        ) from error
    if not agrees:
        raise findings.fork(size, tree, rows)


class Guard(msgspec.Struct, frozen=True):
    """`check_head` with the folder and the keys of one ledger: what a recorder is given."""

    folder: LogFolder
    keys: LogKeys

    def __call__(self, connection: psycopg.Connection, ledger_id: int) -> None:
        """Raise `LogStopped` unless this session may write."""
        known = self.keys.verifiers() if self.keys.exist() else ()
        try:
            check_head(connection, ledger_id, self.folder, known)
        except OSError as error:
            raise LogStopped(
                f"the log's folder cannot be read ({error.strerror}), so nobody can tell "
                "whether this database is the one that was signed; let this service read it"
            ) from error


def guard_of(settings: Settings, ledger: str) -> Guard:
    """The guard of a ledger where the settings say that its log and its keys are."""
    return Guard(log_folder(settings, ledger), log_keys(settings, ledger))


def open_recorder(database: Database, info: LedgerInfo, settings: Settings) -> PostgresRecorder:
    """The recorder of a ledger for a service or a command: whoever may write opens it here."""
    return PostgresRecorder(database, info.ledger_id, guard_of(settings, info.name))


def resume(
    database: Database, ledger_id: int, guard: Guard, tell: Callable[[str], object]
) -> str | None:
    """Let facts be recorded again after a stop; why they could not be, None when they could.

    Only the owner may, and only when the guard finds the ledger where it was sealed. `tell` has it
    recorded, with that reason; where it cannot be, the log stays stopped.
    """
    with database.connect(Role.OWNER) as connection:
        row = connection.execute(STOPPED, (ledger_id,)).fetchone()
        reason: str | None = row[0] if row else None
        guard(connection, ledger_id)
        connection.execute(RESUME, (ledger_id,))
        if reason is not None:
            try:
                tell(reason)
            except BaseException:
                connection.execute(STOP, (ledger_id, reason))
                raise
    return reason


def _sealed_size(folder: LogFolder, known: Sequence[VerifierKey]) -> int:
    """What was sealed, published yet or not."""
    note = folder.latest()
    state = folder.state()
    sizes = [state.size if state else 0]
    if note is not None:
        try:
            read: Callable[[str], Checkpoint] = (
                (lambda one: open_checkpoint(one, known)) if known else unsigned
            )
            sizes.append(read(note).size)
        except NoteError as error:
            raise LogStopped(
                f"the checkpoint in the log's folder is not this log's ({error}); bring the right "
                "folder back, or correct LEDGER_LOG_DIR or LEDGER_HOME"
            ) from error
    return max(sizes)


def unsigned(note: str) -> Checkpoint:
    """What a checkpoint says, whoever signed it."""
    return Checkpoint.parse(note.rpartition("\n\n")[0] + "\n")
