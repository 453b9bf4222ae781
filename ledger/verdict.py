"""The verdict: a pure function of facts, a moment, and a rule version (docs/rules.md).

`verdict(history, obligation, moment, rules)` gives the same answer for ever. It has two parts:
*computed*, what the facts known now say, and *standing*, what due process has notified and
decided; where they differ it says why.
"""

from datetime import datetime

import msgspec

from ledger.attribution import Attribution, attribute
from ledger.errors import UnknownAlgorithm
from ledger.model.history import History
from ledger.model.rules import ALGORITHM, Rules
from ledger.timeliness import Assessment, Outcome, assess
from ledger.vocabulary import DutyId, EventId, Moment, ObligationId, PostId, UnitId


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """What due process has said so far; `none` until a finding is raised (R10)."""

    state: str = "none"
    differs: str | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer on one obligation.

    `attribution` is None where nobody failed (met, pending, exempt, not expected).
    `basis` lists every event id used, each once, in the order of use.
    """

    obligation: ObligationId
    duty: DutyId
    unit: UnitId
    post: PostId
    period: str
    moment: Moment
    rules: int
    algorithm: int
    computed: Assessment
    attribution: Attribution | None
    standing: Standing
    basis: tuple[EventId, ...]


def verdict(
    history: History,
    obligation: ObligationId,
    moment: Moment,
    rules: Rules | None = None,
    turns: list[datetime] | None = None,
) -> Verdict:
    """The answer on one obligation; `rules` other than its own make it a what-if (R12).

    `history` holds the facts at or before `moment.position`, and at least the obligation, its
    duty, its unit with the line above, the calendar and the rules. `turns` is told every instant
    that the clock was compared with: the answer is the same at any other instant that lies
    between the same two of them.
    """
    row = history.obligation(obligation)
    own = rules or history.rules(row.rules)
    if own.algorithm != ALGORITHM:
        raise UnknownAlgorithm(f"algorithm {own.algorithm} is not known; upgrade to recompute it")
    computed = assess(history, row, moment, own, turns)
    attribution = None
    if computed.outcome in (Outcome.LATE, Outcome.MISSED):
        attribution = attribute(history, row, computed, own)
        if "incapacitated" in attribution.flags:
            excused = (*computed.excused, "incapacitated")
            computed = msgspec.structs.replace(computed, excused=excused)
    basis = dict.fromkeys((*computed.basis, *(attribution.basis if attribution else ())))
    if own.event:
        basis[EventId(own.event)] = None
    return Verdict(
        obligation=obligation,
        duty=row.duty,
        unit=row.unit,
        post=row.post,
        period=row.period,
        moment=moment,
        rules=own.revision,
        algorithm=own.algorithm,
        computed=computed,
        attribution=attribution,
        standing=Standing(),
        basis=tuple(basis),
    )
