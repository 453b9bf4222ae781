"""Personal values: counted, missing, erased without a word, or back after they were erased."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.database import Database, connect_as_login
from ledger.personal_keys import PersonalKeys
from ledger.recorder import LedgerInfo, PostgresRecorder
from ledger.sealed import SealedStore
from ledger.verify import FolderLog, Live, Report, verify_database
from tests.damaging import demand
from tests.recording import new_event, request
from tests.sealing import Sealed


class Names:
    """A ledger whose entries commit to names."""

    def __init__(self, sealed: Sealed) -> None:
        self.sealed = sealed
        self.keys = PersonalKeys(sealed.home / "keys", "main")
        self.store = SealedStore(sealed.database, sealed.ledger_id, self.keys)

    def name(self, person: str) -> None:
        """Record a name, sealed."""
        value = self.store.seal(person, "name", f"name of {person}")
        commitment = {"commitment": value.commitment, "person": person}
        self.sealed.recorder.append_one(request(new_event("named", name=commitment)))

    def erase(self, person: str, *, told: bool = True) -> None:
        """Destroy a key, and say so in the log."""
        self.keys.destroy(person)
        if told:
            event = new_event("personal_key.destroyed", person=person)
            self.sealed.recorder.append_one(request(event))

    def verified(self) -> Report:
        """The database verified, personal values included."""
        self.sealed.sealer.seal()
        live = Live(
            self.sealed.database,
            LedgerInfo(self.sealed.ledger_id, "main", simulated=False),
            FolderLog(str(self.sealed.folder.path)),
            SealedStore(self.sealed.database, self.sealed.ledger_id, self.keys).reveal,
        )
        return verify_database(live, demand(self.sealed))


@pytest.fixture
def names(database: Database, recorder: PostgresRecorder, tmp_path: Path) -> Iterator[Names]:
    """Three names."""
    found = Names(Sealed(database, recorder, tmp_path))
    for person in ("p1", "p2", "p3"):
        found.name(person)
    yield found
    found.keys.close()


def test_personal_values_are_counted(names: Names) -> None:
    """Present, or erased by an entry, which is named."""
    names.erase("p2")
    report = names.verified()

    assert report.faults == []
    assert report.sealed is not None
    assert (report.sealed.present, report.sealed.erased, report.sealed.missing) == (2, 1, 0)
    assert report.sealed.erased_by == {"p2": 4}


def test_a_missing_personal_value_is_a_fault(names: Names) -> None:
    """What an entry commits to was deleted from the store."""
    with connect_as_login(names.sealed.database.url) as connection:
        connection.execute("DELETE FROM ledger.sealed_field WHERE person = 'p3'")

    report = names.verified()
    assert report.first is not None
    assert (report.first.position, report.sealed and report.sealed.missing) == (3, 1)
    assert "MISSING" in report.first.what


def test_an_erasure_that_nobody_told_is_a_fault(names: Names) -> None:
    """A key was destroyed, and no entry says so."""
    names.erase("p1", told=False)

    first = names.verified().first
    assert first is not None
    assert (first.position, "no entry says so" in first.what) == (1, True)


def test_an_erased_value_that_is_back_is_a_fault(names: Names) -> None:
    """The log tells of an erasure, and the value can be read."""
    event = new_event("personal_key.destroyed", person="p1")
    names.sealed.recorder.append_one(request(event))

    first = names.verified().first
    assert first is not None
    assert (first.position, "is there again" in first.what) == (4, True)
