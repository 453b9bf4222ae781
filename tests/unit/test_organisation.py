"""The organisation at an instant: the tree, the line, and who is effective in a post."""

import pytest

from ledger.events import organisation as o
from ledger.events.duties import RuleSetActivated
from ledger.events.platform import ForceMajeureDeclared
from ledger.model.organisation import Capacity, Effective, Organisation, Step
from ledger.vocabulary import Power, Sealed, UnitKind
from tests.scenario import Scenario, wall

POST = "O-head"
NOON = "2026-03-10 12:00"


def organisation(story: Scenario) -> Organisation:
    """What the story's facts say."""
    return story.history().organisation


def effective(story: Scenario, at: str = NOON, post: str = POST) -> Effective:
    """Who is effective in the outlet's head post."""
    return organisation(story).effective(post, wall(at))


def superior(story: Scenario, at: str = NOON, post: str = POST) -> Step:
    """The next hop up from the outlet's head post, which must have one."""
    step = organisation(story).superior(post, wall(at))
    assert step is not None
    return step


def acting(story: Scenario, label: str, person: str, start: str, until: str) -> Scenario:
    """`person` is interim head of the outlet."""
    fact = o.ActingAppointed(post=POST, person=person, appointed_by="S-head")
    return story.say(label, start, fact, until=until)


def delegation(story: Scenario, *powers: Power, accepted: str | None = None) -> Scenario:
    """A offers C powers of the outlet's head post for March; C accepts at an instant."""
    granted = o.DelegationGranted(
        delegation="d1", post=POST, principal="A", delegate="C", powers=powers
    )
    story.say("granted", "2026-03-01 08:00", granted, until="2026-03-31 18:00", person="A")
    if accepted:
        answer = o.DelegationAccepted(delegation="d1", post=POST, delegate="C")
        story.say("accepted", accepted, answer, person="C")
    return story


# --- holders ---------------------------------------------------------------------------------


def test_a_holder_is_effective_and_cited() -> None:
    """Somebody appointed and not relieved is effective, on the ground of the appointment."""
    found = effective(Scenario().appoint(POST, "A", "2026-01-01 00:00"))

    assert (found.capacity, found.person) == (Capacity.HOLDER, "A")
    assert found.events == ("A appointed to O-head",)


def test_tenures_are_half_open() -> None:
    """A tenure counts at its first instant, and no longer at its last."""
    story = Scenario().appoint(POST, "A", "2026-01-01 00:00", until="2026-03-10 12:00")

    assert effective(story, "2026-01-01 00:00").person == "A"
    assert effective(story, "2026-03-10 11:59").person == "A"
    assert effective(story, "2026-03-10 12:00").person is None


def test_the_order_of_recording_does_not_matter() -> None:
    """An appointment recorded after the relief that ended it tells the same story."""
    late, early = Scenario(), Scenario()
    late.relieve(POST, "A", "2026-02-01 00:00")
    late.appoint(POST, "A", "2026-01-01 00:00", received="2026-03-01 00:00")
    early.appoint(POST, "A", "2026-01-01 00:00").relieve(POST, "A", "2026-02-01 00:00")

    for at, person in (("2026-01-15 00:00", "A"), ("2026-02-15 00:00", None)):
        assert effective(late, at).person == effective(early, at).person == person


def test_a_relief_ends_only_the_tenure_before_it() -> None:
    """Who is appointed again after a relief holds the post again."""
    story = Scenario().appoint(POST, "A", "2026-01-01 00:00").relieve(POST, "A", "2026-02-01 00:00")
    again = o.HolderAppointed(post=POST, person="A")
    story.say("again", "2026-02-01 00:00", again)

    assert effective(story, "2026-02-01 00:00").events == ("again",)


def test_two_holders_are_a_dispute() -> None:
    """Two overlapping appointments leave nobody effective, and both are shown (ruling 15)."""
    story = Scenario().appoint(POST, "A", "2026-01-01 00:00").appoint(POST, "B", "2026-02-01 00:00")
    found = effective(story)

    assert (found.capacity, found.person) == (Capacity.DISPUTED, None)
    assert [one.person for one in found.tenures] == ["A", "B"]


