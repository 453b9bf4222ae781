"""The clock: it opens what is owed, and notices what was not done, as facts like any others.

It follows the log with a history of its own and asks the planner what time demands. Behind the
log's end it does so instant by instant *as of then*, so that a clock that was down for a week
records what it would have recorded; what another clock recorded meanwhile it finds in the log
under the same ids, and lets it be. Every append is conditional on its obligations' histories.
Read next: `ledger/schedule/planner.py`; `ledger/retelling.py` does the same inside a bulk load.
"""

import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Final

import msgspec

from ledger.codec import decode, encode
from ledger.entry import Draft, Event, envelope_of, tags_of
from ledger.errors import ConditionFailed, DuplicateId, LedgerError
from ledger.events.duties import ObligationOpened
from ledger.log import Log
from ledger.model.history import History
from ledger.recorder import AppendRequest, Condition, Item
from ledger.schedule import Planned, Planner, clock_context, drafting
from ledger.schedule.platform import never_opened
from ledger.vocabulary import EventId, ObligationId

TRIES_MAX: Final = 5
"""Lost races within one tick; what is still unrecorded waits for the next."""

APPEND_REQUESTS_MAX: Final = 2_000
"""Requests handed to the recorder at a time."""

TICK_SECONDS: Final = 1.0

ONE_DAY: Final = timedelta(days=1)
COMPLETENESS_WINDOW: Final = timedelta(days=7)
"""The daily check looks at periods that ended this long ago, or have not ended yet."""


class Tick(msgspec.Struct, frozen=True):
    """What one tick did: facts recorded by type, and what it could not record yet."""

    position: int
    recorded: dict[str, int]
    waiting: int


