"""`ledger bench verify`: an auditor's work: hashing bundles, one proof, and a whole log's folder.

The folder is really made and really verified, with as many processes as there are processors, each
time from its files; what is compared with is the goal itself, so these ratios say something about
the machine too. Read next: `ledger/verifying/hashing.py`.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from api.bench.contest import Show, alternate, table
from api.bench.goal import Goal, at_least, at_most
from ledger.merkle import leaf_hash, root_of, verify_inclusion
from ledger.sealing.checkpoint import Checkpoint, sign_checkpoint
from ledger.sealing.folder import LogFolder
from ledger.sealing.frontier import Frontier
from ledger.sealing.note import SigningKey
from ledger.sealing.tiles import TILE_WIDTH, TileId, encode_bundle
from ledger.settings import Settings
from ledger.verify import Demand, FolderLog, Trust, verify_log
from ledger.verifying.hashing import hash_bundle
from ledger.verifying.spreading import processors

ENTRIES, ENTRIES_QUICK = 5_000_000, 100_000
HASHED_A_SECOND: Final = 500_000
PROOF_SECONDS: Final = 0.005
VERIFIED_A_SECOND: Final = 5_000_000 / 15
"""On two processors."""

CORES: Final = 2
BUNDLES, PROOFS = 400, 50
ORIGIN: Final = "bench.example/ledger"
ENTRY_BYTES: Final = 420
"""What a report's entry has on the average; a longer one takes longer."""

WRITTEN_TOGETHER: Final = 65_536


def run(settings: Settings, *, quick: bool, show: Show = print) -> list[Goal]:  # noqa: ARG001
    """Measure in a folder that is removed afterwards; no database is needed."""
    entries = ENTRIES_QUICK if quick else ENTRIES
    rounds = 3
    key = SigningKey.generate(ORIGIN)
    with tempfile.TemporaryDirectory(prefix="ledger-bench-") as made:
        root = _make(Path(made), entries, key)
        contestants: dict[str, Callable[[], float]] = {
            "hashed a second of a core": _hashed,
            "proofs a second": partial(_proofs, Path(made), entries, root),
            "verified a second by all": partial(_verified, Path(made), entries, key),
        }
        rates = alternate(rounds, contestants)
    show(table(f"a log of {entries:,} entries of {ENTRY_BYTES} bytes", "/s", {"rate": rates}))
    hashed, proofs, verified = rates.values()
    share = min(processors(), CORES) / CORES
    return [
        at_least(
            f"hashing of bundles, a core, against {HASHED_A_SECOND:,} entries/s",
            1.0,
            [rate / HASHED_A_SECOND for rate in hashed],
        ),
        at_most(
            f"a proof at {entries:,} entries, made and checked, against {PROOF_SECONDS} s",
            1.0,
            [1 / rate / PROOF_SECONDS for rate in proofs],
        ),
        at_least(
            f"verifying a folder of {entries:,} entries against 5,000,000 in 15 s on {CORES} cores",
            1.0,
            [rate / VERIFIED_A_SECOND / share for rate in verified],
        ),
    ]


def _entries(first: int, count: int) -> Iterator[bytes]:
    """Entries as the log has them, each at its own microsecond."""
    padding = "x" * ENTRY_BYTES
    for position in range(first, first + count):
        seconds, micros = divmod(position, 1_000_000)
        start = (
            f'{{"position":{position},"recorded_at":"2026-01-01T00:00:{seconds:02}.{micros:06}Z",'
            f'"id":"{position:032x}","type":"bench","v":1,"data":{{"text":"'
        )
        yield f'{start}{padding[: ENTRY_BYTES - len(start) - 3]}"}}}}'.encode()


def _make(folder: Path, entries: int, key: SigningKey) -> bytes:
    """Write a log's folder as the sealer would, but without waiting for the disk; its root."""
    frontier = Frontier()
    for first in range(1, entries + 1, WRITTEN_TOGETHER):
        part = list(_entries(first, min(WRITTEN_TOGETHER, entries - first + 1)))
        for tile, content in frontier.append([leaf_hash(one) for one in part], part):
            _write(folder, tile, content)
    for tile, content in frontier.partials():
        _write(folder, tile, content)
    root = frontier.tree().root()
    note = sign_checkpoint(Checkpoint(ORIGIN, entries, root), [key])
    (folder / "checkpoint").write_text(note, encoding="utf-8")
    return root


def _write(folder: Path, tile: TileId, content: bytes) -> None:
    path = folder / tile.path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _hashed() -> float:
    """Entries a second of one processor, cut out, hashed, and hashed up to the top of a tile."""
    bundle = encode_bundle(list(_entries(1, TILE_WIDTH)))
    # The processor's own time: what else runs meanwhile says nothing about a core.
    started = time.process_time()
    for _ in range(BUNDLES):
        root_of(hash_bundle(bundle, 1, TILE_WIDTH).leaves)
    return BUNDLES * TILE_WIDTH / (time.process_time() - started)


def _proofs(folder: Path, entries: int, root: bytes) -> float:
    """Proofs a second, each made anew from files for another entry, and checked."""
    log = LogFolder(folder)
    started = time.perf_counter()
    for number in range(PROOFS):
        index = number * 7_919_993 % entries
        tree = log.tree(entries)
        verify_inclusion(index, entries, tree.leaf(index), tree.inclusion(index), root)
    return PROOFS / (time.perf_counter() - started)


def _verified(folder: Path, entries: int, key: SigningKey) -> float:
    """Entries a second, the whole folder by all processors."""
    trust = Trust((key.verifier,), "given")
    started = time.perf_counter()
    report = verify_log(FolderLog(str(folder)), Demand(trust=trust))
    elapsed = time.perf_counter() - started
    assert not report.faults, report.faults
    assert report.entries_read == entries, "every entry was read"
    return entries / elapsed
