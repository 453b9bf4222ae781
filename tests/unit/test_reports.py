"""Who may report, correct and review, and what is refused (rulings 48 to 60)."""

from typing import Any

import pytest

from ledger.decisions import duties, organisation, reports, reviews
from ledger.decisions.command import Command
from ledger.entry import Event
from ledger.errors import Conflict, GateRefused, Invalid, NotAllowed, NotFound
from ledger.events import reports as r
from ledger.events.duties import FormField
from ledger.vocabulary import Level, Power, Reason, UnitKind
from tests.timekeeping import World, duty, form, wall

MARCH = "M.O.2026-03"
WHY = Reason("test")
BEFORE, AFTER = "2026-04-02 10:00", "2026-04-10 10:00"
"""March is due on 8 April 18:01."""


@pytest.fixture
def world() -> World:
    """A world in which March is open, with people around the outlet's head."""
    world = World()
    world.tell("2026-01-20 09:00", duty())
    world.establish("C", Level.SUB_BRANCH, "HQ", kind=UnitKind.SUPPORT)
    world.operator(organisation.AttachSupport(unit="O", supporter="C"))
    world.establish("T", Level.SUB_BRANCH, "HQ")
    add(world, "clerk", "O")
    world.until("2026-04-01 00:00")
    return world


def add(world: World, role: str, unit: str) -> None:
    """A post of a role in a unit, held by the person of that name."""
    post = f"{unit}-{role}"
    world.operator(
        organisation.EstablishPost(
            post=post, unit=unit, role=role, title_zh=role, title_en=role, by="HQ-head"
        )
    )
    world.register(role)
    world.operator(organisation.AppointHolder(post=post, person=role))


def submit(**changes: object) -> reports.SubmitReport:
    """A good report on March, with changes."""
    fields = {"obligation": MARCH, "form_revision": 1, "content": {"headcount": 7}, **changes}
    return reports.SubmitReport(**fields)


def sent(world: World, at: str = BEFORE) -> str:
    """The outlet's head has reported; the report's id."""
    (event,) = world.person("O-boss", submit(), at=wall(at))
    return str(event.fact.report)  # type: ignore[attr-defined]


def do(world: World, who: str, command: Command, at: str = BEFORE) -> Event:
    """One command, one fact."""
    (event,) = world.person(who, command, at=wall(at))
    return event


@pytest.mark.parametrize(
    ("who", "by", "capacity"),
    [
        ("O-boss", None, "holder"),
        ("clerk", None, "clerk"),
        ("clerk", "O-clerk", "clerk"),
        ("C-boss", "C-head", "support"),
        ("S-boss", "S-head", "superior"),
        ("HQ-boss", "HQ-head", "superior"),
    ],
)
def test_capacity_of_who_reports(world: World, who: str, by: str | None, capacity: str) -> None:
    """Rulings 53 and 54: the author may be another; on whose behalf is recorded."""
    event = do(world, who, submit(by=by))
    assert isinstance(event.fact, r.ReportSubmitted)
    assert event.fact.capacity == capacity
    behalf = event.on_behalf_of
    assert (behalf.post if behalf else None) == (None if capacity == "holder" else "O-head")


def test_delegate_reports_with_an_accepted_power_of_reporting(world: World) -> None:
    """Rulings 6 to 8: accepted, and of this power; otherwise the report is nobody's."""
    world.register("delegate")
    grant = organisation.GrantDelegation(
        post="O-head",
        delegate="delegate",
        powers=(Power.REPORTING,),
        effective_until=wall("2026-04-20 00:00"),
    )
    granted = do(world, "O-boss", grant)
    unaccepted = do(world, "delegate", submit())
    assert isinstance(unaccepted.fact, r.ReportUnsolicitedReceived)
    delegation = granted.fact.delegation  # type: ignore[attr-defined]
    accept = organisation.AcceptDelegation(post="O-head", delegation=delegation)
    do(world, "delegate", accept)
    event = do(world, "delegate", submit())
    assert isinstance(event.fact, r.ReportSubmitted)
    assert event.fact.capacity == "delegate"


