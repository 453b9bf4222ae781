"""A small network behind real doors: what tests of the API and of the pages visit.

Headquarters, a region, two branches, three sub-branches and six outlets, each with a head, and a
support unit with its coach; a weekly duty over the first half of 2026, with reports in time, late
and missing, relief, a vacancy, an interim, an outlet closed in the past, a return and a refusal.
Names are made up and sealed. It is told to a simulated ledger, as a year would be.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from litestar import Litestar
from litestar.testing import TestClient
from psycopg import sql
from psycopg.conninfo import make_conninfo

from api.app import create_app
from api.ledgers import LedgerClock, Ledgers, OpenLedger
from ledger.access import Grant, new_access_id
from ledger.calendar_seed import seeded_calendar
from ledger.codec import encode
from ledger.database import Database, connect_as_login
from ledger.decisions import duties, organisation, outlets, relief, reports, reviews
from ledger.entry import Event, envelope_of, tags_of
from ledger.errors import GateRefused
from ledger.events.duties import DueRule, FormField
from ledger.founding import found_ledger
from ledger.model.history import History
from ledger.recorder import Appended, AppendRequest
from ledger.schedule import Planner
from ledger.sealing.sealer import Sealer
from ledger.settings import Settings
from ledger.vocabulary import Actor, Cadence, Level, Reason, Stage, UnitKind, Via
from projections.runner import Runner
from projections.views import VIEWS
from tests.deciding import Deciding
from tests.timekeeping import World, wall

LEDGER = "demo"
STARTED = "2025-12-22"

UNITS: tuple[tuple[str, Level, str | None, str, str, str], ...] = (
    ("HQ", Level.HEADQUARTERS, None, "总部", "Headquarters", "陈志远"),
    ("R1", Level.REGION, "HQ", "华东区域", "East region", "林晓东"),
    ("B1", Level.BRANCH, "R1", "浙江分公司", "Zhejiang branch", "周明华"),
    ("B2", Level.BRANCH, "R1", "江苏分公司", "Jiangsu branch", "许文静"),
    ("S1", Level.SUB_BRANCH, "B1", "杭州中支", "Hangzhou sub-branch", "吴建国"),
    ("S2", Level.SUB_BRANCH, "B1", "宁波中支", "Ningbo sub-branch", "郑丽娜"),
    ("S3", Level.SUB_BRANCH, "B2", "南京中支", "Nanjing sub-branch", "孙海涛"),
    ("O1", Level.OUTLET, "S1", "西湖网点", "Xihu outlet", "王小明"),
    ("O2", Level.OUTLET, "S1", "余杭网点", "Yuhang outlet", "李秀英"),
    ("O3", Level.OUTLET, "S1", "萧山网点", "Xiaoshan outlet", "赵国强"),
    ("O4", Level.OUTLET, "S2", "鄞州网点", "Yinzhou outlet", "黄嘉怡"),
    ("O5", Level.OUTLET, "S2", "江北网点", "Jiangbei outlet", "何雨桐"),
    ("O6", Level.OUTLET, "S3", "江宁网点", "Jiangning outlet", "罗子涵"),
)
OUTLETS = tuple(unit for unit, level, *_ in UNITS if level is Level.OUTLET)

CLOSED = "O5"
"""The outlet that closes on 27 April, which is recorded on 20 May."""

STORIES: dict[str, dict[str, str]] = {
    # Outlet to what became of its weeks; every other week is reported on time.
    "O1": {"2026W08": "late", "2026W12": "missed", "2026W20": "returned"},
    "O2": {"2026W10": "extended", "2026W15": "refused_at_gate", "2026W16": "asked"},
    "O3": {"2026W13": "vacant", "2026W14": "vacant", "2026W15": "acting"},
    "O4": {"2026W11": "late", "2026W19": "waived", "2026W22": "missed"},
    "O6": {"2026W09": "nil", "2026W17": "voided", "2026W24": "late"},
}


class Network(World):
    """The network's half year, event by event."""

    def __init__(self, opened: OpenLedger) -> None:
        Deciding.__init__(self, wall(STARTED))
        self.known = History()
        self.planner = Planner(self.known)
        self._opened = opened
        for year in (2025, 2026):
            calendar = seeded_calendar(year)
            assert calendar is not None, "the library knows the years of the tests"
            self.operator(calendar)
        for unit, level, parent, zh, en, name in UNITS:
            self._establish(unit, level, parent, zh, en, name)
        self._coach()
        self._demand()
        self._live()

    def _establish(  # noqa: PLR0913, PLR0917  (a unit, its names, and its head)
        self, unit: str, level: Level, parent: str | None, zh: str, en: str, name: str
    ) -> None:
        self.operator(
            organisation.EstablishUnit(
                unit=unit, level=level, parent=parent, name_zh=zh, name_en=en
            )
        )
        post = organisation.EstablishPost(
            post=f"{unit}-head", unit=unit, role="head", title_zh="负责人", title_en="Head"
        )
        self.operator(post)
        self._hold(f"{unit}-head", f"{unit}-boss", name)
        if level is Level.OUTLET:
            opened = date(2025, 3, 10)
            self.operator(outlets.PlanOutlet(unit=unit, planned_open=opened))
            self.operator(outlets.OpenOutlet(unit=unit, opened_on=opened))

    def _hold(self, post: str, person: str, name: str) -> None:
        sealed = self._opened.sealed.seal(person, "name", name)
        self.operator(organisation.RegisterPerson(person=person, name=sealed))
        self.operator(organisation.AppointHolder(post=post, person=person))

    def _coach(self) -> None:
        self.operator(
            organisation.EstablishUnit(
                unit="T1",
                level=Level.BRANCH,
                parent="B1",
                name_zh="浙江辅导部",
                name_en="Zhejiang coaching unit",
                kind=UnitKind.SUPPORT,
            )
        )
        post = organisation.EstablishPost(
            post="T1-coach", unit="T1", role="coach", title_zh="区拓督导", title_en="Coach"
        )
        self.operator(post)
        self._hold("T1-coach", "T1-coach-1", "马思远")
        self.operator(organisation.AttachSupport(unit="O1", supporter="T1"))

    def _demand(self) -> None:
        fields = (
            FormField(code="headcount", kind="integer", label_zh="人力", label_en="Headcount"),
            FormField(
                code="remark",
                kind="text",
                label_zh="备注",
                label_en="Remark",
                required=False,
                personal=True,
            ),
        )
        self.operator(
            duties.PublishForm(
                form="weekly", title_zh="网点周报表", title_en="Weekly form", fields=fields
            )
        )
        self.operator(
            duties.PublishDuty(
                duty="weekly",
                title_zh="网点周报",
                title_en="Outlet weekly report",
                form="weekly",
                cadence=Cadence.WEEKLY,
                due=DueRule(working_days=1),
                owner="HQ-head",
                scope="HQ",
                levels=(Level.OUTLET,),
                stages=(Stage.NEW, Stage.ESTABLISHED),
            )
        )

    def _live(self) -> None:
        """Week by week; what happens at an instant is done in the order of instants."""
        todo: list[tuple[datetime, int, Any]] = []
        for unit in OUTLETS:
            for week in range(1, 18 if unit == CLOSED else 26):
                period = f"2026W{week:02}"
                due = self._due_day(week)
                what = STORIES.get(unit, {}).get(period, "on_time")
                for at, do in getattr(self, f"_{what}")(unit, f"weekly.{unit}.{period}", due):
                    todo.append((wall(at), len(todo), do))
        todo += [
            (wall(at), len(todo) + place, do) for place, (at, do) in enumerate(self._changes())
        ]
        for at, _, do in sorted(todo, key=lambda one: one[:2]):
            self.until(at)
            do(at)
        self.until("2026-06-24 12:00")

    def _due_day(self, week: int) -> str:
        """The first working day after an ISO week."""
        sunday = date.fromisocalendar(2026, week, 7)
        return self.known.calendar.nth_working_day_after(sunday, 1).isoformat()

    def _submit(self, unit: str, obligation: str, *, nil: bool = False) -> Any:
        def do(at: datetime) -> None:
            content = {} if nil else {"headcount": 7 + len(self.events) % 9}
            command = reports.SubmitReport(
                obligation=obligation, form_revision=1, content=content, nil_return=nil
            )
            row = self.obligation(obligation)
            holder = self.known.organisation.effective(row.post, at).person or f"{unit}-boss"
            self.person(holder, command, at=at)

        return do

    def _as(self, person: str, command: Any) -> Any:
        return lambda at: self.person(person, command(at) if callable(command) else command, at=at)

    def _first_report(self, obligation: str) -> str:
        return self.obligation(obligation).submissions[0].report

    # --- what may become of a week: (wall time, what to do) -------------------------------------

    def _on_time(self, unit: str, obligation: str, due: str) -> Iterator[tuple[str, Any]]:
        yield (
            f"{due} 1{int(unit[1]) % 7}:{10 + len(obligation) % 40}",
            self._submit(unit, obligation),
        )

    def _late(self, unit: str, obligation: str, due: str) -> Iterator[tuple[str, Any]]:
        yield f"{due} 21:17", self._submit(unit, obligation)

    def _missed(self, _unit: str, _obligation: str, _due: str) -> Iterator[tuple[str, Any]]:
        yield from ()

    _vacant = _missed

    def _nil(self, unit: str, obligation: str, due: str) -> Iterator[tuple[str, Any]]:
        yield f"{due} 15:40", self._submit(unit, obligation, nil=True)

    def _acting(self, unit: str, obligation: str, due: str) -> Iterator[tuple[str, Any]]:
        yield f"{due} 19:30", self._submit(unit, obligation)

    def _returned(self, unit: str, obligation: str, due: str) -> Iterator[tuple[str, Any]]:
        yield f"{due} 11:05", self._submit(unit, obligation)
        back = lambda _at: reviews.ReturnReport(  # noqa: E731
            obligation=obligation,
            report=self._first_report(obligation),
            by="S1-head",
            correction_due=wall(f"{due} 23:00"),
            reason=Reason(code="incomplete"),
        )
        yield f"{due} 14:20", self._as("S1-boss", back)

    def _voided(self, unit: str, obligation: str, due: str) -> Iterator[tuple[str, Any]]:
        yield f"{due} 16:59", self._submit(unit, obligation, nil=True)
        void = lambda _at: reviews.VoidReport(  # noqa: E731
            obligation=obligation,
            report=self._first_report(obligation),
            by="S3-head",
            reason=Reason(code="empty"),
        )
        yield f"{due} 20:05", self._as("S3-boss", void)

    def _extended(self, unit: str, obligation: str, due: str) -> Iterator[tuple[str, Any]]:
        later = wall(f"{due} 18:01").replace(hour=22)
        ask = relief.RequestExtension(
            obligation=obligation, reason=Reason(code="system_migration"), requested_due=later
        )
        yield f"{due} 09:12", self._as(f"{unit}-boss", ask)
        grant = lambda _at: relief.GrantExtension(  # noqa: E731
            obligation=obligation,
            by="S1-head",
            reason=Reason(code="system_migration"),
            due=later,
            extension=self.obligation(obligation).reliefs[0].relief,
        )
        yield f"{due} 10:30", self._as("S1-boss", grant)
        yield f"{due} 20:48", self._submit(unit, obligation)

    def _asked(self, unit: str, obligation: str, due: str) -> Iterator[tuple[str, Any]]:
        ask = relief.RequestExtension(
            obligation=obligation,
            reason=Reason(code="illness"),
            requested_due=wall(f"{due} 22:00"),
        )
        yield f"{due} 16:12", self._as(f"{unit}-boss", ask)

    def _waived(self, unit: str, obligation: str, due: str) -> Iterator[tuple[str, Any]]:
        waive = relief.GrantWaiver(
            obligation=obligation, by="S2-head", reason=Reason(code="exhibition")
        )
        yield f"{due} 09:45", self._as("S2-boss", waive)

    def _refused_at_gate(self, unit: str, obligation: str, due: str) -> Iterator[tuple[str, Any]]:
        def refused(at: datetime) -> None:
            command = reports.SubmitReport(
                obligation=obligation, form_revision=1, content={"headcount": "七"}
            )
            try:
                self.person(f"{unit}-boss", command, at=at)
            except GateRefused as refusal:
                self.keep(refusal, f"{unit}-boss", at)

        yield f"{due} 17:50", refused
        yield f"{due} 18:20", self._submit(unit, obligation)

    def _changes(self) -> Iterator[tuple[str, Any]]:
        """What happens to the organisation meanwhile."""
        relieve = organisation.RelieveHolder(post="O3-head", person="O3-boss", cause="resigned")
        yield "2026-03-20 09:00", lambda at: self.operator(relieve, at=at)
        appoint = organisation.AppointActing(
            post="O3-head",
            person="O1-boss",
            by="S1-head",
            effective_until=wall("2026-05-01"),
        )
        yield "2026-04-08 09:00", lambda at: self.operator(appoint, at=at)
        yield "2026-04-28 09:00", lambda at: self._hold_at("O3-head", "O3-new", "唐诗韵", at)
        close = organisation.CloseUnit(unit="O5", effective_from=wall("2026-04-27"))
        yield "2026-05-20 10:00", lambda at: self.operator(close, at=at)

    def _hold_at(self, post: str, person: str, name: str, at: datetime) -> None:
        self.until(at)
        self._hold(post, person, name)

    def keep(self, refusal: GateRefused, person: str, at: datetime) -> None:
        """The attempt that the gate refused, as the log keeps it."""
        context = self._context(Actor(via=Via.API, person=person), None)
        kept = [
            Event(one.fact, envelope_of(one, context), tags_of(one), len(self.events) + place, at)
            for place, one in enumerate(refusal.drafts, 1)
        ]
        self.events.extend(kept)
        self._hear(kept)


