"""A view that cannot fold a fact, through the service: named, alone, and mended by better code."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import cli, server
from ledger.database import Database
from ledger.entry import Event
from ledger.errors import FoldChanged
from ledger.settings import Settings
from projections.building import fingerprints
from projections.building.fingerprints import fingerprint_of, register
from projections.dossiers import DossierProjection
from projections.obligations import OBLIGATIONS
from projections.tables import Rows
from projections.views import VIEWS
from tests.visiting import LEDGER, Doors, doors

PATIENCE_SECONDS = 30.0
FAILED = "/who-failed?period=2026W10..2026W20"
REPORT = {"obligation": "weekly.O4.2026W22", "form_revision": 1, "content": {"headcount": 12}}
NEW_NAME = {"unit": "S3", "name_zh": "南京", "name_en": "Renamed meanwhile"}


class Broken(DossierProjection):
    """Obligations, whose fold fails on every report."""

    def fold(self, event: Event, rows: Rows) -> None:
        """Fail on purpose."""
        if event.type == "report.submitted":
            raise RuntimeError("these are the fact's own words")
        super().fold(event, rows)


BROKEN = Broken(OBLIGATIONS.name, OBLIGATIONS.version, OBLIGATIONS.shapes)


@pytest.fixture
def folds_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A register that knows the broken fold as one that makes the same rows where it can."""
    prints = f'["{fingerprint_of(BROKEN)}", "{fingerprint_of(OBLIGATIONS)}"]'
    file = tmp_path / "folds.toml"
    file.write_text(f"[obligations]\nversion = {OBLIGATIONS.version}\nalike = {prints}\n")
    monkeypatch.setattr(fingerprints, "REGISTER", file)
    register.cache_clear()
    yield
    register.cache_clear()


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    """The service's."""
    return Settings(database_url=database.url, home=str(tmp_path), name=LEDGER)


@pytest.mark.usefixtures("folds_alike")
def test_one_view_stops_and_the_others_go_on(
    database: Database,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Readiness and command line name view, fact and error; what does not need it answers now."""
    with doors(database, tmp_path) as network:
        before = network.opened.recorder.head().position
        views = tuple(BROKEN if one is OBLIGATIONS else one for one in VIEWS)
        monkeypatch.setattr(server, "VIEWS", views)
        with server.running(settings):
            report = network.post("/reports/submit-report", REPORT, "obligor", person="O4-boss")
            renamed = network.post("/organisation/rename-unit", NEW_NAME)
            last = renamed.json()["position"]
            organisation = _patiently(network, f"/organisation?min_position={last}&unit=S3")
            health = _views_of(network)
            concerned = network.get(FAILED)
            earlier = network.get(f"{FAILED}&as_of={before}")
            told = _command(settings, monkeypatch, capfdbinary, "project")
            event = network.opened.questions.event_at(report.json()["position"]).id
        monkeypatch.setattr(server, "VIEWS", VIEWS)
        with server.running(settings):
            mended = _patiently(network, FAILED)
            well = _views_of(network)

    assert "Renamed meanwhile" in organisation.text
    position = report.json()["position"]
    named = (
        f"obligations stopped before position {position} (report.submitted {event}: RuntimeError)"
    )
    assert not health["ok"]
    assert health["detail"].startswith(named)
    assert "own words" not in health["detail"]
    assert (concerned.status_code, concerned.json()["type"]) == (503, "/problems/view-stopped")
    assert f"stopped before position {position}" in concerned.json()["detail"]
    assert earlier.status_code == 200
    status, out, err = told
    assert status == 1
    assert "RuntimeError: these are the fact's own words" in " ".join(out.split())
    assert named in err
    assert mended.json()["as_of"]["position"] == last
    assert well["ok"]


def test_a_changed_fold_without_a_new_version_does_not_start(
    database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service refuses before it projects anything, and says what to do."""
    with doors(database, tmp_path):
        monkeypatch.setattr(server, "VIEWS", (BROKEN,))
        with (
            pytest.raises(FoldChanged, match="projection obligations folds otherwise"),
            server.running(settings),
        ):
            pass


def _patiently(network: Doors, path: str) -> httpx.Response:
    """An answer, as soon as there is one that is no refusal for the time being."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer: httpx.Response = network.get(path)
        if answer.status_code == 200 or time.monotonic() > deadline:
            assert answer.status_code == 200, answer.text
            return answer
        time.sleep(0.05)


def _views_of(network: Doors) -> dict[str, Any]:
    """What readiness says of the views, once it has settled."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        checks = network.client.get("/health/ready").json()["checks"]
        (views,) = (one for one in checks if one["name"] == "views")
        if views["ok"] or "stopped" in views["detail"] or time.monotonic() > deadline:
            return dict(views)
        time.sleep(0.05)


def _command(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    captured: pytest.CaptureFixture[bytes],
    *arguments: str,
) -> tuple[int, str, str]:
    monkeypatch.setenv("LEDGER_DATABASE_URL", settings.database_url or "")
    monkeypatch.setenv("LEDGER_HOME", settings.home)
    monkeypatch.setenv("LEDGER_NAME", settings.name)
    monkeypatch.setenv("COLUMNS", "250")
    captured.readouterr()
    status = cli.run([*arguments])
    out, err = captured.readouterr()
    return status, out.decode(), err.decode()
