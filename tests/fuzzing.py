"""Appends at random from many threads, and the serial model that their outcomes are held to.

`python -m tests.fuzzing URL SEED THREADS REQUESTS FILE LEDGER_ID:simulated|real...` appends to
each ledger and writes what every caller was told to FILE. `findings` replays the log's order
through the model: for each request there must be a moment, between its sending and its answer, at
which one request after another would have given exactly that outcome.
"""

import random
import re
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4, uuid5

import msgspec

from ledger.database import Database
from ledger.errors import LedgerError
from ledger.recorder import (
    Appended,
    AppendRequest,
    Condition,
    Item,
    PostgresRecorder,
    Stored,
)
from tests.recording import new_event

TYPES: Final = ("a", "b", "c", "d")
TAGS: Final = ("x", "y", "z", "各", "tag with space")
FAMILY: Final = UUID("018f0000-0000-7000-8000-000000000000")
IDS, KEYS = 150, 200
POSITION: Final = re.compile(r"position (\d+)")

Label = tuple[str, ...]


class Told(msgspec.Struct):
    """A request, what its caller was told, and when it was sent and answered."""

    ledger_id: int
    events: list[tuple[UUID, str, Label]]
    items: list[tuple[Label, Label]]
    after: int
    key: str | None
    fingerprint: bytes
    recorded_at: datetime | None
    call: UUID
    began: int = 0
    ended: int = 0
    outcome: str = ""
    positions: list[int] = []
    leaf_hashes: list[bytes] = []


# -- the callers -----------------------------------------------------------------------------------


class Caller:
    """One thread's requests, drawn at random over few enough labels that many of them clash."""

    def __init__(self, recorder: PostgresRecorder, seed: int) -> None:
        self._recorder = recorder
        self._draw = random.Random(seed)  # noqa: S311 - a crowd, not a secret
        self._known = 0
        self.told: list[Told] = []

    def run(self, requests: int) -> None:
        """Send so many requests, alone and in lists."""
        while requests > 0:
            count = min(requests, self._draw.choice((1, 1, 1, 1, 3, 8)))
            requests -= count
            call = uuid4()
            asked = [self._request() for _ in range(count)]
            told = [self._noted(one, call) for one in asked]
            began = time.monotonic_ns()
            outcomes = self._append(asked)
            ended = time.monotonic_ns()
            for one, outcome in zip(told, outcomes, strict=True):
                one.began, one.ended = began, ended
                self._note(one, outcome)
            self.told += told

    def _append(self, asked: list[AppendRequest]) -> Sequence[Appended | LedgerError]:
        if len(asked) > 1:
            return self._recorder.append(asked)
        try:
            return [self._recorder.append_one(asked[0])]
        except LedgerError as refusal:
            return [refusal]

    def _request(self) -> AppendRequest:
        draw = self._draw
        events = tuple(
            new_event(draw.choice(TYPES), *self._some(self._tags(), 3), event_id=self._id(place))
            for place in range(draw.choice((1, 1, 1, 2, 3)))
        )
        simulated, lag = self._recorder._simulated, draw.choice((0, 0, 0, 0, 5, 50))
        now = datetime.now(UTC) - timedelta(milliseconds=lag)
        keyed = draw.random() < 0.3
        return AppendRequest(
            events=events,
            condition=self._condition(),
            key=f"key {draw.randrange(KEYS)}" if keyed else None,
            principal="somebody",
            fingerprint=draw.choice((b"1", b"1", b"2")),
            recorded_at=now if simulated else None,
        )

    def _id(self, place: int) -> UUID:
        """Mostly a new one; of the others each place has its own, for a request repeats none."""
        if self._draw.random() < 0.93:
            return uuid4()
        return uuid5(FAMILY, f"{place} {self._draw.randrange(IDS)}")

    def _condition(self) -> Condition | None:
        draw = self._draw
        shape = draw.randrange(8)
        if shape < 2:
            return None
        after = max(0, self._known - draw.choice((0, 0, 0, 1, 5, 40, self._known)))
        shapes: dict[int, tuple[Item, ...]] = {
            2: (Item(),),
            3: (Item(self._some(TYPES, 2, 1), ()),),
            4: (Item((), self._some(self._tags(), 3, 1)),),
            5: (Item(self._some(TYPES, 2), self._some(self._tags(), 2)),),
        }
        items = shapes.get(shape)
        if items is None:
            items = tuple(
                Item(self._some(TYPES, 2), (*self._some(self._tags(), 2, 1), *self._some(TAGS, 1)))
                for _ in range(draw.randrange(5))
            )
        return Condition(items, after)

    def _tags(self) -> Label:
        draw = self._draw
        return (
            *TAGS,
            f"n:{draw.randrange(30)}",
            f"m:{draw.randrange(30)}",
            "nobody's"[: draw.randrange(1, 9)],
        )

    def _some(self, choices: Label, most: int, least: int = 0) -> Label:
        return tuple(self._draw.sample(choices, self._draw.randint(least, most)))

    def _noted(self, one: AppendRequest, call: UUID) -> Told:
        condition = one.condition
        return Told(
            ledger_id=self._recorder.ledger_id,
            events=[(event.id, event.type, event.tags) for event in one.events],
            items=[(item.types, item.tags) for item in condition.items] if condition else [],
            after=condition.after if condition else 0,
            key=one.key,
            fingerprint=one.fingerprint,
            recorded_at=one.recorded_at,
            call=call,
        )

    def _note(self, told: Told, outcome: Appended | LedgerError) -> None:
        if isinstance(outcome, Appended):
            told.outcome = "replayed" if outcome.replayed else "accepted"
            told.positions = [one.position for one in outcome.receipts]
            told.leaf_hashes = [one.leaf_hash for one in outcome.receipts]
        else:
            told.outcome = outcome.code
            told.positions = [int(found) for found in POSITION.findall(str(outcome))[:1]]
        self._known = max([self._known, *told.positions])


