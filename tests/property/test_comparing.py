"""What differs between two moments is what differs between all rows and verdicts at both."""

from datetime import datetime
from itertools import count
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.database import Database
from ledger.model.history import History
from ledger.verdict import verdict
from ledger.vocabulary import Moment, ObligationId, UnitRef
from projections.past.comparing import CAUSES_MAX, Comparison, compare
from projections.past.contrasting import Judgement
from projections.past.differing import difference, key_text
from projections.past.replaying import steps
from projections.past.selecting import Selection
from projections.standpoint import Standpoint
from tests.replayed import TABLES
from tests.scenario import ZONE, Scenario
from tests.stories import stories
from tests.telling import Told

Place = tuple[str, tuple[str, ...]]

UNITS = ("HQ", "B", "S", "S2", "O", "O2", "O3", None)
BOUNDS = (datetime(2026, 2, 20), datetime(2026, 8, 1))  # noqa: DTZ001  (Hypothesis adds the zone)

_names = count()


def rows_at(here: Standpoint) -> dict[Place, Any]:
    """Every row of every view, by table and key."""
    return {
        (table.name, key_text(table.key_of(row))): row
        for table in TABLES.values()
        for row in here.reader.find(table)
    }


def judged_at(history: History, moment: Moment) -> dict[Place, Judgement]:
    """The verdict on every obligation of a history."""
    found: dict[Place, Judgement] = {}
    for one in history.rows["obligation"]:
        computed = verdict(history, ObligationId(one), moment).computed
        found["obligation", (one,)] = Judgement(
            outcome=computed.outcome,
            due=computed.due,
            kind=computed.kind,
            pending=computed.pending,
        )
    return found


def owned(rows: dict[Place, Any], unit: str | None) -> set[Place]:
    """Which of the rows belong to a unit and what ever stood below it; all if it is None."""
    if unit is None:
        return {*rows}
    units = {unit}
    dossiers = [row for (table, _), row in rows.items() if table == "unit"]
    for _ in dossiers:
        for row in dossiers:
            units |= {row.unit for placed in row.parents if placed.parent in units}
    posts = [row for (table, _), row in rows.items() if table == "post" and row.unit in units]
    served = {one.person for post in posts for one in (*post.appointments, *post.acting)}
    return {
        place
        for place, row in rows.items()
        if (place[0] in ("unit", "post", "obligation") and row.unit in units)
        or (place[0] == "person" and row.person in served)
    }


def pages_of(before: Standpoint, after: Standpoint, unit: str | None, limit: int) -> Comparison:
    """All pages as one."""
    given = {"unit": None if unit is None else UnitRef(unit), "limit": limit}
    whole = compare(before, after, **given)
    page = whole
    while page.next is not None:
        page = compare(before, after, **given, beyond=page.next)
        assert page.counts == whole.counts
        whole = msgspec.structs.replace(whole, rows=(*whole.rows, *page.rows))
    return whole


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    story=stories(),
    unit=st.sampled_from(UNITS),
    limit=st.sampled_from([3, 500]),
    data=st.data(),
)
def test_comparisons_are_the_difference_of_everything(
    database: Database, story: Scenario, unit: str | None, limit: int, data: st.DataObject
) -> None:
    """Rows, fields, verdicts, causes and counts: those of everything read at both moments."""
    head = len(story.events)
    first = data.draw(st.integers(1, head))
    positions = [first, min(head, first + data.draw(st.sampled_from([0, 1, 3, 10, 30, 100])))]
    instants = st.datetimes(*BOUNDS, timezones=st.just(ZONE))
    asked = sorted(data.draw(st.lists(instants, min_size=2, max_size=2)))
    moments = [Moment(*pair) for pair in zip(positions, asked, strict=True)]
    with Told(database, story.events, name=f"compared-{next(_names)}") as told:
        told.now = BOUNDS[1].replace(tzinfo=ZONE)
        with told.questions.at(moments[1]) as after:
            before = told.questions.stand(after.connection, moments[0])
            rows = [rows_at(before), rows_at(after)]
            here = owned(rows[1], unit) if unit is None or ("unit", (unit,)) in rows[1] else None
            if here is None:
                return
            found = pages_of(before, after, unit, limit)
            turned: dict[Place, list[int]] = {}
            for step in steps(after, Selection(after=positions[0], until=positions[1])):
                for one in step.changes:
                    turned.setdefault((one.table, one.key), []).append(step.fact.position)
        judged = [judged_at(told.history(one.position), one) for one in moments]
        later = judged_at(told.history(positions[0]), Moment(positions[0], moments[1].instant))
    expected = {
        place
        for place in here
        if rows[0].get(place) != rows[1][place] or judged[0].get(place) != judged[1].get(place)
    }
    assert [(one.table, one.key) for one in found.rows] == sorted(expected, key=_order)
    for one in found.rows:
        place = (one.table, one.key)
        ends = (rows[0].get(place), rows[1][place])
        assert one.fields == difference(*ends)
        assert one.change == ("added" if ends[0] is None else "changed")
        assert (one.judged_before, one.judged_after) == (
            judged[0].get(place),
            judged[1].get(place),
        )
        own = turned.get(place, [])
        cited = [cause.position for cause in one.causes]
        assert cited == sorted(set(cited))
        assert all(positions[0] < position <= positions[1] for position in cited)
        assert one.causes_total > CAUSES_MAX or {*own} <= {*cited}
        otherwise = one.judged_before != one.judged_after
        assert one.by_time == (
            otherwise and ends[0] is not None and later.get(place) == one.judged_after
        )
        assert one.by_time or cited, "what time did not do, facts did"
    assert sum(one.added + one.changed + one.judged_otherwise for one in found.counts) == len(
        expected
    )


def _order(place: Place) -> tuple[int, tuple[str, ...]]:
    return list(TABLES).index(place[0]), place[1]
