"""A story of any length for the benchmarks: a real network, then day after day of its reports.

The network and its demands are the demonstration's, recorded by the same decisions. The days are
made up, of the real facts in a realistic mix: each outlet owes a few reports a day; most come in
time, some late or never, some are looked at, returned and answered, and now and then somebody is
appointed or goes on leave. So most rows change twice and never again, and units, posts and persons
change for ever. Each day is like every other, so what it costs can be compared.
Read next: `api/bench/scale.py`.
"""

import tempfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Final

from msgspec.structs import replace

from api.demo.answers import Answers
from api.demo.cases import Plot
from api.demo.founding import eve, founding, seal
from api.demo.network import Network, build, post_of
from api.demo.scales import SCALES, SEED
from api.demo.simulation import Simulation
from api.demo.story import midnight
from ledger.bulk import Bulk
from ledger.codec import encode
from ledger.database import Database
from ledger.entry import Envelope
from ledger.events.duties import ObligationDueRevised, ObligationMissed, ObligationOpened
from ledger.events.fact import Fact
from ledger.events.organisation import HolderAppointed, HolderRelieved, LeaveRecorded
from ledger.events.reports import (
    FieldValue,
    ReportAccepted,
    ReportCorrected,
    ReportResubmitted,
    ReportReturned,
    ReportSubmitted,
)
from ledger.founding import found_ledger
from ledger.log import Log
from ledger.recorder import AppendRequest, NewEvent, PostgresRecorder
from ledger.sealed import PersonalKeys, SealedStore
from ledger.vocabulary import (
    Actor,
    DutyId,
    DutyRef,
    EventId,
    FormRef,
    Line,
    ObligationId,
    PostRef,
    ReportId,
    ReportRef,
    UnitId,
    Via,
)

NAME: Final = "bench"
DUTIES: Final = (
    "outlet-daily",
    "outlet-weekly",
    "outlet-monthly",
    "preparing-monthly",
    "siting-quarterly",
)
"""Every one is owed daily here: what matters is how many rows there are."""

FIRST_DAY: Final = date(2025, 11, 10)
"""By then the calendars of three years are published."""

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)

IN_TIME, REVISED, LATE = 0.925, 0.93, 0.98
"""Shares, each up to its number; what lies above the last is never reported."""

ACCEPTED, RETURNED, CORRECTED = 0.15, 0.16, 0.17
"""The same of what becomes of a report; nobody looks at the rest."""

CHANGES_A_DAY: Final = 4
"""So many posts change hands a day, and so many persons go on leave."""

FORM: Final = FormRef("daily")
CHINA: Final = 8 * HOUR
"""Ahead of UTC."""

CLOCK: Final = Actor(via=Via.CLOCK, system="clock")


