"""The private keys of a log, in files of their own: whoever holds the database cannot sign.

A log's origin is the name of its keys and is fixed when the first is made. During a rotation the
file holds two keys and both sign, so that whoever knows only the older one follows the log up to
the fact that names its successor. The receipts' key stands beside it: the gate signs with that one
at once, long before a checkpoint covers what it promises.
Read next: `ledger/sealing/note.py`, which these keys sign, and `ledger/sealing/sealer.py`.
"""

import fcntl
import os
import secrets
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.database import Database, Role
from ledger.errors import Conflict, LedgerError, NoteError
from ledger.recorder.ledgers import LedgerInfo
from ledger.sealing.folder import log_folder
from ledger.sealing.note import SigningKey, VerifierKey
from ledger.sealing.receipt import key_name
from ledger.settings import Settings

KEYS_MAX: Final = 2
"""One key signs, or two during a rotation."""

PRIVATE_FILE_MODE: Final = 0o600
PRIVATE_FOLDER_MODE: Final = 0o700
FOR_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH

SEALED_BEFORE: Final = "SELECT FROM ledger.seal WHERE ledger_id = %s"


class LogKeyMissing(LedgerError):
    """The log was signed before and its key is not here; bring the key's file back."""

    code = "log-key-missing"


class LogKeyUnsafe(LedgerError):
    """The log's key cannot be trusted as it stands; the message says what to do."""

    code = "log-key-unsafe"


def origin_of(log_origin: str, ledger: str, *, simulated: bool) -> str:
    """The origin of a ledger's log: its name says when its clock was simulated."""
    return f"{log_origin}/simulated/{ledger}" if simulated else f"{log_origin}/{ledger}"


def log_keys(settings: Settings, ledger: str) -> "LogKeys":
    """The keys of a ledger's log: in the folder `keys` of LEDGER_HOME."""
    return LogKeys(Path(settings.home) / "keys", ledger)


def receipts_key(settings: Settings, ledger: str) -> "ReceiptsKey":
    """The key of a ledger's receipts: beside the log's."""
    return ReceiptsKey(Path(settings.home) / "keys", ledger)


def ensured_keys(database: Database, info: LedgerInfo, settings: Settings) -> "LogKeys":
    """The keys of a ledger that is about to be sealed, made at its first start.

    `LogKeyMissing` when it was sealed before, here or by somebody else on this database.
    """
    keys = log_keys(settings, info.name)
    origin = origin_of(settings.log_origin, info.name, simulated=info.simulated)
    keys.ensure(origin, sealed_before=was_sealed(database, info, settings))
    return keys


def was_sealed(database: Database, info: LedgerInfo, settings: Settings) -> bool:
    """Whether a checkpoint or a seal of this ledger exists, so that its key cannot be a new one."""
    with database.pooled(Role.READER) as connection:
        seal = connection.execute(SEALED_BEFORE, (info.ledger_id,)).fetchone()
    return seal is not None or log_folder(settings, info.name).latest() is not None


