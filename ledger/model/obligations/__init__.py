"""One obligation as its facts tell it.

Read `dossiers.py` (the rows), then `folding.py` (facts to rows).
"""

from ledger.model.obligations.dossiers import (
    Attempt,
    Cancellation,
    ChannelChange,
    DueChange,
    Notice,
    Obligation,
    Relief,
    Returned,
    Submission,
)
from ledger.model.obligations.folding import OBLIGATION_FACTS, fold_obligation

__all__ = [
    "OBLIGATION_FACTS",
    "Attempt",
    "Cancellation",
    "ChannelChange",
    "DueChange",
    "Notice",
    "Obligation",
    "Relief",
    "Returned",
    "Submission",
    "fold_obligation",
]