def test_a_gap_names_who_left_and_when_the_next_comes() -> None:
    """Between two holders the vacancy is visible, with its beginning, end and cause (ruling 2)."""
    story = Scenario().appoint(POST, "A", "2026-01-01 00:00").relieve(POST, "A", NOON)
    story.appoint(POST, "B", "2026-03-10 18:00")
    gap = organisation(story).gap(POST, wall("2026-03-10 13:00"))

    assert gap is not None
    assert gap.last is not None
    assert (gap.since, gap.until) == (wall(NOON), wall("2026-03-10 18:00"))
    assert (gap.last.person, gap.last.ended_by, gap.last.cause) == (
        "A",
        "A left O-head",
        "transferred",
    )
    assert organisation(story).gap(POST, wall("2026-03-10 18:00")) is None


def test_who_left_the_company_holds_nothing() -> None:
    """A departure ends every tenure, and is the cause of the gap (ruling 17)."""
    story = Scenario().appoint(POST, "A", "2026-01-01 00:00")
    story.say("died", NOON, o.PersonDeparted(person="A", cause="died"))
    gap = organisation(story).gap(POST, wall(NOON))

    assert effective(story).capacity is Capacity.VACANT
    assert effective(story).events == ("died",)
    assert gap is not None
    assert gap.last is not None
    assert gap.last.cause == "died"


def test_an_annulled_appointment_never_was() -> None:
    """After an annulment the dossier reads as if the fact had never been entered."""
    story = Scenario().appoint(POST, "A", "2026-01-01 00:00")
    story.annul("mistake", "2026-03-01 00:00", "A appointed to O-head")

    assert effective(story).capacity is Capacity.VACANT
    assert organisation(story).tenures(POST) == []


# --- suspension and interim --------------------------------------------------------------------


def test_a_suspended_holder_without_an_interim_may_not_act() -> None:
    """The suspended holder stays the holder, and exercises nothing until reinstated."""
    story = Scenario().appoint(POST, "A", "2026-01-01 00:00")
    story.say("out", "2026-03-01 00:00", o.HolderSuspended(post=POST, person="A"))
    story.say("back", "2026-03-20 00:00", o.HolderReinstated(post=POST, person="A"))
    during = effective(story)

    assert (during.capacity, during.person, during.exercises) == (Capacity.SUSPENDED, "A", None)
    assert effective(story, "2026-03-20 00:00").capacity is Capacity.HOLDER


def test_an_interim_replaces_a_suspended_or_missing_holder_only() -> None:
    """An interim is effective while the post is vacant or its holder suspended (2.1)."""
    story = Scenario().appoint(POST, "A", "2026-01-01 00:00")
    acting(story, "interim", "I", "2026-02-01 00:00", "2026-06-01 00:00")
    story.say("out", "2026-03-01 00:00", o.HolderSuspended(post=POST, person="A"))
    story.say("back", "2026-04-01 00:00", o.HolderReinstated(post=POST, person="A"))
    story.relieve(POST, "A", "2026-05-01 00:00")
    expected = {
        "2026-02-10 00:00": "A",
        "2026-03-10 00:00": "I",
        "2026-04-10 00:00": "A",
        "2026-05-10 00:00": "I",
        "2026-06-10 00:00": None,
    }

    assert {at: effective(story, at).person for at in expected} == expected


def test_interim_authority_lapses_after_six_months() -> None:
    """Beyond the ceiling nobody is effective, and the lapsed interim is named (ruling 12)."""
    story = acting(Scenario(), "interim", "I", "2026-01-15 00:00", "2026-12-31 00:00")
    before, after = effective(story, "2026-07-14 23:59"), effective(story, "2026-07-15 00:00")

    assert (before.capacity, before.person) == (Capacity.ACTING, "I")
    assert (after.capacity, after.person) == (Capacity.VACANT, None)
    assert after.lapsed is not None
    assert after.lapsed.acting.person == "I"


