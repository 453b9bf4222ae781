"""Conditions that tests in several files put the parts into."""

import pytest

from projections import leading, saving


@pytest.fixture
def in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch has 7 facts in slices of 3, is copied, and leaves few rows in memory."""
    monkeypatch.setattr(leading, "BATCH_EVENTS", 7)
    monkeypatch.setattr(leading, "SLICE_EVENTS", 3)
    monkeypatch.setattr(leading, "ROWS_KEPT_MAX", 5)
    monkeypatch.setattr(saving, "_UPDATES_ONE_BY_ONE", 1)
