"""Checkpoints (c2sp.org/tlog-checkpoint, v1.0.0): "the log called so had n entries and this root".

A signed checkpoint commits its log to every entry before it: two that do not agree, signed by one
key, convict the log. So it says nothing else; time comes from those who countersign.
Read next: `ledger/sealing/tiles.py`.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from ledger.errors import NoteError
from ledger.merkle import EMPTY_ROOT, HASH_BYTES
from ledger.sealing import spelling
from ledger.sealing.note import NOTE_BYTES_MAX, SigningKey, VerifierKey, open_note, sign_note

LINES: Final = 3


class Checkpoint(msgspec.Struct, frozen=True):
    """A log's name, how many entries it has, and the root over them.

    Extension lines are kept, so that a foreign checkpoint stays as it was signed; ours have none.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.root) != HASH_BYTES or not 0 <= self.size <= spelling.NUMBER_MAX:
            raise NoteError("A checkpoint has a size below 2**63 and a root of 32 bytes.")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise NoteError("The checkpoint claims a root for no entries; do not accept it.")
        if not all((self.origin, *self.extensions)) or "\n" in "".join(
            (self.origin, *self.extensions)
        ):
            raise NoteError("A checkpoint's lines are not empty; do not accept it.")

    def text(self) -> str:
        """The text that is signed."""
        lines = (self.origin, str(self.size), spelling.write_bytes(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """The checkpoint of a note's text; its signatures are the note's business."""
        spelling.read_text(text, "checkpoint", NOTE_BYTES_MAX, NoteError)
        lines = text.split("\n")
        if len(lines) <= LINES or lines.pop():
            raise NoteError("A checkpoint has three lines and ends in a line feed; fetch it whole.")
        origin, size, root, *extensions = lines
        return cls(
            origin,
            spelling.read_number(size, "checkpoint's size", NoteError),
            spelling.read_hash(root, "checkpoint's root", NoteError),
            tuple(extensions),
        )


def sign_checkpoint(checkpoint: Checkpoint, keys: Sequence[SigningKey]) -> str:
    """The signed note; every key must bear the log's name."""
    if any(key.name != checkpoint.origin for key in keys):
        raise NoteError(f"Only keys named {checkpoint.origin} may sign for this log.")
    return sign_note(checkpoint.text(), keys)


def open_checkpoint(note: str | bytes, known: Sequence[VerifierKey]) -> Checkpoint:
    """The checkpoint that a known key bearing the log's own name signed."""
    opened = open_note(note, known)
    checkpoint = Checkpoint.parse(opened.text)
    if all(one.name != checkpoint.origin for one in opened.signatures):
        raise NoteError(
            f"The checkpoint is of the log {checkpoint.origin}, but none of that log's keys "
            "signed it; ask for the checkpoint of the log that you trust."
        )
    return checkpoint
