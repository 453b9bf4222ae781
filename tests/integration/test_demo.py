"""The demonstration: its cases have the answers worked out by hand, and it is told once."""

from itertools import pairwise

import pytest

from api.commands.opening import Opened
from api.demo.cases import Case
from api.demo.network import build
from api.demo.run import is_complete, load
from api.demo.scales import SEED
from api.demo.summary import planted
from ledger.bulk import history_of
from ledger.codec import decode
from ledger.database import Database
from ledger.errors import BulkDiverged
from ledger.recorder import Stored
from ledger.verdict import Verdict, verdict
from projections.tracing import trace
from tests.demonstrating import SMALL, open_demonstration, told

CASES = planted()


@pytest.mark.parametrize("case", CASES, ids=[case.code for case in CASES])
def test_a_planted_case_has_the_answer_worked_out_by_hand(
    demonstration: Opened, case: Case
) -> None:
    """The trace of a planted case says what its ruling says, and nothing else."""
    with demonstration.questions.at() as here:
        found = trace(here, case.obligation).verdict

    assert _answer(found) == _expected(case)


def test_views_and_facts_agree_on_every_case(demonstration: Opened) -> None:
    """A verdict asked of the views is the verdict folded from the raw facts of the log."""
    history = history_of(demonstration.log)
    with demonstration.questions.at() as here:
        for case in CASES:
            asked = trace(here, case.obligation).verdict
            assert asked == verdict(history, case.obligation, here.moment), case.code


def test_the_past_still_shows_a_miss_that_was_withdrawn(demonstration: Opened) -> None:
    """A closing recorded late withdraws the miss now, and not in what was known then (28)."""
    case = next(one for one in CASES if one.code == "28")
    history = history_of(demonstration.log)
    notices = history.obligation(case.obligation).notices
    assert len(notices) == 1
    assert notices[0].withdrawn_by is not None

    with demonstration.questions.at(notices[0].position) as here:
        then = trace(here, case.obligation).verdict
    assert then.computed.outcome == "missed"


def test_every_fact_is_recorded_when_it_happened(demonstration: Opened) -> None:
    """In a simulated ledger a fact is received and recorded at one instant, in order."""
    events = [decode(stored.entry) for stored in entries(demonstration)]

    assert [one.recorded_at for one in events] == [one.received_at for one in events]
    assert all(a.recorded_at <= b.recorded_at for a, b in pairwise(events))


def test_no_entry_holds_a_name(demonstration: Opened) -> None:
    """Names, numbers and phones are sealed: no entry of the log holds one."""
    people = build(SMALL, SEED).people.values()
    log = b"\n".join(stored.entry for stored in entries(demonstration)).decode()

    assert len(people) > 100
    assert not [one for one in people if f'"{one.name}"' in log or one.number in log]


def test_the_story_is_the_same_each_time(demonstration: Opened, database: Database) -> None:
    """Told again, every fact but the founding has the same id, place, instant and content."""
    again = told(database)

    first, second = entries(demonstration), entries(again)
    assert [one.entry for one in first[1:]] == [one.entry for one in second[1:]]
    again.recorder.close()


def test_a_load_cut_short_goes_on(demonstration: Opened, database: Database) -> None:
    """A load that breaks off leaves whole batches; the next one ends with the same ledger."""
    opened = open_demonstration(database)
    with pytest.raises(InterruptedError):
        load(opened, SMALL, _interrupt, batch_events=500)
    assert 1 < opened.recorder.head().position < 4_000
    assert not is_complete(opened)

    load(opened, SMALL)

    assert is_complete(opened)
    assert entries(opened)[-1].entry == entries(demonstration)[-1].entry
    opened.recorder.close()


def test_another_seed_is_another_story(database: Database) -> None:
    """A ledger that holds one story does not take another's facts on top."""
    opened = open_demonstration(database)
    with pytest.raises(InterruptedError):
        load(opened, SMALL, _interrupt, batch_events=500)
    head = opened.recorder.head()

    with pytest.raises(BulkDiverged):
        load(opened, SMALL, seed=SEED + 1)

    assert opened.recorder.head() == head
    opened.recorder.close()


def entries(opened: Opened) -> list[Stored]:
    """Everything recorded."""
    return [stored for page in opened.recorder.stream() for stored in page]


def _interrupt(_count: int) -> None:
    raise InterruptedError


def _answer(found: Verdict) -> dict[str, object]:
    computed, attribution = found.computed, found.attribution
    return {
        "outcome": computed.outcome.value,
        "expectation": computed.expectation,
        "kind": computed.kind,
        "steps": tuple(step.cause for step in computed.steps),
        "excused": computed.excused,
        "mitigated": computed.mitigated,
        "flags": computed.flags,
        "marks": attribution.flags if attribution else (),
        "who": {(one.role, one.ground, one.person) for one in attribution.persons}
        if attribution
        else set(),
    }


def _expected(case: Case) -> dict[str, object]:
    expected = case.expected
    return {
        "outcome": expected.outcome,
        "expectation": expected.expectation,
        "kind": expected.kind,
        "steps": expected.steps,
        "excused": expected.excused,
        "mitigated": expected.mitigated,
        "flags": expected.flags,
        "marks": expected.marks,
        "who": {(one.role, one.ground, one.person) for one in expected.who},
    }