class LogKeys:
    """The keys that sign one ledger's checkpoints; any thread, and several processes, may use it.

    A rotation by another process is noticed at the next `signing`.
    """

    def __init__(self, folder: Path, ledger: str) -> None:
        self.ledger = ledger
        self.path = folder / f"log-{ledger}.key"
        self._lock = threading.Lock()
        self._read_from: tuple[int, ...] = ()
        self._keys: tuple[SigningKey, ...] = ()

    def exist(self) -> bool:
        """Whether a key was made here."""
        return self.path.exists()

    def signing(self) -> list[SigningKey]:
        """Every key that signs, the oldest first; `LogKeyMissing` when there is none."""
        with self._lock:
            try:
                found = self.path.stat()
            except FileNotFoundError as error:
                raise self._missing() from error
            identity = (found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode)
            if identity != self._read_from:
                self._keys = _read_keys(self.path, KEYS_MAX)
                self._read_from = identity
            return list(self._keys)

    def verifiers(self) -> list[VerifierKey]:
        """What checks the signatures of `signing`, in the same order."""
        return [key.verifier for key in self.signing()]

    @property
    def origin(self) -> str:
        """The log's name, which all its keys bear."""
        return self.signing()[0].name

    def new(self, origin: str, *, sealed_before: bool) -> SigningKey:
        """Make the first key; `Conflict` when there is one, `LogKeyMissing` when one was lost."""
        if not self.exist() and sealed_before:
            raise self._missing()
        if not _make(self.path, [SigningKey.generate(origin)]):
            raise Conflict(
                f"{self.path} holds the log's key already; show it with `ledger keys log show`, "
                "or change it with `ledger keys log rotate`"
            )
        return self.signing()[0]

    def ensure(self, origin: str, *, sealed_before: bool) -> None:
        """Make the first key unless there is one: of two processes that begin together, one does.

        `sealed_before`: a checkpoint or a seal exists, so that a lost key is never replaced in
        silence: `LogKeyMissing`.
        """
        if self.exist():
            self._require_origin(origin)
        elif sealed_before:
            raise self._missing()
        else:
            _make(self.path, [SigningKey.generate(origin)])

    def rotate(self) -> tuple[VerifierKey, VerifierKey]:
        """Let a second key sign as well; (older, newer), which are the same when repeated."""
        with self._changing():
            keys = self.signing()
            if len(keys) == 1:
                keys.append(SigningKey.generate(keys[0].name))
                _replace(self.path, keys)
        return keys[0].verifier, keys[1].verifier

    def finish(self, older: VerifierKey) -> None:
        """Let the older of two keys sign no more; its private half is gone."""
        with self._changing():
            keys = self.signing()
            if len(keys) > 1 and keys[0].verifier == older:
                _replace(self.path, keys[1:])

    def _require_origin(self, origin: str) -> None:
        if self.origin != origin:
            raise LogKeyUnsafe(
                f"the log's key in {self.path} is named {self.origin}, and this log {origin}; "
                "bring back the file or the LEDGER_LOG_ORIGIN that belongs to this ledger"
            )

    def _missing(self) -> LogKeyMissing:
        return LogKeyMissing(
            f"the log's signing key should be in {self.path} and is not; bring that file back "
            "from where it is kept (a log that was never sealed gets one by `ledger keys log new`)"
        )

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One process at a time changes the file; whoever reads it sees it whole anyway."""
        lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, PRIVATE_FILE_MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


class ReceiptsKey:
    """The key with which the gate signs receipts, made when first asked for."""

    def __init__(self, folder: Path, ledger: str) -> None:
        self.path = folder / f"receipts-{ledger}.key"

    def signing(self, origin: str) -> SigningKey:
        """The key of the log with this origin."""
        name = key_name(origin)
        if not self.path.exists():
            _make(self.path, [SigningKey.generate(name)])
        (key,) = _read_keys(self.path, 1)
        if key.name != name:
            raise LogKeyUnsafe(
                f"{self.path} holds the key of {key.name}, and this log needs that of {name}; "
                "bring back the file that belongs to it"
            )
        return key


def _read_keys(path: Path, keys_max: int) -> tuple[SigningKey, ...]:
    """The keys of a file that nobody else may read, the first line's first."""
    _require_private(path)
    lines = path.read_text(encoding="ascii", errors="replace").split()
    try:
        keys = tuple(SigningKey.parse(line) for line in lines)
    except NoteError as error:
        # The line itself is a secret and stays out of the message.
        raise LogKeyUnsafe(f"{path} holds something that is no key; bring it back") from error
    if not 1 <= len(keys) <= keys_max:
        raise LogKeyUnsafe(f"{path} holds {len(keys)} keys, not 1 to {keys_max}; bring it back")
    if len({key.name for key in keys}) > 1:
        raise LogKeyUnsafe(f"{path} holds keys of different logs; bring the right file back")
    return keys


def _require_private(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & FOR_OTHERS:
        raise LogKeyUnsafe(
            f"others may read {path} (mode {mode:o}); find out who did, then run "
            f"`chmod 600 {path}`, and rotate the key if one of them might have"
        )
    folder_mode = stat.S_IMODE(path.parent.stat().st_mode)
    if folder_mode & WRITABLE_BY_OTHERS:
        raise LogKeyUnsafe(
            f"others may change {path.parent} (mode {folder_mode:o}); run `chmod 700 {path.parent}`"
        )


def _make(path: Path, keys: Sequence[SigningKey]) -> bool:
    """Put keys where there were none; False when somebody else has just done so."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER_MODE)
    draft = _draft(path, keys)
    try:
        # A link fails where a file is: of two processes that start together, one makes the key.
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    _sync_folder(path.parent)
    return True


def _replace(path: Path, keys: Sequence[SigningKey]) -> None:
    """Put these keys in the place of those there, all at once."""
    _draft(path, keys).replace(path)
    _sync_folder(path.parent)


def _draft(path: Path, keys: Sequence[SigningKey]) -> Path:
    """The content under a name of its own, on the disk before it is named as it should be."""
    draft = path.with_suffix(f".{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(draft, flags, PRIVATE_FILE_MODE), "w", encoding="ascii") as file:
        file.writelines(f"{key.private_text()}\n" for key in keys)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
