"""The live database, verified whole: rows, indexes, head, and all of it against the sealed log."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import msgspec
import psycopg

from ledger.attachments import AttachmentStore
from ledger.database import Database, Role
from ledger.errors import Invalid
from ledger.recorder import LedgerInfo
from ledger.sealing.tiles import TILE_WIDTH
from ledger.verifying.agreeing import check_rows
from ledger.verifying.attachments import Files, check_files
from ledger.verifying.judging import Judgement, Uppers
from ledger.verifying.logs import (
    Demand,
    Opened,
    check_kept,
    filed_prefix,
    followed,
    gather,
    open_all,
    verify_log,
)
from ledger.verifying.personal import Personal, Reveal
from ledger.verifying.report import NOT_HERE, AttachedFiles, Fault, Report
from ledger.verifying.rows import ERASED, Rows, Table, extend_runs, person_in
from ledger.verifying.sources import FileMissing, FolderLog
from ledger.verifying.spreading import spread
from ledger.verifying.stretches import Differing, parts_of
from ledger.verifying.tables import (
    check_astray,
    check_count_of_keys,
    check_keys,
    check_tags,
    tag_ranges,
)
from ledger.verifying.tree import Tree

RUNS_MAX: Final = 10_000
TAGS_AT_ONCE: Final = 2
"""Parts of the tags that the server compares at a time: each takes a processor and its memory."""


ENDS: Final = """
SELECT head.position, head.recorded_at, event.recorded_at, seal.size, seal.root
FROM ledger.head
LEFT JOIN ledger.event ON event.ledger_id = head.ledger_id AND event.position = head.position
LEFT JOIN ledger.seal ON seal.ledger_id = head.ledger_id
WHERE head.ledger_id = %(ledger_id)s
"""
KEY_AT: Final = """
SELECT position FROM ledger.event_key WHERE ledger_id = %(ledger_id)s AND key = %(key)s
"""
TOLD_BEFORE: Final = """
SELECT position, type, entry FROM ledger.event
WHERE ledger_id = %(ledger_id)s AND position <= %(after)s
  AND (type = 'personal_key.destroyed' OR type LIKE 'attachment.%%')
