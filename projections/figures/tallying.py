"""Many obligations judged quickly: what is plain by rule, what is not by the verdict itself.

A plain brief (`briefs.py`) follows from its due, its receipt and the clock, unless something else
may have moved its due or taken it back: facts about its unit that came after the opening, a
calendar that turned days, an outage, or the death of a holder. Those, and all that is not plain,
go to the verdict, which is remembered with what it read (`remembering.py`).
`tests/property/test_views_equal_replay.py` holds the short way and the long way together.
Read next: `accounting.py`, `projections/failures.py`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from ledger.errors import NotFound
from ledger.events.organisation import DEFAULT_ZONE
from ledger.model.calendar import Calendar
from ledger.model.history import History
from ledger.model.rules import ALGORITHM, Rules
from ledger.timeliness import Outcome
from ledger.vocabulary import Moment
from projections.background import Background
from projections.figures.briefs import Brief, Tallied
from projections.figures.sheaves import Sheaf, Shown
from projections.figures.tallies import Tally, between, by_period
from projections.judging import may_be_out
from projections.obligations import OBLIGATION
from projections.standpoint import Standpoint
from projections.time_travel import Reader

ROWS_AT_ONCE: Final = 5_000


def tally_all(
    here: Standpoint, sheaves: Sequence[Sheaf], moment: Moment | None = None
) -> list[Tally]:
    """The tally of each sheaf at a moment at or before the standpoint's (None: at its own)."""
    at = moment or here.moment
    backgrounds, reader = here.questions.backgrounds, here.reader.as_of(at.position)
    edition = backgrounds.edition(reader)
    shown = [one.at(at.position) for one in sheaves]
    found = [_kept(one, edition, at.instant) for one in shown]
    wanted = [n for n, one in enumerate(found) if one is None]
    if wanted:
        background = backgrounds.as_of(reader)
        work = _Work(background, at)
        for n in wanted:
            work.sort(sheaves[n], shown[n])
        work.judge(reader)
        for n in wanted:
            found[n] = tally = work.tally(sheaves[n], shown[n])
            shown[n].keep(tally)
    return [one for one in found if one is not None]


def _kept(shown: Shown, edition: int, instant: datetime) -> Tally | None:
    for one in shown.tallies:
        if one.edition == edition and one.span.holds(instant):
            return one
    return None


class _Work:
    """The tallies of some sheaves at one moment, before one background."""

    def __init__(self, background: Background, moment: Moment) -> None:
        self._background, self._moment = background, moment
        self._plain = Plain(background.history((), moment.position), background, moment)
        self._met: dict[int, tuple[Brief, ...]] = {}
        self._rest: dict[int, list[Tallied]] = {}
        self._turns: dict[int, list[datetime]] = {}
        self._unknown: list[tuple[Sheaf, int, Brief]] = []

    def sort(self, sheaf: Sheaf, shown: Shown) -> None:
        """Judge what is plain or remembered; the others wait for their dossiers."""
        key = id(shown)
        rest = self._rest[key] = []
        turns = self._turns[key] = []
        doubt = self._plain.doubt(shown)
        weighed = [*shown.weighed, *(one for one in shown.met if doubt.touches(one))]
        met = shown.met
        if len(weighed) > len(shown.weighed):
            met = tuple(one for one in met if not doubt.touches(one))
        self._met[key] = met
        for one in shown.unmet:
            told = None if doubt.touches(one) else self._plain.judge(one, turns)
            if told is None:
                weighed.append(one)
            else:
                rest.append(told)
        for one in weighed:
            known = sheaf.memory.recall(one, self._background, self._moment.instant)
            if known is None:
                self._unknown.append((sheaf, key, one))
            else:
                rest.append(known.answer)
                turns.extend(known.turns)

    def judge(self, reader: Reader) -> None:
        """Read the dossiers that are wanted, and judge them in full."""
        for start in range(0, len(self._unknown), ROWS_AT_ONCE):
            part = self._unknown[start : start + ROWS_AT_ONCE]
            rows = reader.get_many(OBLIGATION, [(one.obligation,) for _, _, one in part])
            for sheaf, key, one in part:
                row = rows[one.obligation,]
                known = sheaf.memory.judge(one, row, self._background, self._moment)
                self._rest[key].append(known.answer)
                self._turns[key].extend(known.turns)

    def tally(self, sheaf: Sheaf, shown: Shown) -> Tally:
        """What was found of a sheaf."""
        key = id(shown)
        return Tally(
            edition=self._background.edition,
            span=between(self._turns[key], self._moment.instant),
            periods=by_period(sheaf.key[1], self._met[key], self._rest[key]),
        )


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """What may disturb the briefs of one sheaf: changed units, turned days, dues after outages."""

    units: frozenset[str]
    changes: dict[str, int]
    calendar: Calendar | None
    out: frozenset[tuple[datetime, int]]

    def touches(self, one: Brief) -> bool:
        """Whether any of it may concern this obligation, so that the verdict must say."""
        if one.unit in self.units and self.changes[one.unit] > one.position:
            return True
        if self.calendar is not None:
            # A day more than the due's own in UTC covers every zone.
            last = (one.due + timedelta(days=1)).date()
            if self.calendar.shifted(one.position, one.period_start, last):
                return True
        return bool(self.out) and (one.due, one.rules) in self.out