def tell(opened: OpenLedger, events: list[Event]) -> None:
    """Record the story, and let the views catch up."""
    requests = [
        AppendRequest(
            events=(encode(one.fact, one.envelope, one.tags, opened.info.name),),
            recorded_at=one.recorded_at,
        )
        for one in events
    ]
    for outcome in opened.recorder.append(requests):
        assert isinstance(outcome, Appended), outcome
    project(opened)


def project(opened: OpenLedger) -> None:
    """Let the views catch up."""
    Runner(opened.database, opened.info.ledger_id, opened.recorder, VIEWS).catch_up()


def seal(opened: OpenLedger) -> None:
    """One pass of the sealer: everything that is recorded comes under a signed checkpoint."""
    sealed_before = opened.log_folder.latest() is not None
    opened.log_keys.ensure(opened.log_origin, sealed_before=sealed_before)
    Sealer(opened.database, opened.info.ledger_id, opened.log_keys, opened.log_folder).seal()


def issue(opened: OpenLedger, role: str, unit: str | None = None, person: str | None = None) -> str:
    """A key for a test: of a person, or else of a system."""
    now = opened.clock.now()
    grant = Grant(
        access=new_access_id(),
        role=role,
        unit=unit,
        person=person,
        system=None if person else f"test-{role}",
        created_at=now,
        expires_at=now.replace(year=now.year + 1),
    )
    return opened.keys.issue(grant)


