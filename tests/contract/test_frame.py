"""What stands around every answer: headers, ids, figures, health, and a last catch."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from shutil import rmtree
from typing import Any

import psycopg
import pytest
import structlog
from litestar import get
from litestar.testing import TestClient
from psycopg_pool import PoolTimeout

from api.app import create_app
from api.auth import Permission
from api.health import next_year_needed
from api.ledgers import Ledgers, OpenLedger, secret_of
from api.observability import mask_secrets
from api.strictness import declared_queries
from ledger.database import Database, connect_as_login
from ledger.errors import LedgerError, LogStopped, OutcomeUnknown
from ledger.settings import Settings
from tests.timekeeping import wall
from tests.visiting import Doors, seal

SNAPSHOT = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@pytest.mark.parametrize(
    "path",
    ["/health/live", "/nope/at/all", "/api/v1/demo/duties", "/api/v1/demo/duties?x=1", "/metrics"],
)
def test_security_headers_are_on_every_answer(network: Doors, path: str) -> None:
    """On answers, refusals and addresses that do not exist, the same."""
    answer = network.client.get(path)

    assert {name: answer.headers.get(name) for name in SNAPSHOT} == SNAPSHOT
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])
    assert "server" not in answer.headers
    assert "strict-transport-security" not in answer.headers


def test_https_asks_to_be_kept(network: Doors) -> None:
    """Over TLS the browser is told to stay there."""
    answer = network.client.get("https://testserver.local/health/live")

    assert answer.headers["strict-transport-security"].startswith("max-age=63072000")


def test_a_refusal_names_its_request(network: Doors) -> None:
    """The instance of a problem is the id in the header and in the log."""
    answer = network.client.get("/api/v1/demo/duties")

    assert answer.json()["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"
    assert answer.headers["cache-control"] == "no-store"


FAILURES: dict[str, tuple[Exception, int, str]] = {
    "a bug": (ValueError("the secret is 42"), 500, "unforeseen"),
    "recursion": (RecursionError("maximum depth"), 400, "bad-body"),
    "data": (psycopg.errors.UntranslatableCharacter("\\u0000"), 400, "bad-parameter"),
    "a lost connection": (psycopg.OperationalError("gone"), 503, "database-unreachable"),
    "a full pool": (PoolTimeout("30 s"), 503, "busy"),
    "a bug in SQL": (psycopg.errors.UndefinedColumn("secret"), 500, "unforeseen"),
    "an unknown outcome": (OutcomeUnknown(), 503, "outcome-unknown"),
    "an error of the ledger's own": (LedgerError("secret place"), 500, "unforeseen"),
}


@contextmanager
def failing(error: Exception) -> Iterator[TestClient[Any]]:
    """An application one of whose handlers fails."""
    app = create_app(Ledgers(Database(""), Settings()))

    @get("/fail", permission=Permission.PUBLIC, sync_to_thread=False)
    def fail() -> None:
        raise error

    app.register(fail)
    app.state.declared_queries = declared_queries(app)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("name", FAILURES)
def test_failures_become_problems(name: str) -> None:
    """What can be mended says how; what cannot tells nothing of the inside."""
    error, status, code = FAILURES[name]
    with failing(error) as client:
        answer = client.get("/fail")

    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{code}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("retry-after" in answer.headers) == (status == 503)
    assert "secret" not in answer.text


def test_ready_while_everything_works(network: Doors) -> None:
    """Database, views, sealer and calendar are each named, and how far the log is sealed."""
    seal(network.opened)
    answer = network.client.get("/health/ready")
    head = network.opened.recorder.head().position

    assert answer.status_code == 200, answer.json()
    names = [one["name"] for one in answer.json()["checks"]]
    assert names == ["database", "views", "sealer", "calendar"]
    assert answer.json()["sealing"] == [
        {
            "ledger": network.opened.info.name,
            "position": head,
            "sealed_position": head,
            "lag_seconds": 0.0,
            "stopped": None,
        }
    ]
    assert answer.headers["cache-control"] == "no-store"


def test_not_ready_while_facts_are_not_sealed(
    network: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sealer that is gone is noticed by the age of what it has not sealed."""
    seal(network.opened)
    network.post("/organisation/rename-unit", {"unit": "S3", "name_zh": "南京", "name_en": "N"})
    recorded = network.opened.recorder.head().recorded_at
    assert recorded is not None
    details: list[str] = []
    for seconds, expected in ((9, True), (12, False)):
        now = recorded + timedelta(seconds=seconds)
        monkeypatch.setattr(network.opened.clock, "now", lambda now=now: now)
        answer = network.client.get("/health/ready").json()
        (sealer,) = (one for one in answer["checks"] if one["name"] == "sealer")

        assert sealer["ok"] is expected
        details.append(sealer["detail"])
        (standing,) = answer["sealing"]
        assert standing["lag_seconds"] == seconds
        assert standing["position"] == standing["sealed_position"] + 1
    assert details[0] == ""
    assert "1 facts are not sealed, the first for 12 s" in details[1]


def test_not_ready_once_the_sealer_has_found_something(network: Doors) -> None:
    """A row that was edited stops the log: readiness, figures and answers all say which one."""
    seal(network.opened)
    with edited(network.opened):
        # A folder that was lost is made anew from the rows, every one of which is looked at.
        rmtree(network.opened.log_folder.path)
        with pytest.raises(LogStopped):
            seal(network.opened)
        answer = network.client.get("/health/ready")
        figures = network.client.get("/metrics").text
    seal(network.opened)

    (sealer,) = (one for one in answer.json()["checks"] if one["name"] == "sealer")
    (standing,) = answer.json()["sealing"]
    assert (answer.status_code, sealer["ok"]) == (503, False)
    assert "EDITED at 1:" in sealer["detail"]
    assert standing["stopped"] in sealer["detail"]
    assert f'ledger_stopped{{ledger="{network.opened.info.name}"}} 1.0' in figures


