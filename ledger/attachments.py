"""Attachments: files beside the log, each encrypted under its owner's key, named by a keyed hash.

An entry names a file by `HMAC-SHA256(nonce32, SHA-256 of the content)`. The nonce follows from the
owner's key and the content, so the same person sending the same file gets the same name, and once
the key is destroyed nobody can try whether a guessed file is the one. The content is encrypted in
chunks under a key of its own, derived from the owner's: destroying that erases every file of the
person, in every backup (docs/attachments.md). A file is written whole, flushed, then renamed.
Read next: `ledger/attached_content.py` (what a file on disk is made of), `ledger/uploads.py` (when,
and what the log is told).
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger.attached_content import (
    CHUNK_BYTES,
    HEADER_BYTES,
    MAGIC,
    SALT_BYTES,
    TAG_BYTES,
    AttachmentAltered,
    Incoming,
    opened,
)
from ledger.errors import NotFound, Refused
from ledger.personal_keys import KEY_BYTES, PersonalKeys
from ledger.settings import Settings
from ledger.vocabulary import AttachmentId

WAITING: Final = "new"
"""The folder of files that were stored and not yet found to be named."""

SWEPT: Final = ".swept"

_FOR_NAMES: Final = b"ledger attachment names 1"
_FOR_CONTENT: Final = b"ledger attachment content 1"


class AttachmentTooLarge(Refused):
    """The file is larger than this ledger takes; LEDGER_ATTACHMENT_BYTES_MAX is the limit."""

    code = "attachment-too-large"


class AttachmentGone(NotFound):
    """The content of this attachment was erased; only its entries remain."""

    code = "attachment-erased"


class AttachmentMissing(NotFound):
    """The file of this attachment is not in its folder; tell the operator: `ledger verify`."""

    code = "attachment-missing"


class State(Enum):
    """What became of the file that an entry names."""

    PRESENT = "present"
    ERASED = "erased"
    MISSING = "missing"
    ALTERED = "altered"


def attachments_folder(settings: Settings) -> Path:
    """Where files are: LEDGER_ATTACHMENTS_DIR, or the folder `attachments` in LEDGER_HOME."""
    return Path(settings.attachments_dir or Path(settings.home) / "attachments")


class Opening(msgspec.Struct, frozen=True):
    """SHA-256 of a file's content, and the nonce under which entries commit to it; hexadecimal."""

    sha256: str
    nonce: str


