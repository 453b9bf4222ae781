"""What a case is, and the few words in which the cases are told.

Most of them turn on one due: the weekly report of week 36, due on Monday, 7 September 2026 at
18:00, the minute included.
"""

from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Final

import msgspec

from api.demo.codes import post_id
from api.demo.network import Network, PostPlan, post_of
from api.demo.story import Act, Maker, china, reason, report_on, submit
from ledger.decisions.command import Command
from ledger.decisions.organisation.holders import AppointHolder, RelieveHolder
from ledger.decisions.reviews import VoidReport
from ledger.model.history import History
from ledger.vocabulary import ObligationId, PersonId, PostId, Source, UnitId

DUE: Final = china(9, 7, 18, 1)
WEEK: Final = "2026W36"
WEEKLY: Final = "outlet-weekly"

CHENGDU, LUZHOU, MIANYANG, NANCHONG, YIBIN = "S5101", "S5105", "S5107", "S5113", "S5115"
BRANCH_HEAD: Final = post_id("B51-head")


class Who(msgspec.Struct, frozen=True):
    """A person answers in a role, on a ground; without a person, nobody could be named."""

    role: str
    ground: str
    person: PersonId | None


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """The answer that the rules must give when everything has happened.

    `steps` are the causes that moved the due; `flags` are all of the assessment's, `marks` all of
    the attribution's.
    """

    outcome: str
    kind: str | None = None
    who: tuple[Who, ...] = ()
    excused: tuple[str, ...] = ()
    mitigated: tuple[str, ...] = ()
    steps: tuple[str, ...] = ("nominal",)
    flags: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    expectation: str = "expected"


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One planted case; `ruling` is its number in the rule set, or the rule's own name."""

    code: str
    ruling: str
    obligation: ObligationId
    title_zh: str
    title_en: str
    expected: Expected


class Plot:
    """Collects the cases, their acts, and the obligations that nobody else may answer."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.random = Random("plot")  # noqa: S311
        self.cases: list[Case] = []
        self.acts: list[Act] = []
        self.scripted: set[ObligationId] = set()

    # --- who and what ------------------------------------------------------------------------

    def outlet(self, sub_branch: str, place: int) -> UnitId:
        """The outlet of a sub-branch at a place in its list."""
        return self.network.outlets_of(sub_branch)[place]

    def holder(self, post: PostId) -> PersonId:
        """Who holds a post when the story begins."""
        plan: PostPlan = self.network.posts[post]
        assert plan.person is not None, f"{post} is held when the story begins"
        return plan.person

    def owe(self, unit: UnitId, duty: str = WEEKLY, period: str = WEEK) -> ObligationId:
        """An obligation that only this story's acts answer."""
        obligation = ObligationId(f"{duty}.{unit}.{period}")
        self.scripted.add(obligation)
        return obligation

    # --- what happens ------------------------------------------------------------------------

    def act(  # noqa: PLR0913  (an act has these parts)
        self,
        at: datetime,
        do: Command | Maker,
        *,
        post: PostId | None = None,
        person: PersonId | None = None,
        source: Source | None = None,
        may_be_refused: bool = False,
        second: bool = False,
    ) -> None:
        """Somebody does something."""
        self.acts.append(
            Act(
                at=at,
                do=do,
                post=post,
                person=person,
                source=source,
                may_be_refused=may_be_refused,
                second=second,
            )
        )

    def report(  # noqa: PLR0913  (a report has these parts)
        self,
        obligation: ObligationId,
        at: datetime,
        post: PostId,
        *,
        by: PostId | None = None,
        incomplete: bool = False,
        source: Source | None = None,
    ) -> None:
        """Whoever exercises a post reports."""
        do = submit(obligation, self.random, by=by, incomplete=incomplete)
        self.act(at, do, post=post, source=source, may_be_refused=incomplete)

    def transfer(
        self,
        post: PostId,
        *,
        told: datetime,
        leaves: datetime,
        begins: datetime | None = None,
        by: PostId,
    ) -> PersonId | None:
        """The holder leaves, and somebody new begins (None: nobody); ordered by a post above."""
        leaver = self.holder(post)
        relieve = RelieveHolder(post=post, person=leaver, effective_from=leaves, by=by)
        self.act(told, relieve, post=by)
        if begins is None:
            return None
        newcomer = self.network.new_person()
        appoint = AppointHolder(post=post, person=newcomer, effective_from=begins, by=by)
        self.act(told, appoint, post=by)
        return newcomer

    def void(self, obligation: ObligationId, at: datetime, by: PostId) -> None:
        """A reviewer strikes a report out."""

        def make(history: History) -> Command:
            report = report_on(history, obligation)
            return VoidReport(obligation=obligation, report=report, by=by, reason=reason("empty"))

        self.act(at, make, post=by)

    # --- what must come of it ----------------------------------------------------------------

    def case(  # noqa: PLR0913  (a case has these parts)
        self,
        ruling: str,
        obligation: ObligationId,
        title_zh: str,
        title_en: str,
        expected: Expected,
        *,
        code: str | None = None,
    ) -> None:
        """One case, told."""
        self.scripted.add(obligation)
        self.cases.append(
            Case(
                code=code or ruling,
                ruling=ruling,
                obligation=obligation,
                title_zh=title_zh,
                title_en=title_en,
                expected=expected,
            )
        )


Tell = Callable[[Plot], None]


def head(unit: str) -> PostId:
    """The post that leads a unit."""
    return post_of(unit, "head")


def clerk(unit: str) -> PostId:
    """The clerk's post of an outlet."""
    return post_of(unit, "clerk")


def missed(*who: Who, **more: object) -> Expected:
    """Never reported, and these answer for it."""
    return Expected(outcome="missed", kind="unreported", who=who, **more)  # type: ignore[arg-type]


def late(*who: Who, **more: object) -> Expected:
    """Reported within the late channel, and these answer for it."""
    return Expected(outcome="late", kind="late", who=who, **more)  # type: ignore[arg-type]


def on_time(**more: object) -> Expected:
    """Reported in time: nobody answers for anything."""
    return Expected(outcome="on_time", **more)  # type: ignore[arg-type]


def not_expected(expectation: str) -> Expected:
    """Not owed after all."""
    return Expected(outcome="not_expected", expectation=expectation)
