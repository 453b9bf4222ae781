"""Editions of the background: at which position anything last changed that verdicts rest on.

Organisation, duties, forms, calendar and rules are judged by as a whole, and change rarely beside
reports. One row says which fact changed any of it last, so that a background loaded once serves
every question until the next change (`background.py`).
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from ledger.entry import Event
from ledger.events.organisation import FactAnnulled
from ledger.model.history import KINDS
from projections.tables import Key, Rows, Table

BACKGROUND_KINDS: Final = ("unit", "post", "person", "duty", "form", "calendar", "rules")
BACKGROUND: Final = "background"


class Edition(msgspec.Struct, frozen=True):
    """The position of the fact that last changed it."""

    name: str
    position: int


EDITION: Final = Table("edition", Edition, key=("name",))


class EditionProjection:
    """Notes the position of every fact that the background is folded from."""

    name = "editions"
    version = 1
    tables: tuple[Table[Any], ...] = (EDITION,)
    types = frozenset(
        (
            FactAnnulled.TOPIC,
            *(fact.TOPIC for kind in BACKGROUND_KINDS for fact in KINDS[kind].facts),
        )
    )

    def reads(self, event: Event) -> Iterable[tuple[Table[Any], Key]]:  # noqa: ARG002
        """The one row."""
        return ((EDITION, (BACKGROUND,)),)

    def fold(self, event: Event, rows: Rows) -> None:
        """This fact is the last one now."""
        rows.put(EDITION, Edition(BACKGROUND, event.position))


EDITIONS: Final = EditionProjection()
