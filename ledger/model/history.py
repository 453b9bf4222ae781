"""What a set of facts says, folded and ready to be asked.

Decisions get the history of their boundary, the clock and the bulk loader one of everything, a
verdict one up to a position, and a view one loaded from its rows: all through the same folds.
"""

from collections.abc import Iterable
from typing import Any, Final, Protocol

import msgspec
from eventsourcing.dcb.domain import Selector

from ledger.entry import Event
from ledger.errors import NotFound
from ledger.events.duties import RuleSetActivated
from ledger.events.fact import Fact
from ledger.events.organisation import FactAnnulled
from ledger.model import attachments, calendar, duties, obligations, organisation
from ledger.model.rules import Rules, rules_from
from ledger.vocabulary import (
    DutyId,
    FormId,
    ObligationId,
    PersonId,
    PostId,
    UnitId,
)


class Fold(Protocol):
    """The row of entity `key` after one more event; None while it does not exist."""

    def __call__(self, row: Any, event: Event, key: str, /) -> Any: ...  # noqa: ANN401


class Kind(msgspec.Struct, frozen=True):
    """One kind of entity: its tag prefix, its fold, and the facts that the fold listens to."""

    prefix: str
    fold: Fold
    facts: frozenset[type[Fact]]
    has_dossier_tag: bool = False
    hears_all: bool = False
    """Whether it listens to every fact that carries its tag."""

    def listens_to(self, fact: type[Fact]) -> bool:
        """Whether the fold wants to hear of facts of this type."""
        return self.hears_all or fact in self.facts or fact is FactAnnulled

    def tag(self, key: str) -> str:
        """The tag under which the entity's dossier is found."""
        return f"dossier:{self.prefix}:{key}" if self.has_dossier_tag else f"{self.prefix}:{key}"


RULES_KEY: Final = "policy"
CALENDAR_KEY: Final = "CN"

RuleSets = tuple[Rules, ...]

_ORGANISATION: Final = frozenset({"unit", "post", "person"})


def fold_rules(row: RuleSets | None, event: Event, _key: str) -> RuleSets:
    """Every activated rule set, in the order of activation."""
    if isinstance(event.fact, FactAnnulled):
        return tuple(one for one in row or () if one.event != event.fact.annulled)
    return (*(row or ()), rules_from(event))


KINDS: Final[dict[str, Kind]] = {
    kind.prefix: kind
    for kind in (
        Kind("unit", organisation.fold_unit, organisation.UNIT_FACTS, has_dossier_tag=True),
        Kind("post", organisation.fold_post, organisation.POST_FACTS, has_dossier_tag=True),
        Kind("person", organisation.fold_person, organisation.PERSON_FACTS, has_dossier_tag=True),
        Kind("duty", duties.fold_duty, duties.DUTY_FACTS, has_dossier_tag=True),
        Kind("form", duties.fold_form, duties.FORM_FACTS),
        Kind("calendar", calendar.fold_calendar, calendar.CALENDAR_FACTS),
        Kind("rules", fold_rules, frozenset({RuleSetActivated})),
        Kind("obligation", obligations.fold_obligation, obligations.OBLIGATION_FACTS),
        Kind("attachment", attachments.fold_attachment, frozenset(), hears_all=True),
    )
}


def about(prefix: str, key: str) -> Selector:
    """The selector of everything that an entity's dossier is folded from."""
    return Selector(tags=(KINDS[prefix].tag(key),))


class History:
    """Entities folded from events that were applied in the order of their positions."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {prefix: {} for prefix in KINDS}
        self.organisation = organisation.Organisation(
            self.rows["unit"], self.rows["post"], self.rows["person"]
        )
        self.position = 0

    @classmethod
    def of(cls, events: Iterable[Event]) -> "History":
        """The history that these events tell."""
        history = cls()
        for event in events:
            history.apply(event)
        return history

    def apply(self, event: Event) -> None:
        """One more event; every entity it is tagged with hears of it, if it listens."""
        fact = type(event.fact)
        for tag in event.tags:
            prefix, _, key = tag.partition(":")
            kind = KINDS.get(prefix)
            if kind is None or not kind.listens_to(fact):
                continue
            rows = self.rows[prefix]
            before = rows.get(key)
            after = kind.fold(before, event, key)
            if after is not None and after is not before:
                self.put(prefix, key, after)
        self.position = event.position

    def put(self, prefix: str, key: str, row: Any) -> None:  # noqa: ANN401
        """Take in a row folded elsewhere: a view's, as of the position it was read at."""
        self.rows[prefix][key] = row
        if prefix in _ORGANISATION:
            self.organisation.learn(row)
        elif prefix == "rules":
            self.organisation.ceiling = self.rules().acting_ceiling

    @property
    def calendar(self) -> calendar.Calendar:
        """The working calendar as published so far."""
        return self.rows["calendar"].get(CALENDAR_KEY) or calendar.Calendar()

    def rules(self, revision: int | None = None) -> Rules:
        """The rule set of a revision (default: the last activated); the defaults before any."""
        activated: RuleSets = self.rows["rules"].get(RULES_KEY, ())
        if revision is None:
            return activated[-1] if activated else Rules()
        found = next((one for one in activated if one.revision == revision), None)
        if found is None and revision != 0:
            raise NotFound(f"rule set {revision} is not recorded in this history")
        return found or Rules()

    def unit(self, unit: UnitId) -> organisation.Unit:
        """A unit's dossier; `NotFound` when no fact established it."""
        return self._row("unit", unit)  # type: ignore[no-any-return]

    def post(self, post: PostId) -> organisation.Post:
        """A post's dossier; `NotFound` when no fact established it."""
        return self._row("post", post)  # type: ignore[no-any-return]

    def person(self, person: PersonId) -> organisation.Person:
        """A person's dossier; `NotFound` when nobody registered them."""
        return self._row("person", person)  # type: ignore[no-any-return]

    def duty(self, duty: DutyId) -> duties.Duty:
        """A duty with all its revisions; `NotFound` when it was never published."""
        return self._row("duty", duty)  # type: ignore[no-any-return]

    def form(self, form: FormId) -> duties.Form:
        """A form with all its revisions; `NotFound` when it was never published."""
        return self._row("form", form)  # type: ignore[no-any-return]

    def obligation(self, obligation: ObligationId) -> obligations.Obligation:
        """An obligation's dossier; `NotFound` when it was never opened."""
        return self._row("obligation", obligation)  # type: ignore[no-any-return]

    def _row(self, prefix: str, key: str) -> Any:  # noqa: ANN401
        try:
            return self.rows[prefix][key]
        except KeyError:
            message = f"there is no {prefix} {key!r} in this ledger; check the identifier"
            raise NotFound(message) from None
