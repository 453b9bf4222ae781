"""Stepping through a ledger whose views are not all there."""

import pytest

from ledger.database import Database
from ledger.errors import ViewMissing
from projections.obligations import OBLIGATIONS
from projections.past.replaying import step_after, step_at
from projections.past.selecting import Selection
from projections.views import VIEWS
from tests.quarter import quarter
from tests.telling import Told


def test_a_view_that_has_not_come_to_a_fact_is_named(database: Database) -> None:
    """The fact is shown all the same, with what it changed in the views that have."""
    there = tuple(view for view in VIEWS if view is not OBLIGATIONS)
    with Told(database, quarter().events, views=there) as told, told.questions.at() as here:
        opened = step_after(here, Selection(types=("obligation.opened",)), 0)
        appointed = step_after(here, Selection(types=("holder.appointed",)), 0)

    assert opened is not None
    assert appointed is not None
    assert (opened.changes, opened.behind) == ((), ("obligations",))
    assert {one.view for one in appointed.changes} == {"organisation", "editions"}


def test_a_subtree_cannot_be_told_without_its_obligations(database: Database) -> None:
    """Which facts belong to it stands in a view; without it the question is refused."""
    there = tuple(view for view in VIEWS if view is not OBLIGATIONS)
    with Told(database, quarter().events, views=there) as told, told.questions.at() as here:
        with pytest.raises(ViewMissing, match="ledger project"):
            step_at(here, Selection(unit="S"), 40)
        assert step_at(here, Selection(subject="unit:S"), 40) is not None
