"""`ledger bench questions`: what the demonstration answers over HTTP, and whether in 100 ms.

Every question about the whole network, small and large, now and in the past, is asked three times
over: for the first time, again, and as of positions that nobody asked before. The first time is
told and no goal: it reads what all later ones find in memory. A demonstration that is loaded
already (ledger `demo` of the settings) is asked; otherwise one is loaded in a folder of its own.
Read next: `projections/figures/counting.py`.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
import psutil

from api.bench.contest import Show
from api.bench.goal import Goal, at_most
from ledger.database import open_database
from ledger.errors import LedgerError
from ledger.recorder import find_ledger
from ledger.settings import Settings

LEDGER: Final = "demo"
WITHIN_MS: Final = 100.0
READY_SECONDS: Final = 120.0
ANSWER_SECONDS: Final = 300.0
STEP: Final = 997
"""How far the positions lie apart that are asked for the first time."""

PLACES_EARLIEST: Final = 0.15
PLACES: Final = {"now": None, "half way": 0.55, "early": PLACES_EARLIEST}


class Question(msgspec.Struct, frozen=True):
    """One question: its route, what it asks, and how many months back it reaches (0: none)."""

    name: str
    route: str
    asked: dict[str, str] = {}
    months: int = 0


QUESTIONS: Final = (
    Question("matrix, weekly, a quarter", "/matrix", {"duty": "outlet-weekly"}, 3),
    Question("matrix, weekly, a year", "/matrix", {"duty": "outlet-weekly"}, 12),
    Question("matrix, daily, a quarter", "/matrix", {"duty": "outlet-daily"}, 3),
    Question("matrix, daily, a year", "/matrix", {"duty": "outlet-daily"}, 12),
    Question("matrix, monthly, a year", "/matrix", {"duty": "outlet-monthly"}, 12),
    Question(
        "matrix of a branch, a quarter", "/matrix", {"duty": "outlet-weekly", "unit": "{branch}"}, 3
    ),
    Question("who failed, a month", "/who-failed", {}, 1),
    Question("who failed, a year", "/who-failed", {}, 12),
    Question("who failed, 500 a page", "/who-failed", {"limit": "500"}, 3),
    Question("obligations, a year", "/obligations", {}, 12),
    Question("missed obligations, a year", "/obligations", {"outcome": "missed"}, 12),
    Question("organisation", "/organisation"),
    Question("status of a unit", "/units/{unit}/status"),
    Question("trace", "/obligations/{obligation}/trace"),
    Question("timeline of a duty", "/timeline/duty:outlet-weekly", {"limit": "500"}),
    Question("duties", "/duties"),
    Question("calendar", "/calendar"),
)


class Asked(msgspec.Struct, frozen=True):
    """Milliseconds until the answer, of the server's processor, and the size of the answer."""

    wall: float
    processor: float
    size: int


class Found(msgspec.Struct, frozen=True):
    """One question as of one place: the first time, again, and as of positions nobody asked."""

    name: str
    place: str
    first: Asked
    again: tuple[Asked, ...]
    elsewhere: tuple[Asked, ...]


def run(settings: Settings, *, quick: bool, show: Show = print) -> list[Goal]:
    """Measure a service of its own on the demonstration of the settings, or on one of its own."""
    rounds = 2 if quick else 5
    with _demonstration(settings, quick=quick) as environ, _served(environ) as service:
        found = [one for place in PLACES for one in service.ask_all(place, rounds)]
    show(table(found))
    return goals(found)


def table(found: list[Found]) -> str:
    """Milliseconds, for people."""
    lines = [f"{'':<44}{'first':>9}{'again':>9}{'cpu':>7}{'new place':>11}{'cpu':>7}{'KiB':>8}"]
    for one in found:
        again, cpu = _median(one.again)
        elsewhere, cpu_elsewhere = _median(one.elsewhere)
        lines.append(
            f"{one.name + ', ' + one.place:<44}{one.first.wall:>9.0f}{again:>9.1f}{cpu:>7.0f}"
            f"{elsewhere:>11.1f}{cpu_elsewhere:>7.0f}{one.first.size / 1024:>8.0f}"
        )
    return "\n".join(lines)


def goals(found: list[Found]) -> list[Goal]:
    """Each question as a share of 100 ms: asked again, and as of a position nobody asked."""
    return [
        at_most(
            f"{one.name}, {one.place}, {how}: of 100 ms", 1.0, [a.wall / WITHIN_MS for a in asked]
        )
        for one in found
        for how, asked in (("again", one.again), ("as of a new position", one.elsewhere))
        if asked
    ]


def _median(asked: tuple[Asked, ...]) -> tuple[float, float]:
    if not asked:
        return 0.0, 0.0
    return median(one.wall for one in asked), median(one.processor for one in asked)


