"""The verdict is the plain model's, on dense histories about one due that no door would let pass.

`test_time_machine.py` tells what doors allow, over months; here everything that R5 to R8 speak of
is crowded around one due: who held the post and who acted in it, leave, powers lent, handovers,
requests and decisions, each an hour or weeks before or after.
"""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.events import duties as d
from ledger.events import organisation as o
from ledger.events import platform as p
from ledger.events import reports as r
from ledger.verdict import verdict
from ledger.vocabulary import Moment, Power, Via
from tests.plain.agreeing import FULL, differences, of_model, of_product
from tests.plain.facts import Facts
from tests.plain.judging import judge
from tests.scenario import DUE, MONTHLY, ZONE, Scenario, wall

PEOPLE = ("A", "C", "E")
POSTS = ("O-head", "O-head", "O-head", "S-head", "B-head")
HOURS = (-2000, -700, -170, -100, -73, -50, -30, -25, -20, -5, -1, 0, 1, 10, 30, 60, 80, 150, 400)
"""Before the due and after it."""

SIX_MONTHS = 4_390

Draw = Any


class Telling:
    """One history, fact by fact."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self.told = Scenario()
        self.told.open()
        if self._one(True, True, False):
            self._say(o.HolderAppointed(post="O-head", person="A"), effective=-9000)

    def _one(self, *choices: Any) -> Any:
        return self._draw(st.sampled_from(choices))

    def _at(self, hours: int) -> str:
        return f"{(wall(DUE) + timedelta(hours=hours)).astimezone(ZONE):%Y-%m-%d %H:%M}"

    def _say(self, fact: Any, *, effective: int | None = None, **more: Any) -> None:
        received = max(effective or self._one(*HOURS), -5000)
        self.told.say(
            f"event {len(self.told.events) + 1}",
            self._at(self._one(received, self._one(*HOURS))),
            fact,
            effective=self._at(effective) if effective is not None else None,
            **more,
        )

    def holding(self) -> None:
        """Somebody takes, leaves, or may not exercise a post."""
        post, person, at = self._one(*POSTS), self._one(*PEOPLE), self._one(*HOURS)
        by = {"appointed_by": self._one(None, "B-head")}
        fact = self._one(
            o.HolderAppointed(post=post, person=person, **by),
            o.HolderAppointed(post=post, person=person, **by),
            o.HolderRelieved(post=post, person=person),
            o.HolderRelieved(post=post, person=self._one("A", "s-chief")),
            o.HolderSuspended(post=post, person=self._one(person, "s-chief")),
            o.HolderReinstated(post=post, person=self._one(person, "s-chief")),
        )
        until = self._at(at + self._one(20, 200)) if self._one(1, 2, 3) == 1 else None
        self._say(fact, effective=at, until=until, person=self._one(None, "hq-chief"))

    def acting(self) -> None:
        """Somebody fills a post for a time."""
        post, person, at = (
            self._one("O-head", "O-head", "S-head"),
            self._one(*PEOPLE),
            self._one(*HOURS),
        )
        fact = self._one(
            o.ActingAppointed(post=post, person=person, appointed_by="S-head"),
            o.ActingAppointed(post=post, person=person, appointed_by="S-head"),
            o.ActingExtended(post=post, person=person),
            o.ActingEnded(post=post, person=person),
        )
        if self._one(1, 2, 3) == 1:
            at -= SIX_MONTHS
        until = self._at(self._one(-20, -5, -1, 0, 1, 30, 900, at + 5000))
        self._say(fact, effective=at, until=until, person=self._one(None, "hq-chief"))

    def leaving(self) -> None:
        """Somebody leaves the company, or is on leave."""
        person, at = self._one(*PEOPLE, "s-chief"), self._one(*HOURS)
        if self._one(True, False):
            cause = self._one("died", "incapacitated", "resigned")
            self._say(o.PersonDeparted(person=person, cause=cause), effective=at)
        else:
            until = self._at(at + self._one(30, 300))
            self._say(o.LeaveRecorded(person=person, kind="annual"), effective=at, until=until)

    def lending(self) -> None:
        """Powers are lent, and mostly accepted."""
        name, at = f"lent {len(self.told.events)}", self._one(*HOURS)
        named = {"delegation": name, "post": "O-head", "delegate": self._one("C", "E")}
        powers = self._one((Power.REPORTING,), (Power.APPROVALS,), tuple(Power))
        offer = o.DelegationGranted(**named, principal=self._one("A", "A", "C"), powers=powers)
        self._say(offer, effective=at, until=self._at(at + self._one(100, 700)))
        answers = (o.DelegationAccepted, o.DelegationAccepted, o.DelegationDeclined)
        self._say(self._one(*answers)(**named), effective=self._one(at, at + 20))
        if self._one(1, 2, 3, 4) == 1:
            self._say(o.DelegationRevoked(**named), effective=at + self._one(30, 90))

    def handing_over(self) -> None:
        """What is owed is handed over and signed for."""
        items = self._one((MONTHLY,), ())
        fact = o.HandoverCompleted(
            post="O-head", outgoing="A", incoming=self._one(*PEOPLE), items=items
        )
        self._say(fact, effective=self._one(*HOURS))

    def line(self) -> None:
        """Posts and units move about."""
        post = self._one("O-head", "S-head", "B-head")
        fact = self._one(
            o.PostSuperiorChanged(post=post, superior=self._one(None, "R-head", "S-head")),
            o.PostAbolished(post=post),
            o.UnitReparented(unit="O", parent=self._one("B", "R")),
            o.UnitClosed(unit=self._one("S", "B")),
            o.UnitSuspended(unit=self._one("O", "S")),
        )
        self._say(fact, effective=self._one(*HOURS))

    def relief(self) -> None:
        """Asked for or not, decided or not, taken back or struck out."""
        name, by = f"relief {len(self.told.events)}", self._one("S-head", "B-head", "O-head", "T")
        due = wall(DUE) + timedelta(hours=self._one(2, 30, 100, 300))
        on: dict[str, Any] = {"obligation": MONTHLY}
        ask: Any = d.ExtensionRequested(extension=name, **on, post="O-head", requested_due=due)
        yes: Any = d.ExtensionGranted(extension=name, **on, due=due, granted_by=by)
        no: Any = d.ExtensionRefused(extension=name, **on, refused_by=by)
        back: Any = d.ExtensionWithdrawn(extension=name, **on)
        if self._one("extension", "extension", "waiver") == "waiver":
            ask = d.WaiverRequested(waiver=name, **on, post="O-head")
            yes = d.WaiverGranted(waiver=name, **on, granted_by=by)
            no = d.WaiverRefused(waiver=name, **on, refused_by=by)
            back = d.WaiverRevoked(waiver=name, **on, revoked_by=by)
        asked = self._one(True, True, False)
        if asked:
            self._say(ask, reason="flood")
        what = self._one("yes", "yes", "no", "nothing") if asked else "yes"
        decider = {"person": self._one("s-chief", "A", "C"), "post": by}
        if what == "nothing" and self._one(1, 2, 3) == 1:
            self._say(back)
        elif what != "nothing":
            self._say(yes if what == "yes" else no, **decider)
            if what == "yes" and self._one(1, 2, 3, 4) == 1:
                struck = d.ReliefAnnulled(**on, relief=name, annulled_by="HQ-head")
                self._say(self._one(struck, back) if isinstance(yes, d.WaiverGranted) else struck)

    def report(self) -> None:
        """Submitted, by whomever, and perhaps taken away again."""
        name = f"report {len(self.told.events)}"
        named = {"report": name, "obligation": MONTHLY}
        sent = {**named, "unit": "O", "form": "monthly-form", "form_revision": 1, "content": {}}
        capacity = self._one("holder", "clerk", "support", "stranger")
        submitted: Any = r.ReportSubmitted(**sent, capacity=capacity)
        if capacity == "stranger":
            submitted = r.ReportUnsolicitedReceived(**sent)
        self._say(submitted, person="C", via=self._one(Via.API, Via.IMPORT))
        if capacity == "stranger" and self._one(True, False):
            self._say(r.ReportRatified(**named))
        back = wall(DUE) + timedelta(days=3)
        what = self._one("stands", "stands", "voided", "returned")
        if what == "voided":
            self._say(r.ReportVoided(**named, voided_by="S-head"))
        elif what == "returned":
            self._say(r.ReportReturned(**named, returned_by="S-head", correction_due=back))

    def gate(self) -> None:
        """An attempt is refused, or the late channel is not what it was."""
        until = wall(DUE) + timedelta(hours=self._one(100, 900))
        fault = self._one(True, False)
        self._say(
            self._one(
                r.ReportSubmissionRefused(
                    obligation=MONTHLY,
                    unit="O",
                    problems=("form",),
                    content_sha256="0" * 64,
                    platform_fault=fault,
                ),
                d.LateChannelOpened(obligation=MONTHLY, until=until, opened_by="S-head"),
                d.LateChannelClosed(obligation=MONTHLY, closed_by="S-head"),
            )
        )

    def outage(self) -> None:
        """The platform is down on the afternoon of the due."""
        name, ended = f"down {len(self.told.events)}", wall(DUE) - timedelta(minutes=45)
        minutes = timedelta(minutes=self._one(30, 60, 200))
        fact = p.OutageDeclared(
            outage=name, calendar="CN", started_at=ended - minutes, ended_at=ended, probe_ref="p"
        )
        self._say(fact)
        self._say(p.OutageRatified(outage=name, calendar="CN"))


KINDS = (
    *(Telling.holding,) * 4,
    *(Telling.acting,) * 2,
    Telling.leaving,
    Telling.lending,
    Telling.handing_over,
    Telling.line,
    *(Telling.relief,) * 3,
    Telling.report,
    Telling.gate,
    Telling.outage,
)


@st.composite
def tellings(draw: Draw) -> Scenario:
    """A history of one obligation, crowded around its due."""
    telling = Telling(draw)
    for tell in draw(st.lists(st.sampled_from(KINDS), min_size=3, max_size=14)):
        tell(telling)
    return telling.told


@settings(max_examples=20_000 if FULL else 800, deadline=None, derandomize=not FULL)
@given(told=tellings(), hours=st.sampled_from((0, 1, 40, 90, 300, 2000)))
def test_the_verdict_is_the_plain_model(told: Scenario, hours: int) -> None:
    """Outcome, due, relief, persons, path and basis are what the rules' text says."""
    position, now = len(told.events), wall(DUE) + timedelta(hours=hours)
    said = verdict(told.history(), MONTHLY, Moment(position, now))
    meant = judge(Facts(told.events, position), MONTHLY, now)

    assert differences(of_product(said, meant.background), of_model(meant)) == {}
