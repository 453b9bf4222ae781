"""Receipts: the gate's signed promise that an entry stands at a position, given at once.

A checkpoint follows within a second; until then, and should the tail of the log be lost, the
receipt is the appender's evidence. It is a signed note like a checkpoint, under a key and a name
of its own: who can take reports in cannot sign for the log.
Read next: `ledger/sealing/sealer.py`, which makes the checkpoints.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

import msgspec

from ledger.errors import NoteError
from ledger.sealing import spelling
from ledger.sealing.note import SigningKey, VerifierKey, open_note, sign_note

HEADER: Final = "accountability-ledger/receipt@v1"
SUFFIX: Final = "/receipts"
LINES: Final = 6


class Promised(Protocol):
    """What the recorder answers for an event."""

    @property
    def event_id(self) -> UUID: ...
    @property
    def position(self) -> int: ...
    @property
    def leaf_hash(self) -> bytes: ...
    @property
    def recorded_at(self) -> datetime: ...


class SignedReceipt(msgspec.Struct, frozen=True):
    """What the gate promised: this leaf, at this position of this log, since this instant."""

    origin: str
    position: int
    leaf_hash: bytes
    event_id: UUID
    recorded_at: datetime


def key_name(origin: str) -> str:
    """The name under which the gate of a log signs."""
    return origin + SUFFIX


def sign_receipt(receipt: Promised, origin: str, key: SigningKey) -> str:
    """The signed note for a recorded event; the key must bear the gate's name."""
    if key.name != key_name(origin):
        raise NoteError(f"Only the key named {key_name(origin)} may sign this log's receipts.")
    lines = (
        HEADER,
        origin,
        str(receipt.position),
        spelling.write_bytes(receipt.leaf_hash),
        str(receipt.event_id),
        spelling.write_instant(receipt.recorded_at),
    )
    return sign_note("".join(f"{line}\n" for line in lines), [key])


def open_receipt(note: str | bytes, known: Sequence[VerifierKey]) -> SignedReceipt:
    """The receipt that a known gate's key signed, under the name of the log that it names."""
    opened = open_note(note, known)
    lines = opened.text.split("\n")
    if len(lines) != LINES + 1 or lines.pop() or lines[0] != HEADER:
        raise NoteError(f"A receipt has six lines and begins with {HEADER}; this is none.")
    _, origin, position, leaf, event_id, recorded_at = lines
    if all(one.name != key_name(origin) for one in opened.signatures):
        raise NoteError(f"The receipt is of the log {origin}, but not signed by that log's gate.")
    place = spelling.read_number(position, "receipt's position", NoteError)
    if not place:
        raise NoteError("Positions begin at 1; do not accept the receipt.")
    return SignedReceipt(
        origin,
        place,
        spelling.read_hash(leaf, "receipt's leaf hash", NoteError),
        _event_id(event_id),
        spelling.read_instant(recorded_at, "receipt's recorded_at", NoteError),
    )


def _event_id(text: str) -> UUID:
    try:
        found = UUID(text)
    except ValueError:
        found = None
    if found is None or str(found) != text:
        raise NoteError("The receipt's event id is not a UUID as it is always written.")
    return found
