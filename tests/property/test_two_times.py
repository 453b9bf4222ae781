"""Two knowings of a business date: the difference is that of two replays, never unexplained."""

from datetime import date, timedelta
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.database import Database
from ledger.events import duties
from ledger.events import organisation as o
from ledger.model.history import CALENDAR_KEY, History
from ledger.vocabulary import Power
from projections.past.differing import difference
from projections.past.standings import Stood, Subject, stood
from projections.past.two_times import two_times
from projections.structure import instant_of
from tests.scenario import ZONE, Scenario
from tests.stories import Draw, stories
from tests.telling import Told

FIRST, LAST = date(2026, 2, 1), date(2026, 6, 30)

FACTS: tuple[Any, ...] = (
    o.PostAbolished(post="S-head"),
    o.PostAbolished(post="O-head"),
    o.PostSuperiorChanged(post="O2-head", superior="HQ-head"),
    o.PostSuperiorChanged(post="S-head", superior="S2-head"),
    o.PersonDeparted(person="A", cause="resigned"),
    o.LeaveRecorded(person="C", kind="annual"),
    o.HolderAppointed(post="S2-head", person="C"),
    o.UnitRenamed(unit="S", name_zh="新", name_en="New"),
    o.UnitClosed(unit="S"),
    o.UnitReparented(unit="S", parent="S2"),
    o.SupportLineAttached(unit="O", supporter="S2"),
    o.DelegationGranted(
        delegation="lent", post="O-head", principal="A", delegate="E", powers=(Power.REPORTING,)
    ),
    o.DelegationAccepted(delegation="lent", post="O-head", delegate="E"),
    duties.DutyRetired(duty="monthly"),
    duties.DutyAssigned(duty="monthly", unit="S"),
)

_names = count()


def subjects(*histories: History) -> set[Subject]:
    """Everything that may stand somehow by any of these histories."""
    found = {Subject("calendar", CALENDAR_KEY)}
    for history in histories:
        for kind in ("unit", "post", "person", "duty"):
            found |= {Subject(kind, key) for key in history.rows[kind]}
    return found


@st.composite
def reorganised(draw: Draw) -> Scenario:
    """A random story, and after it some facts that only the organisation's questions hear of."""
    told: Scenario = draw(stories(events_max=20))
    now = told.events[-1].recorded_at.astimezone(ZONE)
    for number in range(draw(st.integers(0, 8))):
        now += timedelta(hours=1)
        effective = now + timedelta(hours=draw(st.integers(-2000, 200)))
        told.say(
            f"reorganised {number}",
            f"{now:%Y-%m-%d %H:%M:%S}",
            draw(st.sampled_from(FACTS)),
            effective=f"{effective:%Y-%m-%d %H:%M}",
        )
    return told


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), story=reorganised())
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
