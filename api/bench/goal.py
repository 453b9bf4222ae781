"""What a benchmark promises: a ratio to a reference in the same run, and whether it holds.

Absolute figures say more about the disk than about the program; so a goal is always a ratio,
the median over rounds in which ours and the reference took turns.
Read next: `api/bench/contest.py`.
"""

from collections.abc import Sequence
from statistics import median

import msgspec


class Goal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One goal of one run, as `ledger bench NAME --json` prints it, one line each."""

    goal: str
    ratio: float
    at_least: float | None = None
    at_most: float | None = None
    holds: bool
    spread: tuple[float, float]


def at_least(goal: str, bound: float, ratios: Sequence[float]) -> Goal:
    """More is better: the median ratio must reach the bound."""
    ratio = median(ratios)
    return Goal(
        goal=goal,
        ratio=round(ratio, 3),
        at_least=bound,
        holds=ratio >= bound,
        spread=(round(min(ratios), 3), round(max(ratios), 3)),
    )


def at_most(goal: str, bound: float, ratios: Sequence[float]) -> Goal:
    """Less is better: the median ratio must not pass the bound."""
    ratio = median(ratios)
    return Goal(
        goal=goal,
        ratio=round(ratio, 3),
        at_most=bound,
        holds=ratio <= bound,
        spread=(round(min(ratios), 3), round(max(ratios), 3)),
    )
