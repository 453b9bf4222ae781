"""The plain model's only store: the list of facts that are known, in the order of their recording.

The plain model says what the ledger should answer. It is written from the text of the rules
(`docs/rules.md` and the rulings it names) for clarity alone, and never from the product's code:
every answer is worked out from the whole list by the most obvious loop, and nothing is kept.
`tests/property/test_time_machine.py` holds the product to it, at every position.
Read next: `units.py` and `posts.py` (the organisation), `expecting.py` (R1 to R3), `judging.py`
(R4), `relieving.py` (R5), `answering.py` (R6 to R9), `timing.py` (the clock).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from ledger.events.fact import Fact
from ledger.events.organisation import FactAnnulled
from ledger.vocabulary import Actor


class Told(Protocol):
    """A recorded fact in its envelope, as far as the model reads it: `ledger.entry.Event`."""

    @property
    def fact(self) -> Any: ...
    @property
    def id(self) -> str: ...
    @property
    def position(self) -> int: ...
    @property
    def recorded_at(self) -> datetime: ...
    @property
    def received_at(self) -> datetime: ...
    @property
    def effective_from(self) -> datetime: ...
    @property
    def effective_until(self) -> datetime | None: ...
    @property
    def actor(self) -> Actor: ...
    @property
    def envelope(self) -> Any: ...


class Facts:
    """What is known at a position: an annulled fact counts for nothing from its annulment on.

    The list is filed by kind of fact, so that a question reads only what it is about.
    """

    def __init__(self, events: Iterable[Told], position: int) -> None:
        told = [event for event in events if event.position <= position]
        annulled = {one.fact.annulled for one in told if isinstance(one.fact, FactAnnulled)}
        self.position = position
        self.told = told
        self.events = [event for event in told if event.id not in annulled]
        self._kinds: dict[type[Fact], list[Told]] = {}
        for event in self.events:
            self._kinds.setdefault(type(event.fact), []).append(event)

    def of(self, *types: type[Fact], **fields: Any) -> list[Told]:
        """The facts of these types whose fields have these values, in the order recorded."""
        found = [event for kind in types for event in self._kinds.get(kind, ())]
        for name, value in fields.items():
            found = [event for event in found if getattr(event.fact, name) == value]
        return found if len(types) == 1 else sorted(found, key=lambda event: event.position)

    def until(self, instant: datetime) -> "Facts":
        """What was known when the clock showed `instant`: everything recorded by then."""
        recorded = [event for event in self.told if event.recorded_at <= instant]
        return Facts(recorded, self.position)


def since(event: Told) -> tuple[datetime, int]:
    """From when a fact holds in the world; of facts of one instant, the last recorded wins."""
    return event.effective_from, event.position


def in_force(events: Iterable[Told], at: datetime) -> Told | None:
    """Of facts that replace one another, the one that holds at an instant."""
    begun = [event for event in events if event.effective_from <= at]
    return max(begun, key=since, default=None)


def covers(event: Told, at: datetime) -> bool:
    """Whether an instant lies in what a fact says to hold: `[effective_from, effective_until)`."""
    until = event.effective_until
    return event.effective_from <= at and (until is None or at < until)
