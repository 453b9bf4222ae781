"""Page cursors that nobody can make up: where to go on, bound to the question that was asked.

A cursor holds the last key shown and the position that the first page was read at, so that all
pages are of one moment; its HMAC also covers the address and every filter, so that a cursor does
not carry over to another question. Never an offset: facts arriving meanwhile would shift it.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Final

import msgspec

from api.problems import BadParameter
from ledger.errors import FieldProblem

CURSOR_CHARACTERS_MAX: Final = 1_000
_MAC_BYTES: Final = 16
_BAD: Final = "is not a cursor of this question; begin again without one"


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended: the moment that it was read at, its last key, and whether it is settled.

    A following page says of its moment what the first one said, whatever was recorded since.
    """

    position: int
    instant: str
    after: tuple[str | int, ...]
    settled: bool


class Cursors:
    """Makes and checks cursors under one secret; a new secret makes old cursors useless."""

    def __init__(self, secret: bytes | None = None) -> None:
        self._secret = secret or secrets.token_bytes(32)

    def make(self, cursor: Cursor, question: str) -> str:
        """A cursor for the next page of `question` (its address and filters)."""
        body = msgspec.json.encode(cursor)
        return base64.urlsafe_b64encode(self._mac(body, question) + body).rstrip(b"=").decode()

    def read(self, text: str, question: str) -> Cursor:
        """The cursor that `make` gave; `BadParameter` for every other text."""
        padded = text[:CURSOR_CHARACTERS_MAX] + "=" * (-len(text) % 4)
        try:
            raw = base64.b64decode(padded, b"-_", validate=True)
        except ValueError:
            raw = b""
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body, question)):
            raise BadParameter(f"cursor: {_BAD}", (FieldProblem("cursor", _BAD),))
        return msgspec.json.decode(body, type=Cursor)

    def _mac(self, body: bytes, question: str) -> bytes:
        whole = len(body).to_bytes(4) + body + question.encode()
        return hmac.digest(self._secret, whole, hashlib.sha256)[:_MAC_BYTES]
