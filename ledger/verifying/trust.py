"""Whose signature counts: the keys that the verifier brought, never any that came with the log.

A reader of signed notes passes over signatures of keys that it does not know. A verifier must not:
nothing covers those bytes, so somebody could change them and be told that all is well. Here every
signature line is made by a known key, or the checkpoint is refused, unless told otherwise.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from ledger.errors import NoteError
from ledger.sealing import spelling
from ledger.sealing.checkpoint import Checkpoint, open_checkpoint
from ledger.sealing.note import NOTE_BYTES_MAX, NoteSignature, VerifierKey, open_note

Basis = Literal["given", "own", "none"]

BASES: dict[Basis, str] = {
    "given": "verified with the key that you gave",
    "own": "verified ONLY with this installation's own key file; give --vkey to trust nobody here",
    "none": "NOT VERIFIED: no key is known; give the log's --vkey, from whom you trust",
}


class Trust(msgspec.Struct, frozen=True):
    """The keys that are known, and why."""

    keys: tuple[VerifierKey, ...] = ()
    basis: Basis = "none"
    ignore_unknown: bool = False

    @property
    def signature(self) -> str:
        """What a signature that was accepted rests on, in words."""
        return BASES[self.basis]

    def open(self, note: bytes) -> Checkpoint:
        """The checkpoint of a signed note; NoteError unless every byte of it is vouched for.

        Without any key the form alone is checked, and `signature` says so.
        """
        if self.basis == "none":
            return Checkpoint.parse(_text_of(note))
        checkpoint = open_checkpoint(note, self.keys)
        self._require_all_known(note, open_note(note, self.keys).signatures)
        return checkpoint

    def _require_all_known(self, note: bytes, verified: Sequence[NoteSignature]) -> None:
        lines = note.decode().rpartition("\n\n")[2].count("\n")
        if lines != len(verified) and not self.ignore_unknown:
            raise NoteError(
                f"{lines - len(verified)} of the checkpoint's {lines} signatures are of keys that "
                "are not known, so nothing vouches for them; give those keys with --vkey, or pass "
                "--ignore-unknown-signatures"
            )


def _text_of(note: bytes) -> str:
    content = spelling.read_text(note, "checkpoint", NOTE_BYTES_MAX, NoteError)
    text, blank, signatures = content.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise NoteError("The checkpoint is not a signed note; fetch it whole.")
    return text + "\n"
