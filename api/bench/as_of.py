"""`ledger bench as-of`: the same questions as of past positions, and as of now, alternately.

Each is about the days just before the moment that it is asked as of, so that its answer is as
large in the past as it is now. A moment is opened first, and the question then asked some times
over, here and there in turn; the fastest counts, because whatever else the machine does only adds.
Read next: `projections/asking.py` and `projections/intervals.py` (why the past is not dearer).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from functools import partial
from random import Random
from statistics import median
from typing import Final, TypeAlias

import msgspec

from api.bench.contest import Show, fresh_database
from api.bench.filling import Filling, filling
from api.bench.goal import Goal, at_most
from api.bench.project import ACTIVITY
from api.bench.story import CHINA, DAY, DUTIES, FIRST_DAY, obligation_of
from api.demo.scales import SEED
from ledger.database import open_database
from ledger.settings import Settings
from ledger.vocabulary import DutyRef, UnitId, UnitRef
from projections.matrix import matrix
from projections.obligations import OBLIGATION
from projections.spans import Span
from projections.standpoint import Questions, Standpoint
from projections.time_travel import Range

FACTS, FACTS_QUICK = 1_000_000, 20_000
AT_ONCE: Final = 50_000
PLACES: Final = (0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95)
"""Where the past is asked, as shares of the story."""

DAYS_ASKED_MAX: Final = 7
UNITS_ASKED: Final = 20
BRANCH: Final = UnitRef("B51")
WITHIN: Final = 2.0


class Subject(msgspec.Struct, frozen=True):
    """What is asked about: whole days that lie just before a moment, and some units."""

    span: Span
    units: tuple[UnitId, ...]

    @property
    def days(self) -> Range:
        """The days, as a condition on a period's last day."""
        return Range(self.span.first, self.span.last + DAY)


Question: TypeAlias = Callable[[Standpoint, Subject], int]
"""Asks something as of a standpoint; how many rows the answer was made of."""


def _one_row(here: Standpoint, about: Subject) -> int:
    rows = (
        here.reader.get(OBLIGATION, obligation_of(DUTIES[0], unit, about.span.last))
        for unit in about.units
    )
    return sum(row is not None for row in rows)


def _changing_row(here: Standpoint, about: Subject) -> int:
    return sum(here.reader.get(ACTIVITY, unit) is not None for unit in about.units)


def _list(here: Standpoint, about: Subject) -> int:
    return sum(
        len(here.reader.find(OBLIGATION, {"unit": unit, "period_end": about.days}))
        for unit in about.units
    )


def _aggregate(here: Standpoint, about: Subject) -> int:
    counts = here.reader.tally(OBLIGATION, ("duty",), {"period_end": about.days})
    return sum(counts.values())


def _matrix(here: Standpoint, about: Subject) -> int:
    found = matrix(here, about.span, DutyRef(DUTIES[0]), unit=BRANCH)
    return sum(len(row.cells) for row in found.rows)


QUESTIONS: Final[Mapping[str, Question]] = {
    "one row": _one_row,
    "one row that changes for ever": _changing_row,
    "a list": _list,
    "an aggregate": _aggregate,
    "the matrix of a branch": _matrix,
}
COLD: Final = "the matrix, as a first question"


class Compared(msgspec.Struct, frozen=True):
    """One question: milliseconds now, and as of each past place; their ratios, place by place."""

    now: float
    past: tuple[float, ...]
    ratios: tuple[float, ...]
    rows: int


def run(settings: Settings, *, quick: bool, show: Show = print) -> list[Goal]:
    """Measure on the server of the settings, in a database that is dropped afterwards."""
    facts, rounds = (FACTS_QUICK, 2) if quick else (FACTS, 7)
    server = open_database(settings)
    try:
        with fresh_database(server) as database, filling(database, small=quick) as told:
            told.fill(facts, AT_ONCE)
            found = compare(told, rounds)
    finally:
        server.close()
    show(table(facts, found))
    return goals(facts, found)


def compare(told: Filling, rounds: int) -> dict[str, Compared]:
    """Every question, as of now and as of places spread over the story, in turn."""
    begun = told.position - told.first
    places = [told.first + round(begun * share) for share in PLACES]
    questions = told.questions()
    days = {place: _last_whole_day(questions, place) for place in places}
    asked_days = {place: (day - FIRST_DAY).days + 1 for place, day in days.items()}
    places = [place for place in places if asked_days[place] > 0]
    assert places, "the story is too short to have a past"
    span_days = min(DAYS_ASKED_MAX, *(asked_days[place] for place in places))
    now = _last_whole_day(questions, told.position)
    subjects = {
        place: _subject(told, day, span_days) for place, day in (*days.items(), (None, now))
    }
    asking = {name: partial(_warm, questions, ask) for name, ask in QUESTIONS.items()}
    asking[COLD] = partial(_cold, told)
    return {name: _compared(ask, subjects, places, rounds) for name, ask in asking.items()}


def goals(facts: int, found: Mapping[str, Compared]) -> list[Goal]:
    """That no question is much dearer as of the past."""
    return [
        at_most(f"{name}, as of the past against now, {facts:,} facts", WITHIN, one.ratios)
        for name, one in found.items()
    ]


def table(facts: int, found: Mapping[str, Compared]) -> str:
    """Milliseconds of each question, for people."""
    lines = [f"as of {facts:,} facts, milliseconds: now, in the past (least to most), rows"]
    lines += [
        f"  {name:54} {one.now:9.2f} {median(one.past):9.2f} "
        f"({min(one.past):.2f} to {max(one.past):.2f}) {one.rows:8,}"
        for name, one in found.items()
    ]
    return "\n".join(lines)


_Asking: TypeAlias = Callable[[int | None, Subject], AbstractContextManager[Callable[[], int]]]


def _compared(
    ask: _Asking, subjects: Mapping[int | None, Subject], places: Sequence[int], rounds: int
) -> Compared:
    nows, pasts, rows = [], [], 0
    for place in places:
        with ask(None, subjects[None]) as asked_now, ask(place, subjects[place]) as asked_then:
            rows = asked_now()
            rows_then = asked_then()
            assert rows_then * 2 > rows > 0, f"{rows_then} rows then, {rows} now: no comparison"
            turns = [(_timed(asked_now), _timed(asked_then)) for _ in range(rounds)]
        nows.append(min(one for one, _ in turns))
        pasts.append(min(one for _, one in turns))
    ratios = [past / now for past, now in zip(pasts, nows, strict=True)]
    return Compared(median(nows), tuple(pasts), tuple(ratios), rows)


def _timed(call: Callable[[], int]) -> float:
    """Milliseconds of one call."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


@contextmanager
def _warm(
    questions: Questions, ask: Question, position: int | None, about: Subject
) -> Iterator[Callable[[], int]]:
    """The question at a moment that is open already."""
    with questions.at(position) as here:
        yield lambda: ask(here, about)


@contextmanager
def _cold(told: Filling, position: int | None, about: Subject) -> Iterator[Callable[[], int]]:
    """The matrix as the first question that a process is asked."""

    def call() -> int:
        with told.questions().at(position) as here:
            return _matrix(here, about)

    yield call


def _last_whole_day(questions: Questions, position: int) -> date:
    """The last day that was over at a position."""
    return (questions.event_at(position).recorded_at + CHINA).date() - DAY


def _subject(told: Filling, last: date, days: int) -> Subject:
    units = Random(SEED).sample(told.story.outlets, UNITS_ASKED)  # noqa: S311
    return Subject(Span(last - (days - 1) * DAY, last), tuple(units))
