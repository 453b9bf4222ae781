"""Erasing a person, in three steps that each may be repeated: the fact, the key, the values.

The fact comes first. It may be refused, while a destroyed key cannot be brought back; and from the
moment it is recorded every process that keeps the ledger's keys destroys this one before it opens
anything, whether or not the program that began went on. The key comes before the values, because
without it they say nothing. What is left undone, or undone again by a restored database, is done
by the next start (`finish`). Read next: `ledger/erased.py`, `migrations/0008_erasure.sql`.
"""

from contextlib import suppress

import msgspec

from ledger.decisions.erasure import REPEATED, DestroyPersonalKey
from ledger.entry import Context
from ledger.errors import DuplicateId, LedgerError
from ledger.log import Log
from ledger.personal_keys import PersonalKeys
from ledger.sealed import SealedStore
from ledger.vocabulary import PersonId, PersonRef


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """An erasure: whom, by the fact at which position, and how many values were deleted now."""

    person: str
    position: int
    values_deleted: int


class Erasure:
    """Erases the persons of one ledger."""

    def __init__(self, log: Log, keys: PersonalKeys, store: SealedStore) -> None:
        self._log = log
        self._keys = keys
        self._store = store

    def erase(self, person: str, reason: str, context: Context) -> Done:
        """Erase a person, or finish what was begun; refused when nobody knows of the person."""
        position = self._store.erased(now=True).get(person)
        if position is None:
            position = self._record(person, reason, context)
        self._keys.destroy(person)
        deleted = self._store.delete_erased()
        return Done(person=person, position=position, values_deleted=deleted)

    def finish(self, context: Context) -> int:
        """Do what an interruption left, or a restored database undid; the values deleted.

        A mark whose fact the log has lost gets one again, unless the log takes nothing now.
        """
        erased = self._store.erased(now=True)
        for person in self._keys.marked():
            if person not in erased:
                with suppress(LedgerError):
                    self._record(person, REPEATED, context)
        if erased:
            self._keys.destroy(*erased)
        return self._store.delete_erased()

    def _record(self, person: str, reason: str, context: Context) -> int:
        command = DestroyPersonalKey(
            person=PersonId(PersonRef(person)),
            reason=reason,
            has_key=self._keys.of([person]).get(person) is not None,
        )
        with suppress(DuplicateId):
            return self._log.execute(command, context).receipts[0].position
        # Somebody else erased the person at this moment; there is one fact for each.
        return self._store.erased(now=True)[person]
