"""A log's folder or address, verified whole: from every entry up to the signed root."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from ledger.errors import Invalid, NoteError, ProofError, TileError
from ledger.merkle import HASH_BYTES, verify_consistency
from ledger.merkle import consistency_proof as prove
from ledger.sealing.checkpoint import Checkpoint
from ledger.sealing.tiles import TILE_HEIGHT, TILE_WIDTH, TileId, parse_path
from ledger.verifying.following import follow
from ledger.verifying.judging import Judgement, Uppers
from ledger.verifying.report import NOT_HERE, Checked, Fault, Kept, Report
from ledger.verifying.sources import FileMissing, LogFiles
from ledger.verifying.spreading import processors, spread
from ledger.verifying.stretches import (
    Differing,
    Part,
    Stretch,
    check_bundles,
    check_hashes,
    filed_hashes,
    parts_of,
)
from ledger.verifying.tree import UNKNOWN, Tree
from ledger.verifying.trust import Trust

Advance = Callable[[int], None]
"""Hears how many entries are done altogether."""

Doing = Callable[[str], None]
"""Hears which part of the verification begins."""

STRAYS_SHOWN_MAX: Final = 5


class KeptNote(msgspec.Struct, frozen=True):
    """A checkpoint that somebody kept: where it was read, and its bytes."""

    file: str
    note: bytes


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be verified: against whom, from where on, and with how many processes."""

    trust: Trust = Trust()
    kept: tuple[KeptNote, ...] = ()
    since: KeptNote | None = None
    first_position: int = 1
    tiles_only: bool = False
    processes: int = 0
    advance: Advance = lambda _done: None
    doing: Doing = lambda _part: None

    def processes_used(self) -> int:
        """As many as asked for, or as there are processors."""
        return self.processes or processors()


