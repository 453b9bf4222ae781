"""What the file of an attachment is made of: a header, then chunks, each encrypted by itself.

So nothing large is held in memory, no chunk can be altered, exchanged or cut off unnoticed, and an
upload that broke off goes on after its last whole chunk.
Read next: `ledger/attachments.py`.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.errors import Invalid, LedgerError
from ledger.media_types import HEAD_BYTES

CHUNK_BYTES: Final = 64 * 1024
TAG_BYTES: Final = 16
SALT_BYTES: Final = 32
MAGIC: Final = b"ledger attachment 1\n"
HEADER_BYTES: Final = len(MAGIC) + SALT_BYTES


class AttachmentAltered(LedgerError):
    """The file of this attachment was altered; restore it from a backup."""

    code = "attachment-altered"


class Incoming:
    """One file being written: encrypted as it comes, counted, hashed."""

    def __init__(self, path: Path, key: bytes, salt: bytes, *, goes_on: bool = False) -> None:
        """`goes_on` after what stands in the file already, as far as it is whole."""
        self.path = path
        self.size = 0
        self.head = b""
        self._digest = hashlib.sha256()
        self._cipher = AESGCM(key)
        self._chunks = 0
        self._pending = bytearray()
        flags = os.O_RDWR if goes_on else os.O_RDWR | os.O_CREAT | os.O_EXCL
        self._file = os.fdopen(os.open(path, flags, 0o600), "r+b")
        if goes_on:
            self._read_on()
        else:
            self._file.write(MAGIC + salt)

    def _read_on(self) -> None:
        """Take in the chunks that are whole; what is broken behind them is cut off."""
        self._file.seek(HEADER_BYTES)
        while len(sealed := self._file.read(CHUNK_BYTES + TAG_BYTES)) == CHUNK_BYTES + TAG_BYTES:
            try:
                chunk = self._cipher.decrypt(_nonce(self._chunks, is_last=False), sealed, MAGIC)
            except InvalidTag:
                break
            self._count(chunk)
            self._chunks += 1
        self._file.seek(HEADER_BYTES + self._chunks * (CHUNK_BYTES + TAG_BYTES))
        self._file.truncate()

    def write(self, content: bytes) -> None:
        """Take in what came next."""
        self._count(content)
        self._pending += content
        # The last chunk is known as such only at the end, so one byte at least stays behind.
        while len(self._pending) > CHUNK_BYTES:
            self._seal(bytes(self._pending[:CHUNK_BYTES]), is_last=False)
            del self._pending[:CHUNK_BYTES]

    def finish(self, sha256: str) -> None:
        """Write the last chunk and flush; `Invalid` when this is not the content of that hash."""
        if not self.size:
            raise Invalid.field("body", "is empty; send the file's content")
        found = self._digest.hexdigest()
        if found != sha256:
            message = f"the content's SHA-256 is {found}, not the one in the address; send it again"
            raise Invalid.field("body", message)
        self._seal(bytes(self._pending), is_last=True)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close_whole(self) -> int:
        """Put the whole chunks on disk and close; how many bytes of the content they are."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        return self._chunks * CHUNK_BYTES

    def abandon(self) -> None:
        """Leave nothing behind, unless it was kept."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _count(self, content: bytes) -> None:
        self.size += len(content)
        self._digest.update(content)
        self.head += content[: HEAD_BYTES - len(self.head)]

    def _seal(self, chunk: bytes, *, is_last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._chunks, is_last=is_last), chunk, MAGIC))
        self._chunks += 1


def opened(file: IO[bytes], cipher: AESGCM) -> Iterator[bytes]:
    """The chunks of a file, in their order and to the last, or `AttachmentAltered`."""
    number = 0
    sealed = file.read(CHUNK_BYTES + TAG_BYTES)
    while sealed:
        following = file.read(CHUNK_BYTES + TAG_BYTES)
        try:
            yield cipher.decrypt(_nonce(number, is_last=not following), sealed, MAGIC)
        except InvalidTag:
            raise AttachmentAltered from None
        sealed, number = following, number + 1
    if not number:
        raise AttachmentAltered


def _nonce(number: int, *, is_last: bool) -> bytes:
    """Counter and end mark, under a key used once: no chunk can be exchanged or cut off."""
    return number.to_bytes(11, "big") + (b"\1" if is_last else b"\0")
