"""Who asks for relief, who gives it, how much, and what is never theirs to give (R5)."""

from datetime import timedelta

import pytest

from ledger.decisions import organisation, relief
from ledger.decisions.command import Command
from ledger.entry import Event
from ledger.errors import Conflict, Invalid, NotAllowed, NotFound
from ledger.vocabulary import Level, Power, Reason, UnitKind
from tests.timekeeping import World, duty, wall

MARCH = "M.O.2026-03"
WHY = Reason("test")
BEFORE, AFTER = "2026-04-02 10:00", "2026-04-10 10:00"
"""March is due on 8 April 18:01."""


@pytest.fixture
def world() -> World:
    """Branch B between HQ and S; the duty is HQ's, March is open."""
    world = World()
    world.establish("B", Level.BRANCH, "HQ")
    world.operator(organisation.ReparentUnit(unit="S", parent="B"))
    world.establish("C", Level.SUB_BRANCH, "HQ", kind=UnitKind.SUPPORT)
    world.operator(organisation.AttachSupport(unit="O", supporter="C"))
    world.tell("2026-01-20 09:00", duty())
    world.until("2026-04-01 00:00")
    return world


def do(world: World, who: str, command: Command, at: str = BEFORE) -> Event:
    """One command, one fact."""
    (event,) = world.person(who, command, at=wall(at))
    return event


def ask(world: World, at: str = BEFORE, until: str = "2026-04-13 18:01") -> str:
    """The obligor asks for an extension; its id."""
    command = relief.RequestExtension(obligation=MARCH, requested_due=wall(until), reason=WHY)
    return str(do(world, "O-boss", command, at).fact.extension)  # type: ignore[attr-defined]


def grant(until: str, by: str = "S-head", extension: str | None = None) -> relief.GrantExtension:
    """Give until then."""
    return relief.GrantExtension(
        obligation=MARCH, by=by, due=wall(until), extension=extension, reason=WHY
    )


def test_request_is_granted_by_the_superior(world: World) -> None:
    """Asked by the obligor, granted once by the post above; who granted is recorded."""
    extension = ask(world)
    do(world, "S-boss", grant("2026-04-13 18:01", extension=extension))
    (given,) = world.obligation(MARCH).reliefs
    assert (given.decision, given.decided_by, given.decided_by_person) == (
        "granted",
        "S-head",
        "S-boss",
    )
    with pytest.raises(Conflict, match="decided or withdrawn already"):
        do(world, "S-boss", grant("2026-04-14 18:01", extension=extension))


@pytest.mark.parametrize(
    ("who", "by", "says"),
    [
        ("O-boss", "O-head", "no authority"),
        ("C-boss", "C-head", "no authority"),
        ("O-boss", "S-head", "not effective"),
    ],
)
def test_relief_comes_from_the_line_above_alone(world: World, who: str, by: str, says: str) -> None:
    """Never from the obligor, the support line, or somebody who does not hold the post."""
    with pytest.raises(NotAllowed, match=says):
        do(world, who, grant("2026-04-10 18:01", by=by))


def test_obligor_who_acts_as_superior_grants_nothing(world: World) -> None:
    """Ruling 23: acting in the superior's post, one does not relieve oneself."""
    world.operator(organisation.RelieveHolder(post="S-head", person="S-boss", cause="left"))
    acting = organisation.AppointActing(
        post="S-head",
        person="O-boss",
        by="B-head",
        effective_until=wall("2026-06-01 00:00"),
    )
    do(world, "B-boss", acting)
    with pytest.raises(NotAllowed, match="nobody relieves themselves"):
        do(world, "O-boss", grant("2026-04-10 18:01"))


def test_delegate_of_the_obligor_grants_nothing(world: World) -> None:
    """R5: whoever stands in for the obligor does not relieve the obligor."""
    offer = organisation.GrantDelegation(
        post="O-head",
        delegate="S-boss",
        powers=(Power.REPORTING,),
        effective_until=wall("2026-04-20 00:00"),
    )
    do(world, "O-boss", offer)
    with pytest.raises(NotAllowed, match="nor does a delegate"):
        do(world, "S-boss", grant("2026-04-10 18:01"))


def test_delegate_of_the_superior_needs_the_power_of_relief(world: World) -> None:
    """Powers are separable: approvals are not relief (ruling 8)."""
    world.register("deputy")
    for powers, allowed in (((Power.APPROVALS,), False), ((Power.RELIEF,), True)):
        offer = organisation.GrantDelegation(
            post="S-head",
            delegate="deputy",
            powers=powers,
            effective_until=wall("2026-04-20 00:00"),
        )
        offered = do(world, "S-boss", offer)
        accept = organisation.AcceptDelegation(
            post="S-head",
            delegation=offered.fact.delegation,  # type: ignore[attr-defined]
        )
        do(world, "deputy", accept)
        if allowed:
            do(world, "deputy", grant("2026-04-10 18:01"))
        else:
            with pytest.raises(NotAllowed, match="delegate for relief"):
                do(world, "deputy", grant("2026-04-10 18:01"))


def test_third_extension_is_the_next_levels_to_give(world: World) -> None:
    """R5: two extensions from the first superior; the third from the one above, or the owner."""
    do(world, "S-boss", grant("2026-04-09 18:01"))
    do(world, "S-boss", grant("2026-04-10 18:01"))
    with pytest.raises(NotAllowed, match="ask post 'B-head'"):
        do(world, "S-boss", grant("2026-04-13 18:01"))
    do(world, "B-boss", grant("2026-04-13 18:01", by="B-head"))
    do(world, "HQ-boss", grant("2026-04-14 18:01", by="HQ-head"))