class Clock:
    """Keeps one ledger's time; several may run, and none of them records anything twice."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._history = History()
        self._planner = Planner(self._history)
        self._position = 0
        self._head_at = datetime.min.replace(tzinfo=UTC)
        # Facts planned and applied to our history that we have not seen in the log yet, in order.
        self._pending: dict[EventId, _Pending] = {}
        self._planned = 0
        # The latest instant whose plans are known to be in the log.
        self._done_until = datetime.min.replace(tzinfo=UTC)

    def tick(self, now: datetime | None = None) -> Tick:
        """Read what is new, record what is owed by `now` (default: the machine's time)."""
        now = now or datetime.now(UTC)
        first = self._position == 0
        self._follow()
        self._plan(now)
        if first:
            self._own_up()
        recorded: dict[str, int] = {}
        for _ in range(TRIES_MAX):
            if not self._pending:
                break
            for topic, count in self._append().items():
                recorded[topic] = recorded.get(topic, 0) + count
            self._follow()
            self._plan(now)
        return Tick(self._position, recorded, len(self._pending))

    def run(self, stop: threading.Event, every_seconds: float = TICK_SECONDS) -> None:
        """Tick until told to stop; once a day, look for what was never opened (R1)."""
        checked = datetime.now(UTC).date() - ONE_DAY
        while not stop.is_set():
            self.tick()
            today = datetime.now(UTC).date()
            if today > checked:
                self.check_completeness(today - COMPLETENESS_WINDOW)
                checked = today
            stop.wait(every_seconds)

    def check_completeness(self, since: date, now: datetime | None = None) -> Tick:
        """Open, as information only, what should be open and is not (ruling 67).

        `since`: of periods that ended on that day or later. What only this clock had yet to record
        is recorded first, so that nothing late passes for something forgotten.
        """
        tick = self.tick(now)
        for planned in self._planner.gaps(since):
            self._take_in(_owned_up(self._history, planned))
        if not self._pending:
            return tick
        recorded = self._append()
        self._follow()
        return Tick(self._position, recorded, len(self._pending))

    def _follow(self) -> None:
        """Read the log on, and plan on the way what was owed before each event was recorded."""
        for page in self._log.recorder.stream(after=self._position):
            for stored in page:
                self._hear(decode(stored.entry))
                self._position = stored.position

    def _hear(self, event: Event) -> None:
        self._plan(event.recorded_at - timedelta(microseconds=1))
        self._head_at = event.recorded_at
        pending = self._pending.pop(event.id, None)
        if event.actor == drafting.CLOCK:
            self._done_until = max(self._done_until, event.received_at)
            if pending is not None and pending.event.fact == event.fact:
                return
            self._drop_rivals(event)
        self._history.apply(event)
        self._planner.observe(event)

    def _drop_rivals(self, event: Event) -> None:
        """What another clock recorded in other words (an older version) stands; ours does not."""
        if not self._pending:
            return
        tags = set(event.tags)
        opening = isinstance(event.fact, ObligationOpened)
        for rival in list(self._pending.values()):
            if opening or rival.event.type == event.type:
                about = (f"obligation:{key}" for key in rival.obligations)
                if not tags.isdisjoint(about):
                    del self._pending[rival.event.id]

    def _plan(self, until: datetime) -> None:
        for planned in self._planner.run(until):
            for one in planned:
                self._take_in(one)

    def _take_in(self, planned: Planned) -> None:
        """Apply planned facts as if they were recorded; their real positions come later."""
        self._planned += 1
        for event in _events(planned, self._position):
            if event.id in self._pending:
                continue
            self._pending[event.id] = _Pending(event, planned.obligations, self._planned)
            self._history.apply(event)
            self._planner.observe(event)

    def _own_up(self) -> None:
        """Openings that later work of a clock overtook were never made: the platform failed (67).

        What only a late clock has yet to record lies after everything that the log has of it.
        """
        for one in list(self._pending.values()):
            fact, at = one.event.fact, one.event.received_at
            if isinstance(fact, ObligationOpened) and at < self._done_until:
                self._forget(fact.obligation)
                draft = _draft_of(one.event)
                owned_up = Planned(self._planner.now, (draft,), one.obligations)
                self._take_in(_owned_up(self._history, owned_up))

    def _forget(self, obligation: ObligationId) -> None:
        for one in list(self._pending.values()):
            if obligation in one.obligations:
                del self._pending[one.event.id]

    def _append(self) -> dict[str, int]:
        """Hand over what is pending, each obligation's facts together; what fails stays."""
        counts: dict[str, int] = {}
        requests = list(self._requests())
        for start in range(0, len(requests), APPEND_REQUESTS_MAX):
            chunk = requests[start : start + APPEND_REQUESTS_MAX]
            for request, outcome in zip(chunk, self._log.recorder.append(chunk), strict=True):
                if isinstance(outcome, ConditionFailed | DuplicateId):
                    continue
                if isinstance(outcome, LedgerError):
                    raise outcome
                for event in request.events:
                    counts[event.type] = counts.get(event.type, 0) + 1
        return counts

    def _requests(self) -> Iterator[AppendRequest]:
        if self._log.simulated:
            yield from self._simulated_requests()
            return
        for group in _together(self._pending.values()):
            obligations = dict.fromkeys(key for one in group for key in one.obligations)
            yield self._request([one.event for one in group], obligations)

    def _simulated_requests(self) -> Iterator[AppendRequest]:
        """Each plan at its own instant; only an obligation's first can carry a condition."""
        touched: set[ObligationId] = set()
        for _, several in groupby(self._pending.values(), lambda one: one.number):
            group = list(several)
            new = [key for one in group for key in one.obligations if key not in touched]
            touched.update(new)
            at = max(self._head_at, group[0].event.received_at)
            yield self._request([one.event for one in group], new, at)

    def _request(
        self,
        events: Iterable[Event],
        obligations: Iterable[ObligationId],
        recorded_at: datetime | None = None,
    ) -> AppendRequest:
        items = tuple(Item(tags=(f"obligation:{key}",)) for key in obligations)
        return AppendRequest(
            events=tuple(
                encode(one.fact, one.envelope, one.tags, self._log.ledger) for one in events
            ),
            condition=Condition(items, after=self._position) if items else None,
            recorded_at=recorded_at,
        )


class _Pending(msgspec.Struct, frozen=True):
    """A fact that is planned, with which obligations, and in which plan."""

    event: Event
    obligations: tuple[ObligationId, ...]
    number: int


def _events(planned: Planned, position: int) -> list[Event]:
    context = clock_context(planned.at)
    return [
        Event(draft.fact, envelope_of(draft, context), tags_of(draft), position, planned.at)
        for draft in planned.drafts
    ]


def _draft_of(event: Event) -> Draft:
    envelope = event.envelope
    return Draft(
        fact=event.fact,
        line=envelope.line,
        basis=envelope.basis,
        rule_version=envelope.rule_version,
    )


def _owned_up(history: History, planned: Planned) -> Planned:
    """The openings as information only, each with a finding against the platform's owner."""
    drafts: list[Draft] = []
    for draft in planned.drafts:
        if not isinstance(draft.fact, ObligationOpened):
            continue
        fact = msgspec.structs.replace(draft.fact, informational=True, short_notice=False)
        drafts.append(
            msgspec.structs.replace(
                draft, fact=fact, event_id=drafting.derived_id(fact.TOPIC, fact.obligation)
            )
        )
        if found := never_opened(history, fact, planned.at):
            drafts.append(found)
    return Planned(planned.at, tuple(drafts), planned.obligations)


def _together(pending: Iterable[_Pending]) -> list[list[_Pending]]:
    """What concerns one obligation goes in one request, in order: its condition holds for all."""
    groups: list[list[_Pending]] = []
    group_of: dict[ObligationId, list[_Pending]] = {}
    for one in pending:
        own: list[_Pending] | None = None
        for key in one.obligations:
            other = group_of.get(key)
            if other is None or other is own:
                continue
            if own is None:
                own = other
            else:
                own.extend(other)
                other.clear()
                group_of.update((moved, own) for each in own for moved in each.obligations)
        if own is None:
            own = []
            groups.append(own)
        own.append(one)
        group_of.update((key, own) for key in one.obligations)
    return [group for group in groups if group]
