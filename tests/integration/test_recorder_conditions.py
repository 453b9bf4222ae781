"""Conditions and reads by tags, types and positions: the same items, answered alike."""

from itertools import product

import pytest

from ledger.database import Database, connect_as_login
from ledger.errors import ConditionFailed, Invalid
from ledger.recorder import PAGE_LIMIT, Item, PostgresRecorder, create_ledger
from ledger.recorder.reading import LINES_LIMIT, LINES_TOGETHER
from tests.recording import new_event, positions, request

LOG = (
    ("a", ("x", "y")),
    ("b", ("x",)),
    ("a", ("y", "z")),
    ("c", ()),
    ("a", ("x", "z")),
    ("b", ("x", "y", "z")),
)

CASES: tuple[tuple[tuple[Item, ...], list[int]], ...] = (
    ((Item(),), [1, 2, 3, 4, 5, 6]),
    ((Item(("a",), ()),), [1, 3, 5]),
    ((Item(("b", "c"), ()),), [2, 4, 6]),
    ((Item((), ("x",)),), [1, 2, 5, 6]),
    ((Item((), ("x", "y")),), [1, 6]),
    ((Item((), ("y", "x")),), [1, 6]),
    ((Item((), ("x", "x")),), [1, 2, 5, 6]),
    ((Item((), ("x", "y", "z")),), [6]),
    ((Item((), ("x", "nothing")),), []),
    ((Item(("a",), ("x",)),), [1, 5]),
    ((Item(("a", "b"), ("x", "y")),), [1, 6]),
    ((Item(("c",), ("x",)),), []),
    ((Item(("nothing",), ()),), []),
    ((Item(("c",), ()), Item((), ("z",))), [3, 4, 5, 6]),
    ((Item((), ("x",)), Item((), ("y",)), Item(("a",), ())), [1, 2, 3, 5, 6]),
)


@pytest.fixture
def filled(recorder: PostgresRecorder) -> PostgresRecorder:
    """A recorder with the six events of LOG."""
    recorder.append_one(request(*(new_event(kind, *tags) for kind, tags in LOG)))
    return recorder


def test_items_are_matched_alike_everywhere(database: Database) -> None:
    """A read finds, in both directions and in a stream, what makes a condition fail."""
    for number, (items, expected) in enumerate(CASES):
        recorder = PostgresRecorder(
            database, create_ledger(database, f"case-{number}", simulated=False)
        )
        recorder.append_one(request(*(new_event(kind, *tags) for kind, tags in LOG)))

        forwards = [one.position for one in recorder.read(items).events]
        backwards = [one.position for one in recorder.read(items, backwards=True).events]
        streamed = [one.position for page in recorder.stream(items) for one in page]
        assert (forwards, backwards, streamed) == (expected, expected[::-1], expected), items

        last = max(expected, default=0)
        for after in range(last):
            (outcome,) = recorder.append([request(new_event("new"), unless=items, after=after)])
            assert isinstance(outcome, ConditionFailed), (items, after)
        accepted = recorder.append_one(request(new_event("new"), unless=items, after=last))
        assert positions(accepted) == [len(LOG) + 1]
        recorder.close()


def test_a_condition_names_the_fact_that_it_met(filled: PostgresRecorder) -> None:
    """The refusal says at which position the decision's history moved on."""
    with pytest.raises(ConditionFailed, match="position 5 "):
        filled.append_one(request(unless=(Item(("a",), ("x",)),), after=1))


BOUNDS = ((0, 6, 6), (1, 5, 9), (2, None, 2), (3, 3, 5), (0, 0, 1), (9, None, 3), (0, None, 0))


def test_pages_are_bounded_on_all_sides(filled: PostgresRecorder) -> None:
    """After < position <= until, at most limit, from either end; the head is the ledger's."""
    kinds: tuple[tuple[Item, ...], ...] = (
        (),
        (Item((), ("x",)),),
        (Item(("a",), ()), Item((), ("x",))),
    )
    for items, (after, until, limit) in product(kinds, BOUNDS):
        everything = [one.position for one in filled.read(items).events]
        within = [one for one in everything if after < one <= (6 if until is None else until)]

        forwards = filled.read(items, after=after, until=until, limit=limit)
        backwards = filled.read(items, after=after, until=until, limit=limit, backwards=True)

        assert [one.position for one in forwards.events] == within[:limit]
        assert [one.position for one in backwards.events] == within[::-1][:limit]
        assert forwards.head == backwards.head == filled.head()


