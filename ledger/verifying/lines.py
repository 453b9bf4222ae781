"""An export, verified: every line hashed in order, and the root compared with a checkpoint.

A line is an entry byte by byte, so nothing but the file is needed. A checkpoint says whether these
are the entries that were signed; the log's own tiles, where they lie beside it, say which is not.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from ledger.errors import Invalid
from ledger.sealing.tiles import TILE_WIDTH, TileId
from ledger.verifying.hashing import STAMP_BYTES, fault_of
from ledger.verifying.judging import Judgement, Uppers
from ledger.verifying.logs import Demand, KeptNote, Opened, check_kept, followed, open_all
from ledger.verifying.report import NOT_HERE, Report
from ledger.verifying.sources import FolderLog
from ledger.verifying.stretches import Stretch
from ledger.verifying.tree import Tree

CHUNK_BYTES: Final = 1 << 20
LINE_BYTES_MAX: Final = 65_535
MANIFEST_SUFFIX: Final = ".manifest.json"
FIRST_POSITION: Final = re.compile(rb'\{"position":([1-9]\d{0,18}),')


class Manifest(msgspec.Struct, frozen=True):
    """What the exporter says that the file holds; nobody signed it."""

    ledger: str
    rows: int
    first_position: int | None
    last_position: int | None
    last_leaf_hash: str | None
    head_position: int
    entries_sha256: str


class _Lines:
    """The lines of a file in order: their hashes, and what is wrong with them."""

    def __init__(self, tiles: FolderLog | None, size: int, chosen: frozenset[int]) -> None:
        self.first = 1
        self.count = 0
        self.last_leaf = b""
        self.digest = hashlib.sha256()
        self.found = Stretch()
        self._tiles = tiles
        self._size = size
        self._chosen = chosen
        self._stamp = b""
        self._leaves: list[bytes] = []

    def take(self, entry: bytes) -> None:
        """Hash the next line."""
        if not self.count:
            told = FIRST_POSITION.match(entry)
            self.first = int(told[1]) if told else 1
        position = self.first + self.count
        if not self.found.faults and (fault := fault_of(entry, position, self._stamp)):
            self.found.faults.append(fault)
        at = len(b'{"position":%d,"recorded_at":"' % position)
        self._stamp = entry[at : at + STAMP_BYTES]
        self.last_leaf = hashlib.sha256(b"\0" + entry).digest()
        self._leaves.append(self.last_leaf)
        self.count += 1
        if len(self._leaves) == TILE_WIDTH:
            self.finish_tile()

    def finish_tile(self) -> None:
        """Compare a tile's lines with the tile, where it is at hand."""
        if not self._leaves:
            return
        index = len(self.found.tops)
        leaves, self._leaves = self._leaves, []
        width = min(TILE_WIDTH, self._size - index * TILE_WIDTH)
        if self._tiles is not None and self.first == 1 and width > 0:
            self.found.compare(self._tiles, TileId(0, index, width), leaves, width)
        tile = TileId(0, index, len(leaves))
        self.found.take(tile, leaves, chosen=index in self._chosen)

    def tree(self) -> Tree:
        """The tree over all lines, when they begin at the first position."""
        return Tree(b"".join(self.found.tops), self.found.leaves)


def verify_export(file: Path, demand: Demand, checkpoint: KeptNote | None = None) -> Report:
    """Verify an export's lines, against a checkpoint where one is given.

    Tiles beside the checkpoint's file are read only to name the line that is not what was signed.
    """
    report = Report(source=str(file))
    tiles = _tiles_beside(checkpoint) if checkpoint else None
    if tiles is not None:
        demand = followed(demand, tiles, report)
    opened = open_all(demand, checkpoint.note if checkpoint else None, report)
    newest = opened.newest
    size = newest.size if newest else 0
    lines = _Lines(tiles, size, opened.ends())
    _take_all(file, lines, demand, report)
    lines.finish_tile()
    report.add(lines.found.faults)
    report.first_position, report.entries_read = lines.first, lines.count
    report.size = lines.first + lines.count - 1
    _check_manifest(file, lines, report)
    report.notes.append(NOT_HERE)
    if lines.first > 1:
        _require_no_root(opened, lines.first)
        report.notes.append(
            f"NOT compared with any checkpoint: the export begins at position {lines.first:,}"
        )
        return report
    report.root = lines.tree().root(lines.count).hex()
    if newest is not None:
        _compare(lines, opened, tiles, demand, report)
    elif opened.kept:
        _compare_kept(lines, opened, demand, report)
    elif checkpoint is None:
        report.notes.append("NOT compared with any checkpoint: give one with --checkpoint")
    return report


