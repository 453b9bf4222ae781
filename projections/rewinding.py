"""The background as it was known at several earlier positions, for the units of one question.

"As known then" asks a dozen positions at once, one for each period. Loading everything for each
would cost more than the question: so only what the verdicts on these units can reach is taken
from the background at hand, and of that, what changed since is taken back. What they can reach:
the units, every unit and superior post that any of their facts lead to, and who held those posts.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ledger.model.obligations import Obligation
from ledger.model.organisation import Acting, Appointment, Post, Unit
from projections.background import SHAPES, Background
from projections.tables import R
from projections.time_travel import Reader, Version

ROUNDS_MAX: Final = 32
"""Facts taken back may lead to further units; a line that needs more rounds than this is a bug."""

Changed = dict[str, dict[str, list[Version[Any]]]]


class Rewound:
    """Backgrounds for some units at positions from `earliest` on, before the reader's."""

    def __init__(
        self, reader: Reader, now: Background, obligations: Iterable[Obligation], earliest: int
    ) -> None:
        self._now = now
        self._reach = _Reach(now)
        self._changed: Changed = {kind: {} for kind in SHAPES}
        self._made: dict[tuple[int, ...], Background] = {}
        asked: dict[str, set[str]] = {kind: set() for kind in SHAPES}
        for row in obligations:
            self._reach.add_units((row.unit,))
            self._reach.add_posts((row.post,))
        for _ in range(ROUNDS_MAX):
            wanted = {kind: keys - asked[kind] for kind, keys in self._reach.keys.items()}
            if not any(wanted.values()):
                break
            for kind, keys in wanted.items():
                asked[kind] |= keys
                found = reader.changes(SHAPES[kind].table, [(one,) for one in keys], earliest)
                for (key,), versions in found.items():
                    self._changed[kind][key] = versions
                    for version in versions:
                        self._reach.follow(kind, SHAPES[kind].to_dossier(version.row))

    def at(self, position: int) -> Background:
        """The background at a position; the same object while nothing in it differs."""
        held = {
            kind: {key: _held(versions, position) for key, versions in changed.items()}
            for kind, changed in self._changed.items()
        }
        signature = tuple(
            version.valid_from if version else 0
            for found in held.values()
            for version in found.values()
        )
        if signature not in self._made:
            self._made[signature] = self._make(held)
        return self._made[signature]

    def _make(self, held: Mapping[str, Mapping[str, Version[Any] | None]]) -> Background:
        rows: dict[str, dict[str, Any]] = {}
        for kind, keys in self._reach.keys.items():
            then = held[kind]
            now = self._now.rows[kind]
            rows[kind] = {key: now[key] for key in keys if key in now and key not in then}
            rows[kind].update(
                (key, SHAPES[kind].to_dossier(version.row))
                for key, version in then.items()
                if version is not None
            )
        return Background(0, rows)


class _Reach:
    """Everything that verdicts on some units may read."""

    def __init__(self, background: Background) -> None:
        self._rows = background.rows
        self._posts_in = background.posts_in
        # Duties, calendar and rules are few, and any verdict may read any of them.
        whole = ("duty", "form", "calendar", "rules")
        self.keys: dict[str, set[str]] = {
            kind: set(background.rows[kind]) if kind in whole else set() for kind in SHAPES
        }

    def add_units(self, units: Iterable[str]) -> None:
        """The units, and what their facts lead to."""
        for unit in units:
            if unit not in self.keys["unit"]:
                self.keys["unit"].add(unit)
                row = self._rows["unit"].get(unit)
                if row is not None:
                    self.follow("unit", row)
                self.add_posts(self._posts_in.get(unit, ()))

    def follow(self, kind: str, dossier: Any) -> None:  # noqa: ANN401  (a dossier of any kind)
        """What one dossier leads to."""
        if kind == "unit":
            self._follow_unit(dossier)
        elif kind == "post":
            self._follow_post(dossier)
        elif kind == "duty":
            self.add_posts(one.owner for one in dossier.terms)

    def _follow_unit(self, unit: Unit) -> None:
        above = [one.parent for one in unit.parents]
        absorbers = [one.into for one in unit.life]
        self.add_units(one for one in (*above, *absorbers) if one is not None)

    def _follow_post(self, post: Post) -> None:
        served: tuple[Appointment | Acting, ...] = (*post.appointments, *post.acting)
        self._add_persons(one.person for one in served)
        self._add_persons(one.delegate for one in post.delegations)
        above = (*(one.superior for one in post.superiors), *(one.appointed_by for one in served))
        self.add_posts(one for one in above if one is not None)
        self.add_units((post.unit,))

    def add_posts(self, posts: Iterable[str]) -> None:
        """The posts, and what their facts lead to."""
        for post in posts:
            if post not in self.keys["post"]:
                self.keys["post"].add(post)
                row = self._rows["post"].get(post)
                if row is not None:
                    self.follow("post", row)

    def _add_persons(self, persons: Iterable[str]) -> None:
        self.keys["person"].update(persons)


def held(versions: Sequence[Version[R]] | None, unchanged: R, position: int) -> R | None:
    """The row that held at a position: of its versions, or the one that did not change since."""
    if versions is None:
        return unchanged
    found = _held(versions, position)
    return found.row if found else None


def _held(versions: Sequence[Version[Any]], position: int) -> Version[Any] | None:
    for version in versions:
        if version.valid_from <= position and (
            version.valid_to is None or position < version.valid_to
        ):
            return version
    return None