@contextmanager
def edited(opened: OpenLedger) -> Iterator[None]:
    """The first row changed by a superuser; put back afterwards, and the log resumed."""
    change = "UPDATE ledger.event SET entry = %s WHERE ledger_id = %s AND position = 1"
    entry = opened.recorder.read(limit=1).events[0].entry
    with connect_as_login(opened.database.url) as connection:
        connection.execute("ALTER TABLE ledger.event DISABLE TRIGGER ALL")
        connection.execute(change, (entry + b" ", opened.info.ledger_id))
        yield
        connection.execute(change, (entry, opened.info.ledger_id))
        connection.execute("ALTER TABLE ledger.event ENABLE ALWAYS TRIGGER append_only")
        connection.execute("SELECT ledger.resume_v1(%s)", (opened.info.ledger_id,))


def test_metrics_tell_how_far_the_log_is_sealed(network: Doors) -> None:
    """Position sealed, seconds behind, and whether anything may be recorded."""
    seal(network.opened)
    figures = network.client.get("/metrics").text
    head, name = network.opened.recorder.head().position, network.opened.info.name

    assert f'ledger_sealed_position{{ledger="{name}"}} {float(head)}' in figures
    assert f'ledger_seal_lag_seconds{{ledger="{name}"}} 0.0' in figures
    assert f'ledger_stopped{{ledger="{name}"}} 0.0' in figures


def test_not_ready_while_views_are_far_behind(
    network: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A projector that stands still is noticed by the age of what it has not folded."""
    network.post("/organisation/rename-unit", {"unit": "S3", "name_zh": "南京", "name_en": "N"})
    later = network.opened.clock.now().replace(day=30)
    monkeypatch.setattr(network.opened.clock, "now", lambda: later)

    answer = network.client.get("/health/ready")

    (views,) = (one for one in answer.json()["checks"] if one["name"] == "views")
    assert (answer.status_code, views["ok"]) == (503, False)
    assert "behind" in views["detail"]


def test_the_missing_calendar_is_said_loudly(
    network: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 15 December on, a coming year without a calendar makes the service not ready."""
    for day, expected in (("2026-12-14 12:00", True), ("2026-12-15 00:01", False)):
        monkeypatch.setattr(network.opened.clock, "now", lambda day=day: wall(day))
        checks = network.client.get("/health/ready").json()["checks"]
        (calendar,) = (one for one in checks if one["name"] == "calendar")
        assert calendar["ok"] is expected, day

    assert next_year_needed(date(2026, 12, 31))
    assert not next_year_needed(date(2027, 1, 1))


def test_not_ready_without_a_database(tmp_path: Path) -> None:
    """The process is alive, and says that the database is not there."""
    database = Database("host=127.0.0.1 port=1 connect_timeout=1")
    with (
        pytest.MonkeyPatch.context() as patch,
        TestClient(create_app(Ledgers(database, Settings(home=str(tmp_path))))) as client,
    ):
        patch.setattr("ledger.database.POOL_TIMEOUT_SECONDS", 0.2)
        live, ready = client.get("/health/live"), client.get("/health/ready")
    database.close()

    assert (live.status_code, ready.status_code) == (200, 503)
    assert ready.json()["checks"][0]["ok"] is False


def test_metrics_count_routes_and_not_addresses(network: Doors) -> None:
    """Fifty addresses of one route are one series, and unknown addresses are one too."""
    for number in range(50):
        network.get(f"/units/none-{number}")
        network.client.get(f"/nowhere/{number}/at/all")

    text = network.client.get("/metrics").text
    units = [line for line in text.splitlines() if "requests_total" in line and "/units/" in line]
    nowhere = [line for line in text.splitlines() if "(no route)" in line and "total" in line]

    assert len(units) == 1
    assert 'route="/api/v1/{ledger}/units/{unit}",status="404"' in units[0]
    assert all("none-" not in line for line in text.splitlines())
    assert len(nowhere) <= 2
    assert 'ledger_position{ledger="demo"}' in text
    assert 'ledger_projected_position{ledger="demo"}' in text


def test_logs_hold_no_keys_and_no_names(network: Doors) -> None:
    """One line a request, with ids alone, whatever stood in the address and the headers."""
    with structlog.testing.capture_logs() as lines:
        network.get("/who-failed?period=2026W14&unit=O1")
    key = network.key("auditor")["authorization"].removeprefix("Bearer ")

    (line,) = [one for one in lines if one["event"] == "request"]
    assert line["route"] == "/api/v1/{ledger}/who-failed"
    assert (line["status"], line["role"]) == (200, "auditor")
    assert key not in json.dumps(line, default=str)
    assert "O1" not in json.dumps(line, default=str)


def test_what_looks_like_a_key_is_masked(network: Doors) -> None:
    """By name, and wherever a key stands in a text."""
    key = network.key("auditor")["authorization"].removeprefix("Bearer ")

    masked = mask_secrets(None, "info", {"event": f"tried {key}!", "authorization": "x", "n": 1})

    assert masked == {"event": "tried ldg_***!", "authorization": "***", "n": 1}


def test_the_doors_secret_is_made_once(tmp_path: Path) -> None:
    """Sessions and cursors outlive a restart; others cannot read it; a setting overrides it."""
    made = secret_of(Settings(home=str(tmp_path)))
    path = tmp_path / "keys" / "door.key"

    assert secret_of(Settings(home=str(tmp_path))) == made == path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    assert secret_of(Settings(home=str(tmp_path), secret="given")) == b"given"
