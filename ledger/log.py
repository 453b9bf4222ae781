"""The one way in: read the boundary, decide, append under its condition. START READING HERE.

A command names the histories it needs, takes its decision from them, and the facts are appended
only if none of those histories changed meanwhile; otherwise it is decided anew, three times at
most. A key makes a repeated request harmless: it is looked up before anything is decided, and the
database checks it again. Read next: `ledger/decisions/reports.py`, then `ledger/recorder.py`.
"""

import hashlib
import threading
from datetime import datetime
from typing import Final

import msgspec
from eventsourcing.dcb.domain import Selector
from eventsourcing.dcb.persistence import DCBEventStore
from eventsourcing.utils import get_topic
from msgspec.structs import replace

from ledger.codec import EntryMapper, decode, encode
from ledger.decisions.command import Command
from ledger.entry import Context, Draft, Event, envelope_of, tags_of
from ledger.errors import ConditionFailed, Conflict, GateRefused, KeyReused, TimeWentBack
from ledger.model.history import History
from ledger.recorder import (
    AppendRequest,
    Condition,
    DCBRecorderAdapter,
    Item,
    NewEvent,
    PostgresRecorder,
    Receipt,
)
from ledger.vocabulary import Actor

TRIES_MAX: Final = 3
"""Lost races before a caller is told to read again."""

BOUNDARY_ROUNDS_MAX: Final = 12
"""A boundary follows references (obligation, post, superior ...); one that needs more is a bug."""

FORGOTTEN: Final = b""
"""The fingerprint of a key that was restored from the log, which does not tell the command."""


class Recorded(msgspec.Struct, frozen=True):
    """What came of a command: its receipts, and whether an earlier request had done it already."""

    receipts: tuple[Receipt, ...]
    replayed: bool = False


class Log:
    """Executes commands against one ledger."""

    def __init__(self, recorder: PostgresRecorder, ledger: str, *, simulated: bool = False) -> None:
        self.recorder = recorder
        self.ledger = ledger
        self.simulated = simulated
        self._telling = threading.Lock()
        self._store = DCBEventStore(EntryMapper(ledger), DCBRecorderAdapter(recorder))

    def execute(
        self,
        command: Command,
        context: Context,
        key: str | None = None,
        fingerprint: bytes | None = None,
    ) -> Recorded:
        """Decide and record; raises the refusal, `KeyReused`, or `Conflict` after lost races.

        A door that seals personal values gives the fingerprint of the request itself, because
        sealing the same value twice gives two commitments.
        """
        fingerprint = fingerprint or fingerprint_of(command)
        # The key comes first: the command's own first facts would otherwise refuse its repetition.
        if key is not None and (done := self.done(context, key, fingerprint)):
            return done
        for _ in range(TRIES_MAX):
            history, boundary, head = self.read_boundary(command)
            try:
                drafts = command.decided(history, context)
            except GateRefused as refusal:
                # A refused attempt is a fact of its own; it is recorded, and still refused.
                self._append(list(refusal.drafts), context, None, None)
                raise
            try:
                condition = condition_of(boundary, head) if boundary else None
                return self._append(drafts, context, condition, (key, fingerprint))
            except (ConditionFailed, TimeWentBack):
                continue
        raise Conflict

    def read_boundary(self, command: Command) -> tuple[History, list[Selector], int]:
        """The history a command needs, the selectors that it was read by, and its position."""
        events: dict[int, Event] = {}
        known: list[Selector] = []
        head: int | None = None
        history = History()
        for _ in range(BOUNDARY_ROUNDS_MAX):
            asked = [one for one in command.reads(history) if one not in known]
            if not asked:
                return history, known, head or 0
            response = self._store.read(asked)
            for event in response:
                assert isinstance(event, Event)
                events[event.position] = event
            # Later rounds may see later facts; the condition stands at the earliest head, so a
            # history that moved between two rounds can only be refused, never believed.
            head = response.head or 0 if head is None else head
            known.extend(asked)
            history = History.of(events[position] for position in sorted(events))
        message = f"the boundary of {type(command).__name__} does not settle"
        raise AssertionError(message)

    def _append(
        self,
        drafts: list[Draft],
        context: Context,
        condition: Condition | None,
        identity: tuple[str | None, bytes] | None,
    ) -> Recorded:
        key, fingerprint = identity or (None, b"")
        request = AppendRequest(
            events=tuple(self._encode(draft, context, key) for draft in drafts),
            condition=condition,
            key=key,
            principal=principal_of(context.actor),
            fingerprint=fingerprint,
        )
        if not self.simulated:
            appended = self.recorder.append_one(request)
        else:
            # One at a time, so that no caller's told time is overtaken by another's.
            with self._telling:
                told = replace(request, recorded_at=self._simulated_now(context))
                appended = self.recorder.append_one(told)
        return Recorded(appended.receipts, appended.replayed)

    def _simulated_now(self, context: Context) -> datetime:
        """A told time, never before the last fact's; two callers at once may be told the same."""
        last = self.recorder.head().recorded_at
        return max(context.received_at, last) if last else context.received_at

    def _encode(self, draft: Draft, context: Context, key: str | None) -> NewEvent:
        envelope = envelope_of(draft, context, key)
        return encode(draft.fact, envelope, tags_of(draft), self.ledger)

    def done(self, context: Context, key: str, fingerprint: bytes) -> Recorded | None:
        """What the caller recorded under this key before; `KeyReused` if it was something else."""
        record = self.recorder.lookup_key(principal_of(context.actor), key)
        if record is None:
            return None
        if record.fingerprint not in (FORGOTTEN, fingerprint):
            raise KeyReused
        return Recorded(record.receipts, replayed=True)

    def events(self, items: tuple[Item, ...], until: int | None = None) -> list[Event]:
        """Every event that matches, up to a position, in order; for histories of one thing."""
        pages = self.recorder.stream(items, until=until)
        return [decode(stored.entry) for page in pages for stored in page]


def condition_of(boundary: list[Selector], head: int) -> Condition:
    """Fail if anything within the boundary was recorded after it was read."""
    return Condition(tuple(item_of(one) for one in boundary), after=head)


def item_of(selector: Selector) -> Item:
    """A selector as the recorder knows it: types by their stored names."""
    return Item(types=tuple(get_topic(one) for one in selector.types), tags=tuple(selector.tags))


def principal_of(actor: Actor) -> str:
    """Who a key belongs to: the person, else the system, else the door."""
    return str(actor.person or actor.system or actor.via)


def fingerprint_of(command: Command) -> bytes:
    """SHA-256 over the command's name and content: the same request has the same fingerprint."""
    content = msgspec.json.encode(command, order="deterministic")
    return hashlib.sha256(type(command).__name__.encode() + b"\0" + content).digest()
