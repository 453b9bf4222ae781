"""`ledger bench scale`: what a fact costs, and what a question does, as a ledger grows.

One ledger is filled with the story in the service's own steps: append, fold and save, seal. Each
step's cost is taken chunk by chunk, in time and in processor time of this process and of the whole
server, so that checkpoints and vacuuming count. At 100,000 facts, 1 and 10 million the questions of
`as_of.py` are asked. `--facts` says how far to go, `--svg` where to draw the curve.
Read next: `api/bench/filling.py`, `api/bench/curve.py`.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import fmean, median
from typing import Final

import msgspec
import psutil
from psycopg import sql

from api.bench import as_of
from api.bench.contest import Show, fresh_database
from api.bench.curve import Line, Panel, drawing
from api.bench.filling import Filling, filling
from api.bench.goal import Goal, at_most
from ledger.database import Database, Role, connect_as_login, open_database
from ledger.sealing.folder import LogFolder
from ledger.sealing.keys import LogKeys
from ledger.sealing.sealer import Lead as Sealing
from ledger.sealing.session import SealerSession
from ledger.settings import Settings

FACTS, FACTS_QUICK = 1_000_000, 24_000
MARKS, MARKS_QUICK = (100_000, 1_000_000, 10_000_000), (12_000, 24_000)
CHUNK, CHUNK_QUICK = 10_000, 2_000
"""About what a busy service records between two passes of its sealer."""

PARTS: Final = 5
"""A mark's cost is taken over the facts just before it, in so many parts, for their spread."""

LET_GO_AFTER: Final = 32
"""Chunks between two looks at what of the log can be let go."""

ROUNDS: Final = 5
WITHIN: Final = 1.3
STEPS: Final = ("append", "fold and save", "seal")
MEANWHILE: Final = "meanwhile"
"""What the server does for itself while the next facts are made up: it belongs to all steps."""

EVERYTHING: Final = (*STEPS, MEANWHILE)
ALL: Final = "append, fold, save and seal"
POINTS_MAX: Final = 24


class Spent(msgspec.Struct, frozen=True):
    """Seconds that something took, and seconds of processors that it used."""

    elapsed: float
    processor: float


class Chunk(msgspec.Struct, frozen=True):
    """Some facts up to a position: what each step spent on them."""

    until: int
    facts: int
    spent: dict[str, Spent]
    wal_bytes: int
    """What the server wrote ahead, which grows with pages that are touched for the first time."""


class Mark(msgspec.Struct, frozen=True):
    """How a ledger of about so many facts stood: its questions, its size, our memory."""

    facts: int
    asked: dict[str, as_of.Compared]
    database_bytes: int
    log_bytes: int
    memory_bytes: int


def run(
    settings: Settings,
    *,
    quick: bool,
    show: Show = print,
    facts: int | None = None,
    svg: Path | None = None,
) -> list[Goal]:
    """Fill a ledger on the server of the settings; database and log are removed afterwards."""
    last = facts or (FACTS_QUICK if quick else FACTS)
    marks = [mark for mark in (MARKS_QUICK if quick else MARKS) if mark <= last] or [last]
    server = open_database(settings)
    try:
        with (
            fresh_database(server) as database,
            # Beside the database: the log of ten million facts is too large for memory.
            tempfile.TemporaryDirectory(prefix="ledger-bench-", dir=_roomy(settings)) as home,
            filling(database, small=quick) as told,
        ):
            chunks, found = _grown(told, Path(home), marks, quick=quick, show=show)
            show(_sizes(database))
    finally:
        server.close()
    show(_table(chunks, marks))
    if svg is not None:
        svg.write_text(_curve(chunks, found), encoding="utf-8")
    return _goals(chunks, found)


def _roomy(settings: Settings) -> Path:
    home = Path(settings.home).expanduser()
    home.mkdir(parents=True, exist_ok=True)
    return home


def _grown(
    told: Filling, home: Path, marks: Sequence[int], *, quick: bool, show: Show
) -> tuple[list[Chunk], list[Mark]]:
    chunks, found = [], []
    processor, let_go = Processor(told.database), 0
    with _sealing(told, home) as seal:
        for mark in marks:
            while told.position < mark:
                chunks.append(_chunk(told, CHUNK_QUICK if quick else CHUNK, seal, processor))
                if len(chunks) % LET_GO_AFTER == 0:
                    let_go += _let_go(home)
            asked = as_of.compare(told, 2 if quick else ROUNDS)
            found.append(_mark(told, home, mark, asked, let_go))
            show(as_of.table(mark, asked))
            show(_standing(found[-1]))
    return chunks, found