def test_the_ceiling_is_a_parameter() -> None:
    """An activated rule set shortens the months of an interim, in this and every other answer."""
    story = acting(Scenario(), "interim", "I", "2026-01-15 00:00", "2026-12-31 00:00")
    rules = RuleSetActivated(
        rules="policy", revision=1, algorithm=1, parameters={"acting_months_max": 1}
    )
    story.say("one month", "2026-01-20 00:00", rules)

    assert effective(story, "2026-02-14 23:59").person == "I"
    assert effective(story, "2026-02-15 00:00").lapsed is not None


def test_extensions_and_pauses_count_towards_one_ceiling() -> None:
    """Six months are counted over all interims of a vacancy; the time between them is not."""
    story = acting(Scenario(), "first", "I", "2026-01-01 00:00", "2026-03-01 00:00")
    extended = o.ActingExtended(post=POST, person="I")
    story.say("longer", "2026-02-20 00:00", extended, until="2026-04-01 00:00")
    acting(story, "second", "J", "2026-05-01 00:00", "2026-12-01 00:00")

    assert effective(story, "2026-03-15 00:00").events == ("first", "longer")
    assert effective(story, "2026-04-15 00:00").person is None
    assert effective(story, "2026-07-30 00:00").person == "J"
    assert effective(story, "2026-08-01 00:00").lapsed is not None


def test_a_second_replacement_has_no_authority() -> None:
    """One replacement at most in one vacancy; going back to the first is a second one."""
    story = acting(Scenario(), "one", "I", "2026-01-01 00:00", "2026-01-20 00:00")
    acting(story, "two", "J", "2026-02-01 00:00", "2026-02-20 00:00")
    acting(story, "three", "I", "2026-03-01 00:00", "2026-03-20 00:00")

    assert effective(story, "2026-02-10 00:00").person == "J"
    assert effective(story).lapsed is not None


def test_a_new_vacancy_begins_a_new_ceiling() -> None:
    """Once a holder was in place, the months of the earlier vacancy count no more."""
    story = acting(Scenario(), "one", "I", "2026-01-01 00:00", "2026-06-01 00:00")
    story.appoint(POST, "A", "2026-06-01 00:00").relieve(POST, "A", "2026-09-01 00:00")
    acting(story, "two", "I", "2026-09-01 00:00", "2026-12-01 00:00")

    assert effective(story, "2026-11-01 00:00").person == "I"


def test_an_ended_interim_is_over() -> None:
    """An interim that was ended early is not effective from that instant."""
    story = acting(Scenario(), "interim", "I", "2026-01-01 00:00", "2026-06-01 00:00")
    story.say("enough", NOON, o.ActingEnded(post=POST, person="I"))

    assert effective(story, "2026-03-10 11:59").person == "I"
    assert effective(story).person is None


# --- delegations and leave -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("powers", "accepted", "delegate"),
    [
        ((Power.REPORTING,), "2026-03-02 00:00", "C"),
        ((Power.REPORTING,), None, None),
        ((Power.APPROVALS,), "2026-03-02 00:00", None),
        ((Power.REPORTING,), "2026-03-10 12:01", None),
    ],
    ids=["ruling 6", "ruling 7", "ruling 8", "accepted too late"],
)
def test_only_an_accepted_delegation_of_the_power_counts(
    powers: tuple[Power, ...], accepted: str | None, delegate: str | None
) -> None:
    """The delegate has the powers that were lent, from the acceptance on (rulings 6 to 8)."""
    story = delegation(
        Scenario().appoint(POST, "A", "2026-01-01 00:00"), *powers, accepted=accepted
    )
    found = organisation(story).delegate(POST, wall(NOON), Power.REPORTING)

    assert (found.delegate if found else None) == delegate


def test_a_delegation_ends_with_its_principal() -> None:
    """Powers lent by a holder are gone when the holder is relieved, or takes them back."""
    relieved = Scenario().appoint(POST, "A", "2026-01-01 00:00")
    delegation(relieved, Power.REPORTING, accepted="2026-03-02 00:00")
    relieved.relieve(POST, "A", "2026-03-05 00:00")
    revoked = Scenario().appoint(POST, "A", "2026-01-01 00:00")
    delegation(revoked, Power.REPORTING, accepted="2026-03-02 00:00")
    fact = o.DelegationRevoked(delegation="d1", post=POST, delegate="C")
    revoked.say("revoked", "2026-03-05 00:00", fact)

    for story in (relieved, revoked):
        found = organisation(story)
        assert found.delegate(POST, wall("2026-03-04 00:00"), Power.REPORTING)
        assert not found.delegate(POST, wall(NOON), Power.REPORTING)


