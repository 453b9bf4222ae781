"""Erasure: a person's key is gone, and with it every value that was sealed under it.

The fact names the person by the random id and says why by a code. It holds no words: words about
an erasure name whom it erased, and would stand there after everything else is gone.
"""

from typing import ClassVar

from ledger.events.fact import Fact
from ledger.vocabulary import PersonId


class PersonalKeyDestroyed(Fact, frozen=True, kw_only=True):
    """A person's key is destroyed: what it sealed is erased, and nobody will ever open it again."""

    TOPIC: ClassVar[str] = "personal_key.destroyed"
    person: PersonId
