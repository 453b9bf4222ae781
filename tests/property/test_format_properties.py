"""Whatever bytes arrive, the readers of the log's formats refuse them as such, or read what is."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Invalid, NoteError, ProofError, TileError
from ledger.merkle import inclusion_proof, leaf_hash, root_of
from ledger.recorder import Receipt
from ledger.sealing.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.sealing.note import SigningKey, VerifierKey
from ledger.sealing.proof import Proof, check_proof
from ledger.sealing.receipt import key_name, open_receipt, sign_receipt
from ledger.sealing.tiles import decode_bundle, encode_bundle, parse_path, tile_path

ORIGIN = "example.com/log"
KEY = SigningKey.generate(ORIGIN)
GATE = SigningKey.generate(key_name(ORIGIN))
ENTRIES = [f'{{"position":{number}}}'.encode() for number in range(1, 12)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
SIGNED = sign_checkpoint(Checkpoint(ORIGIN, len(LEAVES), root_of(LEAVES)), [KEY])
HASHES = inclusion_proof(
    6, len(LEAVES), lambda level, at: root_of(LEAVES[at << level : at + 1 << level])
)
RECEIPT = Receipt(UUID(int=7), 7, LEAVES[6], datetime(2026, 1, 31, tzinfo=UTC))

GOOD = {
    "checkpoint": SIGNED.encode(),
    "proof": Proof(6, tuple(HASHES), SIGNED).text().encode(),
    "receipt": sign_receipt(RECEIPT, ORIGIN, GATE).encode(),
    "bundle": encode_bundle(ENTRIES),
    "path": tile_path(0, 1_234_067, 8).encode(),
    "vkey": KEY.verifier.vkey().encode(),
}
READ: dict[str, Callable[[bytes], object]] = {
    "checkpoint": lambda content: open_checkpoint(content, [KEY.verifier]),
    "proof": lambda content: check_proof(Proof.parse(content), ENTRIES[6], [KEY.verifier]),
    "receipt": lambda content: open_receipt(content, [GATE.verifier]),
    "bundle": decode_bundle,
    "path": lambda content: parse_path(content.decode("latin-1")),
    "vkey": lambda content: VerifierKey.parse(content.decode("latin-1")),
}
REFUSED = (Invalid, NoteError, ProofError, TileError)
VOUCHED = ("checkpoint", "proof", "receipt", "vkey")
"""What has a signature or a checksum: no other bytes are good."""


def edited(content: bytes, data: st.DataObject) -> bytes:
    """The content with a part of it cut out, repeated, moved or overwritten."""
    cuts = sorted(data.draw(st.tuples(*[st.integers(0, len(content))] * 3)))
    first, second, third = cuts
    parts = [content[:first], content[first:second], content[second:third], content[third:]]
    chosen = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=6))
    between = data.draw(
        st.sampled_from((b"", b"\n", b"\n\n", b" ", b"\0", b"\r", b"=", b"+", b"0"))
    )
    return between.join(parts[at] for at in chosen)


@pytest.mark.parametrize("kind", GOOD)
def test_what_the_edits_begin_with_is_good(kind: str) -> None:
    """The bytes that are edited below are read as they are."""
    assert READ[kind](GOOD[kind])


@pytest.mark.parametrize("kind", GOOD)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(kind: str, content: bytes) -> None:
    """No bytes raise anything but the format's own refusal."""
    with suppress(*REFUSED):
        READ[kind](content)


@pytest.mark.parametrize("kind", GOOD)
@given(data=st.data())
def test_an_edited_file_is_refused(kind: str, data: st.DataObject) -> None:
    """Parts cut, repeated, moved or joined otherwise: refused, unless nothing has changed."""
    content = edited(GOOD[kind], data)
    with suppress(*REFUSED):
        READ[kind](content)
        assert kind not in VOUCHED or content == GOOD[kind]