@pytest.mark.parametrize(
    ("who", "by"), [("stranger", None), ("T-boss", "T-head"), ("clerk", "S-head")]
)
def test_report_without_authority_is_kept_as_unsolicited(
    world: World, who: str, by: str | None
) -> None:
    """Ruling 56: a stranger, another branch, and a post that one does not hold."""
    world.register("stranger")
    event = do(world, who, submit(by=by))
    assert isinstance(event.fact, r.ReportUnsolicitedReceived)


def test_only_the_post_itself_ratifies(world: World) -> None:
    """Ruling 56: the holder ratifies once; a clerk does not."""
    world.register("stranger")
    event = do(world, "stranger", submit())
    ratify = reports.RatifyReport(obligation=MARCH, report=event.fact.report)  # type: ignore[attr-defined]
    with pytest.raises(NotAllowed, match="may ratify"):
        do(world, "clerk", ratify)
    do(world, "O-boss", ratify)
    with pytest.raises(Conflict, match="nothing is left"):
        do(world, "O-boss", ratify)
    assert world.obligation(MARCH).submissions[0].counts


def test_refused_attempt_is_kept_with_every_problem(world: World) -> None:
    """Ruling 48: the gate names all that is wrong, and the attempt is a fact to record."""
    bad = submit(content={"x": 1}, unit="S", period="2026-04", form_revision=2)
    with pytest.raises(GateRefused) as refused:
        do(world, "O-boss", bad)
    fields = [problem.field for problem in refused.value.fields]
    assert fields == ["unit", "period", "form_revision"]
    (draft,) = refused.value.drafts
    assert isinstance(draft.fact, r.ReportSubmissionRefused)
    assert len(draft.fact.problems) == len(fields)
    assert not draft.fact.platform_fault


def test_newest_form_refused_is_the_platforms_fault(world: World) -> None:
    """Ruling 48: whoever filled in the form that the platform showed is not to blame."""
    field = FormField(code="other", kind="integer", label_zh="它", label_en="other")
    newer = duties.PublishForm(form="F", title_zh="表", title_en="F", fields=(field,))
    world.tell("2026-04-02 09:00", newer)
    with pytest.raises(GateRefused) as refused:
        do(world, "O-boss", submit(content={"other": 1}, form_revision=2))
    (draft,) = refused.value.drafts
    assert isinstance(draft.fact, r.ReportSubmissionRefused)
    assert draft.fact.platform_fault


def test_outdated_form_is_the_submitters_own_fault() -> None:
    """A version older than the one that the period was opened with excuses nobody."""
    world = World()
    world.tell("2026-02-10 09:00", duties.PublishForm(**fields_of_form()))
    world.tell("2026-02-10 09:00", duty())
    world.until("2026-04-01 00:00")
    with pytest.raises(GateRefused) as refused:
        do(world, "O-boss", submit(form_revision=1))
    (draft,) = refused.value.drafts
    assert isinstance(draft.fact, r.ReportSubmissionRefused)
    assert not draft.fact.platform_fault


def fields_of_form() -> dict[str, Any]:
    """The form of every test, once more."""
    command = form()
    return {name: getattr(command, name) for name in command.__struct_fields__}


def test_form_changed_within_the_period_leaves_both_versions_good() -> None:
    """Ruling 60: either version is accepted for the period in which the form changed."""
    world = World()
    world.tell("2026-01-20 09:00", duty())
    field = FormField(code="other", kind="integer", label_zh="它", label_en="other")
    newer = duties.PublishForm(form="F", title_zh="表", title_en="F", fields=(field,))
    world.tell("2026-03-15 09:00", newer)
    do(world, "O-boss", submit(content={"other": 1}, form_revision=2))
    old = submit(obligation="M.O.2026-04", form_revision=1)
    with pytest.raises(GateRefused, match="correct the fields"):
        do(world, "O-boss", old, "2026-05-06 10:00")


def test_second_report_is_refused_while_one_stands(world: World) -> None:
    """The first valid receipt is never overwritten by sending again."""
    sent(world)
    with pytest.raises(GateRefused) as refused:
        do(world, "O-boss", submit())
    assert "stands already" in refused.value.fields[0].message