class Doors:
    """The application over one ledger, and a client to visit it."""

    def __init__(self, ledgers: Ledgers, client: TestClient[Litestar]) -> None:
        self.ledgers = ledgers
        self.client = client
        self.opened = ledgers.open(LEDGER)
        self._keys: dict[tuple[str, str | None, str | None], str] = {}

    def key(
        self, role: str = "administrator", unit: str | None = None, person: str | None = None
    ) -> dict[str, str]:
        """The header of a key with this role."""
        wanted = (role, unit, person)
        if wanted not in self._keys:
            self._keys[wanted] = issue(self.opened, role, unit, person)
        return {"authorization": f"Bearer {self._keys[wanted]}"}

    def get(self, path: str, role: str = "auditor", **given: Any) -> Any:
        """Read below `/api/v1/demo`."""
        key = self.key(role, given.pop("unit", None), given.pop("person", None))
        headers = {**key, **given.pop("headers", {})}
        return self.client.get(f"/api/v1/{LEDGER}{path}", headers=headers, **given)

    def post(self, command: str, body: Any, role: str = "administrator", **given: Any) -> Any:
        """Send a command below `/api/v1/demo` under a key of its own."""
        headers = {
            **self.key(role, given.pop("unit", None), given.pop("person", None)),
            "idempotency-key": given.pop("idempotency_key", uuid4().hex),
            **given.pop("headers", {}),
        }
        if isinstance(body, bytes):
            return self.client.post(f"/api/v1/{LEDGER}{command}", content=body, headers=headers)
        return self.client.post(f"/api/v1/{LEDGER}{command}", json=body, headers=headers)


