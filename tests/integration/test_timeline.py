"""A subject's timeline: every fact about it, in order, exactly as it is stored."""

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from ledger.database import Database
from ledger.errors import Invalid
from projections.timeline import Timeline, timeline
from tests.quarter import END, quarter
from tests.scenario import wall
from tests.telling import Told


@pytest.fixture
def told(database: Database) -> Iterator[Told]:
    """A ledger that holds the quarter."""
    found = Told(database, quarter().events)
    found.now = wall(END)
    yield found
    found.close()


def of(told: Told, subject: str, asked: int | None = None, **how: Any) -> Timeline:
    """The timeline of a subject."""
    with told.questions.at(asked) as here:
        return timeline(told.questions, here.as_of, subject, **how)


def test_every_fact_about_a_unit_and_no_other(told: Told) -> None:
    """The timeline holds exactly the events that carry the subject's tag, in order."""
    found = of(told, "unit:O3")

    expected = [one.position for one in quarter().events if "unit:O3" in one.tags]
    assert [one.position for one in found.events] == expected
    assert found.next is None


def test_entries_are_those_that_are_hashed(told: Told) -> None:
    """Whoever hashes the entry shown gets the leaf hash shown."""
    for one in of(told, "obligation:monthly.O3.2026-04").events:
        assert hashlib.sha256(b"\0" + bytes(one.entry)).hexdigest() == one.leaf_hash


@pytest.mark.parametrize("backwards", [False, True])
def test_pages_go_on_where_the_one_before_ended(told: Told, *, backwards: bool) -> None:
    """Forwards and backwards, pages of one hold everything once."""
    whole = [one.position for one in of(told, "unit:O", backwards=backwards).events]
    found, beyond = [], None
    while True:
        page = of(told, "unit:O", limit=1, beyond=beyond, backwards=backwards)
        found += [one.position for one in page.events]
        if page.next is None:
            break
        beyond = page.next

    assert found == whole
    assert whole == sorted(whole, reverse=backwards)


def test_the_past_shows_nothing_later(told: Told) -> None:
    """As of a position, facts recorded after it are not in the timeline."""
    positions = [one.position for one in of(told, "unit:O", 45).events]

    assert positions
    assert max(positions) <= 45


def test_only_facts_of_some_types(told: Told) -> None:
    """Types leave out all others."""
    found = of(told, "unit:O", types=("report.submitted",))

    assert {one.type for one in found.events} == {"report.submitted"}
    assert len(found.events) == 2


@pytest.mark.parametrize("subject", ["unit", "unit:", "planet:X", "unit:O\n", "dossier:unit:O", ""])
def test_a_subject_is_a_kind_and_a_code(told: Told, subject: str) -> None:
    """Anything else is refused with the kinds there are."""
    with pytest.raises(Invalid, match="subject"):
        of(told, subject)


def test_a_page_has_bounds(told: Told) -> None:
    """Neither nothing nor everything."""
    with pytest.raises(Invalid, match="limit"):
        of(told, "unit:O", limit=501)