def _main() -> None:
    url, seed, threads, requests, file, *ledgers = sys.argv[1:]
    database = Database(url)
    recorders = [PostgresRecorder(database, int(one)) for one in ledgers]
    callers = [
        Caller(recorders[number % len(recorders)], int(seed) * 1_000 + number)
        for number in range(int(threads))
    ]
    share = int(requests) // len(callers)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()  # until the other process is ready too
    running = [threading.Thread(target=caller.run, args=(share,)) for caller in callers]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    told = [one for caller in callers for one in caller.told]
    Path(file).write_bytes(msgspec.msgpack.encode(told))
    for recorder in recorders:
        recorder.close()
    database.close()


# -- the model -------------------------------------------------------------------------------------


class _Event(msgspec.Struct):
    """What an entry of the log shows."""

    id: UUID
    position: int
    recorded_at: datetime
    type: str
    tags: Label


_event = msgspec.json.Decoder(_Event).decode


class Model:
    """The log as it stands after any of its requests, and what it would answer there."""

    def __init__(self, log: Sequence[_Event], told: Sequence[Told]) -> None:
        self.log = log
        self.position_of = {event.id: event.position for event in log}
        self._end_of = {event.position: event.position for event in log}
        self._key_of: dict[str, Told] = {}
        self._by_label: dict[str, list[int]] = {}
        for event in log:
            for label in ("type " + event.type, *("tag " + tag for tag in event.tags)):
                self._by_label.setdefault(label, []).append(event.position)
        for one in told:
            if one.outcome == "accepted":
                self._end_of.update(dict.fromkeys(one.positions, one.positions[-1]))
                if one.key is not None:
                    self._key_of.setdefault(one.key, one)

    def answer(self, one: Told, moment: int) -> tuple[str, list[int]]:
        """What a request is told when so many events are recorded, and nothing else goes on."""
        if (first := self._key(one)) and first.positions[-1] <= moment:
            if first.fingerprint == one.fingerprint:
                return "replayed", first.positions
            return "key-reused", first.positions[:1]
        taken = [at for at in self._taken(one) if self._end_of[at] <= moment]
        if taken:
            return "duplicate-id", [min(taken)]
        if (met := self._met(one)) and self._end_of[met] <= moment:
            return "condition-failed", [met]
        if one.recorded_at and moment and one.recorded_at < self.log[moment - 1].recorded_at:
            return "time-went-back", [moment]
        return "accepted", list(range(moment + 1, moment + 1 + len(one.events)))

    def moments(self, one: Told, earliest: int) -> Iterator[int]:
        """When this request's outcome may change, and so when it may have been decided."""
        yield earliest
        if one.outcome == "accepted":
            yield one.positions[0] - 1
        if one.outcome == "time-went-back":
            yield from one.positions
        if first := self._key(one):
            yield first.positions[-1]
        for at in self._taken(one):
            yield self._end_of[at]
        if met := self._met(one):
            yield self._end_of[met]

    def _key(self, one: Told) -> Told | None:
        return self._key_of.get(one.key) if one.key is not None else None

    def _taken(self, one: Told) -> list[int]:
        return [self.position_of[event[0]] for event in one.events if event[0] in self.position_of]

    def _met(self, one: Told) -> int | None:
        """The first event after the condition's position that matches any of its items."""
        return min(filter(None, (self._first(item, one.after) for item in one.items)), default=None)

    def _first(self, item: tuple[Label, Label], after: int) -> int | None:
        types, tags = item
        by_tag = [self._by_label.get("tag " + tag, []) for tag in tags]
        rarest: Sequence[int] = min(by_tag, key=len, default=range(1, len(self.log) + 1))
        for place in range(bisect_right(rarest, after), len(rarest)):
            event = self.log[rarest[place] - 1]
            if set(tags) <= set(event.tags) and (not types or event.type in types):
                return event.position
        return None


