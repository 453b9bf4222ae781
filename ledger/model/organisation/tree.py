"""The tree of units at an instant: what exists, what stands under what, who supports whom.

Read next: `questions.py`, which adds posts and people.
"""

from collections.abc import MutableMapping
from datetime import datetime
from typing import Final

from ledger.model.organisation.dossiers import LifeChange, Named, Placed, Unit
from ledger.model.organisation.tenure import latest
from ledger.vocabulary import UnitId, UnitKind, UnitRef

LINE_DEPTH_MAX: Final = 32
"""No management line is deeper; a walk that gets this far has found a cycle and stops."""

_ENDINGS: Final = ("closed", "merged", "abandoned")


class Tree:
    """Units by id, and the questions about them alone."""

    def __init__(self, units: MutableMapping[str, Unit]) -> None:
        self.units = units
        self._below: dict[str, dict[UnitId, None]] = {}
        for unit in units.values():
            self.learn_unit(unit)

    def learn_unit(self, row: Unit) -> None:
        """Take in a unit's dossier in its newest version."""
        self.units[row.unit] = row
        for placed in row.parents:
            if placed.parent is not None:
                self._below.setdefault(placed.parent, {})[row.unit] = None

    def life(self, unit: UnitRef, at: datetime) -> LifeChange | None:
        """The change that decides how the unit stands at an instant; None before it existed.

        Suspending or resuming a unit that does not exist then changes nothing.
        """
        row = self.units.get(unit)
        changes = [one for one in row.life if one.at <= at] if row else []
        if len(changes) > 1:
            changes.sort(key=lambda one: (one.at, one.position))
        current: LifeChange | None = None
        for one in changes:
            alive = current is not None and current.change not in _ENDINGS
            if one.change == "established" or alive or (current and one.change == "reopened"):
                current = one
        return current

    def is_alive(self, unit: UnitRef, at: datetime) -> bool:
        """Whether the unit exists at an instant, suspended or not."""
        current = self.life(unit, at)
        return current is not None and current.change not in _ENDINGS

    def is_working(self, unit: UnitRef, at: datetime) -> bool:
        """Whether the unit exists and is not suspended: only then is anything expected of it."""
        current = self.life(unit, at)
        return current is not None and current.change not in (*_ENDINGS, "suspended")

    def name(self, unit: UnitRef, at: datetime) -> Named | None:
        """The names the unit goes by at an instant."""
        row = self.units.get(unit)
        return (latest(row.names, at) or (row.names or (None,))[0]) if row else None

    def placed(self, unit: UnitRef, at: datetime) -> Placed | None:
        """Where the unit stands at an instant, and the fact that says so."""
        row = self.units.get(unit)
        return latest(row.parents, at) if row else None

    def parent(self, unit: UnitRef, at: datetime) -> UnitId | None:
        """The unit above on the management line; a closed unit keeps its last parent."""
        placed = self.placed(unit, at)
        if placed is None or placed.parent is None:
            return None
        return UnitId(placed.parent)

    def ancestors(self, unit: UnitRef, at: datetime) -> tuple[UnitId, ...]:
        """The units above, the nearest first."""
        found: list[UnitId] = []
        above = self.parent(unit, at)
        while above is not None and len(found) < LINE_DEPTH_MAX:
            found.append(above)
            above = self.parent(above, at)
        return tuple(found)

    def children(self, unit: UnitRef, at: datetime) -> list[UnitId]:
        """The units directly below at an instant, in the order of their ids, closed ones too."""
        return sorted(one for one in self._below.get(unit, ()) if self.parent(one, at) == unit)

    def subtree(self, unit: UnitRef, at: datetime) -> list[UnitId]:
        """The unit and every unit below it at an instant, parents first, closed ones too."""
        found, seen = [UnitId(unit)], {unit}
        for one in found:
            for below in self.children(one, at):
                if below not in seen:
                    seen.add(below)
                    found.append(below)
        return found

    def supports(self, unit: UnitRef, at: datetime) -> list[UnitId]:
        """The support units attached to a unit at an instant."""
        row = self.units.get(unit)
        names = dict.fromkeys(one.supporter for one in row.supporters) if row else {}
        return [UnitId(name) for name in names if self.is_supported_by(unit, name, at)]

    def is_supported_by(self, unit: UnitRef, supporter: UnitRef, at: datetime) -> bool:
        """Whether a support unit is attached to a unit at an instant."""
        row = self.units.get(unit)
        own = (one for one in row.supporters if one.supporter == supporter) if row else ()
        found = latest(own, at)
        return found is not None and found.attached

    def is_line(self, unit: UnitRef) -> bool:
        """Whether the unit stands in the management line (and does not merely support it)."""
        row = self.units.get(unit)
        return row is not None and row.kind is UnitKind.LINE