class AttachmentStore:
    """The files of one ledger; any thread, and several processes, may use it."""

    def __init__(
        self,
        folder: Path,
        ledger: str,
        keys: PersonalKeys,
        follow: Callable[[], object] = lambda: None,
    ) -> None:
        """`follow` has the keys destroyed of whom the log says were erased, before one is used."""
        self.folder = folder / ledger
        self._ledger = ledger
        self._keys = keys
        self._follow = follow

    def identify(self, owner: str, sha256: str) -> AttachmentId:
        """What entries call the file of this content; `PersonErased` when the owner was erased."""
        return _name_of(self._made_for(owner), bytes.fromhex(sha256))

    def begin(self, owner: str, attachment: AttachmentId) -> Incoming:
        """A file that is being written; nothing of it counts before `keep`."""
        waiting = self.folder / WAITING
        for folder in (self.folder, waiting):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        salt = secrets.token_bytes(SALT_BYTES)
        key = self._content_key(self._made_for(owner), attachment, salt)
        return Incoming(self._own_part(attachment), key, salt)

    def arrived(self, attachment: AttachmentId) -> int:
        """How many bytes are here of a file whose upload broke off."""
        try:
            sealed = self._broken_off(attachment).stat().st_size - HEADER_BYTES
        except FileNotFoundError:
            return 0
        return max(0, sealed // (CHUNK_BYTES + TAG_BYTES) * CHUNK_BYTES)

    def suspend(self, incoming: Incoming, attachment: AttachmentId) -> None:
        """Keep what came of an upload that broke off, unless more of it is here already."""
        if incoming.close_whole() > self.arrived(attachment):
            incoming.path.replace(self._broken_off(attachment))
        else:
            incoming.abandon()

    def take_up(self, owner: str, attachment: AttachmentId) -> Incoming | None:
        """What broke off, to be gone on with by one caller; None when there is nothing of it."""
        path = self._own_part(attachment)
        try:
            self._broken_off(attachment).rename(path)
        except FileNotFoundError:
            return None
        with path.open("rb") as file:
            salt = file.read(HEADER_BYTES)[len(MAGIC) :]
            key = self._content_key(self._made_for(owner), attachment, salt)
        return Incoming(path, key, salt, goes_on=True)

    def keep(self, incoming: Incoming, attachment: AttachmentId, sha256: str) -> int:
        """Make a written file the attachment's, durably; its size. `Invalid` says what is wrong."""
        incoming.finish(sha256)
        target = self.folder / WAITING / attachment
        incoming.path.rename(target)
        self._broken_off(attachment).unlink(missing_ok=True)
        _flush_folder(target.parent)
        return incoming.size

    def holds(self, attachment: AttachmentId) -> bool:
        """Whether there is a file of this name."""
        return self._path(attachment) is not None

    def read(self, attachment: AttachmentId, owner: str) -> Iterator[bytes]:
        """The content, each chunk checked before it is given; `size_of` says how long it is."""
        key = self._key_of(owner)
        if key is None:
            raise AttachmentGone
        path = self._path(attachment)
        if path is None:
            raise AttachmentMissing
        if not key:
            raise AttachmentMissing("the key of this attachment's owner is lost; restore the keys")
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
            if len(header) != HEADER_BYTES or not header.startswith(MAGIC):
                raise AttachmentAltered
            content_key = self._content_key(key, attachment, header[len(MAGIC) :])
            yield from opened(file, AESGCM(content_key))

    def opening(self, attachment: AttachmentId, owner: str) -> "Opening":
        """What opens the commitment that entries hold; reads the file whole.

        With the file it lets anybody compute the entry's name for it, without any key.
        """
        digest = hashlib.sha256()
        for chunk in self.read(attachment, owner):
            digest.update(chunk)
        key = self._key_of(owner)
        if not key or _name_of(key, digest.digest()) != attachment:
            raise AttachmentAltered
        return Opening(digest.hexdigest(), _nonce_of(key, digest.digest()).hex())

    def is_erased(self, owner: str) -> bool:
        """Whether the key of whoever sent a file was destroyed."""
        return self._key_of(owner) is None

    def settled(self) -> Iterator[AttachmentId]:
        """The files that were found to be named."""
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            if folder.is_dir() and folder.name != WAITING:
                yield from (AttachmentId(one.name) for one in sorted(folder.iterdir()))

    def remove_settled(self, attachment: AttachmentId) -> None:
        """Remove what nobody can open any more."""
        self._settled(attachment).unlink(missing_ok=True)

    def swept_up_to(self) -> int:
        """The last erasure (its position) whose files were removed; 0 before the first."""
        try:
            return int((self.folder / SWEPT).read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return 0

    def note_swept(self, position: int) -> None:
        """Remember that no file is left of whoever was erased up to here."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.folder / f"{SWEPT}-{secrets.token_hex(8)}"
        draft.write_text(str(position), encoding="ascii")
        draft.replace(self.folder / SWEPT)

    def size_of(self, attachment: AttachmentId) -> int:
        """Bytes of the content, as the file's own length tells."""
        path = self._path(attachment)
        if path is None:
            raise AttachmentMissing
        sealed = path.stat().st_size - HEADER_BYTES
        return sealed - -(-sealed // (CHUNK_BYTES + TAG_BYTES)) * TAG_BYTES

    def state(self, attachment: AttachmentId, owner: str) -> State:
        """Whether the file is there and is what its name says; reads it whole."""
        digest = hashlib.sha256()
        try:
            for chunk in self.read(attachment, owner):
                digest.update(chunk)
        except AttachmentGone:
            return State.ERASED
        except AttachmentMissing:
            return State.MISSING
        except AttachmentAltered:
            return State.ALTERED
        key = self._key_of(owner)
        same = key is not None and _name_of(key, digest.digest()) == attachment
        return State.PRESENT if same else State.ALTERED

    def waiting(self) -> list[AttachmentId]:
        """The files that were not yet found to be named."""
        folder = self.folder / WAITING
        names = (one.name for one in folder.iterdir()) if folder.is_dir() else ()
        return sorted(AttachmentId(name) for name in names if not name.startswith("."))

    def settle(self, attachment: AttachmentId) -> None:
        """Move a file that is named to where it stays."""
        target = self._settled(attachment)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileNotFoundError):
            # Another process may have done it a moment ago.
            (self.folder / WAITING / attachment).rename(target)
        _flush_folder(target.parent)
        _flush_folder(self.folder / WAITING)

    def seen(self, attachment: AttachmentId) -> int:
        """What tells this file from one of the same name that comes later; 0: there is none."""
        try:
            return (self.folder / WAITING / attachment).stat().st_ino
        except FileNotFoundError:
            return 0

    def remove_waiting(self, attachment: AttachmentId, seen: int) -> None:
        """Remove the file that was seen waiting in vain, and none that was sent meanwhile."""
        path = self.folder / WAITING / attachment
        aside = path.with_name(f".part-{attachment}-{secrets.token_hex(8)}")
        try:
            path.rename(aside)
        except FileNotFoundError:
            return
        if aside.stat().st_ino == seen:
            aside.unlink()
        else:
            aside.rename(path)

    def remove_parts(self, older_than: float) -> None:
        """Remove what interrupted uploads left before an instant (seconds since the epoch)."""
        folder = self.folder / WAITING
        for part in folder.glob(".part-*") if folder.is_dir() else ():
            if part.stat().st_mtime < older_than:
                part.unlink(missing_ok=True)

    def _made_for(self, owner: str) -> bytes:
        self._follow()
        return self._keys.made_for([owner])[owner]

    def _key_of(self, owner: str) -> bytes | None:
        """The owner's key; None: destroyed; nothing: never made here, or lost."""
        self._follow()
        return self._keys.of([owner]).get(owner, b"")

    def _path(self, attachment: AttachmentId) -> Path | None:
        # Looked for where it goes last: a file that settles meanwhile is found on the second look.
        waiting = self.folder / WAITING / attachment
        places = (waiting, self._settled(attachment), waiting)
        return next((one for one in places if one.is_file()), None)

    def _broken_off(self, attachment: AttachmentId) -> Path:
        return self.folder / WAITING / f".part-{attachment}"

    def _own_part(self, attachment: AttachmentId) -> Path:
        return self.folder / WAITING / f".part-{attachment}-{secrets.token_hex(8)}"

    def _settled(self, attachment: AttachmentId) -> Path:
        return self.folder / attachment[:2] / attachment

    def _content_key(self, key: bytes, attachment: AttachmentId, salt: bytes) -> bytes:
        place = f"\0{self._ledger}\0{attachment}".encode()
        return HKDF(SHA256(), KEY_BYTES, salt, _FOR_CONTENT + place).derive(key)


def _name_of(key: bytes, digest: bytes) -> AttachmentId:
    return AttachmentId(hmac.digest(_nonce_of(key, digest), digest, "sha256").hex())


def _nonce_of(key: bytes, digest: bytes) -> bytes:
    return hmac.digest(HKDF(SHA256(), KEY_BYTES, None, _FOR_NAMES).derive(key), digest, "sha256")


def _flush_folder(folder: Path) -> None:
    """Make a rename durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
