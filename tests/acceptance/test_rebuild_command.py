"""`ledger rebuild` beside a service at work: it projects and seals, facts come, answers go on."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec
import pytest

from api import cli, server
from ledger.database import Database
from ledger.settings import Settings
from tests.visiting import LEDGER, Doors, doors

PATIENCE_SECONDS = 30.0


@contextmanager
def renaming(network: Doors) -> Iterator[list[int]]:
    """A unit gets another name again and again; each time the answer knows it."""
    ending = Event()
    positions: list[int] = []

    def rename() -> None:
        while not ending.wait(0.05):
            name = f"Name {len(positions)}"
            given = {"unit": "S3", "name_zh": "南京", "name_en": name}
            told = network.post("/organisation/rename-unit", given).json()
            path = f"/organisation?unit=S3&min_position={told['position']}"
            answer = network.get(path)
            if answer.status_code == 503:
                # The projector begins anew after a switch; whoever asked waits for it once more.
                answer = network.get(path)
            assert (answer.status_code, name in answer.text) == (200, True), answer.text
            positions.append(told["position"])

    thread = Thread(target=rename)
    thread.start()
    try:
        yield positions
    finally:
        ending.set()
        thread.join(PATIENCE_SECONDS)


def told(captured: pytest.CaptureFixture[bytes], *command: str) -> Any:
    """What a command prints as JSON, between the lines that the service logs meanwhile."""
    captured.readouterr()
    assert cli.run([*command, "--json"]) == 0
    document = re.search(rb"^[\[{]\n.*^[\]}]$", captured.readouterr().out, re.MULTILINE | re.DOTALL)
    assert document is not None
    return msgspec.json.decode(document[0])


def test_views_are_rebuilt_beside_a_service_at_work(
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Every view is rebuilt and switched, twice, while facts are recorded, answered and sealed."""
    settings = Settings(database_url=database.url, home=str(tmp_path), name=LEDGER)
    monkeypatch.setenv("LEDGER_DATABASE_URL", database.url)
    monkeypatch.setenv("LEDGER_HOME", str(tmp_path))
    monkeypatch.setenv("LEDGER_NAME", LEDGER)
    with doors(database, tmp_path) as network, server.running(settings):
        with renaming(network) as positions:
            for _ in range(2):
                before = len(positions)
                outcome = told(capfdbinary, "rebuild", "--all")
                assert outcome["switched"]
                assert not any(
                    table["versions"] for one in outcome["differences"] for table in one["tables"]
                )
                assert len(positions) > before
        assert len(positions) > 2
        builds = told(capfdbinary, "project")
    assert {one["generation"] for one in builds if one["serving"]} == {3}
    assert {one["position"] for one in builds if one["serving"]} >= {positions[-1]}
