"""What is counted over sheaves in memory is what the verdict says of every obligation.

However a question comes: first or hundredth, before or after facts that touch what is kept, as of
now or of any position, at any instant, of everything or of a subtree.
"""

from datetime import datetime, timedelta
from itertools import count, pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.database import Database
from ledger.model.history import History
from ledger.recorder import LedgerInfo
from ledger.timeliness import Outcome
from ledger.verdict import verdict
from ledger.vocabulary import Moment, ObligationId, UnitRef
from projections.figures.counting import counting
from projections.spans import Placements, parse_span
from projections.standpoint import Questions, Standpoint
from tests.scenario import ZONE, Scenario, wall
from tests.stories import stories
from tests.telling import Told

SPRING = parse_span("2026-03..2026-04")
LATER = wall("2026-07-01 00:00")
BOUNDS = (datetime(2026, 2, 20), datetime(2026, 6, 30))  # noqa: DTZ001  (Hypothesis adds the zone)
TOPS = ("B", "S", "S2", "O2")

_names = count()

Answers = dict[str, tuple[object, ...]]
"""What is told of each obligation."""


def counted(here: Standpoint, unit: str | None = None) -> Answers:
    """The outcome of every obligation as a question counts it."""
    found = counting(here, SPRING, None if unit is None else UnitRef(unit)).periods()
    told = [one for period in found for one in period.outcomes()]
    assert len({one.obligation for one in told}) == len(told), "each is counted once"
    return {
        one.obligation: (one.outcome, one.kind, one.due, one.received_at, one.excused)
        for one in told
    }


def judged(history: History, moment: Moment) -> Answers:
    """The same from raw facts, by the verdict alone."""
    found: Answers = {}
    for key in history.rows["obligation"]:
        one = verdict(history, ObligationId(key), moment).computed
        failed = one.outcome in {Outcome.LATE, Outcome.MISSED}
        found[key] = (one.outcome, one.kind, one.due, one.received_at, failed and bool(one.excused))
    return found


def questions_of(told: Told) -> Questions:
    """Questions of a process that was asked nothing yet."""
    info = LedgerInfo(told.ledger_id, told.name, simulated=True)
    return Questions(told.database, told.recorder, info, lambda: LATER)


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(story=stories(events_max=24), data=st.data())
def test_counted_is_judged_whatever_was_kept(
    database: Database, story: Scenario, data: st.DataObject
) -> None:
    """Told in parts, and asked after each as of random positions and instants, by one process."""
    whole = len(story.events)
    cuts = sorted({*data.draw(st.lists(st.integers(9, whole), max_size=2)), whole})
    with Told(database, story.events[: cuts[0]], name=f"counted-{next(_names)}") as told:
        kept = questions_of(told)
        for part, (before, head) in enumerate([(0, cuts[0]), *pairwise(cuts)]):
            if part:
                told.tell(story.events[before:head])
            for position in (head, head, *data.draw(st.lists(st.integers(1, head), max_size=2))):
                instant = data.draw(st.datetimes(*BOUNDS, timezones=st.just(ZONE)))
                moment = Moment(position, instant)
                history = told.history(position)
                expected = judged(history, moment)
                with kept.at(moment) as here:
                    assert counted(here) == expected
                    _same_below(told, here, expected, data.draw(st.sampled_from(TOPS)))


def _same_below(told: Told, here: Standpoint, expected: Answers, top: str) -> None:
    """A subtree is that part, whether counted over sheaves or over the rows of its units."""
    if top not in here.background.rows["unit"]:
        return
    placed = Placements(here.background.organisation, UnitRef(top))
    history = told.history(here.moment.position)
    part = {
        key: one
        for key, one in expected.items()
        if placed.held(history.rows["obligation"][key].unit, history.rows["obligation"][key].due)
    }
    assert counted(here, top) == part
    with questions_of(told).at(here.moment) as fresh:
        assert not expected or not fresh.keeps_sheaves(SPRING.first, SPRING.last)
        assert counted(fresh, top) == part


@settings(max_examples=100, deadline=None)
@given(story=stories(events_max=20), data=st.data())
def test_a_verdict_stays_until_the_clock_passes_what_it_was_compared_with(
    story: Scenario, data: st.DataObject
) -> None:
    """Between two of its turns nothing of it changes but the moment that it names."""
    drawn = st.datetimes(*BOUNDS, timezones=st.just(ZONE))
    history = story.history(len(story.events))
    instant = data.draw(drawn)
    for key in history.rows["obligation"]:
        turns: list[datetime] = []
        moment = Moment(history.position, instant)
        first = verdict(history, ObligationId(key), moment, turns=turns)
        since = max(
            (one for one in turns if one <= instant), default=BOUNDS[0].replace(tzinfo=ZONE)
        )
        until = min((one for one in turns if one > instant), default=LATER)
        middle = since + (until - since) * data.draw(st.integers(0, 99)) / 100
        for other in (since, middle, until - timedelta(microseconds=1)):
            again = verdict(history, ObligationId(key), Moment(history.position, other))
            assert (again.computed, again.attribution) == (first.computed, first.attribution)
