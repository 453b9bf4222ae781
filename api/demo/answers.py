"""How people answer what is asked of them: most in time, some late, some never.

Every draw comes from one seeded source, asked in the order in which obligations are opened, so
that the same seed tells the same year. Read next: `year.py`.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Final

from api.demo.cases import Plot
from api.demo.scales import FOCUS_PREFECTURES
from api.demo.story import Act, Maker, reason, relief_of, report_on, submit
from ledger.decisions.command import Command
from ledger.decisions.relief import GrantExtension, RequestExtension
from ledger.decisions.reports import ResubmitReport, SubmitReport
from ledger.decisions.reviews import AcceptReport, ReturnReport
from ledger.events.duties import ObligationOpened
from ledger.model.history import History
from ledger.vocabulary import ExtensionId, ObligationId, PostId, UnitId

ACCEPTED_DUTIES: Final = frozenset({"outlet-monthly", "institution-quarterly", "preparing-monthly"})

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)

SPANS: Final = {
    "outlet-daily": 3 * HOUR,
    "outlet-weekly": 50 * HOUR,
}
"""How long before the due people begin to report; five days where nothing is said."""

IN_TIME, REFUSED_FIRST, RETURNED, EXTENDED, LATE = 0.925, 0.94, 0.95, 0.955, 0.985
"""Shares, each up to its number; what lies above the last is never reported."""

DAY_BEGINS, DAY_ENDS, OFFSET_HOURS = 8, 21, 8
"""Hours of the day at which people work, and how far China is ahead of UTC."""


class Answers:
    """How each obligation is answered, decided when it is opened."""

    def __init__(self, plot: Plot, seed: int) -> None:
        self._random = Random(f"answers-{seed}")  # noqa: S311
        self._plot = plot

    def to(self, opened: ObligationOpened, at: datetime) -> Iterator[Act]:
        """The acts by which an obligation is answered, if it is."""
        if opened.obligation in self._plot.scripted or opened.informational:
            return
        due, random = opened.due, self._random
        first = max(at + HOUR, due - SPANS.get(opened.duty, 5 * DAY))
        lot = 0.0 if self._is_in_focus(opened.unit) else random.random()
        sent = _office_hours(first + (due - first) * random.random() ** 0.7, due, random)
        if lot < IN_TIME:
            yield from self._sent(opened, sent)
        elif lot < REFUSED_FIRST:
            yield self._refused(opened, sent)
            yield from self._sent(opened, min(sent + HOUR / 3, due - timedelta(minutes=2)))
        elif lot < RETURNED:
            yield from self._sent(opened, sent, returned=True)
        elif lot < EXTENDED:
            yield from self._extended(opened, due)
        elif lot < LATE:
            delay = timedelta(minutes=5) + 6 * DAY * random.random() ** 3
            yield from self._sent(opened, _office_hours(due + delay, None, random))

    def _is_in_focus(self, unit: UnitId) -> bool:
        plan = self._plot.network.outlets.get(unit)
        return (plan is not None and plan.in_focus) or unit[1:] in FOCUS_PREFECTURES

    def _sent(
        self, opened: ObligationOpened, at: datetime, *, returned: bool = False
    ) -> Iterator[Act]:
        obligation = opened.obligation
        yield Act(at=at, do=submit(obligation, self._random), post=opened.post, may_be_refused=True)
        if not returned and opened.duty not in ACCEPTED_DUTIES:
            return
        reviewer = self._plot.network.superior_of(opened.post)
        looked_at = _office_hours(at + DAY + DAY * self._random.random(), None, self._random)
        do = (
            give_back(obligation, reviewer, looked_at) if returned else accept(obligation, reviewer)
        )
        yield Act(at=looked_at, do=do, post=reviewer, may_be_refused=True)
        if returned:
            answered = _office_hours(looked_at + DAY * self._random.random(), None, self._random)
            do = resubmit(obligation, self._random)
            yield Act(at=answered, do=do, post=opened.post, may_be_refused=True)

    def _refused(self, opened: ObligationOpened, at: datetime) -> Act:
        do = submit(opened.obligation, self._random, incomplete=True)
        return Act(at=at, do=do, post=opened.post, may_be_refused=True)

    def _extended(self, opened: ObligationOpened, due: datetime) -> Iterator[Act]:
        """Asked before the due, granted before or just after it, kept."""
        reviewer = self._plot.network.superior_of(opened.post)
        if opened.duty == "outlet-daily":
            return
        asked = due - timedelta(hours=self._random.choice((4, 8, 27)))
        until = due + 2 * DAY
        wanted = RequestExtension(
            obligation=opened.obligation, requested_due=until, reason=reason("workload")
        )
        yield Act(at=asked, do=wanted, post=opened.post, may_be_refused=True)
        decided = asked + timedelta(hours=self._random.choice((2, 3, 6)))
        do = grant(opened.obligation, reviewer, until)
        yield Act(at=decided, do=do, post=reviewer, may_be_refused=True)
        yield from self._sent(opened, _office_hours(due + DAY, None, self._random))


def _office_hours(at: datetime, before: datetime | None, random: Random) -> datetime:
    """The same day, at an hour at which people work (China is eight hours ahead of UTC)."""
    hour = (at.hour + OFFSET_HOURS) % 24
    if not DAY_BEGINS <= hour < DAY_ENDS:
        morning = at - timedelta(hours=hour, minutes=at.minute)
        at = morning + timedelta(hours=random.randrange(9, 18), minutes=random.randrange(60))
    if before is not None and at >= before:
        return before - timedelta(minutes=random.randrange(10, 60), seconds=random.randrange(60))
    return at.replace(second=random.randrange(60), microsecond=random.randrange(1_000_000))


def accept(obligation: ObligationId, by: PostId) -> Maker:
    """The reviewer accepts what was sent."""
    return lambda history: AcceptReport(
        obligation=obligation, report=report_on(history, obligation), by=by
    )


def give_back(obligation: ObligationId, by: PostId, at: datetime) -> Maker:
    """The reviewer returns what was sent, for correction within three days."""
    return lambda history: ReturnReport(
        obligation=obligation,
        report=report_on(history, obligation),
        by=by,
        correction_due=at + 4 * DAY,
        reason=reason("figures_differ"),
    )


def resubmit(obligation: ObligationId, random: Random) -> Maker:
    """The author answers a return."""

    def make(history: History) -> Command:
        filled = submit(obligation, random)(history)
        assert isinstance(filled, SubmitReport), "submitting makes a submission"
        return ResubmitReport(
            obligation=obligation,
            report=report_on(history, obligation),
            content=filled.content,
            form_revision=filled.form_revision,
        )

    return make


def grant(obligation: ObligationId, by: PostId, until: datetime) -> Maker:
    """The superior grants the newest request."""
    return lambda history: GrantExtension(
        obligation=obligation,
        by=by,
        due=until,
        extension=ExtensionId(relief_of(history, obligation)),
        reason=reason("workload"),
    )
