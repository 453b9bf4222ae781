"""Who may come in: issuing and revoking API keys, as facts beside everything else.

The secret of a key never comes here: `ledger/access.py` keeps its digest. A key is issued to a
person or to a system, by an administrator or by the operator at the command line.
"""

from typing import Final

from eventsourcing.dcb.domain import Selector

from ledger.decisions.command import Command
from ledger.entry import Context, Draft
from ledger.errors import Invalid, NotAllowed
from ledger.events.platform import AccessGranted, AccessRevoked
from ledger.model.history import History, about
from ledger.vocabulary import AccessId, PersonId, UnitId, Via

ROLES: Final = ("administrator", "auditor", "manager", "obligor", "dashboard")
"""What a key may be for; what each may do stands in `api/auth.py`."""


class GrantAccess(Command, frozen=True, kw_only=True):
    """Issue a key with a role below a unit (None: the whole ledger)."""

    access: AccessId
    role: str
    unit: UnitId | None = None
    person: PersonId | None = None
    system: str | None = None

    def boundary(self, history: History) -> list[Selector]:
        """The key itself, and the unit and person that it names."""
        del history
        selectors = [Selector(tags=(f"access:{self.access}",))]
        if self.unit is not None:
            selectors.append(about("unit", self.unit))
        if self.person is not None:
            selectors.append(about("person", self.person))
        return selectors

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`access.granted`; refuses unknown roles, units and persons."""
        _require_administrator(context)
        if self.role not in ROLES:
            raise Invalid.field("role", f"must be one of {', '.join(ROLES)}")
        if (self.person is None) == (self.system is None):
            raise Invalid.field("person", "name a person or a system, and not both")
        if self.unit is not None:
            history.unit(self.unit)
        if self.person is not None:
            history.person(self.person)
        fact = AccessGranted(
            access=self.access,
            role=self.role,
            unit=self.unit,
            person=self.person,
            system=self.system,
        )
        return [Draft(fact=fact)]


class RevokeAccess(Command, frozen=True, kw_only=True):
    """Make a key open nothing from now on."""

    access: AccessId

    def boundary(self, history: History) -> list[Selector]:
        """The key's own facts."""
        del history
        return [Selector(tags=(f"access:{self.access}",))]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`access.revoked`."""
        del history
        _require_administrator(context)
        return [Draft(fact=AccessRevoked(access=self.access))]


def _require_administrator(context: Context) -> None:
    is_administrator = context.access is not None and context.access.role == "administrator"
    if context.actor.via is not Via.OPERATOR and not is_administrator:
        raise NotAllowed("only an administrator issues and revokes keys; ask one")
