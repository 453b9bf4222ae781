"""Proof files (c2sp.org/tlog-proof@v1): all that an entry needs to prove itself, offline.

Index, hashes and a signed checkpoint in one text; with the entry's bytes and a trusted key it is
complete. Stored with the suffix `.tlog-proof`.
Read next: `ledger/sealing/receipt.py`.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from ledger.errors import ProofError
from ledger.merkle import leaf_hash, verify_inclusion
from ledger.sealing import spelling
from ledger.sealing.checkpoint import Checkpoint, open_checkpoint
from ledger.sealing.note import NOTE_BYTES_MAX, VerifierKey

HEADER: Final = "c2sp.org/tlog-proof@v1"
EXTRA: Final = "extra "
INDEX: Final = "index "
HASHES_MAX: Final = 63
PROOF_BYTES_MAX: Final = 2 * NOTE_BYTES_MAX


class Proof(msgspec.Struct, frozen=True):
    """Where an entry stands, the hashes from its sibling upwards, and the signed checkpoint.

    `extra` is opaque and nobody vouches for it.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def text(self) -> str:
        """The proof file."""
        extra = f"{EXTRA}{spelling.write_bytes(self.extra)}\n" if self.extra else ""
        hashes = "".join(f"{spelling.write_bytes(one)}\n" for one in self.hashes)
        return f"{HEADER}\n{extra}{INDEX}{self.index}\n{hashes}\n{self.checkpoint}"

    @classmethod
    def parse(cls, text: str | bytes) -> "Proof":
        """The proof of a file; nothing in it is checked yet but its form."""
        known = spelling.read_text(text, "proof file", PROOF_BYTES_MAX, ProofError)
        head, blank, checkpoint = known.partition("\n\n")
        if not blank or not checkpoint:
            raise ProofError(
                "The proof file has no blank line before its checkpoint; get it whole."
            )
        header, *lines = head.split("\n")
        if header != HEADER:
            raise ProofError(f"A proof file begins with {HEADER}; this is another kind of file.")
        extra = lines.pop(0).removeprefix(EXTRA) if lines and lines[0].startswith(EXTRA) else None
        if not lines or not lines[0].startswith(INDEX):
            raise ProofError("The proof file does not say its index; get it whole.")
        index, *hashes = lines
        if len(hashes) > HASHES_MAX:
            raise ProofError(f"A proof has at most {HASHES_MAX} hashes; reject it.")
        return cls(
            spelling.read_number(index.removeprefix(INDEX), "proof's index", ProofError),
            tuple(spelling.read_hash(one, "proof's hash", ProofError) for one in hashes),
            checkpoint,
            None if extra is None else _extra(extra),
        )


def _extra(text: str) -> bytes:
    content = spelling.read_bytes(text, "proof's extra data", ProofError)
    if not content:
        raise ProofError("The proof's extra line is empty; it is left out when there is none.")
    return content


def check_proof(proof: Proof, entry: bytes, known: Sequence[VerifierKey]) -> Checkpoint:
    """The checkpoint, signed by a known key, that this entry is shown to be under."""
    checkpoint = open_checkpoint(proof.checkpoint, known)
    leaf = leaf_hash(entry)
    verify_inclusion(proof.index, checkpoint.size, leaf, proof.hashes, checkpoint.root)
    return checkpoint
