"""The manual for operators names every setting as the program reads it."""

from pathlib import Path

from ledger.settings import table

MANUAL = Path(__file__).parents[2] / "docs" / "operating.md"


def test_every_setting_is_documented() -> None:
    """The table in the manual is the one that the settings render: write it anew after a change."""
    assert table() in MANUAL.read_text(encoding="utf-8")
