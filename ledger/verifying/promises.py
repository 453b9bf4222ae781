"""What single entries can be held to: receipts that the gate signed, and proofs of inclusion.

A receipt says "this leaf stands at this position" before any checkpoint does. If it was signed and
the log says otherwise, the log has lost or changed a fact that it had accepted, and the receipt is
the evidence.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from ledger.errors import Invalid, LedgerError, NoteError, ProofError, TileError
from ledger.merkle import HASH_BYTES, verify_inclusion
from ledger.sealing.proof import Proof, check_proof
from ledger.sealing.receipt import HEADER, SignedReceipt, open_receipt
from ledger.sealing.tiles import TileId, TileTree
from ledger.verifying.sources import FileMissing, LogFiles
from ledger.verifying.trust import Trust

RECEIPTS_MAX: Final = 100_000

Standing = Literal["in the log", "not yet sealed", "SIGNED BUT NOT IN THE LOG", "bad signature"]

SEALED: Final[Standing] = "in the log"
WAITING: Final[Standing] = "not yet sealed"
LOST: Final[Standing] = "SIGNED BUT NOT IN THE LOG"
FORGED: Final[Standing] = "bad signature"

RowLeaf = Callable[[int], bytes | None]


class ReceiptChecked(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one receipt."""

    outcome: Standing
    what: str
    signature: str
    origin: str | None = None
    position: int | None = None
    leaf_hash: str | None = None
    event_id: str | None = None
    recorded_at: datetime | None = None

    @property
    def holds(self) -> bool:
        """Whether the log keeps what was promised."""
        return self.outcome == SEALED


def receipts_in(content: bytes) -> list[str]:
    """The receipts of a file: a signed note, or JSON that holds such notes anywhere."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise Invalid.field("file", "a receipt is text; this is not") from error
    if text.startswith(HEADER + "\n"):
        return [text]
    try:
        # An answer may hold one twice: by itself, and in a list of all.
        found = list(dict.fromkeys(_notes_in(msgspec.json.decode(content))))
    except msgspec.DecodeError as error:
        raise Invalid.field(
            "file", f"neither a receipt nor JSON that holds any: {error}"
        ) from error
    if not found:
        raise Invalid.field("file", f"no receipt in it; one begins with {HEADER}")
    if len(found) > RECEIPTS_MAX:
        raise Invalid.field("file", f"more than {RECEIPTS_MAX:,} receipts; check them in parts")
    return found


def _notes_in(value: Any) -> Iterator[str]:  # noqa: ANN401  (JSON)
    if isinstance(value, str) and value.startswith(HEADER + "\n"):
        yield value
    elif isinstance(value, dict):
        for below in value.values():
            yield from _notes_in(below)
    elif isinstance(value, list):
        for below in value:
            yield from _notes_in(below)


def check_receipt(
    note: str, gate: Trust, files: LogFiles, log: Trust, row_leaf: RowLeaf | None = None
) -> ReceiptChecked:
    """Whether the gate signed it, and whether the log that is signed now keeps it.

    `gate` and `log` are the keys that are trusted for each; `row_leaf` answers for the live
    database, where there is one, what no checkpoint covers yet.
    """
    try:
        receipt = open_receipt(note, gate.keys)
    except NoteError as error:
        return ReceiptChecked(outcome=FORGED, what=str(error), signature="bad")
    outcome, what = _standing(receipt, files, log)
    if outcome == WAITING and row_leaf is not None:
        outcome, what = _standing_in_rows(receipt, row_leaf(receipt.position))
    return ReceiptChecked(
        outcome=outcome,
        what=what,
        signature=gate.signature,
        origin=receipt.origin,
        position=receipt.position,
        leaf_hash=receipt.leaf_hash.hex(),
        event_id=str(receipt.event_id),
        recorded_at=receipt.recorded_at,
    )


def _standing(receipt: SignedReceipt, files: LogFiles, trust: Trust) -> tuple[Standing, str]:
    checkpoint = trust.open(files.checkpoint())
    if checkpoint.origin != receipt.origin:
        raise Invalid.field(
            "log", f"the receipt is of {receipt.origin}, and {files.name} of {checkpoint.origin}"
        )
    index = receipt.position - 1
    if index >= checkpoint.size:
        return WAITING, (
            f"the checkpoint covers {checkpoint.size:,} entries, and the receipt promises position "
            f"{receipt.position:,}: ask again after a second; if that stays so, the tail was lost "
            "and this receipt is the evidence"
        )
    tree = TileTree(checkpoint.size, lambda tile: _tile(files, tile))
    try:
        found = tree.leaf(index)
        verify_inclusion(index, checkpoint.size, found, tree.inclusion(index), checkpoint.root)
    except (ProofError, TileError, FileMissing) as error:
        raise LedgerError(f"the log itself does not hold together: {error}") from error
    if found != receipt.leaf_hash:
        return LOST, (
            f"position {receipt.position:,} holds another entry ({found.hex()}); keep the receipt "
            "and the checkpoint, they are the evidence that an accepted fact was lost"
        )
    return SEALED, f"under the checkpoint of {checkpoint.size:,} entries"


def _standing_in_rows(receipt: SignedReceipt, leaf: bytes | None) -> tuple[Standing, str]:
    """What the database says of a promise that no checkpoint covers yet."""
    if leaf == receipt.leaf_hash:
        return WAITING, "in the database, and no checkpoint covers it yet; ask again in a second"
    there = "holds another entry" if leaf else "is not there"
    return LOST, (
        f"position {receipt.position:,} {there} in the database; keep the receipt, it is the "
        "evidence that an accepted fact was lost"
    )


def _tile(files: LogFiles, tile: TileId) -> bytes:
    content, whole = files.read(tile)
    return content[: tile.width * HASH_BYTES] if whole else content


class ProofChecked(msgspec.Struct, frozen=True, kw_only=True):
    """A proof that holds."""

    origin: str
    position: int
    size: int
    root: str
    signature: str


def check_proof_file(content: bytes, entry: bytes, trust: Trust) -> ProofChecked:
    """What a tlog-proof shows of an entry; raises when it does not hold, or nobody vouches for it.

    Offline: nothing but the file, the entry's bytes and a key is needed.
    """
    if not trust.keys:
        raise Invalid.field("vkey", "a proof says nothing without the log's key; give --vkey")
    proof = Proof.parse(content)
    trust.open(proof.checkpoint.encode())
    checkpoint = check_proof(proof, entry, trust.keys)
    return ProofChecked(
        origin=checkpoint.origin,
        position=proof.index + 1,
        size=checkpoint.size,
        root=checkpoint.root.hex(),
        signature=trust.signature,
    )
