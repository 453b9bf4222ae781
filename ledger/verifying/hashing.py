"""The one loop that every entry goes through: cut out, hash, and see that it says where it stands.

Half a microsecond an entry more is seconds over millions, so the loop is plain and calls nothing
that it need not.
"""

import re
from hashlib import sha256
from typing import Final

import msgspec

from ledger.merkle import HASH_BYTES
from ledger.verifying.report import Fault

LENGTH_BYTES: Final = 2
STAMP_BYTES: Final = len("2026-04-01T02:03:04.000005Z")
DIGITS: Final = bytes.maketrans(b"123456789", b"000000000")
SHAPE: Final = b"0000-00-00T00:00:00.000000Z"
"""An instant as entries spell it, once its digits are all the same."""

STAMP: Final = re.compile(rb'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",')
SHOWN_BYTES_MAX: Final = 80


class Hashed(msgspec.Struct):
    """The leaf hashes of a bundle, the first thing wrong in it, first and last `recorded_at`."""

    leaves: list[bytes]
    fault: Fault | None
    began: bytes
    ended: bytes
    bytes_used: int = 0


def hash_bundle(content: bytes, first: int, width: int, stamp: bytes = b"") -> Hashed:
    """Hash the first `width` entries of a bundle that begins at position `first`.

    Each must name its own position, and be recorded no earlier than the one before (`stamp`).
    What is left over after `bytes_used` is the caller's to judge.
    """
    leaves: list[bytes] = []
    took, one = leaves.append, sha256
    fault, began = None, b""
    at, end = 0, len(content)
    for position in range(first, first + width):
        start = at + LENGTH_BYTES
        stop = start + (content[at] << 8 | content[at + 1]) if start <= end else end + 1
        if stop > end:
            fault = fault or Fault(position, "missing: the bundle ends before it does")
            break
        at = stop
        entry = content[start:stop]
        took(one(b"\0" + entry).digest())
        prefix = b'{"position":%d,"recorded_at":"' % position
        told = entry[len(prefix) : len(prefix) + STAMP_BYTES]
        if told != stamp or not entry.startswith(prefix):
            fits = told > stamp and entry.startswith(prefix) and told.translate(DIGITS) == SHAPE
            if not fits and fault is None:
                fault = fault_of(entry, position, stamp)
            stamp, began = told, began or told
    return Hashed(leaves, fault, began, stamp, at)


def fault_of(entry: bytes, position: int, stamp: bytes) -> Fault | None:
    """What an entry says wrongly about where and when it stands, after one recorded at `stamp`."""
    prefix = b'{"position":%d,"recorded_at":"' % position
    if not entry.startswith(prefix):
        return Fault(position, f"another entry stands here: {_shown(entry)}")
    told = STAMP.match(entry, len(prefix))
    if told is None:
        return Fault(position, f"recorded_at is not an instant: {_shown(entry)}")
    if told.group()[:STAMP_BYTES] < stamp:
        return Fault(position, f"recorded before its predecessor ({stamp.decode()})")
    return None


def bytes_of(content: bytes, count: int) -> int:
    """How many bytes the first `count` entries of a bundle take."""
    at = 0
    for _ in range(count):
        at += LENGTH_BYTES + int.from_bytes(content[at : at + LENGTH_BYTES], "big")
    return at


def split_hashes(content: bytes) -> list[bytes]:
    """The hashes of a tile; what is too short to be one is left out."""
    whole = len(content) - len(content) % HASH_BYTES
    return [content[at : at + HASH_BYTES] for at in range(0, whole, HASH_BYTES)]


def _shown(entry: bytes) -> str:
    return entry[:SHOWN_BYTES_MAX].decode(errors="replace")
