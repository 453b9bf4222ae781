"""The working calendar and the rule sets: what dues are computed by, with everything revised."""

from typing import Final

import msgspec

from ledger.model.calendar import Calendar
from ledger.model.rules import Rules
from projections.dossiers import DossierProjection, Shape
from projections.tables import Table


class RuleBook(msgspec.Struct, frozen=True):
    """Every rule set activated so far, in the order of activation."""

    rules: str
    activated: tuple[Rules, ...] = ()


CALENDAR: Final = Table("calendar", Calendar, key=("calendar",))
RULES: Final = Table("rule_book", RuleBook, key=("rules",))

CALENDARS: Final = DossierProjection(
    "calendars",
    version=2,
    shapes={
        "calendar": Shape(CALENDAR),
        "rules": Shape(RULES, to_row=RuleBook, to_dossier=lambda book: book.activated),
    },
)
