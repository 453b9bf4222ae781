"""A dossier: what the facts say about one entity, kept as items that name the fact they came from.

Items carry `event` and `position`, so that a verdict can cite them and an annulment can take them
away again. Questions interpret items by their own instants; folding order is recording order.
"""

from typing import Protocol, TypeVar

import msgspec

from ledger.vocabulary import EventId


class Item(Protocol):
    """One thing a fact said: `event` is its id, `position` its place in the log."""

    @property
    def event(self) -> EventId: ...

    @property
    def position(self) -> int: ...


Row = TypeVar("Row", bound=msgspec.Struct)


def without(row: Row, annulled: EventId) -> Row:
    """The dossier as if the annulled event had never said anything."""
    changes = {
        name: tuple(item for item in value if item.event != annulled)
        for name in row.__struct_fields__
        if isinstance(value := getattr(row, name), tuple)
        and any(getattr(item, "event", None) == annulled for item in value)
    }
    return msgspec.structs.replace(row, **changes) if changes else row