def followed(demand: Demand, files: LogFiles, report: Report) -> Demand:
    """The demand with every key that follows on those trusted, and each link's checkpoint kept."""
    links = follow(demand.trust.keys, files, report)
    keys = (*demand.trust.keys, *(one.newer for one in links))
    return msgspec.structs.replace(
        demand,
        trust=msgspec.structs.replace(demand.trust, keys=keys),
        kept=(*demand.kept, *(KeptNote(one.file, one.note) for one in links)),
    )


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """The checkpoints of one verification, their signatures checked."""

    newest: Checkpoint | None
    kept: tuple[tuple[KeptNote, Checkpoint], ...]
    first_tile: int
    first_position: int

    def ends(self, *more: int) -> frozenset[int]:
        """The tiles in which trees end that are asked for."""
        sizes = [one.size for _, one in self.kept] + list(more)
        sizes += [self.newest.size] if self.newest else []
        return frozenset(size // TILE_WIDTH for size in sizes if size % TILE_WIDTH)


def open_all(demand: Demand, note: bytes | None, report: Report) -> Opened:
    """Open the newest checkpoint and the kept ones; what cannot be opened is a fault."""
    newest = _opened(demand.trust, note, "the checkpoint", report) if note is not None else None
    if newest is not None:
        report.origin, report.checkpoint = newest.origin, checked(newest, demand.trust)
    kept = []
    first = demand.first_position
    for one in (*demand.kept, *((demand.since,) if demand.since else ())):
        found = _opened(demand.trust, one.note, one.file, report)
        if found is None:
            continue
        if newest is not None and found.origin != newest.origin:
            report.blame(None, f"{one.file} is of the log {found.origin}, this is {newest.origin}")
            continue
        if newest is not None and found.size > newest.size:
            report.blame(
                newest.size + 1,
                f"ROLLBACK: the checkpoint covers {newest.size:,} entries, and {one.file} "
                f"covered {found.size:,}: {found.size - newest.size:,} entries are gone",
            )
            continue
        kept.append((one, found))
        if one is demand.since:
            first = max(first, found.size + 1)
    return Opened(
        newest=newest,
        kept=tuple(kept),
        first_tile=(first - 1) // TILE_WIDTH,
        first_position=first,
    )


def checked(checkpoint: Checkpoint, trust: Trust) -> Checked:
    """A checkpoint as a report shows it."""
    return Checked(checkpoint.size, checkpoint.root.hex(), trust.signature)


def _opened(trust: Trust, note: bytes, what: str, report: Report) -> Checkpoint | None:
    try:
        return trust.open(note)
    except NoteError as error:
        report.blame(None, f"{what}: {error}")
        return None


def verify_log(files: LogFiles, demand: Demand) -> Report:
    """Verify a log's files against its newest checkpoint, and those that somebody kept."""
    report = Report(source=files.name)
    demand = followed(demand, files, report)
    opened = open_all(demand, files.checkpoint(), report)
    newest = opened.newest
    if newest is None:
        return report
    report.size = newest.size
    first = min(opened.first_tile, newest.size // TILE_WIDTH)
    report.first_position = 1 + first * TILE_WIDTH
    _require_within(opened.first_position, newest.size)
    partials, uppers_there = _sort_paths(files, newest.size, report)
    prefix = filed_prefix(files, first, newest.size, report)
    parts = parts_of(first, newest.size, opened.ends(), partials)
    work = partial(check_hashes if demand.tiles_only else check_bundles, files)
    found = gather(prefix, _told(work, parts, files, demand), report)
    judgement = Judgement(found.tree, found.differing, newest.size, newest.root)
    judgement.decide("the bundle's entry", Uppers(files, newest.size))
    report.add(judgement.faults)
    _check_uppers(files, judgement, newest.size, uppers_there, report)
    check_kept(judgement.tree, opened, newest, demand.trust, report)
    report.root = found.tree.root(newest.size).hex()
    if demand.tiles_only:
        report.entries_read = 0
        report.notes.append("ENTRIES NOT READ: only hashes were checked (--tiles-only)")
    report.notes.append(NOT_HERE)
    return report


def _require_within(first_position: int, size: int) -> None:
    if first_position > size + 1:
        raise Invalid.field("from", f"the log has {size:,} entries; give a position in it")


def _told(
    work: Callable[[Part], Stretch], parts: Sequence[Part], files: LogFiles, demand: Demand
) -> Iterable[Stretch]:
    """Each stretch as it is done, and how far that is."""
    done = 0
    for stretch in spread(
        work, parts, processes=demand.processes_used(), in_threads=files.in_threads
    ):
        done += stretch.entries
        demand.advance(done)
        yield stretch


class Gathered(msgspec.Struct):
    """What all stretches say together."""

    tree: Tree
    differing: dict[int, Differing]


def gather(prefix: Sequence[bytes], stretches: Iterable[Stretch], report: Report) -> Gathered:
    """Join stretches that follow on each other into one tree."""
    tops = bytearray(b"".join(prefix))
    leaves: dict[int, list[bytes]] = {}
    differing: dict[int, Differing] = {}
    position, ended = report.first_position, b""
    for one in stretches:
        if one.began and one.began < ended:
            report.blame(position, f"recorded before its predecessor ({ended.decode()})")
        tops += b"".join(one.tops)
        leaves |= one.leaves
        differing |= one.differing
        report.add(one.faults)
        report.entries_read += one.entries
        position, ended = position + one.entries, one.ended or ended
    return Gathered(Tree(bytes(tops), leaves), differing)


def filed_prefix(files: LogFiles, tiles: int, size: int, report: Report) -> list[bytes]:
    """The hashes over the first full tiles, as the level above has them: not read, but proven.

    They are in the root, which is signed; where they are not what was signed, it is not reached.
    """
    hashes: list[bytes] = []
    for index in range(-(-tiles // TILE_WIDTH)):
        width = min(TILE_WIDTH, size // TILE_WIDTH - index * TILE_WIDTH)
        stretch = Stretch()
        filed = filed_hashes(files, TileId(1, index, width), stretch) or []
        report.add([Fault(None, one.what) for one in stretch.faults])
        hashes += filed + [UNKNOWN] * (width - len(filed))
    return hashes[:tiles]


def check_kept(
    tree: Tree, opened: Opened, newest: Checkpoint, trust: Trust, report: Report
) -> None:
    """Prove that the tree begins with every tree that was kept."""
    root = tree.root(newest.size)
    for note, kept in opened.kept:
        consistent = _begins_with(tree, kept, newest.size, root)
        report.kept.append(Kept(note.file, kept.size, trust.signature, consistent))
        if not consistent:
            report.blame(
                None,
                f"FORK: the log of {newest.size:,} entries does not begin with the {kept.size:,} "
                f"of {note.file}; keep both checkpoints, they are the evidence",
            )


def _begins_with(tree: Tree, kept: Checkpoint, size: int, root: bytes) -> bool:
    if not kept.size:
        return True
    try:
        proof = prove(kept.size, size, tree.subtree)
        verify_consistency(kept.size, size, kept.root, root, proof)
    except ProofError:
        return False
    return True


Partials = Mapping[int, Sequence[TileId]]


def _sort_paths(files: LogFiles, size: int, report: Report) -> tuple[Partials, Sequence[TileId]]:
    """The partial files of level 0 by tile, and those above; a stray file is a fault."""
    partials: dict[int, list[TileId]] = {}
    uppers: list[TileId] = []
    strays, beyond = [], 0
    for path in files.paths():
        try:
            tile = parse_path(path)
        except Invalid:
            strays.append(path)
            continue
        level = tile.level or 0
        there = (size >> level * TILE_HEIGHT) - tile.index * TILE_WIDTH
        if there <= 0:
            beyond += 1
        elif tile.width in {TILE_WIDTH, there}:
            continue  # read as what this tree has there
        elif level:
            uppers.append(tile)
        else:
            partials.setdefault(tile.index, []).append(tile)
    for path in sorted(strays)[:STRAYS_SHOWN_MAX]:
        report.blame(None, f"{path} is no file of a log; find out who put it there")
    if beyond:
        report.notes.append(f"{beyond} files lie beyond the checkpoint, which does not cover them")
    return partials, uppers


def _check_uppers(
    files: LogFiles, judgement: Judgement, size: int, others: Sequence[TileId], report: Report
) -> None:
    """Compare every tile above level 0 with the tree, as far as the tree is certain."""
    level, count = 1, size >> TILE_HEIGHT
    while count:
        for index in range(-(-count // TILE_WIDTH)):
            width = min(TILE_WIDTH, count - index * TILE_WIDTH)
            _check_upper(files, judgement, TileId(level, index, width), width, report)
        level, count = level + 1, count >> TILE_HEIGHT
    for tile in others:
        level = tile.level or 0
        there = (size >> level * TILE_HEIGHT) - tile.index * TILE_WIDTH
        if there > 0:
            _check_upper(files, judgement, tile, min(there, tile.width), report)


def _check_upper(
    files: LogFiles, judgement: Judgement, tile: TileId, width: int, report: Report
) -> None:
    first = tile.index * TILE_WIDTH << TILE_HEIGHT * (tile.level or 0)
    try:
        content, whole = files.read(tile)
    except (FileMissing, TileError) as error:
        report.blame(first + 1, str(error))
        return
    expected = judgement.tree.hashes(tile.level or 0, tile.index, width)
    wanted = (TILE_WIDTH if whole else tile.width) * HASH_BYTES
    if len(content) == wanted and content[: len(expected)] == expected:
        return
    pairs = zip(content, expected, strict=False)
    same = next((at for at, (one, other) in enumerate(pairs) if one != other), len(expected))
    place = min(same // HASH_BYTES, width - 1)
    position = first + (place << TILE_HEIGHT * (tile.level or 0)) + 1
    report.blame(
        position if judgement.certain else None,
        f"{tile.path()} does not hold the hash over the entries from {position:,} on",
    )
