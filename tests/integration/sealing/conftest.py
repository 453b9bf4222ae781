"""A ledger with nothing in it, and its sealer: what the tests of sealing start from."""

from pathlib import Path

import pytest

from ledger.database import Database
from ledger.recorder import PostgresRecorder
from tests.sealing import Sealed


@pytest.fixture
def sealed(database: Database, recorder: PostgresRecorder, tmp_path: Path) -> Sealed:
    """A ledger with nothing in it, and its sealer."""
    return Sealed(database, recorder, tmp_path)