ORDER BY position
"""


class Ends(msgspec.Struct, frozen=True):
    """Where the ledger ends, as its head says, as its last row says, and as it was sealed."""

    position: int
    recorded_at: datetime | None
    last_recorded_at: datetime | None
    sealed_size: int | None
    sealed_root: bytes | None


class Live(msgspec.Struct, frozen=True):
    """A ledger in a database, and the folder that it is sealed to.

    `reveal` None: personal values are not looked at. `attachments` None: neither are files.
    """

    database: Database
    info: LedgerInfo
    folder: FolderLog
    reveal: Reveal | None = None
    attachments: AttachmentStore | None = None


def verify_database(live: Live, demand: Demand) -> Report:
    """Verify a ledger's rows against themselves, its log folder and kept checkpoints.

    The folder itself is verified too.
    """
    report = Report(source=f"database, ledger {live.info.name}")
    demand = followed(demand, live.folder, report)
    note = _newest_note(live.folder)
    opened = open_all(demand, note, report)
    with closing(live.database.connect(Role.READER)) as connection:
        ends = _ends(connection, live.info.ledger_id)
        report.size = ends.position
        _check_ends(ends, opened, report)
        _check_rows(live, demand, opened, ends, connection, report)
    if note is not None and opened.newest is not None:
        demand.doing("verifying the log folder")
        with report.timed("log folder"):
            folder = verify_log(live.folder, demand)
        _take_over(folder, report)
    elif ends.sealed_size:
        report.blame(
            None,
            f"the ledger was sealed up to {ends.sealed_size:,}, and {live.folder.path} holds no "
            "checkpoint; bring the folder back",
        )
    else:
        report.notes.append("NOT compared with any checkpoint: this ledger was never sealed")
    return report


def _newest_note(folder: FolderLog) -> bytes | None:
    try:
        return folder.checkpoint()
    except FileMissing:
        return None


def _ends(connection: psycopg.Connection, ledger_id: int) -> Ends:
    row = connection.execute(ENDS, {"ledger_id": ledger_id}).fetchone()
    assert row is not None, "a ledger has a head"
    return Ends(*row)


def _check_ends(ends: Ends, opened: Opened, report: Report) -> None:
    """The head agrees with the last row, and is not behind what was signed."""
    if ends.position and ends.recorded_at != ends.last_recorded_at:
        report.blame(ends.position, "the head's recorded_at is not that of the last row")
    newest = opened.newest
    signed = [(newest.size, "the checkpoint")] if newest is not None else []
    signed += [(kept.size, note.file) for note, kept in opened.kept]
    for size, what in signed:
        if size > ends.position:
            report.blame(
                ends.position + 1,
                f"ROLLBACK: the head stands at {ends.position:,}, and {what} covers {size:,} "
                "entries; restore with `ledger restore --from-log`",
            )
    if newest is not None and newest.size < ends.position:
        report.notes.append(
            f"{ends.position - newest.size:,} entries are not under the checkpoint yet"
        )


def _check_rows(  # noqa: PLR0913, PLR0917  (all that rows are compared with)
    live: Live,
    demand: Demand,
    opened: Opened,
    ends: Ends,
    connection: psycopg.Connection,
    report: Report,
) -> None:
    newest, ledger_id = opened.newest, live.info.ledger_id
    covered = min(newest.size, ends.position) if newest is not None else 0
    first = min(opened.first_tile, covered // TILE_WIDTH)
    if opened.first_position > 1 and newest is None:
        raise Invalid.field(
            "from", "what stands before it is proven by the log folder, which has no checkpoint"
        )
    report.first_position = first * TILE_WIDTH + 1
    sealed = ends.sealed_size or 0
    prefix = filed_prefix(live.folder, first, newest.size, report) if newest and first else []
    table = Table(
        url=live.database.url,
        ledger_id=ledger_id,
        folder=live.folder.path if newest is not None else None,
        sealed=newest.size if newest is not None else 0,
    )
    chosen = opened.ends(covered, min(sealed, ends.position), ends.position)
    parts = parts_of(first, ends.position, chosen, {})
    tally = _Tally(live, connection, report, after=first * TILE_WIDTH)
    stretches = spread(partial(check_rows, table), parts, processes=demand.processes_used())
    demand.doing("verifying rows")
    with report.timed("rows and ids"):
        found = gather(prefix, tally.over(stretches, demand), report)
        report.root = found.tree.root(ends.position).hex()
    demand.doing("verifying tags")
    with report.timed("tags"):
        report.add(_check_tags(table, first * TILE_WIDTH, ends.position))
    report.add(tally.finish(ends.position, demand))
    tree = found.tree
    if newest is not None and newest.size <= ends.position:
        judgement = Judgement(tree, found.differing, newest.size, newest.root)
        judgement.decide("the row", Uppers(live.folder, newest.size))
        report.add(judgement.faults)
        check_kept(judgement.tree, opened, newest, demand.trust, report)
    elif newest is not None:
        report.add(_differing(found.differing))
    else:
        _check_kept_alone(tree, opened, ends, demand, report)
    _check_seal(tree, ends, report)


def _check_tags(table: Table, after: int, until: int) -> list[Fault]:
    """Every tag of these entries has its row, and no row is without its tag."""
    ranges = tag_ranges(after, until, at_once=TAGS_AT_ONCE)
    work = partial(check_tags, table.url, table.ledger_id)
    # The server does all of this: threads are enough to ask.
    faults = [one for found in spread(work, ranges, processes=1, in_threads=True) for one in found]
    missing = [one for one in faults if "missing" in one.what]
    # Where tags are missing a column was changed, and its old tags are no finding of their own.
    return missing or faults


def _check_kept_alone(
    tree: Tree, opened: Opened, ends: Ends, demand: Demand, report: Report
) -> None:
    """Without the folder's checkpoint: the rows must begin with every tree that was kept."""
    within = tuple(one for one in opened.kept if one[1].size <= ends.position)
    if within:
        largest = max((one for _, one in within), key=lambda one: one.size)
        among = msgspec.structs.replace(opened, kept=within)
        check_kept(tree, among, largest, demand.trust, report)


def _differing(differing: dict[int, Differing]) -> list[Fault]:
    return [
        Fault(tile * TILE_WIDTH + one.place() + 1, "the row and its tile differ")
        for tile, one in differing.items()
    ]


def _check_seal(tree: Tree, ends: Ends, report: Report) -> None:
    """What the database itself remembers of the last seal."""
    size = ends.sealed_size or 0
    if 0 < size <= ends.position and tree.root(size) != ends.sealed_root:
        report.blame(None, f"FORK: the rows up to {size:,} do not hash to the root last sealed")


