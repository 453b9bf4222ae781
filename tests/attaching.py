"""Files sent to the doors by people of the network, and fetched again.

Read next: `tests/contract/test_attachments_api.py`.
"""

import hashlib
from typing import Any

from tests.visiting import LEDGER, Doors

PDF_TYPE = "application/pdf"
OPEN = "weekly.O1.2026W26"
"""Opened on 22 June, due on the 29th; nobody has reported yet."""


def pdf(words: str) -> bytes:
    """A file that looks like one."""
    return f"%PDF-1.7\n{words}\n".encode()


def sha256(content: bytes) -> str:
    """What a caller names a file by."""
    return hashlib.sha256(content).hexdigest()


def send(doors: Doors, content: bytes, person: str = "O1-boss", **given: Any) -> Any:
    """Send a file as a person."""
    name = given.pop("name", sha256(content))
    key = doors.key(given.pop("role", "obligor"), given.pop("unit", None), person)
    headers = {**key, "content-type": PDF_TYPE, **given.pop("headers", {})}
    path = f"/api/v1/{LEDGER}/uploads/{name}"
    return doors.client.put(path, content=content, headers=headers)


def fetch(doors: Doors, attachment: str, role: str = "auditor", **given: Any) -> Any:
    """Fetch a file."""
    return doors.get(f"/attachments/{attachment}", role, **given)


def report(doors: Doors, content: bytes, obligation: str = OPEN, **given: Any) -> Any:
    """Report for the open week, naming the file."""
    evidence = [{"sha256": sha256(content), "media_type": PDF_TYPE, "name": "盖章的周报.pdf"}]
    body = {
        "obligation": obligation,
        "form_revision": 1,
        "content": {"headcount": 7},
        "evidence": evidence,
    }
    given.setdefault("person", "O1-boss")
    return doors.post("/reports/submit-report", body, "obligor", **given)
