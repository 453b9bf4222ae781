"""The manual names every file and column that can be imported."""

from pathlib import Path

from api.importing.manual import tables

MANUAL = Path(__file__).parents[2] / "docs" / "importing.md"


def test_every_column_is_in_the_manual() -> None:
    """The tables of columns in the manual are the ones that the program renders."""
    assert MANUAL.read_text(encoding="utf-8").endswith(tables())
