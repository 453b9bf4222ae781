"""Verifying a log: everything computed anew from the bytes, by whoever doubts it.

`verify_database`, `verify_log` (a folder or an address) and `verify_export` answer a `Report`; an
empty list of faults means that every entry is the one that was signed, and `notes` say what was
not looked at. `check_receipt` and `check_proof_file` hold the log to single entries.
Read next: `ledger/verifying/__init__.py`.
"""

from ledger.verifying.databases import Live, verify_database
from ledger.verifying.following import trusting
from ledger.verifying.lines import verify_export
from ledger.verifying.logs import Demand, KeptNote, verify_log
from ledger.verifying.promises import (
    ProofChecked,
    ReceiptChecked,
    check_proof_file,
    check_receipt,
    receipts_in,
)
from ledger.verifying.report import Fault, Report
from ledger.verifying.served import EntriesRefused, ServedLog
from ledger.verifying.sources import FolderLog, LogFiles
from ledger.verifying.trust import Trust

__all__ = [
    "Demand",
    "EntriesRefused",
    "Fault",
    "FolderLog",
    "KeptNote",
    "Live",
    "LogFiles",
    "ProofChecked",
    "ReceiptChecked",
    "Report",
    "ServedLog",
    "Trust",
    "check_proof_file",
    "check_receipt",
    "receipts_in",
    "trusting",
    "verify_database",
    "verify_export",
    "verify_log",
]