@contextmanager
def doors(database: Database, home: Path, *, told: bool = True, **settings: Any) -> Iterator[Doors]:
    """A ledger behind its doors, with the network in it unless told otherwise."""
    chosen = Settings(home=str(home), name=LEDGER, **settings)
    found_ledger(database, LEDGER, simulated=True, now=wall(STARTED))
    ledgers = Ledgers(database, chosen)
    opened = ledgers.open(LEDGER)
    if told:
        network = Network(opened)
        tell(opened, network.events)
        opened.clock = LedgerClock(opened.recorder.head().recorded_at, simulated=True)
        opened.questions.now = opened.clock.now
    with TestClient(create_app(ledgers), raise_server_exceptions=False) as client:
        yield Doors(ledgers, client)
    ledgers.close()


@contextmanager
def fresh_database(server_url: str, template: str) -> Iterator[Database]:
    """A clone of the migrated template, for longer than one test."""
    name = f"ledger_test_{uuid4().hex}"
    clone = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY WAL_LOG")
    with connect_as_login(server_url) as connection:
        connection.execute(clone.format(sql.Identifier(name), sql.Identifier(template)))
    database = Database(make_conninfo(server_url, dbname=name))
    try:
        yield database
    finally:
        database.close()
        with connect_as_login(server_url) as connection:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))
