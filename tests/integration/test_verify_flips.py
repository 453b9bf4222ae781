"""A thousand seeded single-bit flips over all that a log publishes: not one is accepted.

Checkpoint, tiles, bundles and an export of one ledger; a flip where nothing covers a byte would be
accepted, and so show that there is such a byte.
"""

import random
from pathlib import Path
from typing import Final

import pytest

from ledger.errors import LedgerError
from ledger.merkle import leaf_hash
from ledger.sealing.checkpoint import Checkpoint, sign_checkpoint
from ledger.sealing.folder import LogFolder
from ledger.sealing.frontier import Frontier
from ledger.sealing.note import SigningKey
from ledger.verify import Demand, FolderLog, KeptNote, Report, Trust, verify_export, verify_log
from tests.sealing import ORIGIN

FLIPS: Final = 1_000
ENTRIES: Final = 300
SEED: Final = 20_261_122


class Published:
    """A log's folder, an export of it, and the key that is trusted; no database is needed."""

    def __init__(self, home: Path) -> None:
        # Two keys sign, as during a rotation: neither line may be changed.
        keys = [SigningKey.generate(ORIGIN), SigningKey.generate(ORIGIN)]
        self.folder = home / "log"
        self.export = home / "entries.ndjson"
        self.trust = Trust(tuple(key.verifier for key in keys), "given")
        entries = [_entry(position) for position in range(1, ENTRIES + 1)]
        self.export.write_bytes(b"".join(entry + b"\n" for entry in entries))
        log, frontier = LogFolder(self.folder), Frontier()
        for after, until in ((0, 200), (200, ENTRIES)):
            # Sealed twice, so that partial files of an earlier tree lie there as well.
            part = entries[after:until]
            log.write_tiles(frontier.append([leaf_hash(one) for one in part], part))
            log.write_tiles(frontier.partials())
        root = frontier.tree().root()
        note = sign_checkpoint(Checkpoint(ORIGIN, ENTRIES, root), keys)
        log.publish(note, [])

    def files(self) -> list[Path]:
        """Everything that a flip may hit."""
        tiles = [path for path in (self.folder / "tile").rglob("*") if path.is_file()]
        return [self.folder / "checkpoint", *sorted(tiles), self.export]

    def verified(self, changed: Path) -> Report:
        """Verify what the changed file is part of."""
        demand = Demand(trust=self.trust, processes=1)
        if changed == self.export:
            checkpoint = self.folder / "checkpoint"
            return verify_export(
                self.export, demand, KeptNote(str(checkpoint), checkpoint.read_bytes())
            )
        return verify_log(FolderLog(str(self.folder)), demand)


def _entry(position: int) -> bytes:
    stamp = f"2026-04-01T02:03:04.{position:06}Z"
    text = "报告" if position % 2 else "report"
    return (
        f'{{"position":{position},"recorded_at":"{stamp}","id":"0-{position}","type":"t","v":1,'
        f'"data":{{"text":"{text}"}}}}'
    ).encode()


@pytest.fixture
def published(tmp_path: Path) -> Published:
    """A log of 300 entries, with two keys and files of an earlier tree."""
    return Published(tmp_path)


def test_no_flip_of_a_bit_is_accepted(published: Published) -> None:
    """A thousand of them, each file hit in turn, so that small ones are not spared."""
    files = published.files()
    assert any(".p" in path.parent.name for path in files)
    for path in (published.folder / "checkpoint", published.export):
        assert published.verified(path).faults == []
    chance = random.Random(SEED)  # noqa: S311  (reproducible on purpose)
    accepted = []
    for number in range(FLIPS):
        path = files[number % len(files)]
        content = path.read_bytes()
        bit = chance.randrange(len(content) * 8)
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        if _is_accepted(published, path):
            accepted.append((path.name, bit))
        path.write_bytes(content)

    assert accepted == []


def test_no_flip_in_the_checkpoint_is_accepted(published: Published) -> None:
    """Every single bit of it: two signatures, both of which are vouched for."""
    path = published.folder / "checkpoint"
    content = path.read_bytes()
    for bit in range(len(content) * 8):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        assert not _is_accepted(published, path), bit


def _is_accepted(published: Published, path: Path) -> bool:
    try:
        return published.verified(path).first is None
    except LedgerError:
        return False
