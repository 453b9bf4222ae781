"""Races: one winner for one place, and a reader who is never overtaken."""

import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from ledger.database import Database
from ledger.errors import ConditionFailed
from ledger.recorder import Appended, Item, PostgresRecorder
from tests.recording import new_event, request

ROUNDS, RACERS = 50, 16
PROCESSES, THREADS, REQUESTS, EVENTS = 2, 4, 250, 100
TOTAL = PROCESSES * THREADS * REQUESTS * EVENTS


def test_sixteen_racers_for_one_slot_have_one_winner(
    database: Database, recorder: PostgresRecorder
) -> None:
    """Each round, of 16 who read an empty slot and book it over two recorders, one succeeds."""
    other = PostgresRecorder(database, recorder.ledger_id)
    start = threading.Barrier(RACERS)

    def race(racer: int, slot: str) -> bool:
        mine = (recorder, other)[racer % 2]
        unless = (Item(("slot.booked",), (slot,)),)
        after = mine.read(unless).head.position
        start.wait()
        (outcome,) = mine.append(
            [request(new_event("slot.booked", slot), unless=unless, after=after)]
        )
        assert isinstance(outcome, Appended | ConditionFailed)
        return isinstance(outcome, Appended)

    with ThreadPoolExecutor(RACERS) as pool:
        for number in range(ROUNDS):
            won = list(pool.map(race, range(RACERS), [f"slot:{number}"] * RACERS))
            assert won.count(True) == 1

    assert recorder.head().position == ROUNDS
    other.close()


def test_a_tailing_reader_sees_every_position_in_order(
    database: Database, recorder: PostgresRecorder
) -> None:
    """Eight writers in two processes append 200,000 facts; two readers miss none and see no gap."""
    tails: list[list[int]] = [[], []]
    subscriptions = [recorder.subscribe(after=0), recorder.subscribe(after=0)]

    def tail(mine: int) -> None:
        for page in subscriptions[mine]:
            tails[mine] += [stored.position for stored in page]
            if tails[mine][-1] >= TOTAL:
                subscriptions[mine].stop()

    readers = [threading.Thread(target=tail, args=(mine,)) for mine in range(2)]
    for reader in readers:
        reader.start()
    arguments = [database.url, *map(str, (recorder.ledger_id, THREADS, REQUESTS, EVENTS))]
    writers = [
        subprocess.Popen([sys.executable, "-m", "tests.recording", *arguments])
        for _ in range(PROCESSES)
    ]
    assert [writer.wait() for writer in writers] == [0] * PROCESSES
    for reader in readers:
        reader.join(timeout=60)

    assert tails == [list(range(1, TOTAL + 1))] * 2
    for subscription in subscriptions:
        with subscription:
            pass
    per_writer = Counter[str]()
    for page in recorder.stream():
        for stored in page:
            per_writer[stored.entry.partition(b'"tags":["')[2][:43].decode()] += 1
    assert set(per_writer.values()) == {REQUESTS * EVENTS}
    assert len(per_writer) == PROCESSES * THREADS


def test_a_subscription_catches_up_from_far_behind(recorder: PostgresRecorder) -> None:
    """A follower that begins many pages behind sees every position, with items and without."""
    for _ in range(2):
        recorder.append_one(request(*(new_event("t", f"tag:{n % 2}") for n in range(6_000))))
    for items, step in (((), 1), ((Item((), ("tag:0",)),), 2)):
        expected = list(range(1, 12_001, step))
        seen: list[int] = []
        with recorder.subscribe(after=0, items=items) as subscription:
            for page in subscription:
                seen += [stored.position for stored in page]
                if len(seen) >= len(expected):
                    break

        assert seen == expected


def test_a_subscription_by_items_skips_none(recorder: PostgresRecorder) -> None:
    """A follower of one tag among many sees all of its events, and only them."""
    seen: list[int] = []
    stopped = threading.Event()
    with recorder.subscribe(after=0, items=(Item(("mine",), ("tag:1",)),)) as subscription:

        def follow() -> None:
            for page in subscription:
                seen.extend(stored.position for stored in page)
            stopped.set()

        threading.Thread(target=follow).start()
        outcomes = recorder.append(
            [
                request(new_event("mine" if n % 7 == 0 else "other", f"tag:{n % 3}"))
                for n in range(3_000)
            ]
        )
        expected = [n + 1 for n in range(3_000) if n % 7 == 0 and n % 3 == 1]
        for _ in range(200):
            if len(seen) >= len(expected):
                break
            stopped.wait(0.05)
        subscription.stop()
        assert stopped.wait(5)

    assert len(outcomes) == 3_000
    assert seen == expected
    assert subscription.position >= expected[-1]
