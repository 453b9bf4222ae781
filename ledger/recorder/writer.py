"""Group commit: many callers wait, one thread writes, one transaction carries them all.

Nothing lingers to gather a batch: whatever has arrived when a call returns is the next batch, so
one caller waits for one commit, and a hundred callers share one. Every caller learns the truth:
recorded, refused, or, when the database cannot be asked any more, unknown.
Read next: `ledger/recorder/session.py`.
"""

import copy
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, cast

import psycopg

from ledger.database import Database
from ledger.errors import (
    ClockJumped,
    DatabaseUnreachable,
    Invalid,
    LedgerError,
    LogStopped,
    OutcomeUnknown,
)
from ledger.recorder.admission import Prepared
from ledger.recorder.batch import Batch
from ledger.recorder.call import CLOCKS_DISAGREE, Replayed, last_of, refusal_of
from ledger.recorder.clock import WatchedClock
from ledger.recorder.session import Guard, Predecessor, Session

QUEUE_BYTES_MAX: Final = 256 * 1024 * 1024
"""Beyond this, callers wait before they may queue."""

SCAN_MAX: Final = 2_000
"""Requests that are looked at to fill one batch, when many of them have to wait."""

RECONNECT_SECONDS: Final = 20.0
RECONNECT_PAUSE_SECONDS: Final = 0.1
LOST_MAX: Final = 3
"""Connections that one request may see break before it is told to come back later."""

logger = logging.getLogger(__name__)

Answer = bytes | Replayed | LedgerError
"""The call's own answer, a place to read the receipts from, or a refusal."""


class Submission:
    """Requests of one caller, and a lock that opens when all are answered."""

    __slots__ = ("answers", "caller", "done", "left", "queued_bytes")

    def __init__(self, requests: Sequence[Prepared], caller: object) -> None:
        self.answers: list[Answer | None] = [None] * len(requests)
        self.caller = caller  # what one caller sends in order is recorded in order
        self.left = len(requests)
        self.queued_bytes = 0  # room in the queue that it holds
        self.done = threading.Lock()
        self.done.acquire()


class Waiting:
    """One request on its way: whose it is, and how often its connection broke."""

    __slots__ = ("lost_count", "place", "prepared", "submission")

    def __init__(self, prepared: Prepared, submission: Submission, place: int) -> None:
        self.prepared = prepared
        self.submission = submission
        self.place = place
        self.lost_count = 0

    def answer(self, answer: Answer) -> int:
        """Hand the answer over; the last one wakes the caller, and frees so much room."""
        submission = self.submission
        submission.answers[self.place] = answer
        submission.left -= 1
        if submission.left:
            return 0
        submission.done.release()
        return submission.queued_bytes


