"""Two knowings of a business date: the difference is that of two replays, never unexplained."""

from datetime import date
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.database import Database
from ledger.model.history import CALENDAR_KEY, History
from projections.differing import difference
from projections.standings import Stood, Subject, stood
from projections.structure import instant_of
from projections.two_times import two_times
from tests.scenario import Scenario
from tests.stories import stories
from tests.telling import Told

FIRST, LAST = date(2026, 2, 1), date(2026, 6, 30)

_names = count()


def subjects(*histories: History) -> set[Subject]:
    """Everything that may stand somehow by any of these histories."""
    found = {Subject("calendar", CALENDAR_KEY)}
    for history in histories:
        for kind in ("unit", "post", "person", "duty"):
            found |= {Subject(kind, key) for key in history.rows[kind]}  # type: ignore[arg-type]
    return found


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), story=stories(events_max=24))
def test_the_difference_is_that_of_two_replays(
    database: Database, data: st.DataObject, story: Scenario
) -> None:
    """Every subject, at any day and any two positions; causes are never empty, and true."""
    with Told(database, story.events, name=f"two-times-{next(_names)}") as told:
        last = len(story.events)
        since = data.draw(st.integers(1, last), label="known then")
        until = data.draw(st.integers(since, last), label="known at")
        on = data.draw(st.dates(FIRST, LAST), label="on")
        events = told.events()
        before, after = History.of(events[:since]), History.of(events[:until])
        with told.questions.at(until) as here:
            then = told.questions.stand(here.connection, since)
            at = instant_of(on, here)
            found = two_times(then, here, on)

        expected: dict[Subject, tuple[Stood | None, Stood | None]] = {}
        for subject in subjects(before, after):
            ends = stood(before, subject, at), stood(after, subject, at)
            if ends[0] != ends[1]:
                expected[subject] = ends
        told_of = {Subject(one.kind, one.key): one for one in found.differences}

        assert told_of.keys() == expected.keys()
        assert found.total == len(expected)
        for subject, (earlier, later) in expected.items():
            one = told_of[subject]
            assert (one.before, one.after) == (earlier, later)
            assert one.fields == difference(earlier, later)
            assert one.causes
            positions = [cause.position for cause in one.causes]
            assert all(since < position <= until for position in positions)

            def without(*left_out: int, subject: Subject = subject) -> Stood | None:
                kept = [event for event in events[:until] if event.position not in left_out]
                return stood(History.of(kept), subject, at)

            if one.each_alone:
                assert all(without(position) == earlier for position in positions)
            else:
                assert without(*positions) == earlier
                for spared in positions:
                    rest = [position for position in positions if position != spared]
                    assert without(*rest) != earlier
