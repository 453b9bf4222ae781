"""New ids for facts: UUID version 7, so that ids made together stand together in an index.

Persons never get one: a time-ordered id would tell when they joined (they have random ids).
"""

import secrets
import time
from typing import Final
from uuid import UUID

_VERSION_7: Final = 0x7 << 76
_VARIANT: Final = 0x2 << 62


def new_fact_id() -> UUID:
    """A UUID of this millisecond, with 74 random bits (RFC 9562, 5.7)."""
    milliseconds = time.time_ns() // 1_000_000
    random = secrets.randbits(74)
    high, low = random >> 62, random & ((1 << 62) - 1)
    return UUID(int=milliseconds << 80 | _VERSION_7 | high << 64 | _VARIANT | low)


def new_person_id() -> str:
    """A random id (32 hexadecimal digits) that tells nothing about the person."""
    return secrets.token_hex(16)
