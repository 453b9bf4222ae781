"""What the tests of verifying share: ways to verify a sealed ledger that a test has damaged.

Read next: `tests/integration/verifying/test_verify.py`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ledger.recorder import LedgerInfo
from ledger.sealing.tiles import TileId, decode_bundle, encode_bundle
from ledger.verify import (
    Demand,
    FolderLog,
    KeptNote,
    Live,
    Report,
    Trust,
    verify_database,
    verify_log,
)
from tests.sealing import Sealed

SIZE = 602
"""Two full tiles and a partial one."""


def demand(sealed: Sealed, **more: Any) -> Demand:
    """Verify with the log's own key, given by hand."""
    trust = Trust(tuple(sealed.keys.verifiers()), "given")
    return Demand(**{"trust": trust, "processes": 1, **more})


def kept(path: Path) -> KeptNote:
    """A checkpoint in a file."""
    return KeptNote(str(path), path.read_bytes())


def of_folder(sealed: Sealed, **more: Any) -> Report:
    """The folder verified."""
    return verify_log(FolderLog(str(sealed.folder.path)), demand(sealed, **more))


def of_database(sealed: Sealed, **more: Any) -> Report:
    """The database verified."""
    live = Live(
        sealed.database,
        LedgerInfo(sealed.ledger_id, "main", simulated=False),
        FolderLog(str(sealed.folder.path)),
    )
    return verify_database(live, demand(sealed, **more))


def edited(entry: bytes) -> bytes:
    """The entry with another payload."""
    return entry.replace(b'"data":{', b'"data":{"x":1,')


def bundle(folder: Path, index: int, change: Callable[[list[bytes]], object], width: int) -> None:
    """Change the entries of a bundle."""
    path = folder / TileId(None, index, width).path()
    entries = decode_bundle(path.read_bytes())
    change(entries)
    path.write_bytes(encode_bundle(entries))


def flip(folder: Path, name: str, at: int) -> None:
    """Flip a bit."""
    content = bytearray((folder / name).read_bytes())
    content[at] ^= 1
    (folder / name).write_bytes(content)
