"""Erasing a person: the fact comes first, and every key file follows it.

A code says why, and no words are taken: sealed under the person's own key they would be gone at
once, sealed under anybody else's they would tell for ever whom the ledger has forgotten. What an
authority or a person wrote about it belongs in a file outside of the ledger.
Read next: `ledger/erasure.py`, which destroys the key and what it sealed.
"""

from typing import Final
from uuid import UUID, uuid5

from eventsourcing.dcb.domain import Selector

from ledger.decisions.command import Command
from ledger.entry import Context, Draft
from ledger.errors import Invalid
from ledger.events.erasure import PersonalKeyDestroyed
from ledger.model.authority import require_operator
from ledger.model.history import History, about
from ledger.vocabulary import PersonId, Reason

REASONS: Final = (
    "requested",
    "consent_withdrawn",
    "purpose_ended",
    "retention_ended",
    "unlawful",
    "required_by_law",
)
"""Why a person is erased, after article 47 of the Personal Information Protection Law."""

REPEATED: Final = "repeated"
"""The key was destroyed before, and the log that said so was lost."""

REGISTER: Final = "register:erasures"
"""The tag of every erasure: one short range of the log tells who is erased."""

_NAMESPACE: Final = UUID("6f2b0f0a-6a2d-4d0e-8f2b-93f1d6a1c7e4")


class DestroyPersonalKey(Command, frozen=True, kw_only=True):
    """Erase a person for good; `has_key` when values were sealed for somebody not registered."""

    person: PersonId
    reason: str
    has_key: bool = False

    def boundary(self, history: History) -> list[Selector]:
        """The person."""
        del history
        return [about("person", self.person)]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`personal_key.destroyed`, whose id derives from the person: there is one for each."""
        require_operator(context, "erase a person")
        if self.reason not in (*REASONS, REPEATED):
            message = f"must be one of {', '.join(REASONS)}; words would outlive what they erase"
            raise Invalid.field("reason", message)
        if not self.has_key:
            history.person(self.person)
        fact = PersonalKeyDestroyed(person=self.person)
        event_id = uuid5(_NAMESPACE, self.person)
        reason = Reason(code=self.reason)
        return [Draft(fact=fact, extra_tags=(REGISTER,), reason=reason, event_id=event_id)]
