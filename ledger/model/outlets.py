"""An outlet's stage on a day, computed from its plan and its opening (docs/rules.md R2).

The stage is never recorded: planned, preparing from six months before the planned opening, new in
months 1 to 12, established from month 13. Days are local days in the outlet's zone.
"""

from datetime import date, datetime
from typing import Final, Literal

import msgspec

from ledger.model.calendar import local_day
from ledger.model.organisation.dossiers import OutletChange, Unit
from ledger.model.organisation.tenure import add_months
from ledger.vocabulary import Stage

PREPARING_MONTHS: Final = 6
NEW_MONTHS: Final = 12

MonthRule = Literal["anniversary", "calendar"]
"""Month 1 begins on the opening day, or is the calendar month of the opening."""


class StageLimits(msgspec.Struct, frozen=True):
    """The policy parameters of the stages."""

    preparing_months: int = PREPARING_MONTHS
    new_months: int = NEW_MONTHS
    month_rule: MonthRule = "anniversary"


DEFAULT_LIMITS: Final = StageLimits()


def stage(unit: Unit, on: date, limits: StageLimits = DEFAULT_LIMITS) -> Stage | None:
    """The stage of an outlet on a day; None for what is no outlet, was never planned, or given up.

    A day in the future is answered by what is planned now; an opening that is planned but has
    not happened keeps the outlet preparing.
    """
    if not unit.outlet or is_given_up(unit, on):
        return None
    opened = opened_on(unit)
    if opened is not None and on >= opened:
        first = opened.replace(day=1) if limits.month_rule == "calendar" else opened
        young = on < add_months(first, limits.new_months)
        return Stage.NEW if young else Stage.ESTABLISHED
    preparing = preparing_from(unit, on, limits)
    return Stage.PREPARING if preparing is not None and on >= preparing else Stage.PLANNED


def month_of_life(unit: Unit, on: date, limits: StageLimits = DEFAULT_LIMITS) -> int | None:
    """Which month since the opening a day lies in, from 1; None before the opening."""
    opened = opened_on(unit)
    if opened is None or on < opened:
        return None
    first = opened.replace(day=1) if limits.month_rule == "calendar" else opened
    months = (on.year - first.year) * 12 + on.month - first.month
    return months + 1 if add_months(first, months) <= on else months


def opened_on(unit: Unit) -> date | None:
    """The day the outlet opened, or was last said to have opened."""
    opening = opening_of(unit)
    return opening.day if opening else None


def opening_of(unit: Unit) -> OutletChange | None:
    """The fact that says when the outlet opened: the last recorded corrects those before."""
    stated = (one for one in unit.outlet if one.change == "opened")
    return max(stated, key=lambda one: one.position, default=None)


def planned_open(unit: Unit, on: date) -> date | None:
    """The opening day that the plan named on a day; before the first plan, what that one says."""
    in_force = None
    for begins, planned in _plans(unit, on):
        if in_force is None or begins <= on:
            in_force = planned
    return in_force


def preparing_from(unit: Unit, on: date, limits: StageLimits = DEFAULT_LIMITS) -> date | None:
    """The first day of the preparing stage by the plan, or by the opening if nothing was planned.

    Each plan counts while it is in force: a later one neither takes back a stage that has begun
    nor begins it before the day it was made. The first plan may be recorded long after. `on`
    chooses among the plans made before and after the outlet was given up.
    """
    plans = list(_plans(unit, on))
    for number, (begins, planned) in enumerate(plans):
        first = add_months(planned, -limits.preparing_months)
        if number:
            first = max(first, begins)
        if number + 1 == len(plans) or first < plans[number + 1][0]:
            return first
    opened = opened_on(unit)
    return add_months(opened, -limits.preparing_months) if opened else None


def is_given_up(unit: Unit, on: date) -> bool:
    """Whether the outlet was given up by the end of a day, and not planned anew since.

    An opening that is known takes precedence: who opened was not given up.
    """
    if opened_on(unit) is not None or not any(one.change == "abandoned" for one in unit.outlet):
        return False
    said = [one for one in unit.outlet if local_day(one.at, unit.zone) <= on]
    last = max(said, key=_by_instant, default=None)
    return last is not None and last.change == "abandoned"


def _plans(unit: Unit, on: date) -> list[tuple[date, date]]:
    """(from which day in force, planned opening) of every plan in turn, none given up by `on`."""
    found: list[tuple[date, date]] = []
    for one in sorted(unit.outlet, key=_by_instant):
        begins = local_day(one.at, unit.zone)
        if one.change == "abandoned":
            if begins > on:
                break
            found.clear()
        elif one.change in ("planned", "rescheduled") and one.day is not None:
            found.append((begins, one.day))
    return found


def _by_instant(one: OutletChange) -> tuple[datetime, int]:
    return one.at, one.position