def test_nothing_is_reported_for_what_nobody_owes(world: World) -> None:
    """An unknown obligation is not found; a cancelled one is owed no more."""
    with pytest.raises(NotFound, match="obligation"):
        do(world, "O-boss", submit(obligation="M.O.2031-01"))
    world.tell("2026-04-02 09:00", organisation.CloseUnit(unit="O"))
    with pytest.raises(Conflict, match="cancelled"):
        do(world, "S-boss", submit(by="S-head"))


def test_withdrawn_before_the_due_and_replaced(world: World) -> None:
    """A report may be replaced while there is time; afterwards it may only be corrected."""
    report = sent(world)
    withdraw = reports.WithdrawReport(obligation=MARCH, report=report, reason=WHY)
    do(world, "O-boss", withdraw)
    again = sent(world, "2026-04-03 10:00")
    late = reports.WithdrawReport(obligation=MARCH, report=again, reason=WHY)
    with pytest.raises(Conflict, match="due has passed"):
        do(world, "O-boss", late, AFTER)


def test_return_is_answered_by_a_resubmission(world: World) -> None:
    """Ruling 49: returned, resubmitted, accepted; the first receipt stays."""
    report = sent(world)
    back = reviews.ReturnReport(
        obligation=MARCH,
        report=report,
        by="S-head",
        correction_due=wall("2026-04-14 18:01"),
        reason=WHY,
    )
    accept = reviews.AcceptReport(obligation=MARCH, report=report, by="S-head")
    again = reports.ResubmitReport(
        obligation=MARCH, report=report, form_revision=1, content={"headcount": 8}
    )
    with pytest.raises(Conflict, match="not returned"):
        do(world, "O-boss", again)
    do(world, "S-boss", back, AFTER)
    with pytest.raises(Conflict, match="out for correction"):
        do(world, "S-boss", accept, AFTER)
    do(world, "O-boss", again, AFTER)
    do(world, "S-boss", accept, AFTER)
    with pytest.raises(Conflict, match="accepted already"):
        do(world, "S-boss", accept, AFTER)
    (submission,) = world.obligation(MARCH).submissions
    assert submission.received_at == wall(BEFORE)
    assert submission.accepted_at == wall(AFTER)


def test_fourth_return_is_refused(world: World) -> None:
    """Ruling 51: ping-pong ends in acceptance, or in a voided report."""
    report = sent(world)
    due = wall("2026-04-20 18:01")
    back = reviews.ReturnReport(
        obligation=MARCH, report=report, by="S-head", correction_due=due, reason=WHY
    )
    again = reports.ResubmitReport(
        obligation=MARCH, report=report, form_revision=1, content={"headcount": 7}
    )
    for _ in range(reviews.RETURNS_MAX):
        do(world, "S-boss", back)
        do(world, "O-boss", again)
    with pytest.raises(Conflict, match="let it be voided"):
        do(world, "S-boss", back)


@pytest.mark.parametrize(
    ("who", "by", "says"),
    [
        ("O-boss", "O-head", "no authority"),
        ("C-boss", "C-head", "no authority"),
        ("T-boss", "T-head", "no authority"),
        ("clerk", "S-head", "not effective"),
    ],
)
def test_only_the_line_above_reviews(world: World, who: str, by: str, says: str) -> None:
    """Neither the obligor, nor the support line, nor another branch, nor an impostor."""
    report = sent(world)
    with pytest.raises(NotAllowed, match=says):
        do(world, who, reviews.AcceptReport(obligation=MARCH, report=report, by=by))


def test_nobody_reviews_a_report_of_their_own(world: World) -> None:
    """A superior who submitted for the outlet leaves the review to another."""
    event = do(world, "S-boss", submit(by="S-head"))
    report = event.fact.report  # type: ignore[attr-defined]
    with pytest.raises(NotAllowed, match="of their own"):
        do(world, "S-boss", reviews.AcceptReport(obligation=MARCH, report=report, by="S-head"))
    do(world, "HQ-boss", reviews.AcceptReport(obligation=MARCH, report=report, by="HQ-head"))


def test_voided_report_leaves_room_for_another(world: World) -> None:
    """Ruling 50: what is void counts for nothing, and nothing changes it any more."""
    report = sent(world)
    void = reviews.VoidReport(obligation=MARCH, report=report, by="S-head", reason=WHY)
    do(world, "S-boss", void)
    with pytest.raises(Conflict, match="voided"):
        do(world, "S-boss", void)
    sent(world)


