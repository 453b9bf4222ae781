"""A ruling of docs/rules.md as a row: its story, when it is judged, and the whole verdict.

Read next: `tests/rulings/answering.py`, the first rows; `tests/rulings/table.py`, all of them.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from ledger.verdict import Verdict
from tests.scenario import DUE, MONTHLY, Scenario, local

AFTER = "2026-04-10 09:00"


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """A case: its story, when it is judged, and every part of the verdict that is not empty."""

    number: int
    title: str
    story: Callable[[Scenario], Scenario]
    asked: str = AFTER
    obligation: str = MONTHLY
    outcome: str = "missed"
    kind: str | None = None
    expectation: str = "expected"
    due: str = DUE
    received: str | None = None
    pending: str | None = None
    excused: tuple[str, ...] = ()
    mitigated: tuple[str, ...] = ()
    reliefs: tuple[tuple[str, str], ...] = ()
    persons: tuple[tuple[str, str, str | None], ...] = ()
    path: tuple[tuple[str, str], ...] = ()
    flags: tuple[str, ...] = ()
    cites: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ("calendar 2026",)


def whole(verdict: Verdict) -> dict[str, Any]:
    """Everything that a verdict says, as a row would write it."""
    computed, attribution = verdict.computed, verdict.attribution
    return {
        "outcome": computed.outcome.value,
        "kind": computed.kind,
        "expectation": computed.expectation,
        "due": local(computed.due),
        "received": local(computed.received_at) if computed.received_at else None,
        "pending": computed.pending,
        "excused": computed.excused,
        "mitigated": computed.mitigated,
        "reliefs": tuple((one.kind, one.standing) for one in computed.reliefs),
        "persons": tuple(
            (one.role, one.ground, one.person or one.unit)
            for one in (attribution.persons if attribution else ())
        ),
        "path": tuple((hop.post, hop.reason) for hop in (attribution.path if attribution else ())),
        "flags": (*computed.flags, *(attribution.flags if attribution else ())),
        "cites": set(verdict.basis),
    }


def stated(ruling: Ruling) -> dict[str, Any]:
    """What the row expects, in the same words."""
    row = {name: getattr(ruling, name) for name in whole_fields()}
    why = ("monthly published", f"opened {ruling.obligation}", *ruling.calendar)
    return {**row, "cites": {*why, *ruling.cites}}


def whole_fields() -> tuple[str, ...]:
    """The parts of a verdict that a row states."""
    return (
        "outcome", "kind", "expectation", "due", "received", "pending", "excused",
        "mitigated", "reliefs", "persons", "path", "flags", "cites",
    )  # fmt: skip


def held_by_a(scenario: Scenario) -> Scenario:
    """A has held the outlet's head post for two years; the monthly report is open."""
    return scenario.appoint("O-head", "A", "2024-01-01 00:00").open()


A_APPOINTED = "A appointed to O-head"
A_DIRECT = (("direct", "holder", "A"),)
A_PATH = (("O-head", "holder"),)
S_APPOINTED = "s-chief appointed to S-head"