class Plain:
    """The rule for plain briefs, before one background, at one moment."""

    def __init__(self, history: History, background: Background, moment: Moment) -> None:
        self._history, self._background, self._moment = history, background, moment
        self._calendar = history.calendar
        self._rules: dict[int, Rules | None] = {}
        self._ends: dict[tuple[datetime, str, int], datetime] = {}

    def doubt(self, shown: Shown) -> "Doubt":
        """What besides its own facts may say what is asked of a sheaf's obligations, or when."""
        calendar, (first, last) = self._calendar, shown.days
        return Doubt(
            units=self._background.units_changed_after(shown.opened),
            changes=self._background.unit_changes,
            calendar=calendar if calendar.shifted(shown.opened, first, last) else None,
            out=frozenset(one for one in shown.dues if self._may_be_out(*one)),
        )

    def judge(self, one: Brief, turns: list[datetime]) -> Tallied | None:
        """What is plainly late, missing or still to come; None: it takes the verdict.

        `turns` is told the instants at which this changes.
        """
        rules = self._rules_of(one.rules)
        if rules is None or one.post in self._background.bereft:
            return None
        unit = self._background.rows["unit"].get(one.unit)
        end = self._end(one.due, unit.zone if unit else DEFAULT_ZONE, rules)
        settled = one.due + timedelta(minutes=rules.settle_minutes)
        instant, received = self._moment.instant, one.received_at
        kind: str | None = None
        turns.append(settled)
        if instant < settled:
            outcome = Outcome.PENDING
        elif received is not None and received < end:
            outcome, kind = Outcome.LATE, "late"
        else:
            outcome, kind = Outcome.MISSED, "unreported" if instant >= end else None
            turns.append(end)
        return Tallied(
            obligation=one.obligation,
            duty=one.duty,
            unit=one.unit,
            period=one.period,
            period_start=one.period_start,
            period_end=one.period_end,
            opened_due=one.opened_due,
            outcome=outcome,
            kind=kind,
            due=one.due,
            received_at=received,
            accepted=outcome is Outcome.LATE and one.accepted,
        )

    def _rules_of(self, revision: int) -> Rules | None:
        """The rules of a revision; None: whatever the verdict says of them."""
        if revision not in self._rules:
            try:
                found = self._history.rules(revision)
            except NotFound:
                self._rules[revision] = None
            else:
                self._rules[revision] = found if found.algorithm == ALGORITHM else None
        return self._rules[revision]

    def _end(self, due: datetime, zone: str, rules: Rules) -> datetime:
        """When the late channel closes; thousands share each."""
        key = (due, zone, rules.late_channel_working_days)
        if key not in self._ends:
            self._ends[key] = self._calendar.add_working_days(due, key[2], zone)
        return self._ends[key]

    def _may_be_out(self, due: datetime, revision: int) -> bool:
        """Whether the platform may have been down before a due."""
        if not self._calendar.outages:
            return False
        rules = self._rules_of(revision)
        return rules is None or may_be_out(self._calendar.outages, due, rules)