@contextmanager
def _sealing(told: Filling, home: Path) -> Iterator[Callable[[], None]]:
    """The sealer's lead, as a service holds it: one pass after another."""
    keys, folder = LogKeys(home / "keys", told.info.name), LogFolder(home / "log")
    keys.ensure(f"localhost/bench/{told.info.name}", sealed_before=False)
    with (
        folder.locked(),
        closing(SealerSession(told.database, told.info.ledger_id)) as session,
    ):
        lead = Sealing(session, keys, folder)

        def seal() -> None:
            while lead.advance():
                """Until nothing is left."""
            assert lead.checkpoint().size == told.position, "everything is sealed"

        seal()
        yield seal


def _chunk(told: Filling, facts: int, seal: Callable[[], None], processor: "Processor") -> Chunk:
    # Making the story up is no part of what a ledger costs, but the server may be at work.
    began, server, wal = told.position, processor.server(), processor.wal()
    requests = told.draw(facts)
    spent = {
        MEANWHILE: Spent(0.0, processor.server() - server),
        STEPS[0]: processor.measure(lambda: told.append(requests)),
        STEPS[1]: processor.measure(told.project),
        STEPS[2]: processor.measure(seal),
    }
    return Chunk(told.position, told.position - began, spent, processor.wal() - wal)


WAL: Final = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"


class Processor:
    """What this process and all processes of the server use, those that ended included."""

    def __init__(self, database: Database) -> None:
        self._own = psutil.Process()
        self._database = database
        with connect_as_login(database.url) as connection:
            # Asked while it lives; on another machine there is no such process, or another one.
            backend = psutil.Process(connection.info.backend_pid)
            server, name = backend.parent(), backend.name()
        assert server is not None, "a server's process has a parent"
        assert "postgres" in name, "processors are measured on the machine where the server runs"
        self._server = server

    def measure(self, step: Callable[[], object]) -> Spent:
        """What a step takes; work that the server does meanwhile for itself counts."""
        used, started = self._own_seconds() + self.server(), time.perf_counter()
        step()
        elapsed = time.perf_counter() - started
        return Spent(elapsed, self._own_seconds() + self.server() - used)

    def server(self) -> float:
        """Seconds of processors that the server has used so far."""
        # Whoever ended was counted by its parent; whoever ends just now is counted next time.
        times = self._server.cpu_times()
        used = times.user + times.system + times.children_user + times.children_system
        for one in self._server.children():
            try:
                times = one.cpu_times()
            except psutil.NoSuchProcess:
                continue
            used += times.user + times.system
        return float(used)

    def wal(self) -> int:
        """How many bytes the server has written ahead so far."""
        with self._database.pooled(Role.READER) as connection:
            (found,) = connection.execute(WAL).fetchone() or (0,)
        return int(found)

    def _own_seconds(self) -> float:
        times = self._own.cpu_times()
        return float(times.user + times.system)


def _let_go(home: Path) -> int:
    """Remove full bundles of entries, which sealing reads no more; how many bytes they were.

    Ten million facts fill some 7 GB of them, beside the database that holds the same.
    """
    removed = 0
    for path in (home / "log" / "tile" / "entries").rglob("*"):
        if path.is_file() and not path.parent.name.endswith(".p"):
            removed += path.stat().st_size
            path.unlink()
    return removed


