"""The trace of an obligation: everything that the verdict rests on, and nothing it does not."""

import hashlib
from collections.abc import Iterator

import pytest

from ledger.database import Database
from ledger.errors import NotFound
from ledger.recorder import Stored
from ledger.verdict import verdict
from ledger.vocabulary import Moment, ObligationId
from projections.tracing import Trace, trace
from tests.quarter import END, quarter
from tests.rulings.table import RULINGS
from tests.scenario import Scenario, wall
from tests.telling import Told, id_of


@pytest.fixture
def told(database: Database) -> Iterator[Told]:
    """A ledger that holds the quarter."""
    found = Told(database, quarter().events)
    found.now = wall(END)
    yield found
    found.close()


def stored_at(told: Told, position: int) -> Stored:
    """The entry at a position, straight from the log."""
    (stored,) = told.recorder.read(after=position - 1, limit=1).events
    return stored


def traced(told: Told, obligation: str, asked: int | None = None) -> Trace:
    """The trace of one obligation."""
    with told.questions.at(asked) as here:
        return trace(here, ObligationId(obligation))


def test_why_it_was_demanded_and_of_whom(told: Told) -> None:
    """The duty's revision and owner, the unit with its line, and who held the post at the due."""
    found = traced(told, "monthly.O.2026-04")

    assert found.demanded.published == id_of("monthly published")
    assert found.demanded.opened == id_of("opened monthly.O.2026-04")
    assert (found.demanded.owner, found.demanded.owner_person) == ("HQ-head", "hq-chief")
    assert found.of_whom.above == ("S", "B", "R", "HQ")
    assert (found.of_whom.holder, found.of_whom.capacity) == ("A", "holder")


def test_the_line_is_the_one_at_the_due(told: Told) -> None:
    """A unit that moved later is traced up the line it stood on when the report was due."""
    assert traced(told, "monthly.O2.2026-04").of_whom.above == ("S", "B", "R", "HQ")
    assert traced(told, "monthly.O2.2026-05").of_whom.above == ("S2", "B2", "R", "HQ")


def test_what_became_of_a_report_is_all_there(told: Told) -> None:
    """A voided report is shown with what voided it, and counts for nothing."""
    found = traced(told, "monthly.O3.2026-04")
    (submission,) = found.submissions

    assert submission.voided_by == id_of("voided")
    assert not submission.counts
    assert found.verdict.computed.outcome == "missed"


def test_every_event_is_cited_by_position_and_hash(told: Told) -> None:
    """Each citation is the stored entry's own; the basis is among them, and so is every fact."""
    found = traced(told, "monthly.O3.2026-04")

    for one in found.events:
        entry = stored_at(told, one.position)
        assert one.leaf_hash == hashlib.sha256(b"\0" + entry.entry).hexdigest()
        assert one.event.encode() in entry.entry
    cited = {one.event for one in found.events}
    assert cited >= set(found.verdict.basis)
    assert cited >= {id_of("opened monthly.O3.2026-04"), id_of("O3 2026-04"), id_of("voided")}
    assert [one.position for one in found.events] == sorted({one.position for one in found.events})


def test_a_trace_of_the_past_cites_nothing_later(told: Told) -> None:
    """Before the void was recorded, the trace shows a report in time and no void."""
    voided = next(one.position for one in quarter().events if one.id == "voided")
    found = traced(told, "monthly.O3.2026-04", voided - 1)

    assert found.verdict.computed.outcome == "on_time"
    assert found.submissions[0].voided_by is None
    assert max(one.position for one in found.events) < voided


def test_what_was_not_opened_yet_has_no_trace(told: Told) -> None:
    """The refusal names the position that was asked."""
    with pytest.raises(NotFound, match="at position 30"):
        traced(told, "monthly.O.2026-04", 30)


def test_the_trace_holds_the_verdict_from_raw_facts_at_every_position(told: Told) -> None:
    """Folded from the log alone, the verdict is the same at every position after the opening."""
    for obligation in ("monthly.O3.2026-04", "monthly.O4.2026-04", "monthly.O2.2026-04"):
        for position in range(44, told.recorder.head().position + 1):
            found = traced(told, obligation, position)
            expected = verdict(
                told.history(position), ObligationId(obligation), found.verdict.moment
            )
            assert found.verdict == expected


def test_every_ruling_is_traced_as_it_is_ruled(database: Database) -> None:
    """The story of each ruling, told to a ledger, is answered as the pure function answers it."""
    for number, ruling in enumerate(RULINGS):
        story = ruling.story(Scenario())
        told = Told(database, story.events, name=f"ruling-{number}")
        asked = Moment(told.recorder.head().position, wall(ruling.asked))
        with told.questions.resume(asked, settled=True) as here:
            found = trace(here, ObligationId(ruling.obligation)).verdict
        told.close()

        expected = verdict(told.history(), ObligationId(ruling.obligation), asked)
        assert found == expected, ruling.title
        assert found.computed.outcome == ruling.outcome
