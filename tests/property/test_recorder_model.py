"""The recorder, batched and concurrent, against a serial model that anyone can check by eye."""

import random
import re
import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import ConditionFailed, DuplicateId, KeyReused, LedgerError, TimeWentBack
from ledger.recorder import (
    Appended,
    AppendRequest,
    Condition,
    Item,
    NewEvent,
    PostgresRecorder,
)
from tests.recording import new_event, request

TYPES, TAGS = ("a", "b", "c"), ("x", "y", "z")
START = datetime(2026, 4, 1, tzinfo=UTC)

labels = st.lists(st.sampled_from(TAGS), max_size=3, unique=True).map(tuple)
kinds = st.lists(st.sampled_from(TYPES), max_size=2, unique=True).map(tuple)
items = st.builds(Item, kinds, labels)
events = st.lists(st.tuples(st.sampled_from(TYPES), labels), min_size=1, max_size=3)


class Asked(msgspec.Struct):
    """A request still to be built: positions are counted from where the example begins."""

    events: list[tuple[str, tuple[str, ...]]]
    unless: tuple[Item, ...]
    after: int
    key: str | None
    fingerprint: bytes
    repeats_id: bool
    minutes: int


asks = st.builds(
    Asked,
    events=events,
    unless=st.lists(items, max_size=2).map(tuple),
    after=st.integers(0, 12),
    key=st.sampled_from((None, None, "k", "l")),
    fingerprint=st.sampled_from((b"1", b"2")),
    repeats_id=st.sampled_from((False, False, False, True)),
    minutes=st.sampled_from((0, 0, 0, 1, 5, -1)),
)


def matches(item: Item, event: NewEvent) -> bool:
    """What it means that an event matches an item."""
    return set(item.tags) <= set(event.tags) and (not item.types or event.type in item.types)


class Model:
    """The recorder in twenty lines: one request at a time, nothing else going on."""

    def __init__(self) -> None:
        self.log: list[NewEvent] = []
        self.keys: dict[str, tuple[bytes, list[int]]] = {}
        self.time: datetime | None = None

    def append(self, one: AppendRequest, base: int = 0) -> object:
        """Positions, or the class of the refusal."""
        if one.key is not None and one.key in self.keys:
            fingerprint, places = self.keys[one.key]
            return places if fingerprint == one.fingerprint else KeyReused
        if {event.id for event in one.events} & {event.id for event in self.log}:
            return DuplicateId
        if one.condition and any(
            matches(item, event)
            for event in self.log[max(one.condition.after - base, 0) :]
            for item in one.condition.items
        ):
            return ConditionFailed
        if one.recorded_at and self.time and one.recorded_at < self.time:
            return TimeWentBack
        self.time = one.recorded_at
        first = base + len(self.log) + 1
        self.log += one.events
        places = list(range(first, first + len(one.events)))
        if one.key is not None:
            self.keys[one.key] = (one.fingerprint, places)
        return places


def seen(outcome: Appended | LedgerError) -> object:
    """An outcome as the model states it."""
    if isinstance(outcome, Appended):
        return [receipt.position for receipt in outcome.receipts]
    return type(outcome)


SLOW_SETUP = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture(params=["real", "simulated"])
def ledger(request: pytest.FixtureRequest) -> PostgresRecorder:
    """A recorder of either kind of ledger."""
    name = "recorder" if request.param == "real" else "simulated_recorder"
    found = request.getfixturevalue(name)
    assert isinstance(found, PostgresRecorder)
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW_SETUP)
@given(asked=st.lists(asks, min_size=1, max_size=12))
def test_one_call_answers_as_if_its_requests_came_one_by_one(
    ledger: PostgresRecorder, asked: list[Asked]
) -> None:
    """However requests are batched, a caller's list has the outcomes of the serial model."""
    model, base, example = Model(), ledger.head().position, str(uuid4())
    model.time = ledger.head().recorded_at
    previous = model.time or START
    requests: list[AppendRequest] = []
    for number, one in enumerate(asked):
        made = [new_event(kind, *tags) for kind, tags in one.events]
        if one.repeats_id and number:
            made[0] = requests[-1].events[0]
        previous += timedelta(minutes=one.minutes)
        requests.append(
            AppendRequest(
                events=tuple(made),
                condition=Condition(one.unless, base + one.after) if one.unless else None,
                key=one.key,
                principal=example,
                fingerprint=one.fingerprint,
                recorded_at=previous if ledger._simulated else None,
            )
        )

    outcomes = ledger.append(requests)

    assert [seen(one) for one in outcomes] == [model.append(one, base) for one in requests]
    stored = ledger.read(after=base).events
    assert all(
        one.entry.endswith(event.body[1:]) for one, event in zip(stored, model.log, strict=True)
    )


def random_request(draw: random.Random, recorder: PostgresRecorder) -> AppendRequest:
    """A request over few enough labels that many of them clash."""

    def some(choices: tuple[str, ...], most: int) -> tuple[str, ...]:
        return tuple(draw.sample(choices, draw.randint(0, most)))

    tags = (*TAGS, f"n:{draw.randrange(40)}", f"m:{draw.randrange(40)}")
    made = [new_event(draw.choice(TYPES), *some(tags, 3)) for _ in range(draw.randint(1, 3))]
    unless = tuple(Item(some(TYPES, 2), some(tags, 3)) for _ in range(draw.choice((0, 1, 1, 2))))
    after = max(recorder.head().position - draw.choice((0, 0, 0, 2, 30)), 0)
    return request(*made, unless=unless, after=after)


@pytest.fixture
def crowd(
    recorder: PostgresRecorder,
) -> list[tuple[AppendRequest, Appended | LedgerError]]:
    """The outcomes of 24 threads that append at random, in lists of one to eight requests."""
    outcomes: list[tuple[AppendRequest, Appended | LedgerError]] = []

    def run(seed: int) -> None:
        draw = random.Random(seed)  # noqa: S311  (a crowd, not a secret)
        for _ in range(25):
            asked = [random_request(draw, recorder) for _ in range(draw.choice((1, 1, 1, 4, 8)))]
            outcomes.extend(zip(asked, recorder.append(asked), strict=True))

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_a_crowd_is_served_as_if_one_by_one(
    recorder: PostgresRecorder, crowd: list[tuple[AppendRequest, Appended | LedgerError]]
) -> None:
    """Each accepted request's condition held at its place; each refused one met a fact it names."""
    log = {
        receipt.position: event
        for asked, outcome in crowd
        if isinstance(outcome, Appended)
        for receipt, event in zip(outcome.receipts, asked.events, strict=True)
    }
    assert sorted(log) == list(range(1, recorder.head().position + 1))

    refused = 0
    for asked, outcome in crowd:
        items = asked.condition.items if asked.condition else ()
        after = asked.condition.after if asked.condition else 0
        if isinstance(outcome, Appended):
            first = outcome.receipts[0].position
            before = [log[position] for position in range(after + 1, first)]
            assert not any(matches(item, event) for item in items for event in before)
        else:
            assert isinstance(outcome, ConditionFailed)
            found = re.search(r"position (\d+) ", str(outcome))
            assert found
            met = int(found[1])
            assert met > after
            assert any(matches(item, log[met]) for item in items)
            refused += 1
    assert 0.1 < refused / len(crowd) < 0.9, "the crowd should both succeed and clash"
