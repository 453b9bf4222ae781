"""What the tests of erasing share: a ledger with keys as one process holds it, and who is in it.

Read next: `tests/integration/erasing/test_erasure.py`.
"""

import mmap
import os
from datetime import UTC, datetime
from pathlib import Path

from psycopg import sql

from ledger.database import Database, connect_as_login
from ledger.decisions.erasure import REGISTER, DestroyPersonalKey
from ledger.decisions.organisation import RegisterPerson
from ledger.entry import Context
from ledger.erasure import Erasure
from ledger.events.erasure import PersonalKeyDestroyed
from ledger.founding import found_ledger
from ledger.identifiers import new_fact_id
from ledger.log import Log
from ledger.personal_keys import PersonalKeys
from ledger.recorder import Item, PostgresRecorder
from ledger.sealed import SealedStore
from ledger.vocabulary import Actor, Sealed, Via

NAME, NUMBER = "欧阳锦绣", "E-7730991"
WHO = "9f2c4c1f7a5e4a0fb1d5a1c2e3f40516"
OTHER = "0b6f6c0e4f5b4c4aa7f2d9e8c7b6a594"


class Place:
    """One ledger with its keys, as one process holds it."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        now = datetime.now(UTC)
        self.info = found_ledger(database, "main", simulated=False, now=now)
        self.recorder = PostgresRecorder(database, self.info.ledger_id)
        self.log = Log(self.recorder, "main")
        self.keys = PersonalKeys(home, "main")
        self.store = SealedStore(database, self.info.ledger_id, self.keys)
        self.erasure = Erasure(self.log, self.keys, self.store)

    def register(self, person: str, name: str, number: str) -> list[tuple[str, str]]:
        """Make a person known; what reveals the name and the number."""
        sealed = [
            self.store.seal(person, "name", name),
            self.store.seal(person, "number", number, findable=True),
        ]
        command = RegisterPerson(person=person, name=sealed[0], number=sealed[1])
        self.log.execute(command, operator())
        return [pair(one) for one in sealed]

    def facts(self) -> list[tuple[str, str | None]]:
        """Who was erased, as the log has it, and why."""
        events = self.log.events((Item(tags=(REGISTER,)),))
        assert all(isinstance(one.fact, PersonalKeyDestroyed) for one in events)
        return [(one.fact.person, one.reason.code if one.reason else None) for one in events]  # type: ignore[attr-defined]

    def rows(self, person: str = WHO) -> tuple[int, int]:
        """How many values, and entries of the index, are stored for a person."""
        with connect_as_login(self.database.url) as connection:
            counts = [
                connection.execute(
                    sql.SQL("SELECT count(*) FROM ledger.{} WHERE person = %s").format(
                        sql.Identifier(table)
                    ),
                    (person,),
                ).fetchone()
                for table in ("sealed_field", "sealed_index")
            ]
        return counts[0][0], counts[1][0]  # type: ignore[index]

    def close(self) -> None:
        """End the process, as far as it can be told from outside."""
        self.recorder.close()
        self.keys.close()


def operator() -> Context:
    """The operator, now."""
    actor = Actor(via=Via.OPERATOR, system="test")
    return Context(actor=actor, received_at=datetime.now(UTC), new_id=new_fact_id)


def pair(sealed: Sealed) -> tuple[str, str]:
    """What reveals a sealed value."""
    return sealed.person, sealed.commitment


def fact_alone(place: Place) -> None:
    """The fact of the erasure is recorded, and nothing else is done."""
    place.log.execute(DestroyPersonalKey(person=WHO, reason="requested"), operator())


def holders(folder: Path, wanted: bytes) -> list[Path]:
    """The files below a folder that hold these bytes; other tests' databases come and go in it."""
    found = []
    paths = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    for path in paths:
        try:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as m:
                if m.find(wanted) >= 0:
                    found.append(path)
        except (ValueError, OSError):  # empty, a socket, or gone meanwhile
            continue
    return found