class Service:
    """A service under measurement."""

    def __init__(self, port: int, process: psutil.Process) -> None:
        self._process = process
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
        self._head = int(self._get("/duties")["as_of"]["position"])
        units = self._get("/organisation?depth=2")["units"]
        early = _period(self._instant(round(self._head * PLACES_EARLIEST)), 1)
        period = urlencode(early | {"limit": "1"})
        (known,) = self._get(f"/obligations?{period}")["obligations"]
        self._named = {
            "branch": next(one["unit"] for one in units if one["level"] == "branch"),
            "unit": known["obligation"]["unit"],
            "obligation": known["obligation"]["obligation"],
        }

    def ask_all(self, place: str, rounds: int) -> Iterator[Found]:
        """Every question as of one place."""
        share = PLACES[place]
        position = self._head if share is None else round(self._head * share)
        at = self._instant(position)
        for one in QUESTIONS:
            where = {} if share is None else {"as_of": str(position)}
            asked = one.asked | _period(at, one.months)
            first = self._ask(one.route, asked | where)
            again = tuple(self._ask(one.route, asked | where) for _ in range(rounds))
            positions = [] if share is None else [position - STEP * n for n in range(1, rounds + 1)]
            elsewhere = [self._ask(one.route, asked | {"as_of": str(at)}) for at in positions]
            yield Found(one.name, place, first, again, tuple(elsewhere))

    def _instant(self, position: int) -> datetime:
        told = self._get(f"/duties?as_of={position}")["as_of"]["instant"]
        return datetime.fromisoformat(str(told))

    def _ask(self, route: str, asked: Mapping[str, str]) -> Asked:
        given = {name: value.format(**self._named) for name, value in asked.items()}
        path = f"{route.format(**self._named)}?{urlencode(given)}"
        before, started = self._processor(), time.perf_counter()
        body = self._body(path)
        wall = time.perf_counter() - started
        return Asked(wall * 1_000, (self._processor() - before) * 1_000, len(body))

    def _processor(self) -> float:
        used = self._process.cpu_times()
        return float(used.user + used.system)

    def _get(self, path: str) -> Any:  # noqa: ANN401  (an answer of any shape)
        return json.loads(self._body(path))

    def _body(self, path: str) -> bytes:
        self._line.request("GET", f"/api/v1/{LEDGER}{path}")
        answer = self._line.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise LedgerError(f"{path} was answered {answer.status}: {body[:200]!r}; mend it first")
        return body


def _period(at: datetime, months: int) -> dict[str, str]:
    """So many months up to the one before an instant."""
    if not months:
        return {}
    last = at.year * 12 + at.month - 2
    first, names = last - months + 1, []
    for one in (first, last):
        year, month = divmod(one, 12)
        names.append(f"{year:04}-{month + 1:02}")
    return {"period": "..".join(names)}


@contextmanager
def _demonstration(settings: Settings, *, quick: bool) -> Iterator[dict[str, str]]:
    """The environment of a service that has a demonstration to serve."""
    environ = {**os.environ, "LEDGER_NAME": LEDGER, "LEDGER_CONSOLE_OPEN": "true"}
    environ |= {"LEDGER_LOG_LEVEL": "error"}
    server = open_database(settings)
    try:
        if find_ledger(server, LEDGER) is not None:
            yield environ | {"LEDGER_HOME": settings.home}
            return
    finally:
        server.close()
    with TemporaryDirectory(prefix="ledger-bench-") as home:
        environ |= {"LEDGER_HOME": home, "LEDGER_DATABASE_URL": ""}
        scale = ["--scale", "small" if quick else "medium"]
        command = [*_LEDGER, "demo", "--no-serve", *scale]
        subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)
        yield environ


_LEDGER: Final = [sys.executable, "-c", "from api.cli import main; main()"]


@contextmanager
def _served(environ: Mapping[str, str]) -> Iterator[Service]:
    """A service of its own, stopped afterwards."""
    port = _free_port()
    command = [*_LEDGER, "serve"]
    child = subprocess.Popen(
        command, env={**environ, "LEDGER_PORT": str(port)}, stdout=subprocess.DEVNULL
    )
    try:
        _wait_until_ready(port)
        yield Service(port, psutil.Process(child.pid))
    finally:
        child.terminate()
        child.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_until_ready(port: int) -> None:
    give_up_at = time.monotonic() + READY_SECONDS
    while time.monotonic() < give_up_at:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
        try:
            line.request("GET", "/health/ready")
            if line.getresponse().status == http.client.OK:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            line.close()
    raise LedgerError("the service did not start; start it with `ledger serve` to see why")