def test_report_filed_under_the_wrong_period_is_moved(world: World) -> None:
    """Ruling 57: it carries its first receipt to the right obligation, and leaves the wrong one."""
    april = "M.O.2026-04"
    event = do(world, "O-boss", submit(obligation=april))
    report = event.fact.report  # type: ignore[attr-defined]
    move = reports.MoveReport(obligation=april, report=report, moved_to=MARCH, reason=WHY)
    do(world, "O-boss", move, "2026-04-07 10:00")
    assert not world.obligation(april).submissions[0].counts
    (moved,) = world.obligation(MARCH).submissions
    assert (moved.counts, moved.received_at) == (True, wall(BEFORE))
    with pytest.raises(Conflict, match="moved"):
        do(world, "O-boss", move, "2026-04-07 10:00")


def test_correction_states_the_content_anew(world: World) -> None:
    """A correction passes the same gate, and leaves the receipt where it was."""
    report = sent(world)
    correct = reports.CorrectReport(
        obligation=MARCH, report=report, form_revision=1, content={"headcount": -1}, reason=WHY
    )
    do(world, "O-boss", correct, AFTER)
    bad = reports.CorrectReport(
        obligation=MARCH, report=report, form_revision=1, content={}, reason=WHY
    )
    with pytest.raises(Invalid) as refused:
        do(world, "O-boss", bad, AFTER)
    assert refused.value.fields[0].field == "content"
    assert world.obligation(MARCH).submissions[0].received_at == wall(BEFORE)


def linked(world: World) -> str:
    """A second duty asks for the same; one report on March discharges both. The other's id."""
    world.tell("2026-04-01 09:00", duty("X", first_period=wall("2026-03-01 00:00").date()))
    world.tell("2026-04-01 09:00", duties.LinkDuty(duty="X", duplicate_of="M"))
    world.until("2026-04-01 10:00")
    return "X.O.2026-03"


def test_void_reaches_every_obligation_that_the_report_discharged(world: World) -> None:
    """Ruling 58: a report that discharged two linked duties is void for both."""
    other = linked(world)
    report = sent(world)
    assert world.obligation(other).submissions[0].counts
    void = reviews.VoidReport(obligation=MARCH, report=report, by="S-head", reason=WHY)
    do(world, "S-boss", void)
    assert not world.obligation(other).submissions[0].counts


def test_withdrawal_reaches_every_obligation_that_the_report_discharged(world: World) -> None:
    """Ruling 58: taken back for one linked duty, it is taken back for both."""
    other = linked(world)
    report = sent(world)
    withdraw = reports.WithdrawReport(obligation=MARCH, report=report, reason=WHY)
    do(world, "O-boss", withdraw)
    assert not world.obligation(other).submissions[0].counts


def test_linked_duty_with_a_report_of_its_own_keeps_it(world: World) -> None:
    """Ruling 58: what has a report already is not discharged a second time."""
    world.tell("2026-04-01 09:00", duty("X", first_period=wall("2026-03-01 00:00").date()))
    world.until("2026-04-01 10:00")
    do(world, "O-boss", submit(obligation="X.O.2026-03"), "2026-04-01 11:00")
    world.tell("2026-04-01 12:00", duties.LinkDuty(duty="X", duplicate_of="M"))
    event = do(world, "O-boss", submit())
    assert isinstance(event.fact, r.ReportSubmitted)
    assert event.fact.discharges == ()


def test_delegate_of_a_clerk_is_no_clerk(world: World) -> None:
    """Standing beside the post that owes is the clerk's own, and is not handed on."""
    world.register("friend")
    offer = organisation.GrantDelegation(
        post="O-clerk",
        delegate="friend",
        powers=(Power.REPORTING,),
        effective_until=wall("2026-04-20 00:00"),
    )
    offered = do(world, "clerk", offer)
    accept = organisation.AcceptDelegation(
        post="O-clerk",
        delegation=offered.fact.delegation,  # type: ignore[attr-defined]
    )
    do(world, "friend", accept)
    event = do(world, "friend", submit(by="O-clerk"))
    assert isinstance(event.fact, r.ReportUnsolicitedReceived)
