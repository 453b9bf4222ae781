"""The network behind its doors, told once for a module: tests here only read, or say so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.visiting import Doors, doors, fresh_database


@pytest.fixture(scope="module")
def network(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Doors]:
    """The network behind its doors."""
    home: Path = tmp_path_factory.mktemp("home")
    with fresh_database(server_url, template) as database, doors(database, home) as opened:
        yield opened
