"""A new ledger with its keys, and the same as another process holds it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.database import Database
from tests.erasing import Place


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the keys are."""
    return tmp_path / "keys"


@pytest.fixture
def place(database: Database, home: Path) -> Iterator[Place]:
    """A new ledger."""
    place = Place(database, home)
    yield place
    place.close()


@pytest.fixture
def elsewhere(place: Place, home: Path) -> Iterator[Place]:
    """The same ledger as another process holds it."""
    other = Place(place.database, home)
    yield other
    other.close()
