"""One key of a log followed by another, shown to whoever knows the older one alone.

When a rotation ends, the last checkpoint that both keys signed is kept for ever, in a proof file
(c2sp.org/tlog-proof@v1) of the entry `key.rotated` that ends it; the entry itself is the proof's
extra line. So a single small file leads from the older key to the newer one, offline: the older
key vouches for a log in which this entry names its successor. From key to key an auditor walks to
the newest checkpoint, however long ago the first key was taken home.
Read next: `ledger/verifying/following.py`, which walks.
"""

from typing import Literal

import msgspec

from ledger.errors import NoteError, ProofError
from ledger.sealing.checkpoint import Checkpoint, open_checkpoint
from ledger.sealing.note import VerifierKey
from ledger.sealing.proof import Proof, check_proof


class Succession(msgspec.Struct, frozen=True):
    """The newer key, the entry that names it, and the checkpoint that both keys signed."""

    newer: VerifierKey
    position: int
    checkpoint: Checkpoint
    note: str


class _Keys(msgspec.Struct):
    stage: str
    older: str
    newer: str


class _Said(msgspec.Struct):
    type: Literal["key.rotated"]
    data: _Keys


def successor_path(older: VerifierKey) -> str:
    """Where the file lies below the log's prefix."""
    return f"successors/{older.key_id.hex()}"


def succeeded_by(content: bytes, older: VerifierKey) -> Succession:
    """What a file says of the key that follows; ProofError or NoteError unless all of it holds."""
    proof = Proof.parse(content)
    if proof.extra is None:
        raise ProofError("The file does not hold the entry that names the newer key; get it whole.")
    checkpoint = check_proof(proof, proof.extra, [older])
    try:
        said = msgspec.json.decode(proof.extra, type=_Said)
    except msgspec.DecodeError as error:
        raise ProofError("The entry is no change of the log's key; do not follow it.") from error
    if said.data.stage != "finished" or said.data.older != older.vkey():
        raise ProofError("The entry ends another key's time; do not follow it.")
    newer = VerifierKey.parse(said.data.newer)
    if newer.name != older.name:
        raise NoteError(f"The entry names a key of {newer.name}, not of {older.name}; refuse it.")
    open_checkpoint(proof.checkpoint, [newer])
    return Succession(newer, proof.index + 1, checkpoint, proof.checkpoint)
