"""The verdict does not depend on the order in which facts of the same meaning were recorded."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.entry import Event
from tests.rulings.ruling import Ruling, whole
from tests.rulings.table import RULINGS
from tests.scenario import Scenario, wall

PREFIX = len(Scenario().events)
"""The organisation, its calendar and its duty are there before anything happens."""

_THREADS = ("report", "extension", "waiver", "delegation", "outage")


def threads(events: list[Event]) -> list[list[Event]]:
    """Events that can only follow one another: an answer comes after its question."""
    found: dict[str, list[Event]] = {}
    for event in events:
        names = [name for name in _THREADS if hasattr(event.fact, name)]
        key = f"{names[0]} {getattr(event.fact, names[0])}" if names else event.id
        if event.type in ("unit.established", "post.established"):
            key = "structure"
        found.setdefault(key, []).append(event)
    return list(found.values())


def recorded_as(order: list[Event]) -> list[Event]:
    """The same events at other positions; the opening of an obligation was recorded late."""
    late = wall("2026-06-01 00:00")
    return [
        Event(one.fact, one.envelope, one.tags, position, max(one.recorded_at, late))
        for position, one in enumerate(order, PREFIX + 1)
    ]


@pytest.mark.parametrize("ruling", RULINGS, ids=lambda one: f"{one.number}: {one.title}")
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_order_of_recording_changes_nothing(ruling: Ruling, data: st.DataObject) -> None:
    """Each story, recorded in any order in which it could have arrived, has one verdict."""
    scenario = ruling.story(Scenario())
    told = scenario.events[PREFIX:]
    openings = [one for one in told if one.type == "obligation.opened"]
    others = threads([one for one in told if one.type != "obligation.opened"])
    expected = whole(scenario.verdict(ruling.asked, ruling.obligation))

    shuffled: list[Event] = []
    queues = [list(thread) for thread in others]
    while queues:
        queue = data.draw(st.sampled_from(range(len(queues))))
        shuffled.append(queues[queue].pop(0))
        queues = [one for one in queues if one]
    structure = [one for one in shuffled if one.type in ("unit.established", "post.established")]
    rest = [one for one in shuffled if one not in structure]
    # What is not about an obligation may have been recorded before a late clock opened it.
    free = [one for one in rest if not any(tag.startswith("obligation:") for tag in one.tags)]
    early = free[: data.draw(st.integers(0, len(free)))]
    late = [one for one in rest if one not in early]
    scenario.events[PREFIX:] = recorded_as([*structure, *early, *openings, *late])

    assert whole(scenario.verdict(ruling.asked, ruling.obligation)) == expected
