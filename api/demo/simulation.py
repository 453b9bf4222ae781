"""The story told: acts in the order of their instants, the clock in between, answers as they come.

Whoever acts is found when the moment has come (a post may have another holder by then); what the
rules refuse is refused here too. Read next: `run.py`.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from api.demo.answers import Answers
from api.demo.story import Act
from ledger.bulk import Bulk, seeded_ids
from ledger.decisions.command import Command
from ledger.entry import Access, Context, Event
from ledger.errors import Refused
from ledger.events.duties import ObligationOpened
from ledger.model.authority import ADMINISTRATOR
from ledger.model.organisation import HEAD
from ledger.retelling import Retelling
from ledger.vocabulary import Actor, PersonRef, PostRef, Power, Via

OPERATOR = Actor(via=Via.OPERATOR, system="operations")
SECOND_OPERATOR = Actor(via=Via.OPERATOR, system="supervision")
"""Ratifies what the first declared."""


class Simulation:
    """One telling into one bulk; `refused` counts acts that the rules refused, by their reason."""

    def __init__(self, bulk: Bulk, answers: Answers, seed: int) -> None:
        self._retelling = Retelling(bulk)
        self._history = bulk.history
        self._answers = answers
        self._new_id: Callable[[], UUID] = seeded_ids(f"simulation-{seed}")
        self._acts: list[tuple[datetime, int, Act]] = []
        self._serial = 0
        self.refused: Counter[str] = Counter()

    def plan(self, acts: Iterable[Act]) -> None:
        """Keep acts until their instants; acts of one instant stay in the order given."""
        for act in acts:
            self._serial += 1
            heapq.heappush(self._acts, (act.at, self._serial, act))

    def tell(self, until: datetime) -> None:
        """Let everything happen up to an instant."""
        while True:
            upcoming = self._acts[0][0] if self._acts else until
            reached = self._pass_time(min(upcoming, until))
            if reached and upcoming > until:
                return
            if reached and self._acts and self._acts[0][0] <= until:
                self._perform(heapq.heappop(self._acts)[2])
            elif reached and not self._acts:
                return

    def _pass_time(self, until: datetime) -> bool:
        """Whether the clock got there; not, if an answer to what it opened comes before."""
        for events in self._retelling.pass_time(until):
            self._answer(events)
            if self._acts and self._acts[0][0] < until:
                return False
        return True

    def _answer(self, events: tuple[Event, ...]) -> None:
        for event in events:
            if isinstance(event.fact, ObligationOpened):
                self.plan(self._answers.to(event.fact, event.received_at))

    def _perform(self, act: Act) -> None:
        actor = self._actor(act)
        if actor is None:
            self.refused["nobody there"] += 1
            return
        operator = actor.via is Via.OPERATOR
        context = Context(
            actor=actor,
            received_at=act.at,
            new_id=self._new_id,
            access=Access(ADMINISTRATOR) if operator else None,
            source=act.source,
        )
        try:
            command = act.do if isinstance(act.do, Command) else act.do(self._history)
            self._retelling.execute(command, context)
        except Refused as refusal:
            if not act.may_be_refused:
                raise
            self.refused[f"{type(refusal).__name__}"] += 1

    def _actor(self, act: Act) -> Actor | None:
        if act.post is None and act.person is None:
            return SECOND_OPERATOR if act.second else OPERATOR
        if act.person is not None:
            return Actor(via=Via.CONSOLE, person=act.person, post=act.post)
        assert act.post is not None, "somebody acts in a post"
        person = self._present(act.post, act.at)
        post: PostRef | None = act.post
        if person is None:
            person, post = self._stand_in(act.post, act.at)
        return Actor(via=Via.CONSOLE, person=person, post=post) if person else None

    def _present(self, post: PostRef, at: datetime) -> PersonRef | None:
        """Who uses the post: its effective person, or the delegate while that one is on leave."""
        organisation = self._history.organisation
        person = organisation.effective(post, at).exercises
        if person is not None and organisation.on_leave(person, at):
            delegation = organisation.delegate(post, at, Power.REPORTING)
            return delegation.delegate if delegation else person
        return person

    def _stand_in(self, post: PostRef, at: datetime) -> tuple[PersonRef | None, PostRef | None]:
        """The clerk of a unit whose head's post is empty reports for it."""
        organisation = self._history.organisation
        row = organisation.posts.get(post)
        if row is None or row.role != HEAD:
            return None, None
        clerk = organisation.post_of_role(row.unit, "clerk", at)
        return (organisation.effective(clerk, at).exercises, clerk) if clerk else (None, None)
