"""From a key that the verifier brought to the one that signs today, link by link.

Nothing is taken from the server on trust: each link is an entry under a checkpoint that the key
before it signed, and that checkpoint must begin the newest log like any that somebody kept.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from ledger.errors import NoteError, ProofError
from ledger.sealing.note import VerifierKey
from ledger.sealing.succession import Succession, succeeded_by, successor_path
from ledger.verifying.report import Report
from ledger.verifying.sources import LogFiles
from ledger.verifying.trust import Trust

KEYS_MAX: Final = 64
"""A log that changes its key every month is walked for years."""


class Link(msgspec.Struct, frozen=True):
    """A key that follows on a trusted one, and the checkpoint of both: where it was read."""

    newer: VerifierKey
    file: str
    note: bytes


def follow(known: Sequence[VerifierKey], files: LogFiles, report: Report) -> list[Link]:
    """Every link from the keys that are known; one that does not hold is a fault."""
    keys, links = list(known), list[Link]()
    for key in keys:
        found = _succession(key, files, report)
        if found is None or found.newer in keys or len(keys) >= KEYS_MAX:
            continue
        keys.append(found.newer)
        links.append(Link(found.newer, f"{files.name}/{successor_path(key)}", found.note.encode()))
        report.notes.append(
            f"the key {key.key_id.hex()} is followed by {found.newer.vkey()}: entry "
            f"{found.position:,} says so, under the checkpoint of {found.checkpoint.size:,} "
            "entries that both signed"
        )
    return links


def trusting(trust: Trust, files: LogFiles) -> Trust:
    """The trust with every key that follows on those it has; ProofError where a link is broken.

    A key alone vouches for no less than the key that named it: whoever has the log verified too
    hears besides whether it begins with each link's checkpoint.
    """
    report = Report(source=files.name)
    links = follow(trust.keys, files, report)
    if report.first is not None:
        raise ProofError(report.first.text())
    return msgspec.structs.replace(trust, keys=(*trust.keys, *(one.newer for one in links)))


def _succession(key: VerifierKey, files: LogFiles, report: Report) -> Succession | None:
    content = files.successor(key)
    if content is None:
        return None
    try:
        return succeeded_by(content, key)
    except (NoteError, ProofError) as error:
        report.blame(None, f"{successor_path(key)}: {error}")
        return None