def _mark(
    told: Filling, home: Path, mark: int, asked: dict[str, as_of.Compared], let_go: int
) -> Mark:
    with connect_as_login(told.database.url) as connection:
        (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (
            0,
        )
    log = sum(path.stat().st_size for path in (home / "log").rglob("*") if path.is_file())
    return Mark(mark, asked, int(size), let_go + log, psutil.Process().memory_info().rss)


def _before(chunks: Sequence[Chunk], mark: int) -> list[list[Chunk]]:
    """The chunks just before a mark (its last half, or its last tenth where that is enough)."""
    first = chunks[0].until - chunks[0].facts
    reach = max((mark - first) // 10, min((mark - first) // 2, CHUNK * PARTS))
    near = [one for one in chunks if mark - reach < one.until - one.facts // 2 <= mark]
    parts = min(PARTS, len(near))
    return [near[len(near) * n // parts : len(near) * (n + 1) // parts] for n in range(parts)]


def _cost(chunks: Sequence[Chunk], steps: Sequence[str], what: str) -> float:
    """Microseconds a fact."""
    spent = sum(getattr(one.spent[step], what) for one in chunks for step in steps)
    return 1e6 * float(spent) / sum(one.facts for one in chunks)


def _goals(chunks: Sequence[Chunk], found: Sequence[Mark]) -> list[Goal]:
    goals = []
    least, most = found[0].facts, found[-1].facts
    if least < most:
        for what, said in (("processor", "processor time"), ("elapsed", "time")):
            for name, steps in ((ALL, EVERYTHING), *((step, (step,)) for step in STEPS)):
                reference = fmean(_cost(part, steps, what) for part in _before(chunks, least))
                ratios = [_cost(part, steps, what) / reference for part in _before(chunks, most)]
                goal = f"{said} a fact of {name}, at {most:,} facts against at {least:,}"
                goals.append(at_most(goal, WITHIN, ratios))
    for mark in found:
        goals += as_of.goals(mark.facts, mark.asked)
    return goals


def _table(chunks: Sequence[Chunk], marks: Sequence[int]) -> str:
    lines = ["microseconds a fact: processor (elapsed)"]
    head = ("facts", *STEPS, "together", "bytes of WAL")
    lines.append("  ".join(f"{text:>20}" for text in head))
    for mark in marks:
        near = [one for part in _before(chunks, mark) for one in part]
        cells = [
            f"{_cost(near, steps, 'processor'):,.1f} ({_cost(near, steps, 'elapsed'):,.1f})"
            for steps in (*((step,) for step in STEPS), EVERYTHING)
        ]
        wal = sum(one.wal_bytes for one in near) / sum(one.facts for one in near)
        lines.append("  ".join(f"{cell:>20}" for cell in (f"{mark:,}", *cells, f"{wal:,.0f}")))
    return "\n".join(lines)


def _standing(mark: Mark) -> str:
    return (
        f"  database {mark.database_bytes / 1e9:.2f} GB, log {mark.log_bytes / 1e9:.2f} GB, "
        f"this process {mark.memory_bytes / 1e6:.0f} MB"
    )


SIZES: Final = sql.SQL("""
SELECT relname, pg_relation_size(oid), pg_indexes_size(oid)
FROM pg_class
WHERE relkind = 'r' AND relnamespace IN ('ledger'::regnamespace, 'views'::regnamespace)
ORDER BY pg_total_relation_size(oid) DESC
LIMIT 10
""")


def _sizes(database: Database) -> str:
    with connect_as_login(database.url) as connection:
        rows = connection.execute(SIZES).fetchall()
    lines = [
        f"  {name:28} {rows_ / 1e6:10,.0f} {indexes / 1e6:10,.0f}" for name, rows_, indexes in rows
    ]
    return "\n".join(["largest tables, MB of rows and of indexes", *lines])


def _curve(chunks: Sequence[Chunk], found: Sequence[Mark]) -> str:
    parts = _evenly(chunks)
    costs = [
        Line(name, [(part[-1].until, _cost(part, steps, "processor")) for part in parts])
        for name, steps in (("together", EVERYTHING), *((step, (step,)) for step in STEPS))
    ]
    ratios = [
        Line(
            name,
            [(mark.facts, median(mark.asked[name].ratios)) for mark in found],
        )
        for name in found[0].asked
    ]
    return drawing(
        "What a fact costs, and what the past costs, as a ledger grows",
        (
            Panel("processor time a fact, microseconds", costs),
            Panel("a question as of the past against as of now, ratio", ratios),
        ),
    )


def _evenly(chunks: Sequence[Chunk]) -> list[list[Chunk]]:
    """Chunks in groups that stand about evenly on a logarithmic scale."""
    parts: list[list[Chunk]] = []
    step = (chunks[-1].until / chunks[0].until) ** (1 / POINTS_MAX)
    for one in chunks:
        if parts and one.until < parts[-1][0].until * step:
            parts[-1].append(one)
        else:
            parts.append([one])
    if len(parts) > 1 and len(parts[-1]) * 2 < len(parts[-2]):
        # What was left over is no point of its own: a few chunks say nothing.
        parts[-2] += parts.pop()
    return parts