class _Tally:
    """What concerns more than a stretch: keys, counts, personal values, attachments."""

    def __init__(
        self, live: Live, connection: psycopg.Connection, report: Report, *, after: int
    ) -> None:
        self._personal = Personal(live.reveal, report) if live.reveal else None
        self._store = live.attachments
        self._report = report
        self._after = after
        self._connection = connection
        self._ledger_id = live.info.ledger_id
        self._files = Files()
        self._erasures: dict[str, int] = {}
        if after:
            self._take_what_was_told_before()
        self._runs: list[tuple[bytes, int, int]] = []
        self._faults: list[Fault] = []
        self._keys = 0

    def over(self, stretches: Iterable[Rows], demand: Demand) -> Iterator[Rows]:
        """The same stretches, each taken into account."""
        done = 0
        for one in stretches:
            for run in one.runs:
                extend_runs(self._runs, *run)
            if len(self._runs) >= RUNS_MAX:
                with self._report.timed("keys"):
                    self._look(keep=1)
            if self._personal:
                with self._report.timed("personal values"):
                    self._personal.take(one.sealed, one.erasures)
            self._erasures.update((person, position) for position, person in one.erasures)
            for position, entry in one.of_files:
                self._files.take(position, entry)
            done += one.entries
            demand.advance(done)
            yield one

    def finish(self, until: int, demand: Demand) -> list[Fault]:
        """The rows that are missing or too many; what is kept elsewhere goes into the report."""
        if self._personal:
            demand.doing("verifying personal values")
            with self._report.timed("personal values"):
                self._personal.finish(self._erasures)
        if self._store:
            demand.doing("verifying attachments")
            with self._report.timed("attachments"):
                self._check_attachments(self._store)
        demand.doing("verifying keys")
        with self._report.timed("keys"):
            return self._check_keys(until)

    def _check_keys(self, until: int) -> list[Fault]:
        self._look(keep=0)
        astray = check_astray(self._connection, self._ledger_id)
        if astray is not None:
            self._faults.append(astray)
        if not any("event_" in one.what for one in (*self._report.faults, *self._faults)):
            after, ledger_id = self._after, self._ledger_id
            keys = until - after + self._keys
            self._faults += check_count_of_keys(self._connection, ledger_id, after, until, keys)
        return self._faults

    def _look(self, *, keep: int) -> None:
        """Look up the keys of requests that are complete; the last may go on in the next part."""
        if self._runs and self._began_before(*self._runs[0]):
            del self._runs[0]
        runs, self._runs = self._runs[: len(self._runs) - keep], self._runs[-keep:] if keep else []
        self._keys += len(runs)
        fault = check_keys(self._connection, self._ledger_id, runs) if runs else None
        if fault is not None:
            self._faults.append(fault)

    def _began_before(self, key: bytes, position: int, _count: int) -> bool:
        """Whether the first run read is the end of one that began before what was read."""
        if not self._after or position != self._after + 1:
            return False
        given = {"ledger_id": self._ledger_id, "key": UUID(bytes=key)}
        row = self._connection.execute(KEY_AT, given).fetchone()
        return row is not None and row[0] <= self._after

    def _check_attachments(self, store: AttachmentStore) -> None:
        """Every file that the entries read name: there, erased by an entry, missing or altered."""
        counts = AttachedFiles()
        for one in check_files(self._files, self._erasures, store):
            if one.position <= self._after:
                continue
            if one.fault is not None:
                self._report.blame(one.position, one.fault)
            setattr(counts, one.state.value, getattr(counts, one.state.value) + 1)
        self._report.attachments = counts

    def _take_what_was_told_before(self) -> None:
        """Who was erased, and whose files came in, before the first entry that is read."""
        bounds = {"ledger_id": self._ledger_id, "after": self._after}
        for position, kind, entry in self._connection.execute(TOLD_BEFORE, bounds):
            if kind == ERASED:
                self._erasures[person_in(entry)] = position
            else:
                self._files.take(position, entry)


def _take_over(folder: Report, report: Report) -> None:
    """Add what the folder's own verification found."""
    report.add([Fault(one.position, f"log folder: {one.what}") for one in folder.faults])
    known = {*report.notes, NOT_HERE}
    report.notes += [f"log folder: {note}" for note in folder.notes if note not in known]
