"""Receipts: what the gate promises, under whose name, and everything that is no receipt."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from ledger.recorder import Receipt
from ledger.sealing.note import NoteError, SigningKey, sign_note
from ledger.sealing.receipt import SignedReceipt, key_name, open_receipt, sign_receipt

ORIGIN = "example.com/log"
KEY = SigningKey.generate(key_name(ORIGIN))
EVENT = UUID("0192f0c1-2b3c-7d4e-8f50-617283940a1b")
RECEIPT = Receipt(EVENT, 7, b"l" * 32, datetime(2026, 1, 31, 8, 0, 0, 250, tzinfo=UTC))
SIGNED = sign_receipt(RECEIPT, ORIGIN, KEY)
TEXT = SIGNED.partition("\n\n")[0] + "\n"


def test_a_receipt_says_what_was_recorded_where_and_when() -> None:
    """Six lines, one value each, and the gate's signature."""
    assert TEXT.split("\n") == [
        "accountability-ledger/receipt@v1",
        "example.com/log",
        "7",
        "bGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGw=",
        "0192f0c1-2b3c-7d4e-8f50-617283940a1b",
        "2026-01-31T08:00:00.000250Z",
        "",
    ]
    assert open_receipt(SIGNED, [KEY.verifier]) == SignedReceipt(
        ORIGIN, 7, b"l" * 32, EVENT, RECEIPT.recorded_at
    )


def test_an_instant_is_written_in_utc() -> None:
    """A receipt given with another offset says the same instant in UTC."""
    shanghai = timezone(timedelta(hours=8))
    moved = Receipt(EVENT, 7, b"l" * 32, RECEIPT.recorded_at.astimezone(shanghai))

    assert sign_receipt(moved, ORIGIN, KEY) == SIGNED


def test_only_the_gate_s_key_signs_receipts() -> None:
    """The log's own key, or another gate's, makes no receipt, known or not."""
    log, other = SigningKey.generate(ORIGIN), SigningKey.generate(key_name("example.com/other"))

    for key in (log, other):
        with pytest.raises(NoteError, match=r"example\.com/log/receipts may sign"):
            sign_receipt(RECEIPT, ORIGIN, key)
        with pytest.raises(NoteError, match="not signed by that log's gate"):
            open_receipt(sign_note(TEXT, [key]), [key.verifier])
    with pytest.raises(NoteError, match="No key that you trust"):
        open_receipt(SIGNED, [log.verifier])


def test_every_flipped_bit_is_noticed() -> None:
    """No bit of a receipt can change and it still be accepted."""
    content = SIGNED.encode()

    for place in range(len(content) * 8):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(NoteError):
            open_receipt(bytes(flipped), [KEY.verifier])


MALFORMED = {
    "another kind": TEXT.replace("@v1", "@v2"),
    "a line fewer": TEXT.partition("\n")[2],
    "a line more": TEXT + "more\n",
    "an empty line more": TEXT + "\n",
    "position 0": TEXT.replace("\n7\n", "\n0\n"),
    "a leading zero": TEXT.replace("\n7\n", "\n07\n"),
    "a negative position": TEXT.replace("\n7\n", "\n-7\n"),
    "a leaf too short": TEXT.replace("bGxs", "", 1),
    "a leaf with unused bits": TEXT.replace("bGw=", "bGx="),
    "an id in capitals": TEXT.replace("0192f0c1", "0192F0C1"),
    "an id without hyphens": TEXT.replace(str(EVENT), EVENT.hex),
    "an id in braces": TEXT.replace(str(EVENT), f"{{{EVENT}}}"),
    "no id": TEXT.replace(str(EVENT), "none"),
    "another offset": TEXT.replace("000250Z", "000250+00:00"),
    "fewer digits": TEXT.replace("000250Z", "00025Z"),
    "no such day": TEXT.replace("01-31", "02-31"),
    "no T": TEXT.replace("31T08", "31 08"),
    "digits that are not ASCII": TEXT.replace("T08", "T０8"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_not_a_receipt_is_refused_though_signed(case: str) -> None:
    """The gate's signature does not make a receipt of another text."""
    with pytest.raises(NoteError):
        open_receipt(sign_note(MALFORMED[case], [KEY]), [KEY.verifier])


def test_instants_keep_their_four_digits_and_their_six() -> None:
    """A year before 1000, or no microseconds, is written at full width and reads back."""
    for instant in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)):
        signed = sign_receipt(Receipt(EVENT, 7, b"l" * 32, instant), ORIGIN, KEY)
        assert open_receipt(signed, [KEY.verifier]).recorded_at == instant
