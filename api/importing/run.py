"""`ledger import`: read, rehearse, and, when asked and everything is in order, record.

A file that was imported before, by its hash, is left alone. The first import founds the ledger.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast

import msgspec
from msgspec.structs import replace

from api.commands.opening import Opened
from api.commands.printing import escape, print_json, print_table, print_text
from api.importing.files import Problem, Read, find, read
from api.importing.people import People, contradictions
from api.importing.rehearsal import Story
from api.progress import Progress
from ledger.bulk import Bulk
from ledger.database import open_database
from ledger.errors import Conflict
from ledger.events.platform import ImportCommitted
from ledger.founding import found_ledger
from ledger.log import Log
from ledger.migrate import is_migrated, migrate
from ledger.recorder import Head, Item, Page, Stored, find_ledger, receipt_of
from ledger.sealing.guard import guard_of
from ledger.sealing.keys import origin_of, receipts_key
from ledger.sealing.receipt import sign_receipt
from ledger.settings import Settings

PROBLEMS_SHOWN: Final = 200


class FileReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a file: `ready` (dry run), `imported`, `known` (before), or `refused`.

    `receipt` is the gate's signature under the fact that the file was imported, the same whenever
    the file comes again: that fact names the file's hash, and how many rows became facts.
    """

    file: str
    kind: str
    sha256: str
    encoding: str
    rows: int
    outcome: str
    receipt: str | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What an import found and did; `facts` were recorded, the clock's own among them."""

    ledger: str
    committed: bool
    facts: int
    files: tuple[FileReport, ...]
    problems: tuple[Problem, ...]


def run(settings: Settings, files: Sequence[Path], *, commit: bool, as_json: bool) -> int:
    """Import files or folders; the exit status: 1 when a row is not in order."""
    reads = [read(path) for path in find(list(files))]
    with _opened(settings, commit=commit) as opened:
        report = import_files(opened, settings.name, reads, commit=commit, now=datetime.now(UTC))
    if as_json:
        print_json(report)
    else:
        _tell(report)
    return 1 if report.problems else 0


def import_files(
    opened: Opened | None, ledger: str, reads: list[Read], *, commit: bool, now: datetime
) -> Report:
    """Rehearse what the files say, and record it if asked; nothing, if any row is not in order."""
    known = {one.sha256 for one in reads if opened and _is_known(opened, one)}
    fresh = [one for one in reads if one.sha256 not in known]
    problems = [problem for one in fresh for problem in _problems_of(one)]
    listed = next((one for one in fresh if one.sheet.name == "people"), None)
    people = People(listed, opened.sealed if opened else None)
    story = Story(fresh, people, now)
    log = opened.log if opened else _nothing(ledger)
    steps = len(story.steps())
    if fresh:
        with Progress("checking", steps) as shown, Bulk(log, rehearse=True) as bulk:
            problems += story.tell(bulk, shown.advance)
    facts = 0
    if fresh and commit and not problems:
        assert opened is not None, "what is committed has a ledger"
        people.seal()
        with Progress("recording", steps) as shown, Bulk(log) as bulk:
            refused = story.tell(bulk, shown.advance)
            assert not refused, f"the rehearsal found no fault, yet: {refused[0]}"
        facts = bulk.recorded
    return Report(
        ledger=ledger,
        committed=facts > 0,
        facts=facts,
        files=tuple(
            _with_receipt(_file_report(one, known, problems, commit=commit), opened)
            for one in reads
        ),
        problems=tuple(sorted(problems, key=lambda one: (one.file, one.row, one.column))),
    )


def _problems_of(one: Read) -> list[Problem]:
    return [*one.problems, *(contradictions(one) if one.sheet.name == "people" else ())]


def _is_known(opened: Opened, one: Read) -> bool:
    return bool(_committed(opened, one.sha256))


def _committed(opened: Opened, sha256: str) -> list[Stored]:
    """The entry that says that a file was imported."""
    item = Item(types=(ImportCommitted.TOPIC,), tags=(f"import:{sha256}",))
    return opened.recorder.read((item,), limit=1).events


def _with_receipt(report: FileReport, opened: Opened | None) -> FileReport:
    if opened is None or report.outcome not in {"imported", "known"}:
        return report
    (stored,) = _committed(opened, report.sha256)
    name = opened.info.name
    origin = origin_of(opened.settings.log_origin, name, simulated=opened.info.simulated)
    key = receipts_key(opened.settings, name).signing(origin)
    return replace(report, receipt=sign_receipt(receipt_of(stored), origin, key))


def _file_report(
    one: Read, known: set[str], problems: list[Problem], *, commit: bool
) -> FileReport:
    if one.sha256 in known:
        outcome = "known"
    elif problems:
        outcome = "refused"
    else:
        outcome = "imported" if commit else "ready"
    return FileReport(
        file=one.path.name,
        kind=one.sheet.name,
        sha256=one.sha256,
        encoding=one.encoding,
        rows=one.row_count,
        outcome=outcome,
    )


@contextmanager
def _opened(settings: Settings, *, commit: bool) -> Iterator[Opened | None]:
    """The ledger; None for a dry run where there is none yet. A commit founds it."""
    database = open_database(settings)
    try:
        info = None
        if commit:
            migrate(database)
            now = datetime.now(UTC)
            info = find_ledger(database, settings.name) or found_ledger(
                database,
                settings.name,
                simulated=False,
                now=now,
                guard=guard_of(settings, settings.name),
            )
        elif is_migrated(database):
            info = find_ledger(database, settings.name)
        if info is None:
            yield None
            return
        if info.simulated:
            raise Conflict(f"ledger {info.name} is simulated and takes no imports; name another")
        opened = Opened(settings, database, info)
        try:
            yield opened
        finally:
            opened.recorder.close()
    finally:
        database.close()


class _Nothing:
    """The recorder of a ledger that is not there yet: empty."""

    def head(self) -> Head:
        return Head(0, None)

    def stream(self, *, until: int | None = None) -> Iterator[list[Stored]]:
        del until
        return iter(())

    def read(self, *_items: object, **_limits: object) -> Page:
        return Page([], self.head())


class _NoLog(msgspec.Struct):
    """A log over nothing, for a rehearsal."""

    ledger: str
    recorder: _Nothing
    simulated: bool = False


def _nothing(ledger: str) -> Log:
    return cast("Log", _NoLog(ledger, _Nothing()))


def _tell(report: Report) -> None:
    print_table(
        ("file", "rows", "encoding", "outcome"),
        ((one.file, one.rows, one.encoding, one.outcome) for one in report.files),
    )
    if report.problems:
        print_table(
            ("file", "row", "column", "value", "reason"),
            (
                (one.file, one.row, one.column, one.value, one.reason)
                for one in report.problems[:PROBLEMS_SHOWN]
            ),
        )
        if len(report.problems) > PROBLEMS_SHOWN:
            print_text(f"{PROBLEMS_SHOWN} of {len(report.problems)} shown; --json shows all")
        print_text("nothing was recorded; correct these rows and import again")
    elif report.committed:
        print_text(
            f"{report.facts:,} facts recorded in ledger {escape(report.ledger)}; "
            "import again with --json for the signed receipt of each file"
        )
    elif any(one.outcome == "ready" for one in report.files):
        print_text("everything is in order, and nothing was recorded; add --commit to record it")
    else:
        print_text("these files were imported before; there is nothing to do")
    sys.stdout.flush()
