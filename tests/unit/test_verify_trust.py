"""Whose signature counts: every byte of a checkpoint is vouched for, or it is refused."""

import pytest

from ledger.errors import Invalid, NoteError
from ledger.merkle import leaf_hash
from ledger.sealing.checkpoint import Checkpoint, sign_checkpoint
from ledger.sealing.note import SigningKey, sign_note
from ledger.verifying.promises import check_proof_file, receipts_in
from ledger.verifying.trust import Trust

ORIGIN = "example.com/log"
KEY, NEWER, OTHER = (SigningKey.generate(name) for name in (ORIGIN, ORIGIN, "other.example"))
CHECKPOINT = Checkpoint(ORIGIN, 7, leaf_hash(b"x"))


def trusting(*keys: SigningKey, lenient: bool = False) -> Trust:
    """Keys that were given."""
    return Trust(tuple(key.verifier for key in keys), "given", ignore_unknown=lenient)


def test_every_signature_is_by_a_known_key() -> None:
    """A second one that nobody knows is refused, or let pass when asked."""
    note = sign_note(CHECKPOINT.text(), [KEY, OTHER]).encode()

    with pytest.raises(NoteError, match="1 of the checkpoint's 2 signatures"):
        trusting(KEY).open(note)
    assert trusting(KEY, OTHER).open(note) == CHECKPOINT
    assert trusting(KEY, lenient=True).open(note) == CHECKPOINT


def test_the_log_itself_must_have_signed() -> None:
    """A known key of another name is not enough."""
    with pytest.raises(NoteError, match="none of that log's keys"):
        trusting(OTHER).open(sign_note(CHECKPOINT.text(), [OTHER]).encode())


def test_a_known_key_under_which_nothing_is_signed_is_no_help() -> None:
    """The log changed its key: whoever knows only another one is told so."""
    with pytest.raises(NoteError, match="No key that you trust"):
        trusting(NEWER).open(sign_checkpoint(CHECKPOINT, [KEY]).encode())


@pytest.mark.parametrize("note", [b"", b"text\n", b"\xff\n\nx\n", b"a\n1\nAAAA\n\n-- x\n"])
def test_without_keys_the_form_is_checked(note: bytes) -> None:
    """What is no checkpoint is none, whoever signed it."""
    with pytest.raises(NoteError):
        Trust().open(note)


def test_without_keys_nothing_is_said_to_be_verified() -> None:
    """The words say it."""
    assert Trust().open(sign_checkpoint(CHECKPOINT, [OTHER_OF_LOG]).encode()) == CHECKPOINT
    assert "NOT VERIFIED" in Trust().signature
    assert "ONLY" in Trust(basis="own").signature


OTHER_OF_LOG = SigningKey.generate(ORIGIN)


def test_a_proof_needs_a_key() -> None:
    """Without one it says nothing."""
    with pytest.raises(Invalid, match="give --vkey"):
        check_proof_file(b"", b"", Trust())


@pytest.mark.parametrize("content", [b"\xff", b"{}", b"nothing", b'["accountability-ledger/x"]'])
def test_what_holds_no_receipt_is_refused(content: bytes) -> None:
    """Neither a receipt nor JSON with receipts in it."""
    with pytest.raises(Invalid):
        receipts_in(content)


def test_receipts_are_found_wherever_they_stand() -> None:
    """In an answer of any shape, or alone."""
    note = "accountability-ledger/receipt@v1\nrest"
    one = '"accountability-ledger/receipt@v1\\nrest"'
    text = f'{{"a":[{{"b":{one}}}],"c":"other","d":{one}}}'
    assert receipts_in(text.encode()) == [note]
    assert receipts_in(note.encode()) == [note]
