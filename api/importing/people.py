"""Persons by employee number: found where the ledger knows them, given a random id otherwise.

Names, numbers and phones never come near an entry: a rehearsal makes do with stand-ins, and only
what is committed is sealed. Read next: `rows.py`.
"""

from typing import Final

from api.importing.files import Problem, Read
from ledger.decisions.organisation.people import RegisterPerson
from ledger.identifiers import new_person_id
from ledger.sealed import Personal, SealedStore
from ledger.vocabulary import PersonId, PersonRef, Sealed

STAND_IN: Final = "0" * 64
"""The commitment of a value that is not sealed yet."""

PARTS: Final = ("name", "number", "phone")
SEALED_AT_ONCE: Final = 3_000


class People:
    """The persons of people.csv, and those that the ledger knows already."""

    def __init__(self, read: Read | None, store: SealedStore | None) -> None:
        self._store = store
        self._cells = _by_number(read)
        self._ids: dict[str, PersonId] = {}
        self._registered: set[str] = set()
        self._sealed: dict[str, dict[str, Sealed]] = {}
        for number in self._cells:
            self.person(number)

    def person(self, number: str) -> PersonId:
        """The person of a number, made known if need be."""
        found = self.known(number)
        if found is None:
            found = self._ids[number] = PersonId(PersonRef(new_person_id()))
        return found

    def known(self, number: str) -> PersonId | None:
        """The person of a number, if the files or the ledger name one."""
        if number not in self._ids and self._store is not None:
            persons = self._store.find("number", number)
            if persons:
                self._ids[number] = PersonId(PersonRef(persons[0]))
                self._registered.add(number)
        return self._ids.get(number)

    def registration(self, number: str) -> RegisterPerson | None:
        """The command that registers a person; None for one whom the ledger knows."""
        if number in self._registered:
            return None
        person = self._ids[number]
        values = self._sealed.get(number) or {
            part: Sealed(STAND_IN, person) for part in PARTS if self._cells[number].get(part)
        }
        return RegisterPerson(
            person=person,
            name=values["name"],
            number=values.get("number"),
            phone=values.get("phone"),
        )

    def seal(self) -> None:
        """Seal what identifies the persons who are new; to be done before anything is recorded."""
        assert self._store is not None, "what is committed has a ledger"
        wanted = [
            Personal(self._ids[number], part, value, findable=part == "number")
            for number, cells in self._cells.items()
            if number not in self._registered
            for part in PARTS
            if (value := cells.get(part))
        ]
        numbers = {person: number for number, person in self._ids.items()}
        for place in range(0, len(wanted), SEALED_AT_ONCE):
            some = wanted[place : place + SEALED_AT_ONCE]
            for one, sealed in zip(some, self._store.seal_many(some), strict=True):
                number = numbers[PersonId(PersonRef(one.person))]
                self._sealed.setdefault(number, {})[one.field] = sealed


def contradictions(read: Read) -> list[Problem]:
    """Rows that give one employee number two names."""
    names: dict[str, tuple[str, int]] = {}
    found = []
    for row in read.rows:
        number, name = row.cells["number"], row.cells["name"]
        first, place = names.setdefault(number, (name, row.number))
        if first != name:
            reason = f"row {place} gives number {number} another name"
            found.append(Problem(read.path.name, row.number, "name", name, reason))
    return found


def _by_number(read: Read | None) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for row in read.rows if read else ():
        cells = found.setdefault(row.cells["number"], {})
        for part in PARTS:
            if row.cells[part]:
                cells.setdefault(part, row.cells[part])
    return found
