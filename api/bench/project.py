"""`ledger bench project`: facts folded a second, closed versions kept, against ProjectionRunner.

Both keep one row a unit (how many reports it sent, and the last) and every version that the row
has had. Ours folds batches of 10,000; the library's runner makes one transaction an event, which
is how its projections are written. Read next: `projections/leading.py`.
"""

import secrets
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final, cast

import msgspec
from eventsourcing.dcb.application import DCBApplication
from eventsourcing.dcb.domain import Tagged
from eventsourcing.dcb.msgpack import Decision
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.utils import get_topic
from psycopg.sql import SQL

from api.bench.contest import Show, alternate, fresh_database, ratios, table
from api.bench.goal import Goal, at_least
from api.bench.references import UNITS
from ledger.codec import encode
from ledger.database import Database, connect_as_login, open_database
from ledger.entry import Envelope, Event
from ledger.events.reports import ReportSubmitted
from ledger.recorder import Appended, AppendRequest, NewEvent, PostgresRecorder, create_ledger
from ledger.settings import Settings
from ledger.vocabulary import (
    Actor,
    EventId,
    FormRef,
    ObligationId,
    PersonRef,
    PostRef,
    ReportId,
    ReportRef,
    UnitId,
    UnitRef,
    Via,
)
from projections.runner import Runner
from projections.tables import Key, Rows, Table

OURS, STOCK = "this ledger", "ProjectionRunner"
REQUEST_EVENTS: Final = 10_000
STOCK_BATCH_EVENTS: Final = 1_000
STOCK_WAIT_SECONDS: Final = 300.0


def run(settings: Settings, *, quick: bool, show: Show = print) -> list[Goal]:
    """Measure on the server of the settings, in databases that are dropped afterwards."""
    rounds, our_count, stock_count = (2, 50_000, 500) if quick else (7, 200_000, 3_000)
    server = open_database(settings)
    try:
        with fresh_database(server) as mine, fresh_database(server, migrated=False) as theirs:
            ours = PostgresRecorder(mine, create_ledger(mine, "bench", simulated=False))
            _fill_ours(ours, our_count)
            environment = _environment(theirs)
            _fill_stock(environment, stock_count)
            versions = count(1)
            rates = alternate(
                rounds,
                {
                    OURS: lambda: _fold_ours(mine, ours, next(versions), our_count),
                    STOCK: lambda: _fold_stock(theirs, environment, stock_count),
                },
            )
            ours.close()
    finally:
        server.close()
    show(table("project, closed versions kept", "events/s", {"batches of 10,000": rates}))
    return [
        at_least(
            "projection with closed versions against ProjectionRunner",
            60.0,
            ratios(rates, OURS, STOCK),
        )
    ]


class Activity(msgspec.Struct, frozen=True):
    """What a unit has sent."""

    unit: str
    reports: int
    last_report: str


ACTIVITY: Final = Table("bench_activity", Activity, key=("unit",))


class ActivityProjection:
    """Folds every report into the row of its unit; a new version is built from the first fact."""

    name = "bench_activity"
    tables: tuple[Table[Any], ...] = (ACTIVITY,)
    types = frozenset({ReportSubmitted.TOPIC})

    def __init__(self, version: int) -> None:
        self.version = version

    def reads(self, event: Event) -> Iterable[tuple[Table[Any], Key]]:
        """The unit's row."""
        return ((ACTIVITY, (cast("ReportSubmitted", event.fact).unit,)),)

    def fold(self, event: Event, rows: Rows) -> None:
        """One report more."""
        fact = cast("ReportSubmitted", event.fact)
        before = rows.get(ACTIVITY, fact.unit)
        rows.put(ACTIVITY, Activity(fact.unit, before.reports + 1 if before else 1, fact.report))


