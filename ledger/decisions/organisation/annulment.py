"""Annulment: a fact that was entered by mistake counts for nothing from now on, and stays.

The annulment repeats the tags of the fact, so that it stands in every history in which the fact
stands. Whoever offers the command reads both from the log: `annulment_of`.
"""

from functools import cache
from typing import Final

import msgspec
from eventsourcing.dcb.domain import Selector

from ledger.decisions.dated import Dated, line_above_unit
from ledger.entry import Context, Draft, Event
from ledger.errors import Conflict, NotAllowed
from ledger.events.duties import (
    FormPublished,
    ObligationMissed,
    ObligationMissWithdrawn,
    RuleSetActivated,
)
from ledger.events.fact import Fact
from ledger.events.organisation import (
    FactAnnulled,
    OrganisationFact,
    PersonRegistered,
    PostEstablished,
    UnitEstablished,
)
from ledger.events.outlets import OutletFact
from ledger.model.authority import is_operator, line_boundary
from ledger.model.history import KINDS, History, about
from ledger.vocabulary import (
    EventId,
    PersonId,
    PersonRef,
    PostId,
    PostRef,
    Reason,
    UnitId,
    UnitRef,
)

TAGS_MAX: Final = 200

EVENT_ID_LENGTH: Final = 36
"""An event's id is a UUID in its canonical spelling."""

ESTABLISHING: Final = {
    UnitEstablished.TOPIC: "unit",
    PostEstablished.TOPIC: "post",
    PersonRegistered.TOPIC: "person",
}
"""The facts that let something exist, and the prefix of what."""

NOTICES: Final = frozenset({ObligationMissed.TOPIC, ObligationMissWithdrawn.TOPIC})

KEPT: Final = frozenset({RuleSetActivated.TOPIC, FormPublished.TOPIC})
"""Obligations keep the rules and the form that they were opened with (docs/rules.md R12), and could
not be judged without them: a mistaken one is replaced by the next, never taken away."""


class AnnulFact(Dated, frozen=True, kw_only=True):
    """Annul one fact, for a stated reason; `tags` are the fact's own, as the log has them."""

    annulled: EventId
    annulled_type: str
    tags: tuple[str, ...]

    def boundary(self, history: History) -> list[Selector]:
        """Everything that the fact was folded into, and who stands above."""
        asked = [about(prefix, key) for prefix, key in _entities(self.tags)]
        for prefix, key in _entities(self.tags):
            if prefix == "post":
                asked.extend(line_boundary(history, _post(key)))
            elif prefix == "unit":
                asked.extend(line_above_unit(history, _unit(key)))
        return [*asked, *self.by_boundary(history)]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`fact.annulled`; refuses what is unknown, annulled before, or still built upon."""
        problems = self.problems(context)
        problems.check("reason", "say why it was a mistake", good=self.reason is not None)
        problems.check(
            "tags",
            f"repeat the fact's tags, {TAGS_MAX} at most",
            good=0 < len(self.tags) <= TAGS_MAX,
        )
        known = self.annulled_type in annullable()
        problems.check("annulled_type", "facts of this type cannot be annulled", good=known)
        problems.refuse()
        self._require_authority(history, context)
        rows = [history.rows[prefix].get(key) for prefix, key in _entities(self.tags)]
        if len(self.annulled) != EVENT_ID_LENGTH or not any(
            _mentions(row, self.annulled) for row in rows
        ):
            raise Conflict(f"fact {self.annulled!r} is unknown, or annulled already; check its id")
        if self.annulled_type in ESTABLISHING:
            self._refuse_if_built_upon(history)
        fact = FactAnnulled(annulled=self.annulled, annulled_type=self.annulled_type)
        return [msgspec.structs.replace(self.draft(fact), extra_tags=self.tags)]

    def _require_authority(self, history: History, context: Context) -> None:
        if is_operator(context):
            return
        fact = annullable()[self.annulled_type]
        if not issubclass(fact, OrganisationFact | OutletFact):
            raise NotAllowed("only an administrator may annul this fact; ask one")
        for prefix, key in _entities(self.tags):
            if prefix == "post":
                self.require_above_post(history, context, history.post(_post(key)).post)
                return
        for prefix, key in _entities(self.tags):
            if prefix == "unit":
                self.require_above_unit(history, context, history.unit(_unit(key)).unit)
                return
        raise NotAllowed("only an administrator may annul this fact; ask one")

    def _refuse_if_built_upon(self, history: History) -> None:
        """What was established cannot be unsaid while other facts speak of it."""
        own = ESTABLISHING[self.annulled_type]
        organisation = history.organisation
        for prefix, key in _entities(self.tags):
            if prefix != own:
                continue
            others = {one for one in _events(history.rows[prefix].get(key)) if one != self.annulled}
            inside = prefix == "unit" and organisation.posts_ever_in(_unit(key))
            filled = prefix == "person" and organisation.posts_ever_of(_person(key))
            if others or inside or filled:
                raise Conflict("later facts build upon this one; annul them first, the last first")


def annulment_of(event: Event, reason: Reason) -> AnnulFact:
    """The command that annuls a recorded fact."""
    return AnnulFact(
        annulled=event.id, annulled_type=event.type, tags=tuple(event.tags), reason=reason
    )


@cache
def annullable() -> dict[str, type[Fact]]:
    """The facts that some dossier is folded from, by name, but those in `KEPT` and `NOTICES`.

    The clock withdraws its own notices.
    """
    folded = {fact.TOPIC: fact for kind in KINDS.values() for fact in kind.facts}
    return {topic: fact for topic, fact in folded.items() if topic not in NOTICES | KEPT}


def _entities(tags: tuple[str, ...]) -> list[tuple[str, str]]:
    """The entities with a dossier that the tags name, as (prefix, key)."""
    parts = (tag.partition(":") for tag in tags[:TAGS_MAX])
    return [(prefix, key) for prefix, _, key in parts if prefix in KINDS]


def _mentions(row: object, event: EventId) -> bool:
    """Whether anything in a dossier still cites the event; ids are unmistakable wherever found."""
    return row is not None and event.encode() in msgspec.json.encode(row)


def _events(row: msgspec.Struct | None) -> set[EventId]:
    """The events that a dossier's items came from."""
    values = (getattr(row, name) for name in row.__struct_fields__) if row is not None else ()
    items = (item for value in values if isinstance(value, tuple) for item in value)
    return {item.event for item in items}


def _post(key: str) -> PostId:
    return PostId(PostRef(key))


def _unit(key: str) -> UnitId:
    return UnitId(UnitRef(key))


def _person(key: str) -> PersonId:
    return PersonId(PersonRef(key))
