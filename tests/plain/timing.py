"""What the passing of time should have recorded: openings (R1) and notices of misses (R4).

`should_be_open` says what a clock must have opened by now, and how, from what was known when each
period started; `should_be_noticed` which misses must stand.
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from ledger.events import duties as d
from ledger.events.organisation import UnitEstablished
from ledger.vocabulary import Stage
from tests.plain import expecting, units
from tests.plain.days import Period, local_day, midnight, periods
from tests.plain.expecting import NOBODY, SUCCESSOR
from tests.plain.facts import Facts, Told
from tests.plain.judging import Judgement, opening
from tests.plain.policy import current_revision, policy


class Demanded(msgspec.Struct, frozen=True, kw_only=True):
    """An opening as it must have been recorded: for whom, until when, by what."""

    obligation: str
    post: str
    due: datetime
    nominal_due: datetime
    duty_revision: int
    stage: Stage | None
    provisional: bool
    grace_working_days: int


def should_be_open(facts: Facts, now: datetime) -> Iterator[Demanded]:
    """Every obligation that was asked for when its period started, as far as was known then."""
    duties = dict.fromkeys(one.fact.duty for one in facts.of(d.DutyPublished, d.DutyRevised))
    everything = dict.fromkeys(one.fact.unit for one in facts.of(UnitEstablished))
    for duty in duties:
        terms = expecting.terms_of(facts, duty)
        for unit in everything:
            zone = units.zone_of(facts, unit)
            first = min(expecting.begins(one, zone) for one in terms)
            for cadence in {one.fact.cadence for one in terms}:
                for period in periods(cadence, first, local_day(now, zone)):
                    start = midnight(period.first, zone)
                    found = demanded(facts.until(start), duty, unit, period, start)
                    if found is not None:
                        yield found


def demanded(
    known: Facts, duty: str, unit: str, period: Period, start: datetime
) -> Demanded | None:
    """What a duty asks of a unit when a period starts; None where it asks nothing."""
    terms = expecting.terms_for(known, duty, period.first, units.zone_of(known, unit))
    if terms is None or units.established(known, unit) is None:
        return None
    if period != _period_of(terms, period) or expecting.is_retired(known, duty, start):
        return None
    assignment = expecting.assigned(known, duty, unit, period.first)
    rules = policy(known, current_revision(known))
    asked = expecting.asked(known, terms, assignment, unit, period, rules)
    if asked.bearer == NOBODY or asked.post is None or asked.due is None:
        return None
    suffix = ".parent" if asked.bearer == SUCCESSOR else ""
    return Demanded(
        obligation=f"{duty}.{unit}.{period.key}{suffix}",
        post=asked.post,
        due=asked.due.at,
        nominal_due=asked.due.nominal,
        duty_revision=expecting.revision_of(terms),
        stage=asked.stage,
        provisional=asked.due.provisional,
        grace_working_days=asked.grace,
    )


def _period_of(terms: Told, period: Period) -> Period | None:
    """The period of the terms' own cadence that begins on the same day."""
    own = periods(terms.fact.cadence, period.first, period.first)
    return next((one for one in own if one.first == period.first), None)


def should_be_noticed(facts: Facts, judgement: Judgement) -> datetime | None:
    """The due of which a notice must stand once the clock has run; None where none may.

    Of what was asked for at too short notice no miss is raised (ruling 59).
    """
    opened = opening(facts, judgement.obligation)
    failed = judgement.outcome in ("late", "missed")
    return judgement.due if opened and failed and not opened.fact.short_notice else None


def noticed(facts: Facts, obligation: str) -> list[datetime]:
    """The dues of the notices that stand: raised, and not withdrawn since."""
    standing: list[datetime] = []
    for one in facts.of(d.ObligationMissed, d.ObligationMissWithdrawn, obligation=obligation):
        if isinstance(one.fact, d.ObligationMissed):
            standing.append(one.fact.due)
        elif one.fact.due in standing:
            standing.remove(one.fact.due)
    return standing
