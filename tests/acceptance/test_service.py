"""The service as it runs: founded, projecting, keeping time, and answering over HTTP."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uvicorn
from litestar.testing import TestClient

from api import server
from api.app import create_app
from api.ledgers import Ledgers
from ledger.access import Grant, new_access_id
from ledger.database import Database
from ledger.errors import BadSetting
from ledger.recorder import Item
from ledger.settings import Settings

CONTENT = {"headcount": 7}


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    """A real ledger of this test's own."""
    return Settings(database_url=database.url, home=str(tmp_path), name="main", port=8123)


@contextmanager
def visiting(ledgers: Ledgers) -> Iterator[Any]:
    """Sends commands as an administrator, and reads."""
    opened = ledgers.open("main")
    now = opened.clock.now()
    grant = Grant(
        access=new_access_id(),
        role="administrator",
        unit=None,
        person=None,
        system="tests",
        created_at=now,
        expires_at=now + timedelta(days=1),
    )
    headers = {"authorization": f"Bearer {opened.keys.issue(grant)}"}
    with TestClient(create_app(ledgers)) as client:

        def command(path: str, **body: Any) -> dict[str, Any]:
            key = {"idempotency-key": uuid4().hex}
            answer = client.post(f"/api/v1/main{path}", json=body, headers={**headers, **key})
            assert answer.status_code == 201, answer.text
            found: dict[str, Any] = answer.json()
            return found

        def read(path: str) -> dict[str, Any]:
            answer = client.get(f"/api/v1/main{path}", headers=headers)
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            return found

        yield command, read


def test_a_report_from_the_first_fact_to_the_verdict(settings: Settings) -> None:
    """On a real ledger: a line, a duty, the clock opens, a report arrives, a verdict follows."""
    year = datetime.now(UTC).year
    with server.running(settings) as ledgers, visiting(ledgers) as (command, read):
        for one in (year - 1, year, year + 1):
            command(
                "/calendar/publish-calendar",
                year=one,
                source_ref=f"test {one}",
                days_off=[],
                makeup_days=[],
            )
        for unit, level, parent in (("HQ", "headquarters", None), ("O1", "outlet", "HQ")):
            command(
                "/organisation/establish-unit",
                unit=unit,
                level=level,
                parent=parent,
                name_zh=unit,
                name_en=unit,
                effective_from=f"{year - 2}-01-01T00:00:00+08:00",
            )
            command(
                "/organisation/establish-post",
                post=f"{unit}-head",
                unit=unit,
                role="head",
                title_zh="负责人",
                title_en="Head",
                effective_from=f"{year - 2}-01-01T00:00:00+08:00",
            )
            command("/organisation/register-person", person=f"{unit}-boss", name="王小明")
            command(
                "/organisation/appoint-holder",
                post=f"{unit}-head",
                person=f"{unit}-boss",
                effective_from=f"{year - 2}-01-01T00:00:00+08:00",
            )
        opened_on = f"{year - 2}-03-01"
        command("/outlets/plan-outlet", unit="O1", planned_open=opened_on)
        command("/outlets/open-outlet", unit="O1", opened_on=opened_on)
        field = {
            "code": "headcount",
            "kind": "integer",
            "label_zh": "人力",
            "label_en": "Headcount",
        }
        command("/duties/publish-form", form="F", title_zh="表", title_en="Form", fields=[field])
        published = command(
            "/duties/publish-duty",
            duty="yearly",
            title_zh="年报",
            title_en="Yearly",
            form="F",
            cadence="yearly",
            due={"working_days": 5},
            owner="HQ-head",
            scope="HQ",
            levels=["outlet"],
            stages=["established"],
            effective_from=f"{year}-01-01T00:00:00+08:00",
        )
        obligation = f"yearly.O1.{year}"
        _wait_for(lambda: _is_open(ledgers, obligation))
        receipt = command(
            "/reports/submit-report", obligation=obligation, form_revision=1, content=CONTENT
        )
        path = f"/obligations/{obligation}/verdict?min_position={receipt['position']}"
        verdict = read(path)
        first = read("/events/1")

    assert verdict["computed"]["report"] is not None
    assert verdict["moment"]["position"] >= receipt["position"] > published["position"]
    assert first["entry"]["type"] == "ledger.created"
    assert first["entry"]["data"] == {"name": "main", "clock": "real"}


def _is_open(ledgers: Ledgers, obligation: str) -> bool:
    items = (Item(tags=(f"obligation:{obligation}",)),)
    return bool(ledgers.open("main").recorder.read(items).events)


def _wait_for(holds: Any, seconds: float = 20.0) -> None:
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    pause = threading.Event()
    while not holds():
        assert datetime.now(UTC) < until, "the clock did not open what is owed"
        pause.wait(0.05)


def test_serving_twice_founds_one_ledger(settings: Settings) -> None:
    """A second start finds the ledger of the first, and its secret."""
    heads = []
    for _ in range(2):
        with server.running(settings) as ledgers:
            opened = ledgers.open("main")
            heads.append((opened.info.ledger_id, opened.recorder.head().position, opened.secret))

    assert heads[0] == heads[1]
    assert heads[0][1] == 1


def test_a_taken_port_is_said_in_one_line(settings: Settings) -> None:
    """Before the database is started, with what to do about it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        other = Settings(home=settings.home, port=port)
        with pytest.raises(BadSetting, match="LEDGER_PORT"):
            server.serve(other)


def test_it_serves_and_stops(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """`serve` answers over a socket, says its address when it does, and ends when told to."""
    heard: list[str] = []
    servers: list[uvicorn.Server] = []
    made = server._Server.__init__

    def remember(self: uvicorn.Server, *given: Any) -> None:
        servers.append(self)
        made(self, *given)

    monkeypatch.setattr(server._Server, "__init__", remember)
    thread = threading.Thread(target=server.serve, args=(settings, heard.append))
    thread.start()
    _wait_for(lambda: bool(heard))
    live = httpx.get(f"{heard[0]}/health/live")
    ready = httpx.get(f"{heard[0]}/health/ready")
    servers[0].should_exit = True
    thread.join(30)

    assert heard == ["http://127.0.0.1:8123"]
    assert (live.status_code, ready.status_code) == (200, 200)
    assert "server" not in live.headers
    assert not thread.is_alive()
