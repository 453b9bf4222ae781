"""The references: the stores that ours is measured against, each used as its makers intend.

Every one records the same events: some 400 bytes with four tags. Read next: `api/bench/append.py`.
"""

import importlib
import importlib.util
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem
from eventsourcing.dcb.postgres_tt import PostgresDCBRecorderTT
from eventsourcing.postgres import PostgresDatastore

from ledger.database import Database, connect_as_login
from ledger.embedded import binaries
from ledger.recorder import AppendRequest, Condition, Item, NewEvent, PostgresRecorder

KIND: Final = "report.submitted"
PADDING: Final = "x" * 160
UNITS, DUTIES, PERSONS = 2_000, 50, 20_000
UMADB_START_SECONDS: Final = 10.0
PLAIN: Final = "CREATE TABLE IF NOT EXISTS plain (id bigserial PRIMARY KEY, type text, entry bytea)"
PGBENCH_RATE: Final = re.compile(r"tps = ([0-9.]+) ")


_seeds = count(secrets.randbits(48))
"""Every event of a run differs from every other; making one must cost next to nothing."""


def sample() -> NewEvent:
    """A report's event: a time-ordered id, four tags, of which one is its own."""
    # Multiplying by an odd number scatters what counting would keep together.
    draw = next(_seeds) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    milliseconds = time.time_ns() // 1_000_000
    number = milliseconds << 80 | 0x7 << 76 | 0x2 << 62 | draw >> 2
    text = f"{number:032x}"
    event_id = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    tags = (
        f"unit:{draw % UNITS}",
        f"duty:{(draw >> 16) % DUTIES}",
        f"obligation:{text}",
        f"person:{(draw >> 32) % PERSONS}",
    )
    body = (
        f'{{"id":"{event_id}","type":"{KIND}","v":1,"ledger":"bench",'
        f'"tags":["{tags[0]}","{tags[1]}","{tags[2]}","{tags[3]}"],"data":{{"text":"{PADDING}"}}}}'
    )
    return NewEvent(UUID(int=number), KIND, tags, body.encode())


def samples(size: int) -> tuple[NewEvent, ...]:
    """Many events."""
    return tuple([sample() for _ in range(size)])


def our_call(
    recorder: PostgresRecorder, size: int = 1, *, conditional: bool = False
) -> Callable[[], int]:
    """A caller of ours; its condition is that its own obligation has no report yet."""
    after = recorder.head().position if conditional else 0

    def call() -> int:
        events = samples(size)
        condition = None
        if conditional:
            condition = Condition((Item((KIND,), (events[0].tags[2],)),), after)
        recorder.append_one(AppendRequest(events=events, condition=condition))
        return size

    return call


@contextmanager
def stock_recorder(database: Database, connections: int) -> Iterator[PostgresDCBRecorderTT]:
    """The library's own recorder, with a connection for every caller."""
    with connect_as_login(database.url) as connection:
        info = connection.info
        names = (info.dbname, info.host, info.port, info.user, info.password)
    # Its tables refer to each other without their schema, so that only `public` will do.
    datastore = PostgresDatastore(*names, pool_size=connections, max_waiting=connections)
    recorder = PostgresDCBRecorderTT(datastore)
    recorder.create_table()
    yield recorder
    datastore.close()


def stock_call(
    recorder: PostgresDCBRecorderTT, size: int = 1, *, conditional: bool = False
) -> Callable[[], int]:
    """A caller of the library's recorder, with the same events and the same condition."""
    after = recorder.read(limit=None, after=2**62).head or 0 if conditional else 0

    def call() -> int:
        events = [DCBEvent(one.type, one.body, list(one.tags)) for one in samples(size)]
        condition = None
        if conditional:
            query = DCBQuery([DCBQueryItem([KIND], [events[0].tags[2]])])
            condition = DCBAppendCondition(query, after)
        recorder.append(events, condition)
        return size

    return call


@contextmanager
def umadb_client() -> Iterator[tuple[Any, Any] | None]:
    """UmaDB's module and a client of a server of its own; None where it is not installed."""
    program = Path(sys.executable).parent / "umadb"
    if importlib.util.find_spec("umadb") is None or not program.exists():
        yield None
        return
    umadb = importlib.import_module("umadb")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [program, "--listen", address, "--db-path", folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield umadb, _umadb_connected(umadb, f"http://{address}")
        finally:
            server.terminate()
            server.wait()


def _umadb_connected(umadb: Any, url: str) -> Any:  # noqa: ANN401  (a module without types)
    give_up_at = time.monotonic() + UMADB_START_SECONDS
    while True:
        try:
            client = umadb.Client(url)
            client.head()
        except Exception:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.05)
        else:
            return client


def umadb_call(umadb: Any, client: Any) -> Callable[[], int]:  # noqa: ANN401  (no types)
    """A caller of UmaDB."""

    def call() -> int:
        event = sample()
        made = umadb.Event(event_type=event.type, data=event.body, tags=list(event.tags))
        client.append([made])
        return 1

    return call


def pgbench() -> str | None:
    """PostgreSQL's own benchmark program, where it is installed."""
    embedded = binaries() / "pgbench"
    return shutil.which("pgbench") or (str(embedded) if embedded.exists() else None)


def pgbench_rate(database: Database, connections: int, seconds: float) -> float:
    """Single INSERTs of as many bytes a second, by PostgreSQL's own benchmark."""
    program = pgbench()
    assert program, "asked for only where it is installed"
    with connect_as_login(database.url) as connection:
        connection.execute(PLAIN)
        info = connection.info
        names = {"PGHOST": info.host, "PGPORT": str(info.port), "PGUSER": info.user}
        names |= {"PGPASSWORD": info.password or "", "PGDATABASE": info.dbname}
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        body = sample().body.hex()
        script.write(f"INSERT INTO plain (type, entry) VALUES ('{KIND}', '\\x{body}');\n")  # noqa: S608
        script.flush()
        flags = ["--no-vacuum", "--protocol=prepared", f"--client={connections}", "--jobs=2"]
        done = subprocess.run(
            [program, *flags, f"--time={max(round(seconds), 1)}", f"--file={script.name}"],
            env=names,
            check=True,
            capture_output=True,
            text=True,
        )
    found = PGBENCH_RATE.search(done.stdout)
    assert found, "pgbench says how many transactions it made a second"
    return float(found[1])