def _tiles_beside(checkpoint: KeptNote) -> FolderLog | None:
    folder = Path(checkpoint.file).parent
    return FolderLog(str(folder)) if (folder / "tile").is_dir() else None


def _require_no_root(opened: Opened, first: int) -> None:
    if opened.newest is not None or opened.kept:
        raise Invalid.field(
            "source",
            f"the export begins at position {first:,}, and a root is over all entries from the "
            "first on; export them all",
        )


def _take_all(file: Path, lines: _Lines, demand: Demand, report: Report) -> None:
    for entry in _split(file, lines, report):
        lines.take(entry)
        if not lines.count % 10_000:
            demand.advance(lines.count)


def _split(file: Path, lines: _Lines, report: Report) -> Iterator[bytes]:
    """Every line of the file; one that does not end is a fault."""
    rest = b""
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK_BYTES):
            lines.digest.update(chunk)
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
            if len(rest) > LINE_BYTES_MAX:
                report.blame(lines.first + lines.count, "the line is too long to be an entry")
                return
    if rest:
        report.blame(lines.first + lines.count, "the line is cut short: it has no end")


def _check_manifest(file: Path, lines: _Lines, report: Report) -> None:
    """Compare with what the exporter wrote beside the file."""
    path = file.with_name(file.name + MANIFEST_SUFFIX)
    if not path.exists():
        report.notes.append(f"there is no {path.name}: whether the file is whole is not known")
        return
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.DecodeError as error:
        report.blame(None, f"{path.name}: {error}")
        return
    last = lines.first + lines.count - 1
    if manifest.rows > lines.count:
        report.blame(
            last + 1, f"the export ends here, and its manifest tells of {manifest.rows:,} rows"
        )
    elif manifest.entries_sha256 != lines.digest.hexdigest():
        report.blame(None, f"the file's SHA-256 is not that of {path.name}")
    elif lines.count and (manifest.first_position, manifest.last_position) != (lines.first, last):
        report.blame(None, f"{path.name} tells of other positions than the file has")
    elif lines.count and manifest.last_leaf_hash != lines.last_leaf.hex():
        report.blame(last, f"{path.name} tells of another leaf hash than the last line has")


def _compare(
    lines: _Lines, opened: Opened, tiles: FolderLog | None, demand: Demand, report: Report
) -> None:
    newest = opened.newest
    assert newest is not None, "the caller looked"
    if lines.count < newest.size:
        report.blame(
            lines.count + 1,
            f"the export ends here, and the checkpoint covers {newest.size:,} entries",
        )
        return
    judgement = Judgement(lines.tree(), lines.found.differing, newest.size, newest.root)
    judgement.decide("the line", Uppers(tiles, newest.size) if tiles else None)
    report.add(judgement.faults)
    check_kept(judgement.tree, opened, newest, demand.trust, report)
    if lines.count > newest.size:
        report.notes.append(
            f"{lines.count - newest.size:,} entries lie beyond the checkpoint, which does not "
            "cover them"
        )


def _compare_kept(lines: _Lines, opened: Opened, demand: Demand, report: Report) -> None:
    """Kept checkpoints alone: each must be of a tree that the export begins with."""
    for note, kept in opened.kept:
        if kept.size > lines.count:
            report.blame(
                lines.count + 1, f"the export ends here, and {note.file} covers {kept.size:,}"
            )
    within = [one for one in opened.kept if one[1].size <= lines.count]
    for _, kept in within[:1]:
        largest = max((one for _, one in within), key=lambda one: one.size, default=kept)
        check_kept(
            lines.tree(),
            msgspec.structs.replace(opened, kept=tuple(within)),
            largest,
            demand.trust,
            report,
        )