def test_capacities() -> None:
    """Holder, interim and delegate may use a power; a stranger may not."""
    story = Scenario().appoint(POST, "A", "2026-01-01 00:00")
    delegation(story, Power.REPORTING, accepted="2026-03-02 00:00")
    found = organisation(story)

    assert found.capacity_of("A", POST, wall(NOON), Power.RELIEF) == "holder"
    assert found.capacity_of("C", POST, wall(NOON), Power.REPORTING) == "delegate"
    assert found.capacity_of("C", POST, wall(NOON), Power.RELIEF) is None
    assert found.capacity_of("X", POST, wall(NOON), Power.REPORTING) is None


def test_leave_covers_its_days() -> None:
    """A person is on leave from the first instant to the last, exclusive."""
    story = Scenario()
    story.say("known", "2026-01-01 00:00", o.PersonRegistered(person="A", name=Sealed("0", "A")))
    leave = o.LeaveRecorded(person="A", kind="annual")
    story.say("leave", "2026-03-01 00:00", leave, until="2026-03-11 00:00")

    assert organisation(story).on_leave("A", wall(NOON))
    assert not organisation(story).on_leave("A", wall("2026-03-11 00:00"))


# --- the tree and the line -----------------------------------------------------------------------


def test_the_line_runs_through_the_heads() -> None:
    """A head answers to the head of the parent unit, up to the top."""
    found = organisation(Scenario())

    assert [step.post for step in found.line(POST, wall(NOON))] == [
        "S-head",
        "B-head",
        "R-head",
        "HQ-head",
    ]
    assert found.superior("HQ-head", wall(NOON)) is None
    assert found.is_superior(POST, "R-head", wall(NOON))
    assert not found.is_superior("R-head", POST, wall(NOON))


def test_others_answer_to_the_head_of_their_unit() -> None:
    """Posts that lead nothing answer to their own head, and above it where there is none."""
    story = Scenario()
    clerk = o.PostEstablished(post="clerk", unit="O", role="clerk", title_zh="员", title_en="Clerk")
    story.say("clerk", "2026-01-01 00:00", clerk)
    story.say("gone", NOON, o.PostAbolished(post=POST))

    assert superior(story, "2026-03-01 00:00", "clerk").post == POST
    assert superior(story, "2026-03-10 13:00", "clerk").post == "S-head"


def test_units_without_a_head_post_are_passed() -> None:
    """Where a unit above has no head post, the hop goes on and names what it passed."""
    story = Scenario()
    story.say("no head", "2026-02-01 00:00", o.PostAbolished(post="S-head"))
    step = superior(story)

    assert (step.post, step.passed) == ("B-head", ("S",))


def test_an_explicit_superior_leads_while_it_exists() -> None:
    """A superior set for a post comes before the structure, from its instant on."""
    story = Scenario()
    change = o.PostSuperiorChanged(post=POST, superior="R-head")
    story.say("direct line", "2026-02-01 00:00", change)
    story.say("end of R-head", "2026-04-01 00:00", o.PostAbolished(post="R-head"))

    assert superior(story, "2026-01-01 00:00").post == "S-head"
    assert superior(story).post == "R-head"
    assert superior(story).events == ("direct line",)
    assert superior(story, "2026-04-02 00:00").post == "S-head"


def test_the_support_line_is_never_walked() -> None:
    """A support unit is listed, and neither it nor its posts are ever above a line post (R7)."""
    story = Scenario().unit("T", "branch", "B", kind=UnitKind.SUPPORT)
    story.say("helps", "2026-01-01 00:00", o.SupportLineAttached(unit="O", supporter="T"))
    set_wrongly = o.PostSuperiorChanged(post=POST, superior="T-head")
    story.say("set wrongly", "2026-01-01 00:00", set_wrongly)
    found = organisation(story)

    assert found.supports("O", wall(NOON)) == ["T"]
    assert found.supports("O", wall("2025-12-31 00:00")) == []
    assert not any(step.post == "T-head" for step in found.line(POST, wall(NOON)))
    assert superior(story, NOON, "T-head").post == "B-head"


