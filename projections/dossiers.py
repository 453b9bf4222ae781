"""Views whose rows are the model's own dossiers, folded by the model's own folds.

A decision, a verdict and a view must never tell different stories, so a view of obligations, say,
holds the very rows that `ledger/model/obligations.py` folds, found quickly and remembered as of
every position. Read next: `obligations.py`, then `standpoint.py`, which puts the rows back into a
`History` and asks the same questions of it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from ledger.entry import Event
from ledger.events.fact import Fact
from ledger.events.organisation import FactAnnulled
from ledger.model.history import KINDS, Fold
from projections.tables import Key, Rows, Table


class Shape(msgspec.Struct, frozen=True):
    """How a kind of dossier is kept: its table, and how dossier and row become one another."""

    table: Table[Any]
    to_row: Callable[[str, Any], Any] = lambda _key, dossier: dossier
    to_dossier: Callable[[Any], Any] = lambda row: row


class DossierProjection:
    """Folds every event into the dossiers it is tagged with, as `History.apply` does."""

    def __init__(self, name: str, version: int, shapes: Mapping[str, Shape]) -> None:
        self.name = name
        self.version = version
        self.shapes = dict(shapes)
        self.tables = tuple(shape.table for shape in shapes.values())
        # Which of the kinds hear of a type of fact; of an annulment, every one.
        self._hearing: dict[type[Fact], dict[str, tuple[Fold, Shape]]] = {}
        for prefix, shape in shapes.items():
            facts: set[type[Fact]] = {*KINDS[prefix].facts, FactAnnulled}
            for fact in facts:
                self._hearing.setdefault(fact, {})[prefix] = (KINDS[prefix].fold, shape)
        self.types = frozenset(fact.TOPIC for fact in self._hearing)

    def reads(self, event: Event) -> Iterable[tuple[Table[Any], Key]]:
        """The dossiers that the event is tagged with."""
        return [(shape.table, (key,)) for _, shape, key in self._touched(event)]

    def fold(self, event: Event, rows: Rows) -> None:
        """Each of them, after this event."""
        for fold, shape, key in self._touched(event):
            row = rows.get(shape.table, key)
            before = None if row is None else shape.to_dossier(row)
            after = fold(before, event, key)
            if after is not None and after is not before:
                rows.put(shape.table, shape.to_row(key, after))

    def _touched(self, event: Event) -> list[tuple[Fold, Shape, str]]:
        hearing = self._hearing[type(event.fact)]
        found = []
        for tag in event.tags:
            prefix, _, key = tag.partition(":")
            if prefix in hearing:
                found.append((*hearing[prefix], key))
        return found
