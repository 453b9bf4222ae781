"""Live = rebuilt = replayed = the plain model, at every position, whatever is done to a ledger.

Hypothesis drives a small network through its doors: units, holders, stages, calendars, duties,
reports and relief change, also in hindsight; the clock runs in time, late and twice; the service
restarts and rebuilds its views. At the end of each example everything that is answered, now and
as of every position, is held to the plain model (`tests/plain/`).

`LEDGER_TEST_FULL=1` runs the long form, at random; otherwise the same examples are run every time.
Read next: `tests/happening.py` (what happens), `tests/plain/agreeing.py` (what must hold).
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from ledger.decisions import organisation, outages, relief, reports, reviews
from ledger.events import duties as d
from ledger.events import reports as r
from ledger.vocabulary import Reason
from tests.happening import (
    DemandsHappen,
    OrganisationHappens,
    a_pick,
    an_outlet,
    hours,
)
from tests.plain import posts
from tests.plain.agreeing import FULL, check_everything
from tests.plain.facts import Facts
from tests.plain.judging import obligations, opening
from tests.plain.policy import policy
from tests.travelling import station
from tests.visiting import fresh_database

WHY = Reason("test")


class TimeMachine(OrganisationHappens, DemandsHappen):
    """Reports and relief, mistakes and outages, and what becomes of clock, service and views."""

    @rule(wait=hours)
    def time_passes(self, wait: int | str) -> None:
        """Nothing happens."""
        self.go(wait)

    @rule()
    def clock_goes_down(self) -> None:
        self.is_late = True

    @precondition(lambda self: self.is_late)
    @rule()
    def clock_comes_up(self) -> None:
        self.is_late = False
        self.ledger.tick()
        self.ledger.tick()

    @rule()
    def views_catch_up(self) -> None:
        self.ledger.project()

    @rule()
    def service_restarts(self) -> None:
        self.ledger.stop()
        self.ledger.start()
        if not self.is_late:
            self.ledger.tick()

    @rule()
    def views_are_rebuilt_beside(self) -> None:
        self.ledger.project()
        self.ledger.rebuild()

    # --- reports ---------------------------------------------------------------------------------

    @rule(
        pick=a_pick,
        wait=hours,
        who=st.sampled_from(("boss", "boss", "clerk", "coach", "amy", "superior")),
        nil=st.booleans(),
        by_http=st.booleans(),
    )
    def report_is_submitted(
        self, pick: int, wait: int | str, who: str, nil: bool, by_http: bool
    ) -> None:
        self.go(wait)
        one = self.an_obligation(pick)
        if one is None:
            return
        unit = one.split(".")[1]
        person, by = {
            "boss": (f"{unit}-boss", None),
            "clerk": ("ben", f"{unit}-clerk"),
            "coach": ("T-boss", "T-coach"),
            "amy": ("amy", None),
            "superior": ("S1-boss", "S1-head"),
        }[who]
        content = {} if nil else {"headcount": pick}
        command = reports.SubmitReport(
            obligation=one, form_revision=1, content=content, nil_return=nil, by=by
        )
        self.ledger.person(person, command, by_http=by_http)

    @rule(picks=a_pick, wait=hours)
    def reports_come_in(self, picks: int, wait: int | str) -> None:
        """Of some of what was opened last, by whoever is in the post."""
        self._reports_come_in(picks, wait)

    def _reports_come_in(self, picks: int, wait: int | str) -> None:
        self.go(wait)
        known = self.ledger.known()
        facts = Facts(known, len(known))
        for place, one in enumerate(reversed(obligations(facts)[-6:])):
            if picks >> place & 1:
                opened = opening(facts, one)
                assert opened is not None
                filled = posts.filled(facts, opened.fact.post, self.ledger.now, policy(facts, 0))
                command = reports.SubmitReport(
                    obligation=one, form_revision=1, content={"headcount": place}
                )
                self.ledger.person(filled.effective or "amy", command)

    @rule(picks=a_pick, wait=hours)
    def more_reports_come_in(self, picks: int, wait: int | str) -> None:
        """Reports are what a ledger sees most of."""
        self._reports_come_in(picks, wait)

    @rule(pick=a_pick, wait=hours, unit=an_outlet)
    def gate_refuses(self, pick: int, wait: int | str, unit: str) -> None:
        self.go(wait)
        if one := self.an_obligation(pick):
            command = reports.SubmitReport(
                obligation=one, form_revision=1, content={"headcount": "seven"}
            )
            self.ledger.person(f"{unit}-boss", command)

    @rule(pick=a_pick, wait=hours, what=a_pick)
    def report_is_reviewed(self, pick: int, wait: int | str, what: int) -> None:
        self.go(wait)
        known = self.ledger.known()
        sent = [
            one.fact
            for one in known
            if isinstance(one.fact, r.ReportSubmitted | r.ReportUnsolicitedReceived)
        ]
        if not sent:
            return
        fact = sent[-1 - pick % len(sent)]
        named = {"obligation": fact.obligation, "report": fact.report}
        unit = fact.obligation.split(".")[1]
        to = self.an_obligation(pick) or fact.obligation
        by = "S2" if unit == "O3" else "S1"
        content = {"form_revision": 1, "content": {"headcount": what}}
        commands = (
            (by, reviews.AcceptReport(**named, by=f"{by}-head")),
            (by, reviews.VoidReport(**named, by=f"{by}-head", reason=WHY)),
            (
                by,
                reviews.ReturnReport(
                    **named,
                    by=f"{by}-head",
                    correction_due=self.ledger.now + timedelta(days=5),
                    reason=WHY,
                ),
            ),
            (unit, reports.ResubmitReport(**named, **content)),
            (unit, reports.CorrectReport(**named, **content, reason=WHY)),
            (unit, reports.MoveReport(**named, moved_to=to, reason=WHY)),
            (unit, reports.WithdrawReport(**named, reason=WHY)),
            (unit, reports.RatifyReport(**named)),
        )
        who, command = commands[what % len(commands)]
        self.ledger.person(f"{who}-boss", command, by_http=bool(what & 32))

    # --- relief ----------------------------------------------------------------------------------

    @rule(pick=a_pick, wait=hours, what=a_pick)
    def relief_is_asked(self, pick: int, wait: int | str, what: int) -> None:
        self.go(wait)
        if one := self.an_obligation(pick):
            unit = one.split(".")[1]
            command = (
                relief.RequestWaiver(obligation=one, reason=WHY)
                if what % 3 == 0
                else relief.RequestExtension(
                    obligation=one,
                    reason=WHY,
                    requested_due=self.ledger.now + timedelta(days=1 + what % 12),
                )
            )
            self.ledger.person(f"{unit}-boss", command, by_http=bool(what & 32))

    @rule(pick=a_pick, wait=hours, what=a_pick)
    def relief_is_decided(self, pick: int, wait: int | str, what: int) -> None:
        self.go(wait)
        asked = [
            one.fact
            for one in self.ledger.known()
            if isinstance(one.fact, d.ExtensionRequested | d.WaiverRequested)
        ]
        one = asked[-1 - pick % len(asked)] if asked else None
        obligation = one.obligation if one else self.an_obligation(pick)
        if obligation is None:
            return
        by = ("S1", "S2", "HQ", "B")[what % 4]
        given = {"obligation": obligation, "by": f"{by}-head", "reason": WHY}
        due = self.ledger.now + timedelta(days=1 + pick % 9)
        commands: list[Any] = [
            relief.GrantWaiver(**given),
            relief.GrantExtension(**given, due=due),
            relief.OpenLateChannel(**given, until=due),
            relief.CloseLateChannel(**given),
        ]
        if isinstance(one, d.ExtensionRequested):
            commands += [
                relief.GrantExtension(**given, due=due, extension=one.extension),
                relief.GrantExtension(**given, due=due, extension=one.extension),
                relief.RefuseExtension(**given, extension=one.extension),
                relief.AnnulRelief(**given, relief=one.extension),
            ]
        elif one is not None:
            commands += [
                relief.GrantWaiver(**given, waiver=one.waiver),
                relief.RefuseWaiver(**given, waiver=one.waiver),
                relief.RevokeWaiver(**given, waiver=one.waiver),
            ]
        self.ledger.person(f"{by}-boss", commands[(what // 4) % len(commands)])

    # --- mistakes and outages --------------------------------------------------------------------

    @rule(pick=a_pick, wait=hours)
    def fact_is_annulled(self, pick: int, wait: int | str) -> None:
        self.go(wait)
        kept = (
            "established",
            "registered",
            "calendar",
            "duty",
            "form",
            "missed",
            "withdrawn",
            "opened",
        )
        lately = [one for one in self.ledger.known() if not any(word in one.type for word in kept)]
        if lately:
            self.ledger.operator(
                organisation.annulment_of(lately[-1 - pick % min(12, len(lately))], WHY)
            )

    @rule(pick=a_pick, wait=hours, what=a_pick)
    def outage(self, pick: int, wait: int | str, what: int) -> None:
        self.go(wait)
        opened = [
            one.fact for one in self.ledger.known() if isinstance(one.fact, d.ObligationOpened)
        ]
        past = [one for one in opened if one.due < self.ledger.now]
        if past:
            ended = past[-1 - pick % len(past)].due - timedelta(minutes=30)
            name = f"down-{self.done}"
            self.done += 1
            declared = outages.DeclareOutage(
                outage=name,
                started_at=ended - timedelta(minutes=40 + what),
                ended_at=ended,
                probe_ref="probe",
            )
            self.ledger.operator(declared)
            if what & 1:
                self.ledger.operator(outages.RatifyOutage(outage=name), system="second")

    # --- what must hold --------------------------------------------------------------------------

    def teardown(self) -> None:
        try:
            check_everything(self.ledger)
        finally:
            self.ledger.stop()


@pytest.fixture(scope="module")
def served(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """One application and one database for every example."""
    home = tmp_path_factory.mktemp("travelling")
    with fresh_database(server_url, template) as database, station(database, home) as made:
        TimeMachine.station = made
        yield


SEEDS = 8
EXAMPLES, STEPS = (2_000, 50) if FULL else (200, 30)


@pytest.mark.timeout(4 * 3600 if FULL else 600)
@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("number", range(SEEDS))
def test_live_is_rebuilt_is_replayed_is_the_plain_model(number: int) -> None:
    """Whatever happens, every answer at every position is the plain model's."""
    asked = settings(
        max_examples=EXAMPLES // SEEDS,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink) if FULL else (Phase.generate,),
    )
    machine = TimeMachine if FULL else seed(number)(TimeMachine)
    run_state_machine_as_test(machine, settings=asked)