def test_a_line_unit_below_a_support_unit_answers_past_it() -> None:
    """Even where the data put a line unit under a support unit, the line does not go there."""
    story = Scenario().unit("T", "branch", "B", kind=UnitKind.SUPPORT)
    story.say("misplaced", "2026-01-01 00:00", o.UnitReparented(unit="O", parent="T"))

    assert (superior(story).post, superior(story).passed) == ("B-head", ("T",))


def test_a_move_changes_the_line_from_its_instant_on() -> None:
    """Before the move the old parent leads, afterwards the new one (ruling 34)."""
    story = Scenario().unit("S2", "sub_branch", "B")
    story.say("moved", "2026-03-01 00:00", o.UnitReparented(unit="O", parent="S2"))
    found = organisation(story)

    assert superior(story, "2026-02-28 00:00").post == "S-head"
    assert superior(story).post == "S2-head"
    assert superior(story).events[0] == "moved"
    assert found.subtree("S", wall(NOON)) == ["S"]
    assert found.subtree("B", wall(NOON)) == ["B", "S", "S2", "O"]
    assert found.ancestors("O", wall(NOON)) == ("S2", "B", "R", "HQ")


@pytest.mark.parametrize(
    ("facts", "alive", "working"),
    [
        ([("2026-02-01 00:00", o.UnitClosed)], False, False),
        ([("2026-02-01 00:00", o.UnitSuspended)], True, False),
        ([("2026-02-01 00:00", o.UnitSuspended), ("2026-03-01 00:00", o.UnitResumed)], True, True),
        ([("2026-02-01 00:00", o.UnitClosed), ("2026-03-01 00:00", o.UnitReopened)], True, True),
        ([("2026-02-01 00:00", o.UnitClosed), ("2026-03-01 00:00", o.UnitSuspended)], False, False),
        ([("2026-03-01 00:00", o.UnitSuspended), ("2026-02-01 00:00", o.UnitClosed)], False, False),
        ([("2026-03-11 00:00", o.UnitClosed)], True, True),
    ],
)
def test_the_life_of_a_unit(
    facts: list[tuple[str, type[o.OrganisationFact]]], *, alive: bool, working: bool
) -> None:
    """Closing, suspending and their opposites count by their instants, in any order recorded."""
    story = Scenario()
    for number, (at, fact) in enumerate(facts):
        story.say(f"{number}", "2026-03-01 00:00", fact(unit="O"), effective=at)
    found = organisation(story)

    assert found.is_alive("O", wall(NOON)) is alive
    assert found.is_working("O", wall(NOON)) is working
    assert (effective(story).capacity is Capacity.ABSENT) is not alive


def test_a_merger_is_in_both_dossiers() -> None:
    """The absorbed unit ends and names the absorber; the absorber knows what passed to it."""
    story = Scenario().unit("O2", "outlet", "S")
    story.say("merged", "2026-03-01 00:00", o.UnitMerged(unit="O", into="O2", duties=("monthly",)))
    found = organisation(story)

    assert not found.is_alive("O", wall(NOON))
    assert [one.into for one in found.units["O"].life] == [None, "O2"]
    assert [(one.unit, one.duties) for one in found.units["O2"].absorbed] == [("O", ("monthly",))]


def test_a_stop_order_is_in_every_dossier_listed() -> None:
    """Force majeure reaches each listed unit, with its document."""
    stop = ForceMajeureDeclared(units=("O", "S"), document="doc 7")
    story = Scenario().say("typhoon", "2026-03-01 00:00", stop, until="2026-03-02 00:00")
    units = organisation(story).units

    assert [units[one].force_majeure[0].document for one in ("O", "S")] == ["doc 7", "doc 7"]
    assert units["B"].force_majeure == ()