def findings(told: Sequence[Told], stored: Sequence[Stored]) -> list[str]:
    """Everything that callers were told and that no serial order of their requests explains."""
    log = [_event(one.entry) for one in stored]
    found = list(_log_findings(log, stored, told))
    if found:
        return found
    model = Model(log, told)
    ended = sorted((one.ended, one.positions[-1]) for one in told if one.outcome == "accepted")
    began = sorted((one.began, one.positions[0]) for one in told if one.outcome == "accepted")
    known = [0]
    for _, position in ended:
        known.append(max(known[-1], position))
    bounds = [len(log)]
    for _, position in reversed(began):
        bounds.append(min(bounds[-1], position - 1))
    bounds.reverse()
    previous: Told | None = None
    reached = 0
    for one in told:
        if previous is None or previous.call != one.call:
            reached = known[bisect_right(ended, (one.began, 0))]
        latest = bounds[bisect_right(began, (one.ended, len(log)))]
        said = (one.outcome, one.positions)
        moments = sorted(set(model.moments(one, reached)))
        fitting = (
            at for at in moments if reached <= at <= latest and model.answer(one, at) == said
        )
        moment = next(fitting, None)
        if moment is None:
            found.append(f"nothing between {reached} and {latest} explains {one}")
        else:
            reached = one.positions[-1] if one.outcome == "accepted" else moment
        previous = one
    return found


def _log_findings(
    log: Sequence[_Event], stored: Sequence[Stored], told: Sequence[Told]
) -> Iterator[str]:
    """Whether the log is gapless, and consists of what was accepted, each once, as it was sent."""
    if [event.position for event in log] != list(range(1, len(log) + 1)):
        yield "the positions have gaps"
        return
    if [one.position for one in stored] != [event.position for event in log]:
        yield "an entry names another position than its own"
    accepted = [one for one in told if one.outcome == "accepted"]
    places = [
        (position, place, one) for one in accepted for place, position in enumerate(one.positions)
    ]
    if sorted(position for position, _, _ in places) != list(range(1, len(log) + 1)):
        yield "the log is not what was accepted, each once"
        return
    for position, place, one in places:
        event = log[position - 1]
        if one.events[place] != (event.id, event.type, event.tags):
            yield f"position {position} holds another event than the one accepted there"
        if one.leaf_hashes[place] != stored[position - 1].leaf_hash:
            yield f"position {position} has another leaf hash than its receipt"
        if position > 1 and event.recorded_at < log[position - 2].recorded_at:
            yield f"time goes back at position {position}"


if __name__ == "__main__":
    _main()
