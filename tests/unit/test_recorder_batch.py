"""Which requests may share a transaction, and what the gate's clock believes."""

import pytest

from ledger.errors import ClockJumped
from ledger.recorder import Item
from ledger.recorder.admission import Prepared
from ledger.recorder.batch import BATCH_EVENTS_MAX, CANDIDATES_MAX, Batch
from ledger.recorder.clock import WatchedClock
from tests.recording import new_event, request


def batch_of(*prepared: Prepared) -> Batch:
    """A batch that holds these."""
    batch = Batch(strict=False)
    for one in prepared:
        batch.add(one)
    return batch


def test_a_condition_waits_only_for_what_could_violate_it() -> None:
    """A request joins unless an event of the batch matches an item: all tags, one of the types."""
    batch = batch_of(Prepared(request(new_event("t", "a", "b"), new_event("u", "c"))))

    for item, admitted in (
        (Item((), ("a",)), False),
        (Item((), ("a", "b")), False),
        (Item((), ("a", "c")), True),
        (Item(("t",), ("b",)), False),
        (Item(("u",), ("b",)), True),
        (Item(("u", "t"), ("b",)), False),
        (Item(("u",), ()), False),
        (Item(("v",), ()), True),
        (Item(), False),
        (Item((), ("d",)), True),
    ):
        assert batch.admits(Prepared(request(unless=(item,)))) == admitted, item
    assert batch.admits(Prepared(request(new_event("t", "a"))))


def test_too_many_candidates_count_as_a_clash() -> None:
    """Comparing is bounded: where many events share a tag, a request rather waits than searches."""
    few = batch_of(*(Prepared(request(new_event("t", "a"))) for _ in range(CANDIDATES_MAX)))
    item = Item((), ("a", "b"))
    few.add(Prepared(request(new_event("t", "b"))))
    many = batch_of(
        *(Prepared(request(new_event("t", tag))) for tag in "ab" for _ in range(CANDIDATES_MAX + 1))
    )

    assert few.admits(Prepared(request(unless=(item,))))
    assert not many.admits(Prepared(request(unless=(item,))))


def test_keys_and_ids_come_once_a_batch() -> None:
    """The same key, or an id that another request brings, waits for the next batch."""
    event = new_event()
    batch = batch_of(Prepared(request(event, key="k")))

    assert not batch.admits(Prepared(request(key="k")))
    assert not batch.admits(Prepared(request(event)))
    assert batch.admits(Prepared(request(key="k", principal="other")))


def test_a_batch_has_room_for_so_much() -> None:
    """A batch is bounded in events, but takes any one request."""
    large = Prepared(request(*(new_event() for _ in range(BATCH_EVENTS_MAX))))

    assert Batch(strict=False).has_room_for(large)
    assert not batch_of(large).has_room_for(Prepared(request()))


def test_a_company_enters_alone() -> None:
    """Requests of one company share a batch whatever their conditions say, and with nobody else."""
    company, unless = object(), (Item((), ("a",)),)
    mine = [Prepared(request(new_event("t", "a"), unless=unless), company) for _ in range(2)]

    assert batch_of(mine[0]).admits(mine[1])
    assert not batch_of(mine[0]).admits(Prepared(request()))
    assert not batch_of(Prepared(request())).admits(mine[0])


def test_a_clock_that_jumps_is_not_believed() -> None:
    """A wall clock that leaves the steady one beyond the limit is refused until it is confirmed."""
    seconds = {"wall": 1_000.0, "steady": 5.0}
    clock = WatchedClock(300, lambda: seconds["wall"], lambda: seconds["steady"])

    seconds["wall"] += 7_000
    seconds["steady"] += 6_900
    assert clock.now().timestamp() == seconds["wall"]
    for jump in (301, -301):
        seconds["wall"] += jump
        for _ in range(2):
            with pytest.raises(ClockJumped):
                clock.now()
        clock.confirm()
        assert clock.now().timestamp() == seconds["wall"]
