"""Every view and answer, as of every position, is that of a replay to it."""

from datetime import datetime
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.database import Database
from ledger.model.history import History
from ledger.timeliness import Outcome
from ledger.verdict import Verdict, verdict
from ledger.vocabulary import DutyRef, Moment, ObligationId
from projections.failures import who_failed
from projections.judging import judge
from projections.matrix import matrix
from projections.obligations import OBLIGATION
from projections.spans import parse_span
from projections.standpoint import Standpoint
from tests.scenario import ZONE, Scenario, wall
from tests.stories import stories
from tests.telling import Told

SPRING = parse_span("2026-03..2026-04")
POSITIONS_MAX = 4
LATER = wall("2026-07-01 00:00")

BOUNDS = (datetime(2026, 2, 20), datetime(2026, 7, 1))  # noqa: DTZ001  (Hypothesis adds the zone)

_names = count()

views_at_random_positions = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def verdicts(history: History, moment: Moment) -> dict[ObligationId, Verdict]:
    """The verdict on every obligation of a history."""
    ids = [ObligationId(one) for one in history.rows["obligation"]]
    return {one: verdict(history, one, moment) for one in ids}


def rows_of(here: Standpoint) -> dict[str, Any]:
    """Every dossier in the views, by kind and key."""
    obligations = {row.obligation: row for row in here.reader.find(OBLIGATION)}
    return {**here.background.rows, "obligation": obligations}


def rows_in(history: History) -> dict[str, Any]:
    """The same of a history; attachments are asked for by decisions alone, and are in no view."""
    return {kind: rows for kind, rows in history.rows.items() if kind != "attachment"}


@views_at_random_positions
@given(story=stories(), data=st.data())
def test_views_and_answers_are_those_of_a_replay(
    database: Database, story: Scenario, data: st.DataObject
) -> None:
    """Rows, failures, and figures as of any position are those of the log folded up to it."""
    head = len(story.events)
    asked = st.lists(st.integers(1, head), min_size=1, max_size=POSITIONS_MAX)
    with Told(database, story.events, name=f"story-{next(_names)}") as told:
        for position in sorted({*data.draw(asked), head}):
            with told.questions.at(position) as here:
                assert rows_of(here) == rows_in(told.history(position))
                found = who_failed(here, SPRING)
                answers = verdicts(told.history(position), here.moment)
            failed = {key: one for key, one in answers.items() if one.attribution is not None}
            assert {one.obligation: one.basis for one in found.failures} == {
                key: one.basis for key, one in failed.items()
            }
            counted = found.measure
            assert counted.on_time == _count(answers, Outcome.ON_TIME)
            assert counted.pending == _count(answers, Outcome.PENDING)
            assert counted.excused == sum(bool(one.computed.excused) for one in failed.values())
            assert counted.expected == (
                counted.on_time + counted.late + counted.missed + counted.pending
            )


def _count(answers: dict[ObligationId, Verdict], outcome: Outcome) -> int:
    return sum(one.computed.outcome is outcome for one in answers.values())


@views_at_random_positions
@given(story=stories())
def test_then_and_now_are_verdicts_from_raw_facts(database: Database, story: Scenario) -> None:
    """Whatever happened since, a cell's *then* is the verdict of the log as it stood then."""
    with Told(database, story.events, name=f"then-{next(_names)}") as told:
        told.now = max(LATER, told.events()[-1].recorded_at)
        with told.questions.at() as here:
            found = matrix(here, SPRING, DutyRef("monthly"))
            now = verdicts(told.history(), here.moment)
        for number, column in enumerate(found.columns):
            moment = Moment(column.then.position, column.then.instant)
            then = verdicts(told.history(moment.position), moment)
            for row in found.rows:
                cell = row.cells[number]
                assert cell is not None
                answer, before = now[cell.obligation].computed, then.get(cell.obligation)
                assert (cell.outcome, cell.due) == (answer.outcome, answer.due)
                assert cell.then == (before.computed.outcome if before else None)
                assert cell.then_excused == (
                    before is not None
                    and before.attribution is not None
                    and bool(before.computed.excused)
                )


@settings(max_examples=300, deadline=None)
@given(story=stories(events_max=20), data=st.data())
def test_the_short_way_to_a_verdict_leads_to_the_same(story: Scenario, data: st.DataObject) -> None:
    """What is simply on time is judged without the verdict, which says the same at any instant."""
    instant = data.draw(st.datetimes(*BOUNDS, timezones=st.just(ZONE)))
    for position in (data.draw(st.integers(1, len(story.events))), len(story.events)):
        history = story.history(position)
        moment = Moment(position, instant)
        for one in judge(history, list(history.rows["obligation"].values()), moment):
            full = verdict(history, one.obligation, moment).computed
            assert (one.outcome, one.due, one.received_at) == (
                full.outcome,
                full.due,
                full.received_at,
            )
