"""What obligations are judged against, as of a position: organisation, duties, calendar, rules.

Loaded whole and shared by every question until a fact changes it; a verdict may climb anywhere on
the line, so a part would do only until it does not. Read next: `standpoint.py`.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Final

from ledger.model.history import History
from ledger.model.obligations import Obligation
from ledger.model.organisation import Organisation, Post
from projections.calendar import CALENDARS
from projections.dossiers import Shape
from projections.duties import DUTIES
from projections.editions import BACKGROUND, EDITION
from projections.organisation import ORGANISATION
from projections.time_travel import Reader

KEPT_MAX: Final = 8
"""Backgrounds kept in memory: each is some 20 MB for 2,000 outlets."""

SHAPES: Final[dict[str, Shape]] = {
    **ORGANISATION.shapes,
    **DUTIES.shapes,
    **CALENDARS.shapes,
}
"""How each kind of dossier in the background is kept."""


class Background:
    """The dossiers of every kind but obligations; never changed, shared between threads."""

    def __init__(self, edition: int, rows: dict[str, dict[str, Any]]) -> None:
        self.edition = edition
        # Of two posts with one role the first established answers, as in a replay.
        self.rows = rows | {"post": dict(sorted(rows["post"].items(), key=_established))}
        rows = self.rows
        self.organisation = Organisation(rows["unit"], rows["post"], rows["person"])

    @cached_property
    def posts_in(self) -> dict[str, list[str]]:
        """The posts of each unit."""
        found: dict[str, list[str]] = {}
        for post in self.rows["post"].values():
            found.setdefault(post.unit, []).append(post.post)
        return found

    @cached_property
    def _ever_below(self) -> dict[str, list[str]]:
        """The units that have ever stood directly below each unit."""
        found: dict[str, list[str]] = {}
        for unit in self.rows["unit"].values():
            for parent in {placed.parent for placed in unit.parents}:
                if parent is not None:
                    found.setdefault(parent, []).append(unit.unit)
        return found

    def ever_below(self, top: str) -> set[str]:
        """The top, and every unit that a chain of parents has led up to it at some time."""
        found, waiting = {top}, [top]
        while waiting:
            for unit in self._ever_below.get(waiting.pop(), ()):
                if unit not in found:
                    found.add(unit)
                    waiting.append(unit)
        return found

    def history(self, obligations: Iterable[Obligation], position: int) -> History:
        """These obligations before this background, ready for the verdict."""
        history = History()
        history.rows = {**self.rows, "obligation": {one.obligation: one for one in obligations}}
        history.organisation = self.organisation.with_ceiling(history.rules().acting_ceiling)
        history.position = position
        return history


class Backgrounds:
    """The backgrounds of one ledger that were asked for lately."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Background] = OrderedDict()
        self._looking = threading.Lock()
        self._loading = threading.Lock()

    def as_of(self, reader: Reader) -> Background:
        """The background at the reader's position, loaded unless it is kept."""
        found = reader.get(EDITION, BACKGROUND)
        edition = found.position if found else 0
        if (kept := self._look(edition)) is not None:
            return kept
        # One at a time: whoever waits here finds that it was loaded meanwhile.
        with self._loading:
            return self._look(edition) or self._keep(_load(reader, edition))

    def _look(self, edition: int) -> Background | None:
        with self._looking:
            if edition not in self._kept:
                return None
            self._kept.move_to_end(edition)
            return self._kept[edition]

    def _keep(self, loaded: Background) -> Background:
        with self._looking:
            self._kept[loaded.edition] = loaded
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return loaded


def _established(item: tuple[str, Post]) -> int:
    life = item[1].life
    return life[0].position if life else 0


def _load(reader: Reader, edition: int) -> Background:
    rows: dict[str, dict[str, Any]] = {}
    for kind, shape in SHAPES.items():
        (key,) = shape.table.key
        rows[kind] = {getattr(row, key): shape.to_dossier(row) for row in reader.find(shape.table)}
    return Background(edition, rows)
