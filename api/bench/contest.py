"""How things are measured: contestants take turns, round after round, in databases of their own.

Read next: `api/bench/append.py`.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Final
from uuid import uuid4

from psycopg import sql
from psycopg.conninfo import make_conninfo

from ledger.database import Database, connect_as_login, create_database
from ledger.migrate import migrate

Show = Callable[[str], None]
"""Where the tables for people go."""

Rates = dict[str, list[float]]
"""Events a second of each contestant, one figure a round."""

WARM_UP_SECONDS: Final = 0.3


@contextmanager
def fresh_database(server: Database, *, migrated: bool = True) -> Iterator[Database]:
    """A database of its own on this server, dropped afterwards."""
    name = f"ledger_bench_{uuid4().hex}"
    create_database(server.url, name)
    database = Database(make_conninfo(server.url, dbname=name))
    try:
        if migrated:
            migrate(database)
        yield database
    finally:
        database.close()
        with connect_as_login(server.url) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


def alternate(rounds: int, contestants: Mapping[str, Callable[[], float]]) -> Rates:
    """Each contestant's rate in every round; they take turns, each round beginning with another."""
    rates: Rates = {name: [] for name in contestants}
    names = list(contestants)
    for turn in range(rounds):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            rates[name].append(contestants[name]())
    return rates


def ratios(rates: Rates, ours: str, reference: str) -> list[float]:
    """Ours to the reference, round by round."""
    return [mine / theirs for mine, theirs in zip(rates[ours], rates[reference], strict=True)]


def called_by(callers: int, seconds: float, prepare: Callable[[], Callable[[], int]]) -> float:
    """Events a second when so many callers call for so long; `prepare` makes each one's call.

    A call does one piece of work and answers how many events it was.
    """
    counts = [0] * callers
    calls = [prepare() for _ in range(callers)]
    errors: list[BaseException] = []
    started, ended = 0.0, 0.0
    start = threading.Barrier(callers + 1)
    measured, stopped = threading.Event(), threading.Event()

    def run(caller: int) -> None:
        call = calls[caller]
        start.wait()
        try:
            while not stopped.is_set():
                done = call()
                if measured.is_set():
                    counts[caller] += done
        except Exception as error:  # noqa: BLE001  (told to whoever measures, below)
            errors.append(error)

    threads = [threading.Thread(target=run, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    start.wait()
    time.sleep(WARM_UP_SECONDS)
    started = time.perf_counter()
    measured.set()
    time.sleep(seconds)
    measured.clear()
    ended = time.perf_counter()
    stopped.set()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return sum(counts) / (ended - started)


def table(title: str, unit: str, columns: Mapping[str, Rates]) -> str:
    """Medians with their spread: one row a contestant, one column a case."""
    names = list(dict.fromkeys(name for rates in columns.values() for name in rates))
    head = [f"{title} ({unit})", *columns]
    rows = [[name, *(_cell(rates.get(name, ())) for rates in columns.values())] for name in names]
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *rows)
    ]
    return "\n".join(lines)


def _cell(rates: Sequence[float]) -> str:
    if not rates:
        return "-"
    return f"{median(rates):,.0f} ({min(rates):,.0f}-{max(rates):,.0f})"
