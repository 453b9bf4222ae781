"""A ledger driven through time: through its doors, with a clock that may be late.

Its views are projected, begun again and rebuilt in between.

One application and one database serve every example of a test; each example is a new simulated
ledger in it, which begins with the same small network. Read next:
`tests/property/test_time_machine.py`.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import date, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from psycopg import sql

from api.app import create_app
from api.ledgers import LedgerClock, Ledgers
from ledger.access import Grant, new_access_id
from ledger.calendar_seed import seeded_calendar
from ledger.clock import Clock, Tick
from ledger.codec import decode, encode
from ledger.database import Database, Role
from ledger.decisions import duties, organisation, outlets
from ledger.decisions.command import Command
from ledger.entry import Access, Context, Event
from ledger.errors import ProjectorLeading, Refused
from ledger.events.duties import DueRule, FormField
from ledger.founding import found_ledger
from ledger.identifiers import new_fact_id
from ledger.recorder import Appended, AppendRequest
from ledger.settings import Settings
from ledger.vocabulary import Actor, Cadence, Level, Sealed, Stage, UnitKind, Via
from projections.building import builds, fingerprints
from projections.building.rebuilding import Rebuild, empty_views
from projections.leading import Lead
from projections.positions import standings
from projections.saving import Names
from projections.views import VIEWS
from tests.deciding import Deciding
from tests.timekeeping import wall

BEGAN = wall("2026-01-05 09:00")
DRIVEN_FROM = wall("2026-02-24 09:00")
DRIVEN_UNTIL = wall("2026-05-20 09:00")
"""When the first step may happen, and after which time stands still."""

OUTLETS = ("O1", "O2", "O3")
PEOPLE = ("amy", "ben", "cai", "dan")
"""Registered, and in no post to begin with."""

UNITS: tuple[tuple[str, Level, str | None], ...] = (
    ("HQ", Level.HEADQUARTERS, None),
    ("B", Level.BRANCH, "HQ"),
    ("S1", Level.SUB_BRANCH, "B"),
    ("S2", Level.SUB_BRANCH, "B"),
    ("O1", Level.OUTLET, "S1"),
    ("O2", Level.OUTLET, "S1"),
    ("O3", Level.OUTLET, "S2"),
)
"""O1 is established, O2 opened lately, O3 is planned to open in March."""

A_SECOND = timedelta(seconds=1)
"""No two commands come at one instant."""

VERSIONS = sql.SQL("SELECT to_jsonb(row) FROM views.{name} row WHERE ledger_id = %s")

_names = count(1)


def monthly(duty: str, **changes: Any) -> dict[str, Any]:
    """The terms of a monthly duty of the outlets, due on the third working day at 18:00."""
    return {
        "duty": duty,
        "title_zh": "月报",
        "title_en": "Monthly",
        "form": "F",
        "cadence": Cadence.MONTHLY,
        "due": DueRule(working_days=3),
        "owner": "HQ-head",
        "scope": "HQ",
        "levels": (Level.OUTLET,),
        **changes,
    }


@cache
def network() -> tuple[Event, ...]:
    """The facts with which every example begins: the units, their heads, a coach, two duties."""
    told = Deciding(BEGAN)
    for year in (2025, 2026):
        calendar = seeded_calendar(year)
        assert calendar is not None, "the library knows the years of the tests"
        told.operator(calendar)
    for unit, level, parent in UNITS:
        _establish(told, unit, level, parent)
    _establish(told, "T", Level.BRANCH, "HQ", kind=UnitKind.SUPPORT, role="coach")
    told.operator(organisation.AttachSupport(unit="O1", supporter="T"))
    for person in PEOPLE:
        _register(told, person)
    for unit, opened in (("O1", date(2024, 5, 6)), ("O2", date(2025, 3, 10))):
        told.operator(outlets.PlanOutlet(unit=unit, planned_open=opened))
        told.operator(outlets.OpenOutlet(unit=unit, opened_on=opened))
    told.operator(outlets.PlanOutlet(unit="O3", planned_open=date(2026, 3, 16)))
    field = FormField(code="headcount", kind="integer", label_zh="人力", label_en="Headcount")
    told.operator(
        duties.PublishForm(form="F", title_zh="月报", title_en="Monthly", fields=(field,))
    )
    working = {"stages": (Stage.NEW, Stage.ESTABLISHED), "final_report": True}
    told.operator(duties.PublishDuty(**monthly("M", **working)))
    preparing = {"stages": (Stage.PREPARING,), "owed_by_level": Level.SUB_BRANCH}
    told.operator(duties.PublishDuty(**monthly("P", **preparing)))
    return tuple(told.events)


def _establish(  # noqa: PLR0913, PLR0917  (a unit, its post, and who holds it)
    told: Deciding,
    unit: str,
    level: Level,
    parent: str | None,
    kind: UnitKind = UnitKind.LINE,
    role: str = "head",
) -> None:
    told.operator(
        organisation.EstablishUnit(
            unit=unit, level=level, parent=parent, name_zh=unit, name_en=unit, kind=kind
        )
    )
    post = f"{unit}-{role}"
    told.operator(
        organisation.EstablishPost(post=post, unit=unit, role=role, title_zh=role, title_en=role)
    )
    _register(told, f"{unit}-boss")
    told.operator(organisation.AppointHolder(post=post, person=f"{unit}-boss"))
    if level is Level.OUTLET:
        told.operator(
            organisation.EstablishPost(
                post=f"{unit}-clerk", unit=unit, role="clerk", title_zh="内勤", title_en="clerk"
            )
        )


def _register(told: Deciding, person: str) -> None:
    name = Sealed(commitment="0" * 64, person=person)
    told.operator(organisation.RegisterPerson(person=person, name=name))


class ToldClock(LedgerClock):
    """The clock of a simulated ledger, told what time it is."""

    def __init__(self) -> None:
        super().__init__(None, simulated=True)
        self.told = DRIVEN_FROM

    def at(self, instant: datetime) -> datetime:
        """What it was told, whatever the world's clock shows."""
        return self.told


