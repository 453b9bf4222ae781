"""How the relief of one obligation counts (R5, rulings 18 to 24).

Relief is *prior* if its grant was received before the due; asked for in time and granted within
three working days after it counts as prior too. Posterior relief never removes a miss.
"""

from datetime import datetime

import msgspec

from ledger.events import duties as d
from ledger.vocabulary import Power
from tests.plain import expecting, posts
from tests.plain.days import Calendar
from tests.plain.facts import Facts, Told
from tests.plain.policy import Policy

GRANTS = (d.ExtensionGranted, d.WaiverGranted)
REFUSALS = (d.ExtensionRefused, d.WaiverRefused)
REQUESTS = (d.ExtensionRequested, d.WaiverRequested)
ENDINGS = (d.ExtensionWithdrawn, d.WaiverRevoked)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One relief, from the asking (if anybody asked) to its decision and its end."""

    relief: str
    kind: str
    asked: Told | None
    decided: Told | None
    ended: Told | None
    annulled: Told | None

    @property
    def at(self) -> datetime:
        """When it was decided, else when it was asked for."""
        event = self.decided or self.asked
        assert event is not None, "a relief was asked for or decided"
        return event.received_at

    @property
    def events(self) -> tuple[str, ...]:
        """The facts about it."""
        found = (self.asked, self.decided, self.ended, self.annulled)
        return tuple(event.id for event in found if event is not None)


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """A relief as it counts; `asked_in_time` says whether a late decider is to blame.

    `prior`, `posterior`, `pending`, `undecided`, `refused`, `refused_late`, `withdrawn`, `void`.
    """

    request: Request
    standing: str
    asked_in_time: bool


class Relief(msgspec.Struct, kw_only=True):
    """What all of them together do."""

    due: datetime
    moved_by: list[tuple[datetime, str]]
    counted: list[Counted]
    is_exempt: bool = False
    excused: list[str]
    mitigated: list[str]
    held_until: datetime | None = None
    grace_until: datetime | None = None
    posterior_due: datetime | None = None


def requests(facts: Facts, obligation: str) -> list[Request]:
    """Every relief that was asked for or granted, in the order of its first fact."""
    told = facts.of(*REQUESTS, *GRANTS, *REFUSALS, *ENDINGS, obligation=obligation)
    struck = facts.of(d.ReliefAnnulled, obligation=obligation)
    found = []
    for name in dict.fromkeys(_name(event) for event in told):
        own = [event for event in told if _name(event) == name]

        def last(*types: type, own: list[Told] = own) -> Told | None:
            return next((event for event in reversed(own) if isinstance(event.fact, types)), None)

        first = own[0].fact
        found.append(
            Request(
                relief=name,
                kind="waiver" if hasattr(first, "waiver") else "extension",
                asked=last(*REQUESTS),
                decided=last(*GRANTS, *REFUSALS),
                ended=last(*ENDINGS),
                annulled=next((one for one in struck if one.fact.relief == name), None),
            )
        )
    return [one for one in found if one.asked or one.decided]


def _name(event: Told) -> str:
    return str(getattr(event.fact, "extension", None) or getattr(event.fact, "waiver", ""))


def weigh(  # noqa: PLR0913, PLR0917  (an obligation, and all that its relief is judged with)
    facts: Facts, opened: Told, due: datetime, now: datetime, zone: str, policy: Policy
) -> Relief:
    """Every relief in the order of its decision, from the due that holds without any."""
    relief = Relief(due=due, moved_by=[], counted=[], excused=[], mitigated=[])
    calendar = Calendar(facts)
    asked = requests(facts, opened.fact.obligation)
    places = {one.relief: place for place, one in enumerate(asked)}
    for one in sorted(asked, key=lambda one: (one.at, places[one.relief])):
        in_time = one.asked is not None and one.asked.received_at < relief.due
        standing = _standing(facts, opened, one, relief, in_time, now, calendar, zone, policy)
        relief.counted.append(Counted(request=one, standing=standing, asked_in_time=in_time))
    return relief


def _standing(  # noqa: C901, PLR0911, PLR0912, PLR0913, PLR0917  (the rules, one after another)
    facts: Facts,
    opened: Told,
    one: Request,
    relief: Relief,
    in_time: bool,
    now: datetime,
    calendar: Calendar,
    zone: str,
    policy: Policy,
) -> str:
    window = calendar.end_of_day_after(relief.due, policy.late_grant_working_days, zone)
    granted = one.decided is not None and isinstance(one.decided.fact, GRANTS)
    if one.annulled or (granted and _is_void(facts, opened, one, policy)):
        return "void"
    if one.ended and (one.decided is None or one.ended.received_at < relief.due):
        return "withdrawn"

    if one.decided is None:
        if not in_time:
            return "pending"
        if now < window:
            relief.held_until = max(window, relief.held_until or window)
            return "pending"
        relief.excused.append("undecided_relief")  # ruling 20
        return "undecided"

    decided_at = one.decided.received_at
    if not granted:
        if not in_time or decided_at < relief.due:
            return "refused"
        grace = calendar.end_of_day_after(decided_at, policy.refusal_grace_working_days, zone)
        relief.grace_until = max(grace, relief.grace_until or grace)  # ruling 19
        return "refused_late"

    is_prior = decided_at < relief.due or (in_time and decided_at < window)  # ruling 18
    if one.kind == "waiver":
        relief.is_exempt = relief.is_exempt or is_prior
        if not is_prior:
            relief.excused.append("waived_after_due")
    elif is_prior:
        if one.decided.fact.due > relief.due:
            relief.due = one.decided.fact.due
            relief.moved_by.append((relief.due, one.decided.id))
    else:
        until = one.decided.fact.due
        relief.posterior_due = max(until, relief.posterior_due or until)
        relief.mitigated.append("extension_after_due")  # ruling 21
    if is_prior:
        return "prior"
    if in_time:
        # The decider was silent until the window had closed: the obligor did their part (20).
        relief.excused.append("undecided_relief")
    return "posterior"


def _is_void(facts: Facts, opened: Told, one: Request, policy: Policy) -> bool:
    """Whether nobody with authority granted it (ruling 23).

    A grantor is a superior of the post that owes or the duty's owner post, and never the obligor
    nor the obligor's own delegate.
    """
    assert one.decided is not None, "a grant was decided"
    at, by, person = one.at, one.decided.fact.granted_by, one.decided.actor.person
    post = opened.fact.post
    if posts.established(facts, post) is None:
        return False
    if person is not None:
        lent = (posts.delegation(facts, post, at, power, policy) for power in Power)
        delegates = [event.fact.delegate for event in lent if event is not None]
        if person in (posts.filled(facts, post, at, policy).person, *delegates):
            return True
    owners = {terms.fact.owner for terms in expecting.terms_of(facts, opened.fact.duty)}
    return by not in owners and all(step.post != by for step in posts.line(facts, post, at))
