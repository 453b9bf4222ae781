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


@pytest.fixture
def small(server_url: str, template: str, tmp_path: Path) -> Iterator[Doors]:
    """The network of a test's own, where a file may have 4 KiB."""
    with (
        fresh_database(server_url, template) as database,
        doors(database, tmp_path, attachment_bytes_max=4_096) as opened,
    ):
        yield opened