class Story:
    """Days of reports, from FIRST_DAY on; the same for the same network and seed."""

    def __init__(self, network: Network, seed: int = SEED) -> None:
        self._random = Random(f"bench-{seed}")  # noqa: S311  (reproducible on purpose)
        self.outlets = [
            plan.unit
            for plan in network.outlets.values()
            if plan.opened_on is not None and plan.opened_on < FIRST_DAY
        ]
        self._holders = {
            unit: person
            for unit in self.outlets
            if (person := network.posts[post_of(unit)].person) is not None
        }
        self._spare = list(network.people)
        self._superiors = {unit: network.superior_of(post_of(unit)) for unit in self.outlets}
        self._days: dict[date, list[tuple[datetime, NewEvent]]] = {}
        self._basis = (self._event_id(midnight(FIRST_DAY)), self._event_id(midnight(FIRST_DAY)))

    def requests(self) -> Iterator[AppendRequest]:
        """Everything that happens, for ever, in the order of time; a minute is one request."""
        day = FIRST_DAY
        while True:
            self._tell(day)
            told = sorted(self._days.pop(day), key=itemgetter(0))
            for minute, events in groupby(told, key=itemgetter(0)):
                yield AppendRequest(events=tuple([one for _, one in events]), recorded_at=minute)
            day += DAY

    def _tell(self, day: date) -> None:
        """What becomes of a day's obligations, and who changes posts on it."""
        for duty in DUTIES:
            for unit in self.outlets:
                self._owe(day, duty, unit)
        for _ in range(CHANGES_A_DAY):
            self._change_hands(midnight(day) + 10 * HOUR)

    def _owe(self, day: date, duty: str, unit: UnitId) -> None:
        """One obligation, and everything that is ever said about it."""
        begins, lot = midnight(day), self._random.random()
        due, obligation = begins + 20 * HOUR, obligation_of(duty, unit, day)
        opened = ObligationOpened(
            obligation=obligation,
            duty=DutyId(DutyRef(duty)),
            duty_revision=1,
            unit=unit,
            post=post_of(unit),
            period=day.isoformat(),
            period_start=day,
            period_end=day,
            due=due,
            nominal_due=due,
            form=FORM,
            form_revision=1,
            rules=0,
            calendar_revision=1,
        )
        self._record(begins, opened)
        minutes = self._random.randrange(11 * 60) * MINUTE
        if lot < IN_TIME:
            self._report(begins + 9 * HOUR + minutes, obligation, unit)
        elif lot < REVISED:
            cause = ObligationDueRevised(obligation=obligation, due=due + DAY, cause="outage")
            self._record(due - 2 * HOUR, cause)
            self._report(due + HOUR + minutes, obligation, unit)
        else:
            missed = ObligationMissed(obligation=obligation, post=post_of(unit), due=due)
            self._record(due, missed)
            if lot < LATE:
                self._report(due + HOUR + minutes, obligation, unit)

    def _report(self, at: datetime, obligation: ObligationId, unit: UnitId) -> None:
        """A report, and what becomes of it the day after; of most, nothing."""
        report, lot = ReportId(ReportRef(self._event_id(at))), self._random.random()
        submitted = ReportSubmitted(
            report=report,
            obligation=obligation,
            unit=unit,
            form=FORM,
            form_revision=1,
            capacity="holder",
            content=self._content(),
        )
        self._record(at, submitted, by=unit)
        at, reviewer = at + DAY, PostRef(self._superiors[unit])
        if lot < ACCEPTED:
            accepted = ReportAccepted(report=report, obligation=obligation, accepted_by=reviewer)
            self._record(at, accepted, by=unit)
        elif lot < RETURNED:
            returned = ReportReturned(
                report=report,
                obligation=obligation,
                correction_due=at + 3 * DAY,
                returned_by=reviewer,
            )
            self._record(at, returned, by=unit)
            answer = ReportResubmitted(
                report=report,
                obligation=obligation,
                form=FORM,
                form_revision=1,
                content=self._content(),
            )
            self._record(at + 5 * HOUR, answer, by=unit)
        elif lot < CORRECTED:
            corrected = ReportCorrected(
                report=report, obligation=obligation, content=self._content()
            )
            self._record(at, corrected, by=unit)

    def _content(self) -> dict[str, FieldValue]:
        draw = self._random.getrandbits(24)
        return {"morning_meeting": bool(draw & 1), "visits": draw % 97, "policies": draw % 13}

    def _change_hands(self, at: datetime) -> None:
        """A post gets another holder, and somebody goes on leave."""
        unit = self._random.choice(self.outlets)
        leaver, place = self._holders[unit], self._random.randrange(len(self._spare))
        follower, self._spare[place] = self._spare[place], leaver
        relieved = HolderRelieved(post=post_of(unit), person=leaver)
        self._record(at, relieved, by=unit, holds=(at, None))
        self._holders[unit] = follower
        appointed = HolderAppointed(post=post_of(unit), person=follower)
        self._record(at, appointed, by=unit, holds=(at, None))
        absent = self._holders[self._random.choice(self.outlets)]
        leave = LeaveRecorded(person=absent, kind="annual")
        self._record(at, leave, by=unit, holds=(at + DAY, at + 8 * DAY))

    def _record(
        self,
        at: datetime,
        fact: Fact,
        *,
        by: UnitId | None = None,
        holds: tuple[datetime | None, datetime | None] = (None, None),
    ) -> None:
        """Keep a fact for its day: told by the clock, or by the head of a unit."""
        envelope = Envelope(
            id=self._event_id(at),
            received_at=at,
            actor=Actor(via=Via.API, person=self._holders[by], post=post_of(by)) if by else CLOCK,
            line=None if by else Line.SYSTEM,
            basis=() if by else self._basis,
            effective_from=holds[0],
            effective_until=holds[1],
        )
        told = at, encode(fact, envelope, fact.tags(), NAME)
        self._days.setdefault((at + CHINA).date(), []).append(told)

    def _event_id(self, at: datetime) -> EventId:
        """A UUID of version 7, as the gate makes them, but of the story's time."""
        draw = self._random.getrandbits(74)
        high, low = draw >> 62, draw & ((1 << 62) - 1)
        number = int(at.timestamp() * 1000) << 80 | 0x7 << 76 | high << 64 | 0x2 << 62 | low
        text = f"{number:032x}"
        return EventId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


def obligation_of(duty: str, unit: UnitId, day: date) -> ObligationId:
    """What a unit owes under a duty for a day."""
    return ObligationId(f"{duty}.{unit}.{day}")


def begin(database: Database, *, small: bool = False) -> tuple[PostgresRecorder, Story]:
    """Found a simulated ledger with its network, 2,000 outlets or 62; and the story to come."""
    scale = SCALES["small" if small else "medium"]
    scale = replace(scale, first_day=FIRST_DAY, last_day=FIRST_DAY.replace(year=2026))
    network = build(scale, SEED)
    info = found_ledger(database, NAME, simulated=True, now=eve(scale))
    recorder = PostgresRecorder(database, info.ledger_id)
    with tempfile.TemporaryDirectory() as keys:
        store = SealedStore(database, info.ledger_id, PersonalKeys(Path(keys), NAME))
        sealed = seal(network, store)
    with Bulk(Log(recorder, NAME, simulated=True)) as bulk:
        simulation = Simulation(bulk, Answers(Plot(network), SEED), SEED)
        simulation.plan(founding(network, scale, sealed))
        simulation.tell(eve(scale) + HOUR)
    return recorder, Story(network)
