"""A ledger in memory with a clock: commands and time, in the order in which they happen.

Times are wall times in Shanghai, `"2026-04-08 18:00"`. Before anything is done at a time, the
clock records what was owed until then, each plan at its own instant, as it does on a real ledger.
"""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ledger.calendar_seed import seeded_calendar
from ledger.decisions import duties, organisation, outlets
from ledger.decisions.command import Command
from ledger.decisions.reports import SubmitReport
from ledger.entry import Envelope, Event, envelope_of, tags_of
from ledger.events.duties import DueRule, FormField
from ledger.events.fact import Fact
from ledger.model.history import History
from ledger.model.obligations import Obligation
from ledger.schedule import Planned, Planner, clock_context
from ledger.schedule.drafting import CLOCK
from ledger.vocabulary import Actor, Cadence, EventId, Level, Sealed, Stage, Via
from tests.deciding import Deciding

ZONE = ZoneInfo("Asia/Shanghai")


def wall(text: str) -> datetime:
    """The instant of a wall time in Shanghai; a day alone is its beginning."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def local(instant: datetime) -> str:
    """An instant as a test would write it."""
    return instant.astimezone(ZONE).strftime("%Y-%m-%d %H:%M")


class World(Deciding):
    """HQ above S, S above outlet O (opened long ago), a head in each, and the calendar of 2026."""

    def __init__(
        self, started: str = "2026-01-01", *, calendars: tuple[int, ...] = (2026,)
    ) -> None:
        super().__init__(wall(started))
        self.known = History()
        self.planner = Planner(self.known)
        for year in calendars:
            command = seeded_calendar(year)
            assert command is not None, "the library knows the years of the tests"
            self.operator(command)
        self.establish("HQ", Level.HEADQUARTERS)
        self.establish("S", Level.SUB_BRANCH, "HQ")
        self.outlet("O", date(2020, 1, 6))
        self.operator(form())

    @property
    def history(self) -> History:
        """Everything that happened, folded as it happened."""
        return self.known

    def _do(self, *given: Any) -> list[Event]:
        at = given[-1]
        if at is not None:
            self.until(at)
        events = super()._do(*given)
        self._hear(events)
        return events

    def _hear(self, events: list[Event]) -> None:
        for event in events:
            self.known.apply(event)
            self.planner.observe(event)

    def until(self, at: datetime | str) -> list[Event]:
        """Let time pass; the facts that the clock recorded meanwhile."""
        at = wall(at) if isinstance(at, str) else at
        recorded: list[Event] = []
        for planned in self.planner.run(at):
            for one in planned:
                events = events_of(one, len(self.events))
                self.events.extend(events)
                self._hear(events)
                recorded += events
        self.now = at
        return recorded

    def establish(self, unit: str, level: Level, parent: str | None = None, **more: Any) -> None:
        """A unit with a head post `<unit>-head`, held by person `<unit>-boss`."""
        self.operator(
            organisation.EstablishUnit(
                unit=unit, level=level, parent=parent, name_zh=unit, name_en=unit, **more
            )
        )
        post, person = f"{unit}-head", f"{unit}-boss"
        self.operator(
            organisation.EstablishPost(
                post=post, unit=unit, role="head", title_zh="负责人", title_en="head"
            )
        )
        self.register(person)
        self.operator(organisation.AppointHolder(post=post, person=person))

    def register(self, person: str) -> None:
        """A person without a post."""
        name = Sealed(commitment="0" * 64, person=person)
        self.operator(organisation.RegisterPerson(person=person, name=name))

    def outlet(self, unit: str, opened: date | None, planned: date | None = None) -> None:
        """An outlet below S, with its head; `opened` None: only planned so far."""
        self.establish(unit, Level.OUTLET, "S")
        day = planned or opened
        assert day is not None, "an outlet is at least planned"
        self.operator(outlets.PlanOutlet(unit=unit, planned_open=day))
        if opened is not None:
            self.operator(outlets.OpenOutlet(unit=unit, opened_on=opened))

    def tell(self, at: str, command: Command) -> list[Event]:
        """An operator commands something at a wall time, after the clock has done its part."""
        return self.operator(command, at=wall(at))

    def submit(self, obligation: str, at: str, by: str = "O-boss") -> list[Event]:
        """The report arrives."""
        command = SubmitReport(obligation=obligation, form_revision=1, content={"headcount": 7})
        return self.person(by, command, at=wall(at))

    def record(self, fact: Fact, *, received: str, at: str, by: str = "O-boss") -> Event:
        """A fact recorded at `at` that was received earlier: queued, or imported."""
        self.until(at)
        envelope = Envelope(
            id=EventId(f"recorded-{len(self.events)}"),
            received_at=wall(received),
            actor=Actor(via=Via.API, person=by),
        )
        event = Event(fact, envelope, fact.tags(), len(self.events) + 1, self.now)
        self.events.append(event)
        self._hear([event])
        return event

    def said(self, obligation: str) -> list[str]:
        """What the log says about an obligation, in order: the types of its events."""
        tag = f"obligation:{obligation}"
        return [event.type for event in self.events if tag in event.tags]

    def obligation(self, key: str) -> Obligation:
        """The dossier of an obligation."""
        return self.known.obligation(key)

    def owed(self) -> list[str]:
        """The ids of everything that was opened and is not cancelled."""
        rows = self.known.rows["obligation"].values()
        return [row.obligation for row in rows if not row.cancellations]


def events_of(planned: Planned, position: int) -> list[Event]:
    """What the clock planned, as it is recorded after a position."""
    context = clock_context(planned.at)
    return [
        Event(one.fact, envelope_of(one, context), tags_of(one), position + place, planned.at)
        for place, one in enumerate(planned.drafts, 1)
    ]


def replayed(world: World) -> list[Event]:
    """The clock's facts of a world, planned from its other facts alone, long afterwards."""
    history = History()
    planner = Planner(history)
    found: list[Event] = []

    def catch_up(until: datetime) -> None:
        for planned in planner.run(until):
            for one in planned:
                for event in events_of(one, history.position):
                    history.apply(event)
                    planner.observe(event)
                    found.append(event)

    given = [event for event in world.events if event.actor != CLOCK]
    for event in given:
        catch_up(event.recorded_at - timedelta(microseconds=1))
        history.apply(event)
        planner.observe(event)
    catch_up(world.now)
    return found


def form(code: str = "F") -> duties.PublishForm:
    """A form of one compulsory number."""
    field = FormField(code="headcount", kind="integer", label_zh="人力", label_en="headcount")
    return duties.PublishForm(form=code, title_zh="月报", title_en="Monthly", fields=(field,))


def duty(code: str = "M", **changes: Any) -> duties.PublishDuty:
    """A monthly duty of the outlets below HQ, due on the fifth working day at 18:00."""
    fields: dict[str, Any] = {
        "duty": code,
        "title_zh": "月报",
        "title_en": "Monthly",
        "form": "F",
        "cadence": Cadence.MONTHLY,
        "due": DueRule(working_days=5),
        "owner": "HQ-head",
        "scope": "HQ",
        "levels": (Level.OUTLET,),
        "stages": (Stage.NEW, Stage.ESTABLISHED),
        **changes,
    }
    return duties.PublishDuty(**fields)