def test_more_than_ten_working_days_are_the_next_levels_to_give(world: World) -> None:
    """R5: ten working days in total from the due as opened; 22 April is the tenth."""
    with pytest.raises(NotAllowed, match="11 working days"):
        do(world, "S-boss", grant("2026-04-23 18:01"))
    do(world, "S-boss", grant("2026-04-22 18:01"))


def test_annulled_extension_counts_no_more(world: World) -> None:
    """A grant that was struck out leaves its place free; who granted it does not annul it."""
    given = do(world, "S-boss", grant("2026-04-09 18:01")).fact.extension  # type: ignore[attr-defined]
    annul = relief.AnnulRelief(obligation=MARCH, relief=given, by="S-head", reason=WHY)
    with pytest.raises(NotAllowed, match="whoever granted"):
        do(world, "S-boss", annul)
    world.operator(organisation.RelieveHolder(post="S-head", person="S-boss", cause="left"))
    world.register("next")
    world.operator(organisation.AppointHolder(post="S-head", person="next"))
    with pytest.raises(NotAllowed, match="ask the post above"):
        do(world, "next", annul)
    above = relief.AnnulRelief(obligation=MARCH, relief=given, by="B-head", reason=WHY)
    do(world, "B-boss", above)
    with pytest.raises(NotFound, match="no relief"):
        do(world, "B-boss", above)
    do(world, "next", grant("2026-04-13 18:01"))
    do(world, "next", grant("2026-04-14 18:01"))


@pytest.mark.parametrize("until", ["2026-04-01 18:01", "2026-04-08 18:01", "2028-01-01 00:00"])
def test_extension_is_later_and_not_for_ever(world: World, until: str) -> None:
    """A new due lies after now and after the present due, within a year."""
    with pytest.raises(Invalid, match="due"):
        do(world, "S-boss", grant(until))
    with pytest.raises(Invalid, match="requested_due"):
        ask(world, until=until)


def test_one_request_at_a_time(world: World) -> None:
    """A second request waits for the first to be decided, or withdrawn."""
    extension = ask(world)
    with pytest.raises(Conflict, match="asked for already"):
        ask(world)
    withdraw = relief.WithdrawExtension(obligation=MARCH, extension=extension, reason=WHY)
    do(world, "O-boss", withdraw)
    ask(world)


def test_superiors_and_coaches_do_not_ask_in_the_obligors_place(world: World) -> None:
    """Who asks is the unit that owes; its superior would be asking itself."""
    command = relief.RequestWaiver(obligation=MARCH, by="S-head", reason=WHY)
    with pytest.raises(NotAllowed, match="only the unit"):
        do(world, "S-boss", command)


def test_waiver_is_granted_once_and_revoked_before_the_due(world: World) -> None:
    """Ruling 24; a waiver that was relied on until the due stands."""
    waive = relief.GrantWaiver(obligation=MARCH, by="S-head", reason=WHY)
    given = do(world, "S-boss", waive).fact.waiver  # type: ignore[attr-defined]
    with pytest.raises(Conflict, match="waived already"):
        do(world, "S-boss", waive)
    revoke = relief.RevokeWaiver(obligation=MARCH, waiver=given, by="S-head", reason=WHY)
    do(world, "S-boss", revoke)
    with pytest.raises(Conflict, match="nothing to revoke"):
        do(world, "S-boss", revoke)
    again = do(world, "S-boss", waive).fact.waiver  # type: ignore[attr-defined]
    late = relief.RevokeWaiver(obligation=MARCH, waiver=again, by="S-head", reason=WHY)
    with pytest.raises(Conflict, match="relied on"):
        do(world, "S-boss", late, AFTER)


def test_requested_waiver_is_refused(world: World) -> None:
    """A request is decided once, by the line."""
    asked = do(world, "O-boss", relief.RequestWaiver(obligation=MARCH, reason=WHY))
    waiver = asked.fact.waiver  # type: ignore[attr-defined]
    refuse = relief.RefuseWaiver(obligation=MARCH, waiver=waiver, by="S-head", reason=WHY)
    do(world, "S-boss", refuse)
    with pytest.raises(Conflict, match="decided or withdrawn"):
        do(world, "S-boss", refuse)


def test_late_channel_opens_ahead_and_closes_after_the_due(world: World) -> None:
    """补报通道: open until an instant to come; there is nothing to close before the due."""
    close = relief.CloseLateChannel(obligation=MARCH, by="S-head", reason=WHY)
    with pytest.raises(Conflict, match="has not passed"):
        do(world, "S-boss", close)
    until = wall(AFTER) + timedelta(days=30)
    opening = relief.OpenLateChannel(obligation=MARCH, by="S-head", until=until, reason=WHY)
    do(world, "S-boss", opening, AFTER)
    do(world, "S-boss", close, AFTER)
    past = relief.OpenLateChannel(obligation=MARCH, by="S-head", until=wall(BEFORE), reason=WHY)
    with pytest.raises(Invalid, match="until"):
        do(world, "S-boss", past, AFTER)


def test_unknown_relief_is_not_found(world: World) -> None:
    """A decision names the request that it decides."""
    with pytest.raises(NotFound, match="no extension"):
        do(world, "S-boss", grant("2026-04-09 18:01", extension="nothing"))
