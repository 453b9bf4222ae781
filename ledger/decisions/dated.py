"""What every command about the organisation shares: its dates, its reason, and who may give it.

An operator records what the company decided elsewhere. Everybody else acts in a post (`by`): for
a post, somebody above it on the management line; for a unit, whoever leads a unit above it.
Several things wrong are named together.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from eventsourcing.dcb.domain import Selector

from ledger.decisions.command import Command
from ledger.entry import Context, Draft
from ledger.errors import FieldProblem, Invalid, NotAllowed
from ledger.events.fact import Fact
from ledger.model.authority import (
    exercises,
    heads_of,
    is_operator,
    post_boundary,
    units_above,
)
from ledger.model.history import History, about
from ledger.vocabulary import (
    CODE_PATTERN,
    Evidence,
    Line,
    PersonRef,
    PostId,
    PostRef,
    Power,
    Reason,
    UnitRef,
)

EARLIEST: Final = datetime(1949, 10, 1, tzinfo=UTC)
"""Nothing about the company's organisation holds from before this instant."""

FIRST_DAY: Final = EARLIEST.date()

AHEAD_DAYS_MAX: Final = 3_660
"""How far ahead a fact may be dated: ten years."""

NAME_LENGTH_MAX: Final = 120

WORD_PATTERN: Final = r"[a-z][a-z0-9_]{0,39}"


class Problems:
    """The fields that are wrong with a command, gathered so that all are named at once."""

    def __init__(self) -> None:
        self.found: list[FieldProblem] = []

    def add(self, field: str, message: str) -> None:
        """One more field, and what to do about it."""
        self.found.append(FieldProblem(field, message))

    def check(self, field: str, message: str, *, good: bool) -> None:
        """One more field, unless it is good."""
        if not good:
            self.add(field, message)

    def code(self, field: str, value: str) -> None:
        """A code becomes part of identifiers and URLs."""
        good = re.fullmatch(CODE_PATTERN, value) is not None
        self.check(
            field, "use 1 to 40 letters, digits, '-' or '_', beginning with no sign", good=good
        )

    def word(self, field: str, value: str) -> None:
        """A word that rules can read, such as a role, a kind, or a cause."""
        good = re.fullmatch(WORD_PATTERN, value) is not None
        self.check(field, "use 1 to 40 small letters, digits or '_', a letter first", good=good)

    def name(self, field: str, value: str) -> None:
        """A name in words, for people."""
        good = len(value.strip()) > 0 and len(value) <= NAME_LENGTH_MAX and value.isprintable()
        self.check(field, f"use 1 to {NAME_LENGTH_MAX} printable characters", good=good)

    def day(self, field: str, value: date, context: Context) -> None:
        """A day that a calendar can work with."""
        latest = context.received_at + timedelta(days=AHEAD_DAYS_MAX)
        good = FIRST_DAY <= value <= latest.date()
        self.check(field, f"must lie from {EARLIEST:%Y-%m-%d} to ten years ahead", good=good)

    def instant(self, field: str, value: datetime | None, context: Context) -> None:
        """An instant with its offset from UTC, within reason; none at all is fine."""
        if value is None:
            return
        if value.tzinfo is None:
            self.add(field, "give the offset from UTC, such as Z or +08:00")
        elif not EARLIEST <= value <= context.received_at + timedelta(days=AHEAD_DAYS_MAX):
            self.add(field, f"must lie from {EARLIEST:%Y-%m-%d} to ten years ahead")

    def later(self, until: datetime | None, start: datetime) -> None:
        """An end lies after its beginning."""
        if until is not None and until.tzinfo and start.tzinfo and until <= start:
            self.add("effective_until", "must lie after the beginning")

    def refuse(self) -> None:
        """Refuse the command if anything is wrong with it."""
        if self.found:
            words = "; ".join(f"{one.field}: {one.message}" for one in self.found)
            raise Invalid(words, tuple(self.found))


class Dated(Command, frozen=True, kw_only=True):
    """A command whose fact holds from `effective_from` (absent: when received).

    `by` is the post in which the actor acts; an operator names there who ordered it, if anybody.
    """

    effective_from: datetime | None = None
    by: PostId | None = None
    reason: Reason | None = None
    evidence: tuple[Evidence, ...] = ()

    def at(self, context: Context) -> datetime:
        """From when the fact holds."""
        return self.effective_from or context.received_at

    def problems(self, context: Context) -> Problems:
        """What is wrong with the dates, to begin with."""
        found = Problems()
        found.instant("effective_from", self.effective_from, context)
        if self.reason is not None:
            found.word("reason.code", self.reason.code)
        return found

    def by_boundary(self, history: History) -> list[Selector]:
        """What says whether the actor may act in the post `by`."""
        return [] if self.by is None else post_boundary(history, self.by)

    def draft(self, fact: Fact, *, until: datetime | None = None) -> Draft:
        """The fact with the dates, reason and evidence of the command."""
        return Draft(
            fact=fact,
            effective_from=self.effective_from,
            effective_until=until,
            line=Line.MANAGEMENT,
            reason=self.reason,
            evidence=self.evidence,
        )

    def require_above_post(self, history: History, context: Context, post: PostRef) -> None:
        """Refuse whoever is no operator and not above the post on the management line."""
        if is_operator(context):
            self._require_known(history)
            return
        above = [step.post for step in history.organisation.line(post, context.received_at)]
        nearest = f"post {above[0]!r}" if above else "an administrator"
        self._require_in(history, context, self.by in above, f"{nearest}, above {post!r}")

    def require_above_unit(self, history: History, context: Context, unit: UnitRef) -> None:
        """Refuse whoever is no operator and leads no unit above this one."""
        if is_operator(context):
            self._require_known(history)
            return
        organisation, at = history.organisation, context.received_at
        heads = [organisation.head_post(one, at) for one in organisation.ancestors(unit, at)]
        standing = [head for head in heads if head is not None]
        nearest = f"post {standing[0]!r}" if standing else "an administrator"
        self._require_in(history, context, self.by in standing, f"{nearest}, above unit {unit!r}")

    def _require_known(self, history: History) -> None:
        if self.by is not None:
            history.post(self.by)

    def _require_in(self, history: History, context: Context, is_above: bool, whom: str) -> None:
        if self.by is None:
            raise NotAllowed(f"say in `by` in which post you act; this is for {whom}")
        if not is_above:
            raise NotAllowed(f"post {self.by!r} has no authority here; ask {whom}")
        self.require_in_post(history, context, self.by)

    @staticmethod
    def require_in_post(history: History, context: Context, post: PostRef) -> None:
        """Refuse whoever may not use the post's power of approval, and is no operator."""
        if is_operator(context):
            return
        if exercises(history, context, post, Power.APPROVALS) is None:
            raise NotAllowed(
                f"you are not effective in post {post!r}, nor its delegate for approvals; "
                f"ask whoever holds it"
            )


def line_above_unit(history: History, unit: UnitRef) -> list[Selector]:
    """Everything that says who leads the unit and the units above."""
    above = units_above(history, unit)
    heads = heads_of(history, above)
    return [about("unit", one) for one in above] + [about("post", one) for one in heads]


def refuse_oneself(context: Context, person: PersonRef, what: str) -> None:
    """Nobody decides for themselves, whatever post they fill (ruling 23)."""
    if not is_operator(context) and context.actor.person == person:
        raise NotAllowed(f"nobody may {what} themselves; ask the post above yours")