class GroupCommit:
    """The writer thread of one ledger in this process."""

    def __init__(
        self, database: Database, ledger_id: int, *, simulated: bool, guard: Guard | None = None
    ) -> None:
        self._database = database
        self._ledger_id = ledger_id
        self._simulated = simulated
        self._guard = guard
        # Shared with callers, under the lock.
        self._lock = threading.Lock()
        self._arrival = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._arrived: list[Waiting] = []
        self._queued_bytes = 0
        self._is_full = False
        self._idle = False
        self._writing = False
        self._thread_writes = False
        self._closing = False
        # Owned by whoever is writing: the thread, or a caller who found it idle.
        self._backlog: deque[Waiting] = deque()
        self._answered: list[tuple[Waiting, Answer]] = []  # not yet handed over
        self._acknowledged: tuple[int, bytes | None] = (0, None)  # the last position, its leaf
        self._session: Session | None = None
        self._gone_since: float | None = None  # since when no session could be opened
        self._clock: WatchedClock | None = None
        self._time_confirmed = False
        self._thread = threading.Thread(target=self._run, name=f"ledger-{ledger_id}", daemon=True)
        self._thread.start()

    def submit(self, requests: Sequence[Prepared]) -> list[Answer]:
        """Queue requests and wait until every one of them is answered."""
        return self.wait(self.enqueue(requests, object()))

    def submit_one(self, request: Prepared) -> Answer:
        """The same for one request; when nobody else writes, the caller writes it itself."""
        with self._lock:
            alone = not (self._writing or self._arrived or self._backlog or self._closing)
            self._writing |= alone
        if not alone:
            return self.submit([request])[0]
        submission = Submission([request], object())
        try:
            self._write([Waiting(request, submission, 0)])
        finally:
            self._hand_over()
            with self._lock:
                self._writing = False
                if self._arrived or self._backlog or self._closing:
                    self._arrival.notify()
        # Answered by now, unless a lost connection left it to the thread.
        submission.done.acquire()
        return cast("list[Answer]", submission.answers)[0]

    def enqueue(self, requests: Sequence[Prepared], caller: object) -> Submission:
        """Queue one or more requests behind what the same caller queued before."""
        submission = Submission(requests, caller)
        submission.queued_bytes = sum([one.size_bytes for one in requests])
        waiting = [Waiting(one, submission, place) for place, one in enumerate(requests)]
        with self._lock:
            while self._queued_bytes > QUEUE_BYTES_MAX and not self._closing:
                self._is_full = True
                self._room.wait()
            if self._closing:
                raise LogStopped("the recorder is closed; open the ledger again")
            self._arrived += waiting
            self._queued_bytes += submission.queued_bytes
            if self._idle:
                self._arrival.notify()
        return submission

    def wait(self, submission: Submission) -> list[Answer]:
        """Wait until every request of a submission is answered."""
        submission.done.acquire()
        return cast("list[Answer]", submission.answers)

    def confirm_clock(self) -> None:
        """Go on although the clock jumped: an operator has looked at it."""
        with self._lock:
            self._time_confirmed = True

    def close(self) -> None:
        """Let what is queued finish, then end the thread; later requests are refused."""
        with self._lock:
            self._closing = True
            self._arrival.notify()
            self._room.notify_all()
        self._thread.join()

    # -- the writer thread -----------------------------------------------------------------------

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                self._write(batch)
            except Exception as error:
                logger.exception("the writer of ledger %d made a mistake", self._ledger_id)
                self._give_up(batch, error)
        if self._session:
            self._session.close()

    def _next_batch(self) -> list[Waiting]:
        """Whatever waits and may share a transaction, in order of arrival; empty: closed."""
        if self._thread_writes and not (self._arrived or self._backlog):
            self._hand_over()
        with self._lock:
            self._writing = self._writing and not self._thread_writes
            while self._writing or not (self._arrived or self._backlog or self._closing):
                self._idle = True
                self._arrival.wait()
                self._idle = False
            self._writing = self._thread_writes = True
            arrived, self._arrived = self._arrived, []
        self._backlog.extend(arrived)
        batch, chosen, passed = Batch(strict=self._simulated), list[Waiting](), list[Waiting]()
        overtaken: set[int] = set()
        while self._backlog and len(passed) < SCAN_MAX:
            one = self._backlog[0]
            if not batch.has_room_for(one.prepared):
                break
            self._backlog.popleft()
            if id(one.submission.caller) not in overtaken and batch.admits(one.prepared):
                batch.add(one.prepared)
                chosen.append(one)
                continue
            passed.append(one)
            overtaken.add(id(one.submission.caller))
            if self._simulated:
                break  # given times never go back, so nobody is overtaken
        self._backlog.extendleft(reversed(passed))
        return chosen

    def _write(self, batch: list[Waiting]) -> None:
        """Commit a batch and answer it; what was committed is handed over with the next one."""
        try:
            session = self._open_session()
            answers = self._append(session, [one.prepared for one in batch])
        except LedgerError as refusal:
            self._refuse(batch, refusal)
        except psycopg.Error as error:
            if self._session is None or self._session.lost:
                self._settle(batch)
            else:
                self._isolate(batch, error)
        else:
            last = next(filter(None, map(last_of, reversed(answers))), None)
            self._acknowledged = last or self._acknowledged
            self._answered += zip(batch, answers, strict=True)

    def _hand_over(self) -> None:
        """Let go whoever was answered: beside the next call, for waking many takes as long.

        The room that they held in the queue is free from now on, whether or not their callers
        have come to fetch the answers: a caller may be waiting for room meanwhile.
        """
        answered, self._answered = self._answered, []
        freed_bytes = 0
        for one, answer in answered:
            freed_bytes += one.answer(answer)
        if freed_bytes:
            with self._lock:
                self._queued_bytes -= freed_bytes
                if self._is_full:
                    self._is_full = False
                    self._room.notify_all()

    def _refuse(self, batch: list[Waiting], refusal: LedgerError) -> None:
        self._answered += [(one, copy.copy(refusal)) for one in batch]
        self._hand_over()

    def _give_up(self, batch: list[Waiting], error: Exception) -> None:
        """After an error that nobody foresaw: who waits is told, and the next batch starts anew."""
        spoken_for = {id(one) for one, _ in self._answered} | {id(one) for one in self._backlog}
        unanswered = [
            one
            for one in batch
            if id(one) not in spoken_for and one.submission.answers[one.place] is None
        ]
        self._refuse(
            unanswered,
            OutcomeUnknown(f"the writer failed ({error!r}); retry under the same key to settle it"),
        )

    def _append(self, session: Session, requests: list[Prepared]) -> list[bytes]:
        """One call; where the clocks disagree, only an operator's confirmation lets it pass."""
        if self._simulated or self._clock is None:
            return session.append(requests, None, self._hand_over)
        if self._time_confirmed:
            self._clock.confirm()
        gate_at = self._clock.now()
        try:
            answers = session.append(requests, gate_at, self._hand_over)
        except psycopg.Error as error:
            if error.sqlstate != CLOCKS_DISAGREE:
                raise
            if self._time_confirmed:
                return session.append(requests, None, self._hand_over)
            raise ClockJumped(
                f"the clocks disagree beyond the limit: {error.diag.message_primary}; correct "
                "them, or confirm the time"
            ) from error
        self._time_confirmed = False
        return answers

    def _settle(self, batch: list[Waiting]) -> None:
        """After a lost connection: what is recorded is answered, what is not is tried again."""
        lost, self._session = self._session, None
        if lost:
            lost.close()
        try:
            found = self._recorded(batch, lost.left if lost else None)
        except (LedgerError, psycopg.Error) as error:
            unknown = OutcomeUnknown(
                f"the connection broke during the append, and the database cannot be asked "
                f"({error}); retry under the same key to settle it"
            )
            self._refuse(batch, unknown)
            return
        again = []
        for one in batch:
            one.lost_count += 1
            position = found.get(one.prepared.id_bytes[0])
            if position is not None:
                replayed = Replayed(position, one.prepared.event_count, under_key=False)
                last = position + one.prepared.event_count - 1
                if last > self._acknowledged[0]:
                    self._acknowledged = (last, None)
                self._answered.append((one, replayed))
            elif one.lost_count < LOST_MAX:
                again.append(one)
            else:
                refusal = DatabaseUnreachable(
                    "the connection breaks at every attempt; nothing was recorded, try later"
                )
                self._answered.append((one, refusal))
        self._backlog.extendleft(reversed(again))
        self._hand_over()

    def _recorded(self, batch: list[Waiting], left: Predecessor | None) -> dict[bytes, int]:
        """Which requests of a lost call are recorded, and where; the line may break again."""
        ids = [one.prepared.id_bytes[0] for one in batch]
        for _ in range(LOST_MAX - 1):
            session = self._open_session(left)
            try:
                return session.recorded(ids)
            except psycopg.OperationalError:
                if not session.lost:
                    raise
        return self._open_session(left).recorded(ids)

    def _isolate(self, batch: list[Waiting], error: psycopg.Error) -> None:
        """After an error that one request may have caused: halve until it stands alone."""
        refusal = refusal_of(error)
        together = batch[0].prepared.company is not None
        if not isinstance(refusal, Invalid) or together or len(batch) == 1:
            self._refuse(batch, refusal)
            return
        middle, waiting_count = len(batch) // 2, len(self._backlog)
        self._write(batch[:middle])
        put_back_count = len(self._backlog) - waiting_count
        if put_back_count:
            # A connection was lost: those that are tried again come first, or a caller's requests
            # would change places.
            self._backlog.rotate(-put_back_count)
            self._backlog.extendleft(reversed(batch[middle:]))
            self._backlog.rotate(put_back_count)
        else:
            self._write(batch[middle:])

    def _open_session(self, predecessor: Predecessor | None = None) -> Session:
        """The session, opened again when it was lost between two calls."""
        if self._session and not self._session.lost:
            return self._session
        self._hand_over()  # opening takes its time
        if self._session:
            predecessor = self._session.left
            self._session.close()
            self._session = None
        session = self._connected(predecessor)
        try:
            session.require_reached(*self._acknowledged)
            if self._guard is not None:
                session.require(self._guard)
        except BaseException:
            session.close()
            raise
        if self._clock is None:
            self._clock = WatchedClock(session.clock_limit_seconds)
        self._session = session
        return session

    def _connected(self, predecessor: Predecessor | None) -> Session:
        """A new session; `DatabaseUnreachable` when there is none to be had in time."""
        if self._gone_since is None:
            self._gone_since = time.monotonic()
        while True:
            try:
                session = Session(self._database, self._ledger_id, predecessor)
            except (DatabaseUnreachable, psycopg.OperationalError) as error:
                # Those who come while it is known to be gone do not wait for it one after another.
                if time.monotonic() > self._gone_since + RECONNECT_SECONDS:
                    raise DatabaseUnreachable(
                        f"PostgreSQL does not answer ({error}); nothing was recorded, try later"
                    ) from error
                time.sleep(RECONNECT_PAUSE_SECONDS)
            else:
                self._gone_since = None
                return session
