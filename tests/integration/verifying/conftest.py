"""A ledger of 602 entries, made once, for each test to break."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from psycopg.conninfo import conninfo_to_dict

from ledger.recorder import NewEvent, PostgresRecorder, create_ledger
from tests.recording import new_event, request
from tests.sealing import Sealed
from tests.visiting import fresh_database


def keyed(key: str, number: int) -> NewEvent:
    """An event that says under which idempotency key of whom it was sent."""
    event_id = uuid4()
    body = {"id": str(event_id), "type": "keyed", "tags": ["a"], "actor": {"person": "somebody"}}
    body |= {"idempotency_key": key, "data": {"number": number}}
    return NewEvent(event_id, "keyed", ("a",), msgspec.json.encode(body))


@pytest.fixture(scope="session")
def model(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """A ledger of 602 entries, sealed at 300 and then whole; the first checkpoint was kept."""
    home: Path = tmp_path_factory.mktemp("model")
    with fresh_database(server_url, template) as database:
        recorder = PostgresRecorder(database, create_ledger(database, "main", simulated=False))
        made = Sealed(database, recorder, home)
        made.grown(300)
        (home / "kept").write_bytes((made.folder.path / "checkpoint").read_bytes())
        made.append(200)
        recorder.append_one(request(*(keyed("k", number) for number in range(100)), key="k"))
        recorder.append_one(request(new_event("t", "a", "b"), new_event("t")))
        made.sealer.seal()
        recorder.close()
        database.close()
        yield str(conninfo_to_dict(database.url)["dbname"]), home


@pytest.fixture
def sealed(server_url: str, model: tuple[str, Path], tmp_path: Path) -> Iterator[Sealed]:
    """The ledger of 602 entries, for one test to break."""
    shutil.copytree(model[1], tmp_path, dirs_exist_ok=True)
    with fresh_database(server_url, model[0]) as database:
        recorder = PostgresRecorder(database, 1)
        yield Sealed(database, recorder, tmp_path)
        recorder.close()