def test_a_page_has_a_limit(filled: PostgresRecorder) -> None:
    """More than a page's events, or fewer than none, cannot be asked for."""
    for limit in (PAGE_LIMIT + 1, -1):
        with pytest.raises(Invalid):
            filled.read(limit=limit)


def test_a_stream_goes_on_over_pages(recorder: PostgresRecorder) -> None:
    """Full pages follow each other without gap or repetition, with items and without."""
    recorder.append([request(*(new_event("t", "a") for _ in range(6_000))) for _ in range(2)])

    for items in ((), (Item((), ("a",)),)):
        pages = list(recorder.stream(items, after=5, until=11_990))
        assert [one.position for page in pages for one in page] == list(range(6, 11_991))
        # What is read by tags comes in full pages, everything in lists that are quick to work on.
        assert max(map(len, pages)) == (PAGE_LIMIT if items else LINES_TOGETHER)


def test_a_stream_of_everything_ends_where_it_should(recorder: PostgresRecorder) -> None:
    """Wherever it begins and ends, beside the ends of lists and statements too, it is the log."""
    recorder.append([request(*(new_event() for _ in range(LINES_LIMIT + 300)))])
    log = [*recorder.read(limit=PAGE_LIMIT).events]
    ends = (0, 1, LINES_TOGETHER, LINES_LIMIT - 1, LINES_LIMIT, LINES_LIMIT + 1, len(log))

    for after, until in product(ends, (*ends, None)):
        streamed = [one for page in recorder.stream(after=after, until=until) for one in page]
        assert streamed == log[after:until], (after, until)
    assert list(recorder.stream(after=len(log) + 7)) == []


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM ledger.event WHERE position BETWEEN 150 AND 160",
        "DELETE FROM ledger.event WHERE position BETWEEN 401 AND 600",
        "DELETE FROM ledger.event WHERE position IN (1, 2)",
        "DELETE FROM ledger.event WHERE position = 2250",
        "DELETE FROM ledger.event WHERE position > 2290",
        "UPDATE ledger.event SET entry = 'a' || E'\\x0a'::bytea || 'b' WHERE position = 7",
    ],
)
def test_a_stream_of_a_damaged_log_tells_what_is_there(
    database: Database, recorder: PostgresRecorder, damage: str
) -> None:
    """Whoever verifies sees the rows as they stand, each with its own position."""
    recorder.append([request(*(new_event() for _ in range(LINES_LIMIT + 300)))])
    with connect_as_login(database.url) as connection:
        connection.execute("ALTER TABLE ledger.event DISABLE TRIGGER append_only")
        connection.execute("ALTER TABLE ledger.event DROP CONSTRAINT event_entry_check")
        assert connection.execute(damage.encode()).rowcount > 0

    streamed = [one for page in recorder.stream() for one in page]

    assert streamed == recorder.read(limit=PAGE_LIMIT).events


def test_two_tags_with_one_hash_are_told_apart(
    database: Database, recorder: PostgresRecorder
) -> None:
    """An index entry under another tag's hash neither matches a read nor fails a condition."""
    recorder.append_one(request(new_event("t", "mine")))
    with connect_as_login(database.url) as connection:
        connection.execute(
            "INSERT INTO ledger.event_tag SELECT %s, hashtextextended('other', 0), 1",
            (recorder.ledger_id,),
        )

    assert recorder.read((Item((), ("other",)),)).events == []
    assert positions(recorder.append_one(request(unless=(Item((), ("other",)),)))) == [2]


def test_requests_of_one_call_see_each_other(recorder: PostgresRecorder) -> None:
    """Of two requests in one call that exclude each other, the first is recorded."""
    unless = (Item(("booked",), ("slot:1",)),)

    outcomes = recorder.append(
        [request(new_event("booked", "slot:1"), unless=unless) for _ in range(3)]
    )

    assert positions(outcomes[0]) == [1]
    assert [type(one) for one in outcomes[1:]] == [ConditionFailed] * 2


CLASHES = [
    (Item(), True),
    (Item(("t",), ()), True),
    (Item(("u",), ()), False),
    (Item((), ("a", "b")), True),
    (Item((), ("a", "c")), False),
    (Item(("t",), ("b",)), True),
    (Item(("u",), ("b",)), False),
]


def test_a_condition_sees_what_its_own_call_recorded_before(recorder: PostgresRecorder) -> None:
    """A request fails on what an earlier request of its call recorded, and on nothing else."""
    for item, blocked in CLASHES:
        after = recorder.head().position
        first, second = request(new_event("t", "a", "b")), request(unless=(item,), after=after)

        outcomes = recorder.append([first, second])

        assert isinstance(outcomes[1], ConditionFailed) == blocked, item