def _fill_ours(recorder: PostgresRecorder, event_count: int) -> None:
    now = datetime.now(UTC)
    requests = [
        AppendRequest(events=tuple(_our_event(now) for _ in range(REQUEST_EVENTS)))
        for _ in range(event_count // REQUEST_EVENTS)
    ]
    for outcome in recorder.append(requests):
        assert isinstance(outcome, Appended), outcome


def _our_event(now: datetime) -> NewEvent:
    draw = secrets.randbits(128)
    fact = ReportSubmitted(
        report=ReportId(ReportRef(f"{draw:032x}")),
        obligation=ObligationId(f"weekly.{draw % UNITS}.2026-W{draw % 53}"),
        unit=UnitId(UnitRef(f"unit-{draw % UNITS:04}")),
        form=FormRef("weekly"),
        form_revision=1,
        capacity="holder",
        content={"headcount": draw % 97, "premium": draw % 1_000_003},
    )
    envelope = Envelope(
        id=EventId(f"{draw:032x}"),
        received_at=now,
        actor=Actor(via=Via.API, person=PersonRef("person-1"), post=PostRef("post-1")),
    )
    return encode(fact, envelope, fact.tags(), "bench")


def _fold_ours(database: Database, recorder: PostgresRecorder, version: int, events: int) -> float:
    runner = Runner(database, recorder.ledger_id, recorder, (ActivityProjection(version),))
    started = time.perf_counter()
    reached = runner.catch_up()
    elapsed = time.perf_counter() - started
    assert reached == events, "every fact was folded"
    return events / elapsed


class Reported(Decision):
    """The same report, as the library's own mapper keeps it."""

    report: str
    obligation: str
    unit: str
    content: dict[str, int]


class Reports(DCBApplication):
    """The library's application that recorded the reports."""

    name = "reports"


MAKE_STOCK_CURRENT = SQL("""
CREATE TABLE IF NOT EXISTS activity (
    unit text COLLATE "C" PRIMARY KEY, valid_from bigint NOT NULL, body json NOT NULL
) WITH (fillfactor = 70)
""")
MAKE_STOCK_HISTORY = SQL("""
CREATE TABLE IF NOT EXISTS activity_history (
    unit text COLLATE "C" NOT NULL, valid_from bigint NOT NULL, valid_to bigint NOT NULL,
    body json NOT NULL, PRIMARY KEY (unit, valid_from)
)
""")
STOCK_GET = "SELECT valid_from, body::text AS body FROM activity WHERE unit = %s"
STOCK_CLOSE = "INSERT INTO activity_history VALUES (%s, %s, %s, %s)"
STOCK_PUT = """
INSERT INTO activity VALUES (%s, %s, %s)
ON CONFLICT (unit) DO UPDATE SET valid_from = excluded.valid_from, body = excluded.body
"""
STOCK_DROP = "DROP TABLE IF EXISTS activity, activity_history, activity_tracking"


class ActivityView(PostgresTrackingRecorder):
    """The library's materialised view: rows and position in one transaction an event."""

    def __init__(self, datastore: PostgresDatastore, **options: Any) -> None:  # noqa: ANN401
        super().__init__(datastore, **options)
        self.sql_create_statements += [MAKE_STOCK_CURRENT.format(), MAKE_STOCK_HISTORY.format()]

    def put(self, fact: Reported, tracking: Tracking) -> None:
        """One report more."""
        position = tracking.notification_id
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            before = cursor.execute(STOCK_GET, (fact.unit,)).fetchone()
            reports = 1
            if before:
                reports += msgspec.json.decode(before["body"], type=Activity).reports
                closed = (fact.unit, before["valid_from"], position, before["body"])
                cursor.execute(STOCK_CLOSE, closed)
            body = msgspec.json.encode(Activity(fact.unit, reports, fact.report)).decode()
            cursor.execute(STOCK_PUT, (fact.unit, position, body))


class StockProjection(Projection[ActivityView]):
    """The same fold, as the library wants it written."""

    name = "activity"
    topics = (get_topic(Reported),)

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:  # noqa: ANN401
        """One report more."""
        self.view.put(domain_event.decision, tracking)


def _environment(database: Database) -> dict[str, str]:
    with connect_as_login(database.url) as connection:
        info = connection.info
        return {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "REPORTS_PERSISTENCE_MODULE": "eventsourcing.dcb.postgres_tt",
            "MAPPER_TOPIC": "eventsourcing.dcb.msgpack:MessagePackMapper",
            "POSTGRES_DBNAME": info.dbname,
            "POSTGRES_HOST": info.host,
            "POSTGRES_PORT": str(info.port),
            "POSTGRES_USER": info.user,
            "POSTGRES_PASSWORD": info.password or "none",
        }


def _fill_stock(environment: dict[str, str], event_count: int) -> None:
    with Reports(environment) as application:
        events = [application.mapper.to_dcb_event(_stock_event()) for _ in range(event_count)]
        for start in range(0, event_count, STOCK_BATCH_EVENTS):
            application.recorder.append(events[start : start + STOCK_BATCH_EVENTS])


def _stock_event() -> Tagged[Decision]:
    draw = secrets.randbits(128)
    unit, obligation = f"unit-{draw % UNITS:04}", f"weekly.{draw % UNITS}.2026-W{draw % 53}"
    fact = Reported(
        report=f"{draw:032x}",
        obligation=obligation,
        unit=unit,
        content={"headcount": draw % 97, "premium": draw % 1_000_003},
    )
    return Tagged([f"unit:{unit}", f"obligation:{obligation}", f"report:{fact.report}"], fact)


def _fold_stock(database: Database, environment: dict[str, str], event_count: int) -> float:
    with connect_as_login(database.url) as connection:
        connection.execute(STOCK_DROP)
    started = time.perf_counter()
    with ProjectionRunner(
        application_class=Reports,
        projection_class=StockProjection,
        view_class=ActivityView,
        env=environment,
    ) as runner:
        runner.wait(event_count, timeout=STOCK_WAIT_SECONDS)
        return event_count / (time.perf_counter() - started)