class Station:
    """One database and one application, in which every example has a ledger of its own."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.ledgers = Ledgers(database, Settings(home=str(home)))
        self.client: TestClient[Litestar] = TestClient(
            create_app(self.ledgers), raise_server_exceptions=False
        )

    def new_ledger(self) -> str:
        """Found a ledger that holds the network."""
        name = f"travel-{next(_names)}"
        found_ledger(self.database, name, simulated=True, now=BEGAN - timedelta(hours=1))
        opened = self.ledgers.open(name)
        requests = [
            AppendRequest(
                events=(encode(one.fact, one.envelope, one.tags, name),),
                recorded_at=one.recorded_at,
            )
            for one in network()
        ]
        for outcome in opened.recorder.append(requests):
            assert isinstance(outcome, Appended), outcome
        return name


@contextmanager
def station(database: Database, home: Path) -> Iterator[Station]:
    """The application over a database, until the end of a test."""
    made = Station(database, home)
    with made.client, pytest.MonkeyPatch.context() as patch:
        # A fold is fingerprinted whenever a projector begins: here that is many times a second.
        patch.setattr(builds, "fingerprint_of", cache(fingerprints.fingerprint_of))
        yield made
    made.ledgers.close()


class Travelled:
    """One ledger and the time that it is told."""

    def __init__(self, at: Station) -> None:
        self.station = at
        self.name = at.new_ledger()
        self.time = ToldClock()
        self.events: list[Event] = []
        self.keys: dict[str, str] = {}
        self.start()

    def start(self) -> None:
        """A service begins to serve the ledger: it opens it, and its clock knows nothing yet."""
        self.opened = self.station.ledgers.open(self.name)
        self.opened.clock = self.time
        self.opened.questions.now = self.time.now
        self.clock = Clock(self.opened.log)
        self._lead: Lead | None = None

    def stop(self) -> None:
        """The service ends; whatever it remembered is gone."""
        if self._lead is not None:
            self._lead.close()
        self.station.ledgers._opened.pop(self.name).close()

    @property
    def database(self) -> Database:
        """Where the ledger is."""
        return self.station.database

    @property
    def ledger_id(self) -> int:
        """Which one it is there."""
        return self.opened.info.ledger_id

    @property
    def now(self) -> datetime:
        """What time it is."""
        return self.time.told

    def wait(self, time: timedelta) -> None:
        """Time passes."""
        self.time.told += time

    def tick(self) -> Tick:
        """The clock runs, whatever it has missed."""
        return self.clock.tick(self.now)

    def project(self) -> int:
        """The views catch up; the projector leads until the service ends."""
        while self._lead is None:
            # Whoever emptied the views led them; a server lets go a moment after a session ended.
            with suppress(ProjectorLeading):
                self._lead = Lead(
                    self.database, self.ledger_id, self.opened.recorder, VIEWS, decode
                )
        return self._lead.catch_up(lambda: False)

    def rebuild(self) -> None:
        """New builds of every view are made beside those that serve, and take their place."""
        if self._lead is not None:
            self._lead.close()
            self._lead = None
        rebuild = Rebuild(self.database, self.ledger_id, self.opened.recorder, VIEWS, decode)
        with closing(rebuild):
            rebuild.build()
            assert rebuild.switch(), "no projector of another version leads"

    def begin_again(self) -> None:
        """The views are emptied, and folded from the first fact on."""
        if self._lead is not None:
            self._lead.close()
            self._lead = None
        empty_views(self.database, self.ledger_id)
        self.project()

    def versions(self) -> dict[str, list[Any]]:
        """Every version of every row that serves, as the database holds it."""
        found: dict[str, list[Any]] = {}
        with self.database.pooled(Role.PROJECTOR) as connection:
            for one in standings(connection, self.ledger_id):
                for table in one.tables if one.serving else ():
                    names = Names.behind(table, one.generation)
                    for kind, name in (("current", names.current), ("closed", names.history)):
                        read = VERSIONS.format(name=sql.Identifier(name))
                        rows = connection.execute(read, (self.ledger_id,)).fetchall()
                        found[f"{table} {kind}"] = sorted(rows, key=repr)
        return found

    def known(self) -> list[Event]:
        """Every fact recorded so far."""
        after = self.events[-1].position if self.events else 0
        for page in self.opened.recorder.stream(after=after):
            self.events += [decode(stored.entry) for stored in page]
        return self.events

    # --- doors -----------------------------------------------------------------------------------

    def operator(self, command: Command, system: str = "tests") -> bool:
        """An operator commands something at the log itself; whether it was recorded."""
        return self._execute(command, Actor(via=Via.OPERATOR, system=system), None)

    def person(self, person: str, command: Command, *, by_http: bool = False) -> bool:
        """A person commands something, at the log or over HTTP; whether it was recorded."""
        if by_http:
            return self._post(person, command)
        return self._execute(command, Actor(via=Via.API, person=person), Access("manager"))

    def _execute(self, command: Command, actor: Actor, access: Access | None) -> bool:
        context = Context(actor=actor, received_at=self.now, new_id=new_fact_id, access=access)
        try:
            self.opened.log.execute(command, context)
        except Refused:
            return False
        finally:
            self.wait(A_SECOND)
        return True

    def _post(self, person: str, command: Command) -> bool:
        capability = type(command).__module__.split(".")[2].replace("reviews", "reports")
        name = type(command).__name__
        words = "".join(f"-{one.lower()}" if one.isupper() else one for one in name).lstrip("-")
        given = msgspec.to_builtins(command).items()
        answer = self.station.client.post(
            f"/api/v1/{self.name}/{capability}/{words}",
            json={field: value for field, value in given if value is not None},
            headers={
                "authorization": f"Bearer {self._key(person)}",
                "idempotency-key": new_fact_id().hex,
            },
        )
        self.wait(A_SECOND)
        assert answer.status_code < 500, answer.text
        return bool(answer.status_code == 201)

    def ask(self, path: str, **parameters: Any) -> bytes:
        """What the API answers to an auditor's question, to the byte."""
        answer = self.station.client.get(
            f"/api/v1/{self.name}{path}",
            params=parameters,
            headers={"authorization": f"Bearer {self._key('auditor')}"},
        )
        assert answer.status_code == 200, answer.text
        return bytes(answer.content)

    def _key(self, who: str) -> str:
        if who not in self.keys:
            is_person = who != "auditor"
            now = self.time.told
            grant = Grant(
                access=new_access_id(),
                role="manager" if is_person else "auditor",
                unit=None,
                person=who if is_person else None,
                system=None if is_person else who,
                created_at=now,
                expires_at=now + timedelta(days=365),
            )
            self.keys[who] = self.opened.keys.issue(grant)
        return self.keys[who]
