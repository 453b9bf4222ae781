"""The verdict: a pure function of facts, a moment, and a rule version (docs/rules.md).

`verdict(history, obligation, moment, rules)` gives the same answer for ever. It has two parts:
*computed*, what the facts known now say, and *standing*, what due process has notified and
decided; where they differ it says why.
"""

import msgspec

from ledger.attribution import Attribution
from ledger.timeliness import Assessment
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
