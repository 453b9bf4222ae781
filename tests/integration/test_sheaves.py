"""What stays in memory of obligations: bounded, of the build that answers, and never stale."""

from collections.abc import Iterator

import pytest

from ledger.database import Database
from ledger.events.organisation import UnitReparented
from ledger.events.reports import ReportWithdrawn
from projections.dossiers import DossierProjection, Shape
from projections.figures import sheaves
from projections.figures.counting import counting
from projections.obligations import OBLIGATION, OBLIGATIONS
from projections.spans import parse_span
from projections.views import VIEWS
from tests.quarter import END, quarter
from tests.scenario import wall
from tests.telling import Told

SPRING = parse_span("2026-03..2026-05")
MAY = parse_span("2026-05")


@pytest.fixture
def told(database: Database) -> Iterator[Told]:
    """A ledger that holds the quarter."""
    with Told(database, quarter().events) as found:
        found.now = wall(END)
        yield found


def outcomes(told: Told, position: int | None = None) -> dict[str, str]:
    """What became of every obligation."""
    with told.questions.at(position) as here:
        found = counting(here, SPRING).periods()
    return {one.obligation: one.outcome.value for part in found for one in part.outcomes()}


def test_a_fact_is_known_to_the_next_question_and_not_to_the_past(told: Told) -> None:
    """A report that is withdrawn turns its obligation, from its position on."""
    before, head = outcomes(told), told.recorder.head().position
    assert before["monthly.O.2026-03"] == "on_time"
    story = quarter()
    withdrawn = ReportWithdrawn(report="O.2026-03", obligation="monthly.O.2026-03")
    story.say("withdrawn", END, withdrawn)
    told.tell(story.events[-1:])

    assert outcomes(told) == before | {"monthly.O.2026-03": "missed"}
    assert outcomes(told, head) == before


def test_the_clock_alone_turns_what_is_missing(told: Told) -> None:
    """Pending until the settle delay is over, then missed, and unreported once the channel ends."""
    found = []
    for at in ("2026-06-05 18:02", "2026-06-05 18:03", "2026-06-19 18:00", "2026-06-19 18:01"):
        told.now = wall(at)
        with told.questions.at() as here:
            (may,) = counting(here, MAY).periods()
            found += [(one.outcome, one.kind) for one in may.rest if one.unit == "O"]

    assert found == [
        ("pending", None),
        ("missed", None),
        ("missed", None),
        ("missed", "unreported"),
    ]


def test_a_verdict_is_remembered_only_while_what_it_read_is_the_same(told: Told) -> None:
    """O4 never stood below who waived its report: known later, it is missed; known then, exempt."""
    before, head = outcomes(told), told.recorder.head().position
    assert before["monthly.O4.2026-03"] == "exempt"
    story = quarter()
    moved = UnitReparented(unit="O4", parent="S")
    story.say("moved before", END, moved, effective="2025-03-01 00:00")
    told.tell(story.events[-1:])

    for _ in range(2):
        assert outcomes(told) == before | {"monthly.O4.2026-03": "missed"}
        assert outcomes(told, head) == before


def test_after_very_many_facts_everything_is_read_anew(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is the same; only the way to it is another."""
    before = outcomes(told)
    kept = [*told.questions.sheaves._kept.values()]
    monkeypatch.setattr(sheaves, "FACTS_MAX", 0)
    story = quarter()
    story.say("withdrawn", END, ReportWithdrawn(report="x", obligation="monthly.O.2026-05"))
    told.tell(story.events[-1:])

    assert outcomes(told) == before
    assert not {*map(id, kept)} & {*map(id, told.questions.sheaves._kept.values())}


def test_another_build_is_read_anew(told: Told) -> None:
    """What a replaced build had said is forgotten with it."""
    before = outcomes(told)
    builds = told.questions.sheaves._builds
    other = DossierProjection(
        OBLIGATIONS.name, OBLIGATIONS.version + 1, {"obligation": Shape(OBLIGATION)}
    )
    told.views = [other if one is OBLIGATIONS else one for one in VIEWS]
    told.project()

    assert outcomes(told) == before
    assert told.questions.sheaves._builds != builds


def test_memory_is_bounded(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for longest ago goes first; what is asked for now stays."""
    monkeypatch.setattr(sheaves, "VERSIONS_MAX", 1)
    outcomes(told)
    with told.questions.at() as here:
        (last,) = here.sheaves(MAY.first, MAY.last)

    assert list(told.questions.sheaves._kept) == [last.key]
