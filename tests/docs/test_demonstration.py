"""The manual's account of the demonstration is the program's own."""

from pathlib import Path

from api.demo.manual import table

MANUAL = Path(__file__).parents[2] / "docs" / "demonstration.md"


def test_every_planted_case_is_in_the_manual() -> None:
    """The table of the planted cases in the manual is the one that the program renders."""
    assert MANUAL.read_text(encoding="utf-8").endswith(table())
