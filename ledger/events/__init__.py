"""Every fact that can be recorded, one file a capability.

Facts are past tense, frozen, and keep their stored name for ever: `TOPIC` is written by hand, and
a new meaning is a new name or a new version with an upcaster (`ledger/codec.py`).
Read next: `fact.py` (what a fact is), then any capability.
"""

from ledger.events import (
    accountability,
    attachments,
    calendar,
    duties,
    erasure,
    organisation,
    outlets,
    platform,
    reports,
)
from ledger.events.fact import Fact

__all__ = [
    "Fact",
    "accountability",
    "attachments",
    "calendar",
    "duties",
    "erasure",
    "organisation",
    "outlets",
    "platform",
    "reports",
]
