"""One spelling for every value in a signed text: base64, decimals, instants, lines.

A value that could be written in two ways would let somebody change a file's bytes and have it
still accepted, so each reader here takes exactly what the writer beside it makes.
`refuse` is the error to raise, `what` the value's name in its message.
Read next: `ledger/sealing/note.py`.
"""

import re
from base64 import b64encode
from binascii import Error, a2b_base64
from datetime import UTC, datetime
from typing import Final

from ledger.errors import LedgerError
from ledger.merkle import HASH_BYTES

NUMBER_MAX: Final = 2**63 - 1
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


def write_bytes(content: bytes) -> str:
    """Standard base64 with padding, on one line."""
    return b64encode(content).decode("ascii")


def read_bytes(text: str, what: str, refuse: type[LedgerError]) -> bytes:
    """The bytes of canonical base64: padded, nothing between, unused bits zero."""
    try:
        content = a2b_base64(text, strict_mode=True)
    except (Error, ValueError):
        raise refuse(f"The {what} is not base64; do not accept it.") from None
    if write_bytes(content) != text:
        raise refuse(f"The {what} is not base64 as it is always written; do not accept it.")
    return content


def read_hash(text: str, what: str, refuse: type[LedgerError]) -> bytes:
    """Thirty-two bytes of canonical base64."""
    content = read_bytes(text, what, refuse)
    if len(content) != HASH_BYTES:
        raise refuse(f"The {what} has {len(content)} bytes, not {HASH_BYTES}; do not accept it.")
    return content


def read_number(text: str, what: str, refuse: type[LedgerError]) -> int:
    """An ASCII decimal without sign or leading zero, below 2**63."""
    number = int(text) if _DECIMAL.fullmatch(text) else NUMBER_MAX + 1
    if number > NUMBER_MAX:
        raise refuse(
            f"The {what} is not a decimal number without leading zeros, below 2**63; "
            "do not accept it."
        )
    return number


def write_instant(instant: datetime) -> str:
    """RFC 3339 in UTC with six digits, as entries have it."""
    naive = instant.astimezone(UTC).replace(tzinfo=None)
    return naive.isoformat(timespec="microseconds") + "Z"


def read_instant(text: str, what: str, refuse: type[LedgerError]) -> datetime:
    """The instant that `write_instant` wrote."""
    try:
        if _INSTANT.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise refuse(f"The {what} is not written as 2026-01-31T08:00:00.000000Z; do not accept it.")


def read_text(content: str | bytes, what: str, bytes_max: int, refuse: type[LedgerError]) -> str:
    """Text within its limit: UTF-8, and no control character but the line feed."""
    try:
        raw = content.encode() if isinstance(content, str) else content
        text = raw.decode()
    except UnicodeError:
        raise refuse(f"The {what} is not UTF-8; do not accept it.") from None
    if len(raw) > bytes_max:
        raise refuse(
            f"The {what} has {len(raw)} bytes, above the limit of {bytes_max}; do not accept it."
        )
    if "\r" in text:
        raise refuse(f"The {what} has CR line ends; fetch it again without conversion.")
    if any(character < " " and character != "\n" for character in text):
        raise refuse(f"The {what} holds control characters; do not accept it.")
    return text
